"""A box office that sells, refunds, travels past the end of its events and runs the payouts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients, clock
from common.finance.rules import EventSums
from common.operations.audit import audit_event
from common.payments.schemas import EntryKind, LedgerEntry, Totals
from tests.operations.jobs import Jobs
from tests.payments.test_settlement import hold, succeeded_refunds
from tests.support.payments import checkout, order_in, pay_on_page
from tests.support.people import Json, Person, accepted, publish_event, tier_body

if TYPE_CHECKING:
    from collections.abc import Iterable

    import httpx

    from tests.conftest import SignIn
    from tests.support.people import SigningKeys
    from tests.support.server import GatewayThread

WELL_AFTER = timedelta(days=6)


def sums_of(entries: Iterable[LedgerEntry]) -> EventSums:
    """The sums over these entries, added up one by one."""
    kinds: dict[EntryKind, dict[str, int]] = {}
    organizer = fees = discount = tickets = 0
    for entry in entries:
        sums = kinds.setdefault(entry.kind, dict.fromkeys(Totals.model_fields, 0))
        for name in sums:
            sums[name] += getattr(entry.totals, name)
        organizer += entry.totals.organizer
        fees += entry.totals.gateway_fees
        discount += entry.discount_minor
        tickets += entry.tickets
    by_kind = {kind: Totals(**sums) for kind, sums in kinds.items()}
    return EventSums(by_kind, organizer, fees, discount, tickets)


@dataclass(frozen=True)
class BoxOffice:
    """One organizer, one buyer, and an admin of the platform."""

    gateway: GatewayThread
    jobs: Jobs
    host: Person
    buyer: Person
    admin: Person

    def event(self, price_minor: int = 10_001, **more: Any) -> Json:
        return publish_event(self.host, tier_body(price_minor=price_minor), **more)

    def sell(self, event: Json, quantity: int = 1) -> Json:
        """A paid and ticketed order."""
        order = hold(self.buyer, event, quantity)
        pay_on_page("stripe", checkout(self.buyer, order["orderId"])["gatewayReference"])
        return order_in(self.buyer, order["orderId"], "ticketed")

    def refund(self, order: Json, count: int = 1, **body: Any) -> Json:
        """A refund whose money has left; `count` of this order with it."""
        path = f"/v1/orders/{order['orderId']}/refunds"
        refund = accepted(self.host.post(path, {"reason": "goodwill"} | body))
        succeeded_refunds(self.gateway, order["orderId"], count)
        return refund

    def statement(self, event: Json) -> Json:
        return accepted(self.host.get(f"/v1/events/{event['eventId']}/statement"))

    def run(self) -> httpx.Response:
        """A run of the daily job."""
        return self.jobs.call("create_payouts")

    def payouts(self, event: Json) -> list[Json]:
        items: list[Json] = accepted(self.host.get(f"/v1/organizations/{event['orgId']}/payouts"))["items"]
        return items

    def entries(self, event: Json) -> list[LedgerEntry]:
        """The event's entries, each of them read."""

        async def read() -> list[LedgerEntry]:
            found = clients.firestore().collection("ledger").stream()
            return [LedgerEntry.of(each.to_dict()) for each in [each async for each in found]]

        return [entry for entry in self.gateway.run(read()) if entry.event_id == event["eventId"]]

    def update(self, path: str, **fields: Any) -> None:
        async def write() -> None:
            await clients.firestore().document(path).update(fields)

        self.gateway.run(write())

    def book(self, entry: LedgerEntry) -> None:
        async def write() -> None:
            await clients.firestore().document(f"ledger/{entry.entry_id}").create(entry.document())

        self.gateway.run(write())

    def assert_clean(self, event: Json) -> None:
        assert self.gateway.run(audit_event(event["eventId"])) == ()


@pytest.fixture
def office(
    deployed: str,
    gateway: GatewayThread,
    host: Person,
    buyer: Person,
    sign_in: SignIn,
    anonymous: httpx.Client,
    signing_keys: SigningKeys,
) -> BoxOffice:
    return BoxOffice(gateway, Jobs(anonymous, signing_keys), host, buyer, sign_in("admin", admin=True))


def travel(monkeypatch: pytest.MonkeyPatch, by: timedelta = WELL_AFTER) -> None:
    """Let it be later; the events of the box office are over after two and a half days."""
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + by)
