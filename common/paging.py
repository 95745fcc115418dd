"""Cursor pages: a cursor holds the position after the last item and which query it belongs to."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Final, Generic, TypeVar

from pydantic import Field

from common.errors import InvalidCursor
from common.ids import fingerprint
from common.wire import Wire

ItemT = TypeVar("ItemT", bound=Wire)
MOST_ITEMS: Final = 100
HALF_A_PAIR: Final = re.compile(r"[\ud800-\udfff]")
PageSize = Annotated[int, Field(ge=1, le=MOST_ITEMS)]
CursorText = Annotated[str, Field(max_length=1024)]


class Page(Wire, Generic[ItemT]):
    """Some items of a list; no `nextCursor` means that these are the last."""

    items: tuple[ItemT, ...]
    next_cursor: str | None = None


def encode_cursor(query: str, *position: str | float | int) -> str:
    """An opaque cursor; `query` names the list and its filters."""
    document = [fingerprint(query.encode())[:12], *position]
    return base64.urlsafe_b64encode(json.dumps(document, separators=(",", ":")).encode()).decode().rstrip("=")


def moment(text: str | float) -> datetime:
    """The time at a cursor's position. InvalidCursor where it is none."""
    try:
        found = datetime.fromisoformat(str(text))
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidCursor from None
    raise InvalidCursor


def decode_cursor(cursor: str, query: str, *kinds: type) -> tuple[str | float | int, ...]:
    """The position, with one value of each of `kinds`. InvalidCursor if it is forged or from another query."""
    try:
        document = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        raise InvalidCursor from None
    fits = (
        isinstance(document, list)
        and len(document) == len(kinds) + 1
        and document[0] == fingerprint(query.encode())[:12]
        and all(type(value) is kind for value, kind in zip(document[1:], kinds, strict=True))
        and all(isfinite(value) for value in document[1:] if isinstance(value, float))
        # Half a surrogate pair is text in JSON and nowhere else.
        and not any(HALF_A_PAIR.search(value) for value in document[1:] if isinstance(value, str))
    )
    if not fits:
        raise InvalidCursor
    return tuple(document[1:])
