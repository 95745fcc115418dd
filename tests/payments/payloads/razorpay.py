"""Razorpay's events in the shape that its documentation shows: the entities that something happened to, as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.support.people import Json

AT: Final = 1_795_262_400
FEE, TAX = 2_639, 403


def event(event_type: str, **entities: Json) -> Json:
    """The envelope. The event's id is no part of it: it comes in the header X-Razorpay-Event-Id."""
    return {
        "entity": "event",
        "account_id": "acc_QRazorpay00001",
        "event": event_type,
        "contains": list(entities),
        "payload": {name: {"entity": entity} for name, entity in entities.items()},
        "created_at": AT,
    }


def payment(
    status: str,
    amount: int = 111_800,
    payment_id: str = "pay_QRazorpay00001",
    order: str = "order_QRazorpay0001",
    **more: Any,
) -> Json:
    """A payment of a Razorpay order, in one of its states."""
    taken = status in ("captured", "refunded")
    return {
        "id": payment_id,
        "entity": "payment",
        "amount": amount,
        "currency": "INR",
        "status": status,
        "order_id": order,
        "invoice_id": None,
        "international": False,
        "method": "upi",
        "amount_refunded": amount if status == "refunded" else 0,
        "refund_status": "full" if status == "refunded" else None,
        "captured": taken,
        "description": "Night at the Mill · MQ-AAAA-AAAA",
        "card_id": None,
        "bank": None,
        "wallet": None,
        "vpa": "asha@okbank",
        "email": "asha@example.com",
        "contact": "+919800000001",
        "notes": [],
        "fee": FEE if taken else None,
        "tax": TAX if taken else None,
        "error_code": None,
        "error_description": None,
        "error_source": None,
        "error_step": None,
        "error_reason": None,
        "acquirer_data": {"rrn": "633000000001", "upi_transaction_id": "FBC0000000000000000001"},
        "created_at": AT - 60,
        "reward": None,
        "upi": {"vpa": "asha@okbank"},
    } | more


def authorized(**more: Any) -> Json:
    return event("payment.authorized", payment=payment("authorized", **more))


def captured(**more: Any) -> Json:
    return event("payment.captured", payment=payment("captured", **more))


def failed(**more: Any) -> Json:
    why = {
        "error_code": "BAD_REQUEST_ERROR",
        "error_description": "Payment was unsuccessful as the bank declined it.",
        "error_source": "bank",
        "error_step": "payment_authorization",
        "error_reason": "payment_failed",
    }
    return event("payment.failed", payment=payment("failed", **(why | more)))


def order_paid(amount: int = 111_800, order: str = "order_QRazorpay0001", receipt: str = "ord_1", **more: Any) -> Json:
    """Tells the same as payment.captured, with the order."""
    entity = {
        "id": order,
        "entity": "order",
        "amount": amount,
        "amount_paid": amount,
        "amount_due": 0,
        "currency": "INR",
        "receipt": receipt,
        "offer_id": None,
        "status": "paid",
        "attempts": 1,
        "notes": {"orderId": receipt},
        "created_at": AT - 120,
    }
    return event("order.paid", payment=payment("captured", amount, order=order, **more), order=entity)


def refund(
    event_type: str,
    amount: int = 111_800,
    refund_id: str = "rfnd_QRazorpay0001",
    key: str | None = None,
    payment_id: str = "pay_QRazorpay00001",
    **more: Any,
) -> Json:
    """refund.created, refund.processed or refund.failed; `key` where it is ours and not the dashboard's."""
    status = {"refund.created": "pending", "refund.processed": "processed", "refund.failed": "failed"}[event_type]
    entity = {
        "id": refund_id,
        "entity": "refund",
        "amount": amount,
        "currency": "INR",
        "payment_id": payment_id,
        "notes": {"orderId": "ord_1", "reason": "cannot come", "refundKey": key} if key else [],
        "receipt": None,
        "acquirer_data": {"arn": None if status != "processed" else "10000000000000"},
        "created_at": AT,
        "batch_id": None,
        "status": status,
        "speed_processed": "normal",
        "speed_requested": "normal",
    }
    return event(event_type, refund=entity, payment=payment("captured", payment_id=payment_id, **more))


def dispute(
    what: str,
    amount: int = 111_800,
    dispute_id: str = "disp_QRazorpay0001",
    payment_id: str = "pay_QRazorpay00001",
    **more: Any,
) -> Json:
    """payment.dispute.{created, under_review, action_required, won, lost, closed}."""
    entity = {
        "id": dispute_id,
        "entity": "dispute",
        "payment_id": payment_id,
        "amount": amount,
        "currency": "INR",
        "amount_deducted": amount if what == "lost" else 0,
        "reason_code": "goods_or_services_not_received_or_partially_received",
        "respond_by": AT + 604_800,
        "status": "open" if what in ("created", "action_required") else what,
        "phase": "chargeback",
        "created_at": AT,
    }
    return event(f"payment.dispute.{what}", payment=payment("captured", payment_id=payment_id, **more), dispute=entity)
