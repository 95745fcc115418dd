"""How a Cloud Tasks queue behaves: when a task is due, and what an attempt's outcome does to it."""

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Generic, TypeVar

Payload = TypeVar("Payload")

UNLIMITED = -1
NAME_RESERVED_FOR = timedelta(hours=1)
NO_TIME = timedelta(0)
# Statuses by which a worker asks for a pause; only then is its Retry-After header considered.
BACK_OFF_STATUSES = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class TaskExists(Exception):
    """A task of this name is in the queue."""


class TaskNameReserved(Exception):
    """A task of this name left the queue too recently."""


class TaskUnknown(Exception):
    """No task of this name is or recently was in the queue."""


class TaskGone(Exception):
    """The task of this name completed, failed for good or was deleted recently."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    max_dispatches_per_second: float = 500.0
    max_burst_size: int = 100
    max_concurrent_dispatches: int = 1000


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    max_attempts: int = 100
    max_retry_duration: timedelta = NO_TIME
    min_backoff: timedelta = timedelta(milliseconds=100)
    max_backoff: timedelta = timedelta(hours=1)
    max_doublings: int = 16

    def delay(self, failures: int) -> timedelta:
        """The wait after the given number of failures: doubling, then growing linearly, then constant."""
        doublings = min(failures - 1, self.max_doublings, 64)  # 64 exceed any backoff and stay finite
        linear_steps = max(1, failures - self.max_doublings)
        seconds = self.min_backoff.total_seconds() * 2.0**doublings * linear_steps
        return timedelta(seconds=min(seconds, self.max_backoff.total_seconds()))

    def exhausted(self, attempts: int, first_attempt: datetime, now: datetime) -> bool:
        """Attempts and duration must both be used up; one that is unlimited asks for nothing."""
        if self.max_attempts == UNLIMITED and not self.max_retry_duration:
            return False
        attempts_used = self.max_attempts == UNLIMITED or attempts >= self.max_attempts
        return attempts_used and now - first_attempt >= self.max_retry_duration


@dataclass(frozen=True, slots=True)
class Attempt:
    schedule_time: datetime
    dispatch_time: datetime
    response_time: datetime | None = None
    outcome: "Outcome | None" = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt. Without a response, `status` is the one Cloud Tasks reports in its place."""

    status: int
    responded: bool = True
    retry_after: timedelta = NO_TIME

    @property
    def succeeded(self) -> bool:
        return self.responded and HTTPStatus(200) <= self.status < 300


@dataclass(frozen=True, slots=True)
class Task(Generic[Payload]):
    """A task as it was at one moment; every change makes a new one."""

    name: str
    payload: Payload
    create_time: datetime
    schedule_time: datetime
    retry: RetryPolicy | None = None
    dispatch_count: int = 0
    response_count: int = 0
    execution_count: int = 0  # responses that were not server errors, the number the worker is told
    first_dispatch: datetime | None = None
    last_attempt: Attempt | None = None
    previous_status: int | None = None
    ticket: int = 0  # a heap entry or an attempt that carries another ticket is out of date
    running: bool = False
    forced: bool = False


class TokenBucket:
    """Holds up to `burst` tokens, refilled continuously; starts full."""

    def __init__(self, limits: RateLimits, now: datetime) -> None:
        self._rate = limits.max_dispatches_per_second
        self._burst = float(limits.max_burst_size)
        self._tokens = self._burst
        self._counted = now

    def change(self, limits: RateLimits, now: datetime) -> None:
        self._refill(now)
        self._rate = limits.max_dispatches_per_second
        self._burst = float(limits.max_burst_size)
        self._tokens = min(self._tokens, self._burst)

    def take(self, now: datetime) -> bool:
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def ready_at(self, now: datetime) -> datetime:
        self._refill(now)
        missing = max(0.0, 1 - self._tokens)
        # One microsecond more than the division says: rounded down, the token would not be whole yet.
        return now + timedelta(seconds=missing / self._rate, microseconds=1) if missing else now

    def _refill(self, now: datetime) -> None:
        elapsed = max(0.0, (now - self._counted).total_seconds())
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        self._counted = now


