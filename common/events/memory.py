"""Events that this process read seconds ago: booking may use them, because the inventory itself guards the sale."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from common import clients

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncClient

    from common.events.schemas import Event

KEPT_FOR_S: Final = 5.0
MOST_KEPT: Final = 500

# A client belongs to one project: what was read through another one is never met.
_kept: WeakKeyDictionary[AsyncClient, OrderedDict[str, tuple[float, Event]]] = WeakKeyDictionary()


def recall(event_id: str) -> Event | None:
    """The event, if it was kept a moment ago."""
    until, event = _of_this_client().get(event_id, (0.0, None))
    return event if time.monotonic() < until else None


def keep(event: Event) -> None:
    """Remember an event that was just read; one that is still remembered keeps its age."""
    if recall(event.event_id) is not None:
        return
    kept = _of_this_client()
    kept[event.event_id] = (time.monotonic() + KEPT_FOR_S, event)
    kept.move_to_end(event.event_id)
    if len(kept) > MOST_KEPT:
        kept.popitem(last=False)


def forget(event_id: str) -> None:
    """Drop an event that this process changed."""
    _of_this_client().pop(event_id, None)


def _of_this_client() -> OrderedDict[str, tuple[float, Event]]:
    return _kept.setdefault(clients.firestore(), OrderedDict())
