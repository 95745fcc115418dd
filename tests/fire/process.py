"""One instance of the deployed functions: its own event loop, clients and memory, and at most one fault."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx

from common.orders import inventory
from tests.fire.faults import Death, Fault, Mode, Numbering, Point, RemoteCall

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from google.cloud.firestore import AsyncClient
    from starlette.types import ASGIApp

    from tests.fire.platform import Platform

ResultT = TypeVar("ResultT")
STUCK_AFTER_S: Final = 20.0
_watching: ContextVar[bool] = ContextVar("watching", default=True)
_running: dict[asyncio.AbstractEventLoop, Process] = {}
# A loop on which nothing is left is as good as a new one, and gRPC keeps every loop it ever saw.
_idle_loops: list[asyncio.AbstractEventLoop] = []


class Died(Exception):
    """The process died on the way."""


class Held(Exception):
    """The process waits in its delayed call."""


class Stuck(Exception):
    """The process waits for something that will not happen."""


def current() -> Process:
    """The process that runs here."""
    return _running[asyncio.get_running_loop()]


@contextmanager
def unwatched() -> Iterator[None]:
    """Remote calls of the harness itself are no points."""
    token = _watching.set(False)
    try:
        yield
    finally:
        _watching.reset(token)


class Process:
    """Runs what is sent to it until it ends or dies. Remote calls pass `cross`, where the fault waits for its point."""

    def __init__(self, app: ASGIApp, platform: Platform, project: str, fault: Fault | None = None) -> None:
        self.platform = platform
        self.points: list[Point] = []
        self.met = False
        self._app = app
        self._project = project
        self._fault = fault
        self._numbering = Numbering()
        self._dead = False
        self._released = False
        self._transactions: set[bytes] = set()
        self._background: set[asyncio.Task[Any]] = set()
        self._clients: dict[str, Any] = {}
        self._pending: asyncio.Task[Any] | None = None
        self._loop = _idle_loops.pop() if _idle_loops else asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._arrived: asyncio.Future[None] = self._loop.create_future()
        self._let_go: asyncio.Future[None] = self._loop.create_future()
        _running[self._loop] = self

    # -- what the functions find in place of their cached clients

    def firestore(self) -> AsyncClient:
        """A client of this process's own; inventories and kept events hang on it, so they are its own too."""
        if "firestore" not in self._clients:
            from google.cloud.firestore import AsyncClient

            self._clients["firestore"] = AsyncClient(project=self._project)
        client: AsyncClient = self._clients["firestore"]
        return client

    def http(self) -> httpx.AsyncClient:
        """For providers and messages; silent after death."""
        if "http" not in self._clients:
            self._clients["http"] = httpx.AsyncClient(
                timeout=10, trust_env=False, event_hooks={"request": [self._still_alive]}
            )
        client: httpx.AsyncClient = self._clients["http"]
        return client

    @property
    def inbound(self) -> httpx.AsyncClient:
        """The way in: every declared function behind the gateway's routes, without a socket."""
        if "inbound" not in self._clients:
            transport = httpx.ASGITransport(self._app)
            self._clients["inbound"] = httpx.AsyncClient(transport=transport, base_url="http://marquee")
        client: httpx.AsyncClient = self._clients["inbound"]
        return client

    # -- running

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """The result of `work`. Died or Held when the fault stops it; `resume` goes on after Held."""
        self._pending = self._loop.create_task(work)
        return self._until_it_ends()

    def resume(self) -> Any:
        """Let the delayed call through and run what waited for it to its end."""
        self._released = True
        self._let_go.set_result(None)
        return self._until_it_ends()

    def _until_it_ends(self) -> Any:
        pending = self._pending
        assert pending is not None
        stops: set[asyncio.Future[Any]] = {pending, self._gone}
        if not self._released:
            stops.add(self._arrived)
        self._loop.run_until_complete(asyncio.wait(stops, timeout=STUCK_AFTER_S, return_when=asyncio.FIRST_COMPLETED))
        if self._gone.done():
            raise Died
        if pending.done():
            return pending.result()
        if self._arrived.done() and not self._released:
            raise Held
        raise Stuck(f"nothing happened for {STUCK_AFTER_S} s")

    def end(self) -> None:
        """The instance goes away; what it had not committed by now never happens."""
        self._dead = True
        try:
            self._loop.run_until_complete(self._bury())
        finally:
            del _running[self._loop]
            _idle_loops.append(self._loop)
            inventory._inventory.cache_clear()

    async def _bury(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if "firestore" in self._clients:
            client = self.firestore()
            with unwatched():
                for transaction in list(self._transactions):
                    await self.expire(transaction)
            await client._firestore_api.transport.close()
        for name in ("http", "inbound"):
            if name in self._clients:
                await self._clients[name].aclose()

    # -- remote calls

    async def cross(self, call: RemoteCall, perform: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Make a remote call, unless this is the point of the fault."""
        if not _watching.get():
            return await perform()
        await self._still_alive()
        point = self._numbering.point(call)
        self.points.append(point)
        if self._fault is None or point != self._fault.point:
            reply = await perform()
            await self._still_alive()
            return reply
        self.met = True
        return await self._strike(self._fault.mode, call, perform)

    async def _strike(self, mode: Mode, call: RemoteCall, perform: Callable[[], Awaitable[ResultT]]) -> ResultT:
        match mode:
            case Mode.DIE_BEFORE:
                self._die()
            case Mode.DIE_AFTER:
                await perform()
                self._die()
            case Mode.FAIL_BEFORE:
                raise call.unavailable()
            case Mode.FAIL_AFTER:
                await perform()
                raise call.lost()
            case Mode.DELAY:
                if call.transaction:
                    # The database ends a transaction that idles; nobody would wait for its locks for minutes.
                    await self.expire(call.transaction)
                self._arrived.set_result(None)
                await self._let_go
            case Mode.TWICE:
                await perform()
        return await perform()

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold a background task while it runs."""
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _die(self) -> None:
        self._dead = True
        self._gone.set_result(None)
        raise Death

    async def _still_alive(self, _: object = None) -> None:
        if self._dead:
            raise Death

    def began(self, transaction: bytes) -> None:
        """The database holds locks for this transaction now."""
        self._transactions.add(transaction)

    def ended(self, transaction: bytes) -> None:
        """It does no longer."""
        self._transactions.discard(transaction)

    async def expire(self, transaction: bytes) -> None:
        """End a transaction as the database does when its client is silent."""
        from google.api_core.exceptions import InvalidArgument

        client = self.firestore()
        request = {"database": client._database_string, "transaction": transaction}
        with unwatched():
            try:
                await client._firestore_api.rollback(request=request, metadata=client._rpc_metadata)
            except InvalidArgument:
                self.ended(transaction)
