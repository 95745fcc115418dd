"""How a fake payment provider's webhooks leave it: signed, side by side, retried, or held and turned around."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from emulators.provider_state import Attempt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from emulators.provider_state import Account, Event

RETRY_DELAYS_S = (0.5, 1.0, 2.0, 4.0)
TIMEOUT_S = 15.0
CONCURRENT_SENDS = 16
# How long a reversed account gathers events before it sends them, last first.
GATHER_S = 0.25


class Signer(Protocol):
    """The provider's own signature headers for one event."""

    def __call__(self, secret: str, event: Event) -> dict[str, str]: ...


class WebhookSender:
    """Sends events in background tasks that live as long as the app."""

    def __init__(self, sign: Signer, retry_delays: Sequence[float] = RETRY_DELAYS_S) -> None:
        self._sign = sign
        self._retry_delays = tuple(retry_delays)
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering: set[str] = set()
        self._slots = asyncio.Semaphore(CONCURRENT_SENDS)
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The span in which events can leave; its end cancels what is still under way."""
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            self._client = client
            try:
                yield
            finally:
                self._client = None
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def announce(self, account: Account, event: Event) -> None:
        """Send an event as its account's rule says; without an endpoint that wants it, nothing is sent."""
        if account.rule.lost or account.webhook is None or not account.webhook.wants(event.type):
            return
        if account.rule.paused:
            account.held.append(event)
        elif account.rule.reversed:
            account.held.append(event)
            if account.key not in self._gathering:
                self._gathering.add(account.key)
                self._start(self._gather_and_release(account))
        else:
            self._start(self._deliver(account, event))

    def release(self, account: Account) -> None:
        """Send what was held back, one after the other, so that the order means something."""
        held, account.held = account.held, []
        if account.rule.reversed:
            held.reverse()
        self._start(self._deliver_in_turn(account, held))

    async def resend(self, account: Account, event: Event, copies: int) -> list[Attempt]:
        """Send copies of an event at once, without retries, and tell what came of them."""
        return list(await asyncio.gather(*(self._attempt(account, event) for _ in range(copies))))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _gather_and_release(self, account: Account) -> None:
        await asyncio.sleep(GATHER_S)
        self._gathering.discard(account.key)
        if not account.rule.paused:
            self.release(account)

    async def _deliver_in_turn(self, account: Account, events: Sequence[Event]) -> None:
        for event in events:
            await self._deliver(account, event)

    async def _deliver(self, account: Account, event: Event) -> None:
        copies = account.rule.copies
        await asyncio.gather(*(self._attempt_until_taken(account, event) for _ in range(copies)))

    async def _attempt_until_taken(self, account: Account, event: Event) -> None:
        if (await self._attempt(account, event)).delivered:
            return
        for delay in self._retry_delays:
            await asyncio.sleep(delay)
            if (await self._attempt(account, event)).delivered:
                return

    async def _attempt(self, account: Account, event: Event) -> Attempt:
        webhook, client = account.webhook, self._client
        if webhook is None or client is None:
            attempt = Attempt(time.time(), None, "no webhook endpoint")
        else:
            headers = {"Content-Type": "application/json", **self._sign(webhook.secret, event)}
            try:
                async with self._slots:
                    reply = await client.post(webhook.url, content=event.body, headers=headers)
                attempt = Attempt(time.time(), reply.status_code)
            except (httpx.HTTPError, httpx.InvalidURL) as failure:
                attempt = Attempt(time.time(), None, f"{type(failure).__name__}: {failure}")
        event.attempts.append(attempt)
        return attempt
