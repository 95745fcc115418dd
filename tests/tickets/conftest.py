"""An event whose doors are open, and tickets for it that nobody had to buy."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients, clock
from common.config import config
from common.ids import new_id, readable_number
from common.tickets import qr, rules, store
from common.tickets.schemas import Ticket, TicketStatus, UnitRef
from tests.support.people import Json, Person, publish_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import GatewayThread


@dataclass(frozen=True)
class Box:
    """A box office: tickets appear in Firestore as a settlement would write them."""

    gateway: GatewayThread
    event: Json

    def ticket(self, owner: Person | None = None, **changes: Any) -> Ticket:
        ticket_id = new_id("tkt")
        ticket = Ticket(
            ticket_id=ticket_id,
            ticket_number=readable_number("TKT", ticket_id),
            order_id=new_id("ord"),
            event_id=self.event["eventId"],
            org_id=self.event["orgId"],
            tier_id=self.event["tiers"][0]["tierId"],
            unit=UnitRef(tier_id=self.event["tiers"][0]["tierId"], number=1),
            price_minor=50_000,
            currency="INR",
            buyer_id=owner.user_id if owner else "someone",
            holder_id=owner.user_id if owner else None,
            holder=None,
            status=TicketStatus.VALID,
            version=1,
            event_title=self.event["title"],
            tier_name=self.event["tiers"][0]["name"],
            venue_name=self.event["venue"]["name"],
            starts_at=datetime.fromisoformat(self.event["startsAt"]),
            ends_at=datetime.fromisoformat(self.event["endsAt"]),
            issued_at=clock.now(),
        ).model_copy(update=changes)
        self.write(ticket)
        return ticket

    def write(self, ticket: Ticket) -> None:
        self.set(store.ticket_path(ticket.ticket_id), ticket.document())

    def set(self, path: str, fields: Json) -> None:
        async def put() -> None:
            await clients.firestore().document(path).set(fields)

        self.gateway.run(put())

    def read(self, ticket_id: str) -> Ticket:
        ticket = self.gateway.run(store.find(ticket_id))
        assert ticket is not None
        return ticket

    def of_order(self, order_id: str) -> list[Ticket]:
        return [seen.ticket for seen in self.gateway.run(store.seen_tickets_of_order(order_id))]

    def documents(self, collection: str) -> dict[str, Json]:
        """Every document of a collection, by id."""

        async def read() -> dict[str, Json]:
            found = clients.firestore().collection(collection).stream()
            return {snapshot.id: snapshot.to_dict() or {} async for snapshot in found}

        return self.gateway.run(read())

    def forget(self, collection: str) -> None:
        """Delete every document of a collection."""

        async def delete() -> None:
            async for snapshot in clients.firestore().collection(collection).stream():
                await snapshot.reference.delete()

        self.gateway.run(delete())

    def events_told(self) -> list[Json]:
        """The domain events of the tickets that wait in the outbox."""
        told = [entry["event"] for entry in self.documents("outbox").values() if entry["event"]]
        return [event for event in told if event["type"].startswith("ticket.")]


def code(ticket: Ticket) -> str:
    """The text of the ticket's QR code."""
    return qr.encode(rules.code_of(ticket))


@pytest.fixture(autouse=True)
def _ticket_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TICKET_SIGNING_KEY", base64.b64encode(b"the tests' own seed, 32 bytes...").decode())
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "demo-tickets")
    config.cache_clear()
    yield
    config.cache_clear()


@pytest.fixture
def night(host: Person) -> Json:
    """A published event that starts in an hour: its doors are open."""
    starts = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    return publish_event(host, startsAt=starts.isoformat(), endsAt=(starts + timedelta(hours=6)).isoformat())


@pytest.fixture
def box(gateway: GatewayThread, night: Json) -> Box:
    return Box(gateway, night)
