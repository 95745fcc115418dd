"""Counts what this process asks of Firestore, Pub/Sub, Cloud Tasks and the outside providers.

No product code takes part: the emulators' gRPC channels are wrapped where they are opened, the publisher and the HTTP
clients where they send.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import grpc.aio

if TYPE_CHECKING:
    from collections.abc import Coroutine

FIRESTORE: Final = "/google.firestore.v1.Firestore/"
CREATE_TASK: Final = "/google.cloud.tasks.v2.CloudTasks/CreateTask"
QUERIES: Final = {"RunQuery", "RunAggregationQuery", "ListDocuments"}
Answered = Callable[[Any], None]


@dataclass
class Cost:
    """What was spent. Documents are counted as Firestore bills them, `round_trips` are those that had to wait for
    another: calls that run side by side count once."""

    round_trips: int = 0
    calls: int = 0
    commits: int = 0
    reads: int = 0
    writes: int = 0
    deletes: int = 0
    published: int = 0
    tasks: int = 0
    provider_calls: int = 0


@dataclass(eq=False)
class _Step:
    """How deep the calls of one asyncio task, and of the tasks it started, have come."""

    parent: _Step | None
    depth: int = 0

    def call(self) -> int:
        """The depth of a call made now: below everything this task has done or waited for."""
        self.depth += 1
        above = self.parent
        while above is not None and above.depth < self.depth:
            above.depth = self.depth
            above = above.parent
        return self.depth


@dataclass(eq=False)
class CostRecorder:
    """Counts from `start` to `stop`; `take` returns what came together since the last `take`."""

    cost: Cost = field(default_factory=Cost)
    _steps: WeakKeyDictionary[asyncio.Task[Any], _Step] = field(default_factory=WeakKeyDictionary)
    _undo: list[Callable[[], None]] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Count from now on. Clients that are connected already go uncounted: close them first."""
        from google.cloud.pubsub_v1.publisher.client import Client
        from httpx import AsyncClient
        from requests import Session

        self._wrap(grpc.aio, "insecure_channel", self._opened)
        self._wrap(Client, "publish", functools.partial(self._counted, "published"))
        self._wrap(AsyncClient, "send", functools.partial(self._counted, "provider_calls"))
        # SDKs that block: they run in worker threads.
        self._wrap(Session, "send", functools.partial(self._counted, "provider_calls"))

    def stop(self) -> None:
        """Leave everything as it was."""
        while self._undo:
            self._undo.pop()()

    async def follow_tasks(self) -> None:
        """From now on know which task of the running loop started which: without that, no call waits for another."""
        loop = asyncio.get_running_loop()
        new_task: Any = self._new_task
        loop.set_task_factory(new_task)
        self._loop = loop
        self._undo.append(lambda: loop.set_task_factory(None))

    def take(self) -> Cost:
        """What was spent since the last time, and begin anew."""
        spent, self.cost = self.cost, Cost()
        return spent

    def _wrap(self, owner: Any, name: str, around: Callable[[Any], Any]) -> None:
        original = getattr(owner, name)
        setattr(owner, name, around(original))
        self._undo.append(lambda: setattr(owner, name, original))

    def _counted(self, counter: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def counted(*arguments: Any, **options: Any) -> Any:
            if not self._is_elsewhere():
                setattr(self.cost, counter, getattr(self.cost, counter) + 1)
            return original(*arguments, **options)

        return counted

    def _is_elsewhere(self) -> bool:
        """Whether another loop than the followed one is running here: a stand-in that calls us back, say."""
        running = asyncio._get_running_loop()
        return None not in {running, self._loop} and running is not self._loop

    def _new_task(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> Any:
        task = asyncio.Task(work, loop=loop, **options)
        parent = self._step(loop)
        self._steps[task] = _Step(parent, parent.depth if parent else 0)
        return task

    def _step(self, loop: asyncio.AbstractEventLoop | None = None) -> _Step | None:
        current = asyncio.current_task(loop)
        return self._steps.get(current) if current is not None else None

    def _opened(self, open_channel: Callable[..., grpc.aio.Channel]) -> Callable[..., grpc.aio.Channel]:
        def opened(*arguments: Any, **options: Any) -> grpc.aio.Channel:
            channel = open_channel(*arguments, **options)
            # The client libraries add to the channel they are given, so it stays the same object.
            vars(channel).update(
                unary_unary=functools.partial(_CountedUnary, self, channel.unary_unary),
                unary_stream=functools.partial(_CountedStream, self, channel.unary_stream),
            )
            return channel

        return opened

    def note(self, method: str, request: Any) -> Answered:
        """Count a call that begins; the returned function counts each of its answers."""
        if method == CREATE_TASK:
            self.cost.tasks += 1
        if not method.startswith(FIRESTORE):
            return lambda _: None
        name, cost, step = method.removeprefix(FIRESTORE), self.cost, self._step()
        cost.calls += 1
        cost.commits += name == "Commit"
        cost.round_trips = max(cost.round_trips, step.call() if step else 1)
        if name == "Commit":
            return lambda _: _count_writes(cost, request)
        if name == "BatchGetDocuments":
            return lambda answer: _count_read(cost, answer)
        if name in QUERIES:
            cost.reads += 1  # billed even if nothing is found
            return _BeyondTheFirst(cost)
        if name not in {"BeginTransaction", "Rollback"}:
            raise NotImplementedError(f"{name}: the recorder must learn how it is billed")
        return lambda _: None


@dataclass
class _BeyondTheFirst:
    """Counts the documents of a query's answers, but for the one that its minimum of one read paid for."""

    cost: Cost
    paid: int = 1

    def __call__(self, answer: Any) -> None:
        found = _documents(type(answer).pb(answer))
        self.cost.reads += max(0, found - self.paid)
        self.paid = max(0, self.paid - found)


def _documents(message: Any) -> int:
    match message.DESCRIPTOR.name:
        case "RunQueryResponse":
            return int(message.HasField("document"))
        case "ListDocumentsResponse":
            return len(message.documents)
        case _:  # an aggregation reads index entries: up to a thousand of them are one read
            return 0


def _count_read(cost: Cost, answer: Any) -> None:
    # A document that does not exist is billed as one that does.
    cost.reads += type(answer).pb(answer).WhichOneof("result") is not None


def _count_writes(cost: Cost, request: Any) -> None:
    for write in type(request).pb(request).writes:
        if write.WhichOneof("operation") == "delete":
            cost.deletes += 1
        else:
            cost.writes += 1


class _Counted:
    """A remote method whose every call goes through the recorder."""

    def __init__(
        self,
        recorder: CostRecorder,
        open_method: Callable[..., Any],
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        *more: Any,
        **options: Any,
    ) -> None:
        self._recorder, self._method, self._deserialize = recorder, method, response_deserializer
        self._open = functools.partial(open_method, method, request_serializer)
        self._more, self._options = more, options

    def __call__(self, request: Any, **options: Any) -> Any:
        answered = self._recorder.note(self._method, request)

        def deserialize(raw: bytes) -> Any:
            answer = self._deserialize(raw)
            answered(answer)
            return answer

        # A deserializer of its own for each call tells whose answer it is.
        return self._open(deserialize, *self._more, **self._options)(request, **options)


# The client libraries handle a method by its type.
class _CountedUnary(_Counted, grpc.aio.UnaryUnaryMultiCallable):
    pass


class _CountedStream(_Counted, grpc.aio.UnaryStreamMultiCallable):
    pass
