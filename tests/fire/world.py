"""One replay's world: a project of its own, people, providers, a clock, and what happens after a fault."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from common import clients, clock
from common.config import config
from common.operations import audit
from common.operations.books import books_of
from common.orders.schemas import OrderStatus
from common.outbox import OUTBOX
from common.payments.gateways import GatewayName
from common.payments.reconciliation import reconcile
from common.payments.schemas import Discrepancy
from common.trigger import RetryLater
from tests.fire.money_check import wrong_money
from tests.fire.platform import Platform
from tests.fire.process import Process, current, unwatched
from tests.fire.providers import SIDES, Notice, Provider
from tests.support.people import Json, event_body, tier_body

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    import httpx
    from starlette.types import ASGIApp

    from common.orders.schemas import Order
    from tests.fire.faults import Fault
    from tests.fire.platform import QueuedTask
    from tests.support.people import SigningKeys

# An entry is overdue after 30 s and the sweeper runs each minute: by then its one run has come. A claim that a dead
# process left behind is free again, too.
NEXT_SWEEP: Final = timedelta(seconds=95)
HOLD: Final = timedelta(minutes=10)
WEEK: Final = timedelta(days=7)
IDS: Final = frozenset({"orderId", "refundId", "ticketId", "gatewayReference"})
CREATED: Final = "google.cloud.firestore.document.v1.created"
TOKEN_KEPT_S: Final = 300.0
ATTEMPTS_AT_ONCE: Final = 3
ROUNDS: Final = 8
BACKOFF: Final = timedelta(seconds=2)


class Unanswered(Exception):
    """The client got no final answer: it will ask again."""


@dataclass(frozen=True)
class Guest:
    """Somebody who is signed in."""

    user_id: str
    token: str
    email: str


@dataclass(frozen=True)
class Site:
    """What all worlds share: the functions, the keys that sign tokens, a client for the providers' back doors."""

    app: ASGIApp
    keys: SigningKeys
    outside: httpx.Client
    _tokens: dict[str, tuple[float, str]] = field(default_factory=dict)

    def invoker_token(self, audience: str) -> str:
        """The platform's token for a private function; one lasts for minutes."""
        until, token = self._tokens.get(audience, (0.0, ""))
        if time.monotonic() > until:
            until, token = time.monotonic() + TOKEN_KEPT_S, self.keys.invoker_token(audience)
            self._tokens[audience] = until, token
        return token