class TaskQueue(Generic[Payload]):
    """The tasks of one queue. Knows no clock, no network and no thread: every call is told the time."""

    def __init__(self, limits: RateLimits, retry: RetryPolicy, now: datetime) -> None:
        self.retry = retry
        self.paused = False
        self._limits = limits
        self._bucket = TokenBucket(limits, now)
        self._tasks: dict[str, Task[Payload]] = {}
        self._schedule: list[tuple[datetime, int, str]] = []
        self._tickets = itertools.count(1)
        self._in_flight: set[int] = set()
        self._reserved: set[str] = set()
        self._reserved_until: deque[tuple[datetime, str]] = deque()

    def configure(self, limits: RateLimits, retry: RetryPolicy, now: datetime) -> None:
        self.retry = retry
        self._limits = limits
        self._bucket.change(limits, now)

    def add(
        self, name: str, payload: Payload, due: datetime, now: datetime, retry: RetryPolicy | None = None
    ) -> Task[Payload]:
        self._release_names(now)
        if name in self._tasks:
            raise TaskExists(name)
        if name in self._reserved:
            raise TaskNameReserved(name)
        return self._enqueue(Task(name, payload, create_time=now, schedule_time=max(due, now), retry=retry))

    def get(self, name: str, now: datetime) -> Task[Payload]:
        task = self._tasks.get(name)
        if task is not None:
            return task
        self._release_names(now)
        raise TaskGone(name) if name in self._reserved else TaskUnknown(name)

    def page(self, after: str, size: int) -> list[Task[Payload]]:
        """Up to `size` tasks by name, beginning behind the name `after`."""
        names = heapq.nsmallest(size, (name for name in self._tasks if name > after))
        return [self._tasks[name] for name in names]

    def delete(self, name: str, now: datetime) -> None:
        """Take a task out. An attempt that is under way ends unheard."""
        self._remove(self.get(name, now), now)

    def purge(self, now: datetime) -> None:
        for task in list(self._tasks.values()):
            self._remove(task, now)

    def take_due(self, now: datetime) -> list[Task[Payload]]:
        """Begin an attempt of every task that is due, as far as the limits let it."""
        begun: list[Task[Payload]] = []
        while (task := self._next()) and task.schedule_time <= now and self._has_room():
            if not self._bucket.take(now):
                break
            heapq.heappop(self._schedule)
            begun.append(self._begin(task, now, forced=False))
        return begun

    def force(self, name: str, now: datetime) -> Task[Payload] | None:
        """Begin an attempt at once, whatever schedule, pause and limits say; None if one is under way."""
        task = self.get(name, now)
        return None if task.running else self._begin(task, now, forced=True)

    def finish(self, begun: Task[Payload], outcome: Outcome, now: datetime) -> None:
        """Take in what came of an attempt. Heard once; of a task deleted meanwhile nothing is kept."""
        if begun.ticket not in self._in_flight:
            return
        self._in_flight.remove(begun.ticket)
        task = self._tasks.get(begun.name)
        if task is None or task.ticket != begun.ticket:
            return
        task = _attempted(task, outcome, now)
        retry = task.retry or self.retry
        first = task.first_dispatch or now
        if outcome.succeeded or retry.exhausted(task.dispatch_count, first, now):
            self._remove(task, now)
        else:
            self._enqueue(replace(task, schedule_time=_retry_time(task, retry, outcome, now)))

    def next_wake(self, now: datetime) -> datetime | None:
        """When `take_due` will next have something to do, if nothing else happens before."""
        task = self._next()
        if task is None or not self._has_room():
            return None
        return max(task.schedule_time, self._bucket.ready_at(now))

    def _has_room(self) -> bool:
        return not self.paused and len(self._in_flight) < self._limits.max_concurrent_dispatches

    def _next(self) -> Task[Payload] | None:
        while self._schedule:
            _, ticket, name = self._schedule[0]
            task = self._tasks.get(name)
            if task and task.ticket == ticket:
                return task
            heapq.heappop(self._schedule)
        return None

    def _enqueue(self, task: Task[Payload]) -> Task[Payload]:
        queued = replace(task, ticket=next(self._tickets))
        self._tasks[task.name] = queued
        if len(self._schedule) > 2 * len(self._tasks) + 64:
            self._drop_stale_entries()
        heapq.heappush(self._schedule, (queued.schedule_time, queued.ticket, queued.name))
        return queued

    def _drop_stale_entries(self) -> None:
        """Deleted tasks leave their entry behind; those of the far future would otherwise pile up."""
        self._schedule = [e for e in self._schedule if (t := self._tasks.get(e[2])) and t.ticket == e[1]]
        heapq.heapify(self._schedule)

    def _begin(self, task: Task[Payload], now: datetime, *, forced: bool) -> Task[Payload]:
        begun = replace(
            task,
            ticket=next(self._tickets),
            running=True,
            forced=forced,
            dispatch_count=task.dispatch_count + 1,
            first_dispatch=task.first_dispatch or now,
            last_attempt=Attempt(task.schedule_time, now),
        )
        self._tasks[task.name] = begun
        self._in_flight.add(begun.ticket)
        return begun

    def _remove(self, task: Task[Payload], now: datetime) -> None:
        self._release_names(now)
        del self._tasks[task.name]
        self._reserved.add(task.name)
        self._reserved_until.append((now + NAME_RESERVED_FOR, task.name))

    def _release_names(self, now: datetime) -> None:
        while self._reserved_until and self._reserved_until[0][0] <= now:
            self._reserved.discard(self._reserved_until.popleft()[1])


def _attempted(task: Task[Payload], outcome: Outcome, now: datetime) -> Task[Payload]:
    attempt = task.last_attempt
    return replace(
        task,
        running=False,
        response_count=task.response_count + outcome.responded,
        execution_count=task.execution_count + (outcome.responded and outcome.status < 500),
        last_attempt=attempt and replace(attempt, response_time=now, outcome=outcome),
        previous_status=outcome.status,
    )


def _retry_time(task: Task[Payload], retry: RetryPolicy, outcome: Outcome, now: datetime) -> datetime:
    delay = retry.delay(task.dispatch_count)
    if outcome.status in BACK_OFF_STATUSES:
        delay = max(delay, outcome.retry_after)
    # A forced attempt is counted from the moment it was asked for.
    start = task.last_attempt.dispatch_time if task.forced and task.last_attempt else now
    return start + delay
