"""What this process read seconds ago, kept for a few more: where that is harmless, a read is saved."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from common import clients

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncClient

KEPT_FOR_S: Final = 5.0
MOST_KEPT: Final = 500
ValueT = TypeVar("ValueT")


class Memory(Generic[ValueT]):
    """Values by key, each for `KEPT_FOR_S` or as given from when it was read, the oldest making room for more."""

    def __init__(self, kept_for_s: float | None = None) -> None:
        self._kept_for_s = kept_for_s
        # A client belongs to one project: what was read through another one is never met.
        self._kept: WeakKeyDictionary[AsyncClient, OrderedDict[str, tuple[float, ValueT]]] = WeakKeyDictionary()

    def recall(self, key: str) -> ValueT | None:
        """The value, if it was kept a moment ago."""
        until, value = self._of_this_client().get(key, (0.0, None))
        return value if time.monotonic() < until else None

    def keep(self, key: str, value: ValueT) -> None:
        """Remember what was just read; what is still remembered keeps its age."""
        if self.recall(key) is not None:
            return
        kept = self._of_this_client()
        lasts = KEPT_FOR_S if self._kept_for_s is None else self._kept_for_s
        kept[key] = (time.monotonic() + lasts, value)
        kept.move_to_end(key)
        if len(kept) > MOST_KEPT:
            kept.popitem(last=False)

    def forget(self, key: str) -> None:
        """Drop what this process changed."""
        self._of_this_client().pop(key, None)

    def _of_this_client(self) -> OrderedDict[str, tuple[float, ValueT]]:
        return self._kept.setdefault(clients.firestore(), OrderedDict())