class World:
    """Everything outside the functions. The clock stands still unless it is moved."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.suffix = uuid4().hex[:12]
        self.project = f"demo-fire-{self.suffix}"
        self.platform = Platform()
        self.event: Json = {}
        self.answers: dict[str, Json] = {}
        self.providers: dict[str, Provider] = {}
        self.sweeps = 0
        self.twice = False
        self._now = datetime.now(UTC)
        os.environ["GOOGLE_CLOUD_PROJECT"] = self.project
        os.environ["STRIPE_SECRET_KEY"] = f"sk_test_{self.suffix}"
        os.environ["RAZORPAY_KEY_ID"] = f"rzp_test_{self.suffix}"
        os.environ["PAYSTACK_SECRET_KEY"] = f"sk_test_paystack_{self.suffix}"
        config.cache_clear()
        clock.now = self.now
        self.host = self.guest("host")
        self.buyer = self.guest("buyer")

    # -- people, providers, time

    def guest(self, name: str, **claims: object) -> Guest:
        user_id, email = f"{name}-{self.suffix}", f"{name}-{self.suffix}@example.com"
        return Guest(user_id, self._site.keys.token(self.project, user_id, email=email, **claims), email)

    def provider(self, name: str) -> Provider:
        """The account of this project at a provider."""
        if name not in self.providers:
            self.providers[name] = SIDES[name](self._site.outside)
        return self.providers[name]

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by

    def mails(self, to: Guest) -> list[Json]:
        """What the inbox got for this person."""
        found = self._site.outside.get(os.environ["INBOX_URL"] + "/messages", params={"to": to.email})
        return list(found.json()["messages"])

    # -- processes

    @contextmanager
    def process(self, fault: Fault | None = None) -> Iterator[Process]:
        """A new instance of all functions, its memory empty."""
        process = Process(self._site.app, self.platform, self.project, fault)
        try:
            yield process
        finally:
            process.end()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do this in a process of its own."""
        with self.process() as process:
            return process.run(work)

    # -- the client

    async def ask(
        self,
        name: str,
        who: Guest,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        done: str | None = None,
    ) -> Json:
        """What the API answers, asked again while it has no final answer; an answer that was given stays.

        `done` is the refusal that tells a repeat without a key that the first one took effect.
        """
        if name in self.answers:
            return self.answers[name]
        headers = {"Authorization": f"Bearer {who.token}"} | ({"Idempotency-Key": key} if key else {})
        for _ in range(ATTEMPTS_AT_ONCE):
            reply = await current().inbound.request(method, path, json=body, headers=headers)
            answer: Json = reply.json() if reply.content else {}
            if reply.status_code < 300 or answer["code"] == done:
                return self._answered(name, answer)
            if reply.status_code < 500 and answer["code"] != "request_in_progress":
                if name in self.answers:  # a late refusal of what somebody else did meanwhile
                    return self.answers[name]
                raise AssertionError(f"{name} was refused: {reply.status_code} {answer}")
        raise Unanswered(name)

    def _answered(self, name: str, answer: Json) -> Json:
        first = self.answers.setdefault(name, answer)
        ids = [field for field in ("orderId", "refundId", "ticketId", "gatewayReference") if field in answer]
        assert all(first.get(field, answer[field]) == answer[field] for field in ids), (
            f"{name} made two things: {first}, {answer}"
        )
        return first

    async def send(self, notice: Notice) -> None:
        """The provider posts a webhook until it is taken."""
        name = f"notice {hash(notice.body)}"
        if name in self.answers:
            return
        for _ in range(ATTEMPTS_AT_ONCE):
            reply = await current().inbound.post(notice.path, content=notice.body, headers=notice.headers)
            assert reply.status_code < 300 or reply.status_code >= 500, f"{reply.status_code}: {reply.text}"
            if reply.status_code < 300:
                self.answers[name] = {}
                return
        raise Unanswered(notice.path)

    # -- the platform

    async def relay_new(self) -> bool:
        """Eventarc tells relay_outbox of each outbox document, once: what goes wrong then is the sweeper's."""
        paths = self.platform.take_entries()
        for path in paths:
            headers = {
                "ce-id": uuid4().hex,
                "ce-document": path,
                "ce-type": "google.cloud.firestore.document.v1.created",
            }
            await self._trigger("relay_outbox", {}, **headers)
        return bool(paths)

    async def dispatch(self, function: str) -> None:
        """Cloud Tasks calls a function with each of its tasks that are due."""
        for task in self.platform.due(self.now()):
            if task.function == function:
                await self._attempt(task)

    async def _attempt(self, task: QueuedTask) -> None:
        for _ in range(2 if self.twice else 1):
            if await self._trigger(task.function, json.loads(task.body)) < 300:
                task.done = True

    async def sweep(self) -> None:
        """The minute's run of the sweeper."""
        self.sweeps += 1
        assert await self._trigger("sweep_outbox", {}) < 300, "the sweeper failed"

    async def night(self) -> None:
        """The nightly comparison with the providers."""
        if await self._trigger("reconcile_payments", {}) >= 300:
            raise Unanswered("reconcile_payments")

    async def settle_down(self) -> None:
        """Everything that is under way arrives, retries included."""
        for _ in range(ROUNDS):
            moved = await self.relay_new()
            for task in self.platform.due(self.now()):
                moved = True
                await self._attempt(task)
            for message in self.platform.take_messages():
                moved = True
                await self._push(message)
            if not moved:
                return
            self.advance(BACKOFF)

    async def _push(self, message: Json) -> None:
        for _ in range(2 if self.twice else 1):
            if await self._trigger("notify", message) >= 300:
                self.platform.messages.append(message)

    async def _trigger(self, name: str, body: object, **headers: str) -> int:
        token = self._site.invoker_token(config().trigger_url(name))
        sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | headers
        reply = await current().inbound.post(f"/triggers/{name}", content=json.dumps(body), headers=sent)
        refused = 300 <= reply.status_code < 500 and reply.json()["code"] != RetryLater.code
        assert not refused, f"{name}: {reply.status_code} {reply.text}"
        return reply.status_code

    # -- looking

    async def documents(self, collection: str) -> dict[str, Json]:
        """Every document of a collection, by path."""
        with unwatched():
            found = clients.firestore().collection(collection).stream()
            return {each.reference.path: each.to_dict() or {} async for each in found}

    async def broken_promises(self) -> list[str]:
        """What does not hold once everything has settled."""
        with unwatched():
            books = await books_of(self.event["eventId"])
            outbox, webhooks = await asyncio.gather(self.documents(OUTBOX), self.documents("webhooks"))
        broken = [str(violation) for violation in audit.check(books, self.now())]
        broken += [f"stuck in the outbox: {entry}" for entry in outbox.values()]
        broken += [f"stuck task: {task.name}" for task in self.platform.due(self.now())]
        broken += [f"stuck message: {message}" for message in self.platform.messages]
        broken += [f"unsettled webhook: {path}" for path, fields in webhooks.items() if fields["status"] == "stored"]
        broken += [f"a hold that ran out: {each.order_id}" for each in books.orders if self._overdue(each)]
        broken += [f"unpaid refund: {each.refund_id}" for each in books.refunds if each.status != "succeeded"]
        broken += wrong_money(books, [provider.money() for provider in self.providers.values()])
        for name in self.providers:
            broken += await self._differences(GatewayName(name))
        return broken

    async def _differences(self, gateway: GatewayName) -> list[str]:
        """Where our books are not the provider's. A fee that no event tells of is the only thing left to be mended."""
        with unwatched():
            report = await reconcile(gateway, self.now() - WEEK, self.now() + WEEK)
        missed = [each for each in report.repaired if each.discrepancy is not Discrepancy.FEE_NOT_BOOKED]
        differing = [f"{amount} {currency}" for currency, amount in report.difference.items() if amount]
        return [f"{gateway} differs: {each}" for each in (*missed, *report.unexplained, *report.foreign, *differing)]

    def _overdue(self, order: Order) -> bool:
        return order.status is OrderStatus.HELD and order.hold_expires_at <= self.now()

    # -- beginnings

    async def publish(self, *tiers: Json, **more: object) -> None:
        """An event on sale."""
        await self.draft(*tiers, **more)
        await self.put_on_sale()

    async def draft(self, *tiers: Json, **more: object) -> None:
        """An event that nobody can buy yet."""
        founded = await self.ask("organization", self.host, "POST", "/v1/organizations", ORGANIZATION)
        body = event_body(founded["orgId"], *(tiers or (tier_body(price_minor=0, capacity=4),)), **more)
        self.event = await self.ask("draft", self.host, "POST", "/v1/events", body)

    async def put_on_sale(self) -> None:
        """Publish the draft. A repeat without a key hears that it is published."""
        path = f"/v1/events/{self.event['eventId']}/publish"
        await self.ask("published", self.host, "POST", path, done="already_published")


ORGANIZATION: Final = {"name": "Mill Nights", "country": "IN", "currency": "INR"}
