"""Stored records as pure tests need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from common.orders.schemas import Order
from common.payments.gateways import GatewayName, PaymentEventKind
from common.payments.schemas import Attempt, Payment, PaymentStatus

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def inr(amount_minor: int) -> dict[str, object]:
    return {"amount_minor": amount_minor, "currency": "INR"}


def an_order(units: int = 2, unit_price_minor: int = 50_000, **more: Any) -> Order:
    """An order of one tier; fee and tax as in India."""
    subtotal = units * unit_price_minor
    fee = subtotal // 10
    tax = fee * 18 // 100
    amounts = {"subtotal": subtotal, "discount": 0, "fee": fee, "tax": tax, "total": subtotal + fee + tax}
    fields: dict[str, Any] = {
        "order_id": "ord_1",
        "order_number": "MQ-AAAA-AAAA",
        "event_id": "evt_1",
        "org_id": "org_1",
        "buyer_id": "buyer",
        "buyer_email": None,
        "buyer_phone": "+919800000001",
        "status": "held",
        "fingerprint": "f",
        "lines": [
            {"tier_id": "tier_1", "tier_name": "General", "quantity": units, "unit_price": inr(unit_price_minor)}
        ],
        "units": [{"tier_id": "tier_1", "number": number} for number in range(units)],
        "amounts": {name: inr(amount) for name, amount in amounts.items()},
        "event_title": "Night at the Mill",
        "venue_name": "Mill No. 5",
        "starts_at": NOW + timedelta(days=3),
        "ends_at": NOW + timedelta(days=3, hours=6),
        "created_at": NOW,
        "hold_expires_at": NOW + timedelta(minutes=10),
    }
    return Order.model_validate(fields | more)


def captured_payment(order: Order, provider_payment_id: str) -> Payment:
    """The payment that bought this order."""
    total = order.amounts.total
    attempt = Attempt(reference="pi_1", kind=PaymentEventKind.CAPTURED, captured=total, captured_at=NOW)
    return Payment(
        payment_id=f"{order.order_id}_stripe",
        order_id=order.order_id,
        event_id=order.event_id,
        gateway=GatewayName.STRIPE,
        reference="pi_1",
        amount=total,
        client={},
        status=PaymentStatus.CAPTURED,
        created_at=NOW,
        attempts={provider_payment_id: attempt},
        heard_at=NOW,
        provider_payment_id=provider_payment_id,
        captured_at=NOW,
    )
