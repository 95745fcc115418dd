"""Who waits for an event's inventory, which of them one commit can serve, and how long that takes."""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence, Set

    from common.orders.inventory import Change
    from common.tickets.schemas import UnitRef

# About a hundred bookings of one unit: bench/ found no gain in more, and an answer that comes later.
MOST_WRITES: Final = 400
# How fast the remembered duration of a commit follows the last one.
WEIGHT_OF_THE_LAST: Final = 0.3


@dataclass(eq=False)
class Waiting:
    """A change whose caller waits for its outcome."""

    change: Change
    outcome: asyncio.Future[tuple[UnitRef, ...]]
    attempts: int = 0
    searched: bool = False

    def answer(self, units: tuple[UnitRef, ...]) -> None:
        """Tell the caller, unless they gave up."""
        if not self.outcome.done():
            self.outcome.set_result(units)

    def refuse(self, failure: BaseException) -> None:
        """Tell the caller, unless they gave up."""
        if not self.outcome.done():
            self.outcome.set_exception(failure)


class WaitingLine:
    """First come, first served; `commits` says how long it is."""

    def __init__(self) -> None:
        self._queue: deque[Waiting] = deque()
        self._weight = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def commits(self) -> float:
        """How many full commits would serve everybody."""
        return self._weight / MOST_WRITES

    def add(self, waiting: Waiting) -> None:
        """To the end."""
        self._queue.append(waiting)
        self._weight += waiting.change.weight

    def put_back(self, group: Sequence[Waiting]) -> None:
        """To the front, in their order: they have waited before."""
        self._queue.extendleft(reversed(group))
        self._weight += sum(waiting.change.weight for waiting in group)

    def next_group(self, in_flight: Set[str]) -> list[Waiting]:
        """Those who waited longest, as many as one commit takes. Who gave up is left out.

        Who writes a document of another's, in the same commit or in one that is in flight, comes later: Firestore
        refuses the first, and the second could only fail.
        """
        group: list[Waiting] = []
        later: list[Waiting] = []
        weight, written = 0, set(in_flight)
        while self._queue:
            waiting = self._queue.popleft()
            self._weight -= waiting.change.weight
            if waiting.outcome.done():
                continue
            if group and weight + waiting.change.weight > MOST_WRITES:
                later.append(waiting)
                break
            if written & waiting.change.documents:
                later.append(waiting)
                continue
            written |= waiting.change.documents
            weight += waiting.change.weight
            group.append(waiting)
        self.put_back(later)
        return group


class Pace:
    """How long a commit takes: as the last ones did, or as one that is under way already does."""

    def __init__(self) -> None:
        self._usual_s = 0.0
        self._began: list[float] = []

    @property
    def seconds(self) -> float:
        """What the next one must be expected to take."""
        return max([self._usual_s, *(time.monotonic() - began for began in self._began)])

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Around a commit."""
        began = time.monotonic()
        self._began.append(began)
        try:
            yield
        finally:
            self._began.remove(began)
            took = time.monotonic() - began
            self._usual_s += (took - self._usual_s) * (WEIGHT_OF_THE_LAST if self._usual_s else 1)
