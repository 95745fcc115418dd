"""The shapes of tickets, their transfer and their check-in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from common.wire import EmailAddress, Name, Opaque, PhoneNumber, Record, UtcDatetime, Wire


class TicketStatus(StrEnum):
    VALID = "valid"
    USED = "used"
    CANCELLED = "cancelled"
    TRANSFERRED = "transferred"


class Holder(Wire):
    """The person a ticket is meant for."""

    name: Name
    email: EmailAddress | None = None
    phone: PhoneNumber | None = None


class UnitRef(Record):
    """A numbered unit of a tier: events/{eventId}/tiers/{tierId}/units/{number}."""

    tier_id: Opaque
    number: int


class Ticket(Record):
    """tickets/{ticketId}. `version` is part of the QR payload: raising it kills every code made before.

    `price_minor` is what was paid for it after discounts, fee and tax aside.
    """

    ticket_id: Opaque
    ticket_number: str
    order_id: Opaque
    event_id: Opaque
    org_id: Opaque
    tier_id: Opaque
    unit: UnitRef
    price_minor: int
    currency: str
    buyer_id: str
    holder_id: str | None
    holder: Holder | None
    # A ticket sent to a number that nobody has signed in with yet waits for its owner under this field.
    holder_phone: str | None = None
    status: TicketStatus
    version: int
    event_title: str
    tier_name: str
    venue_name: str
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    issued_at: UtcDatetime
    used_at: UtcDatetime | None = None
    used_gate: str | None = None


class TicketReply(Wire):
    """A ticket in a list."""

    ticket_id: str
    ticket_number: str
    order_id: str
    event_id: str
    tier_id: str
    status: TicketStatus
    event_title: str
    tier_name: str
    venue_name: str
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    holder: Holder | None
    issued_at: UtcDatetime
    used_at: UtcDatetime | None = None


class TicketWithCode(TicketReply):
    """A ticket with the code that opens the door: the signed text and its picture."""

    qr: str
    qr_svg: str


class TicketLists(Wire):
    """GET /v1/tickets."""

    upcoming: tuple[TicketReply, ...]
    past: tuple[TicketReply, ...]
    cancelled: tuple[TicketReply, ...]


class TransferRequest(Wire):
    """POST /v1/tickets/{ticketId}/transfer."""

    recipient_phone: PhoneNumber
    recipient_name: Name


class CheckInResult(StrEnum):
    ADMITTED = "admitted"
    ALREADY_USED = "already_used"
    WRONG_EVENT = "wrong_event"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    NOT_YET_VALID = "not_yet_valid"


class CheckInRequest(Wire):
    """POST /v1/events/{eventId}/check-ins. `scanId` makes a repeat of the same scan harmless."""

    qr: Annotated[str, Field(min_length=1, max_length=1024)]
    gate: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    scanned_at: UtcDatetime | None = None
    device_id: Opaque | None = None
    scan_id: Opaque | None = None


class CheckInReply(Wire):
    """What the person at the door sees."""

    result: CheckInResult
    ticket: TicketReply | None = None
    used_at: UtcDatetime | None = None
    used_gate: str | None = None


@dataclass(frozen=True)
class TicketCode:
    """What a code says: this version of this ticket, for this event."""

    ticket_id: str
    event_id: str
    version: int


class TicketKey(Wire):
    """An Ed25519 public key as RFC 8037 writes it."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = "EdDSA"
    use: str = "sig"


class TicketKeys(Wire):
    """GET /v1/ticket-keys: a JWK set."""

    keys: tuple[TicketKey, ...]
