"""Stripe's events in the shape that its API reference documents: an envelope and a snapshot of the object in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.support.people import Json

AT: Final = 1_795_262_400


def event(event_type: str, thing: Json, previous: Json | None = None) -> Json:
    """The envelope. Its id is Stripe's; the same object in the same state gives the same one here."""
    told = {"object": thing} | ({"previous_attributes": previous} if previous else {})
    return {
        "id": f"evt_{event_type.replace('.', '')}{thing['id']}{thing['status']}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": AT,
        "data": told,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_Q1w2E3r4T5y6U7", "idempotency_key": "checkout:ord_1"},
        "type": event_type,
    }


def intent(
    status: str, amount: int = 111_800, order_id: str = "ord_1", intent_id: str = "pi_3QStripe", **more: Any
) -> Json:
    """A payment intent in one of its states."""
    succeeded = status == "succeeded"
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": amount if status == "requires_capture" else 0,
        "amount_details": {"tip": {}},
        "amount_received": amount if succeeded else 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "never", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{intent_id}_secret_c2VjcmV0",
        "confirmation_method": "automatic",
        "created": AT - 60,
        "currency": "inr",
        "customer": None,
        "description": "Night at the Mill · MQ-AAAA-AAAA",
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": f"ch_{intent_id}" if succeeded else None,
        "livemode": False,
        "metadata": {"eventId": "evt_1", "orderId": order_id, "orderNumber": "MQ-AAAA-AAAA"},
        "next_action": {"type": "use_stripe_sdk"} if status == "requires_action" else None,
        "on_behalf_of": None,
        "payment_method": "pm_1QStripe" if succeeded else None,
        "payment_method_options": {"card": {"installments": None, "request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "processing": {"card": {}, "type": "card"} if status == "processing" else None,
        "receipt_email": "asha@example.com",
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    } | more


def created(**more: Any) -> Json:
    return event("payment_intent.created", intent("requires_payment_method", **more))


def requires_action(**more: Any) -> Json:
    return event("payment_intent.requires_action", intent("requires_action", **more))


def processing(**more: Any) -> Json:
    return event("payment_intent.processing", intent("processing", **more))


def authorized(**more: Any) -> Json:
    return event("payment_intent.amount_capturable_updated", intent("requires_capture", **more))


def succeeded(**more: Any) -> Json:
    return event("payment_intent.succeeded", intent("succeeded", **more))


def declined(**more: Any) -> Json:
    """The intent waits for another payment method."""
    error = {
        "charge": "ch_3QDeclined",
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "doc_url": "https://stripe.com/docs/error-codes/card-declined",
        "message": "Your card has insufficient funds.",
        "payment_method": {"id": "pm_1QDeclined", "object": "payment_method", "type": "card"},
        "type": "card_error",
    }
    failed = intent("requires_payment_method", last_payment_error=error, **more)
    return event("payment_intent.payment_failed", failed)


def charge_refunded(amount: int = 111_800, refunded: int = 111_800, intent_id: str = "pi_3QStripe") -> Json:
    """The charge after a refund; newer API versions leave the refund itself out."""
    charge = {
        "id": f"ch_{intent_id}",
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": refunded,
        "balance_transaction": "txn_3QStripe",
        "billing_details": {"address": None, "email": "asha@example.com", "name": None, "phone": None},
        "captured": True,
        "created": AT - 30,
        "currency": "inr",
        "disputed": False,
        "failure_code": None,
        "metadata": {"orderId": "ord_1"},
        "outcome": {"network_status": "approved_by_network", "risk_level": "normal", "type": "authorized"},
        "paid": True,
        "payment_intent": intent_id,
        "payment_method": "pm_1QStripe",
        "receipt_url": "https://pay.stripe.com/receipts/1",
        "refunded": refunded == amount,
        "status": "succeeded",
    }
    return event("charge.refunded", charge, {"amount_refunded": 0})


def refund(
    event_type: str,
    status: str,
    amount: int = 111_800,
    refund_id: str = "re_3QDashboard",
    key: str | None = None,
    intent_id: str = "pi_3QStripe",
) -> Json:
    """refund.created, refund.updated or refund.failed; `key` where it is ours and not the dashboard's."""
    failure = {"failure_balance_transaction": "txn_3QBack", "failure_reason": "expired_or_canceled_card"}
    thing = {
        "id": refund_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": "txn_3QRefund",
        "charge": f"ch_{intent_id}",
        "created": AT,
        "currency": "inr",
        "destination_details": {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
        "metadata": {"orderId": "ord_1", "reason": "cannot come", "refundKey": key} if key else {},
        "payment_intent": intent_id,
        "reason": "requested_by_customer",
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }
    return event(event_type, thing | (failure if status == "failed" else {}))


def dispute(
    event_type: str, status: str, amount: int = 111_800, dispute_id: str = "du_1QStripe", intent_id: str = "pi_3QStripe"
) -> Json:
    """charge.dispute.created, .updated, .funds_withdrawn, .funds_reinstated or .closed."""
    withdrawn = {"id": "txn_1QWithdrawn", "object": "balance_transaction", "amount": -amount, "fee": 150_000}
    thing = {
        "id": dispute_id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [withdrawn],
        "charge": f"ch_{intent_id}",
        "created": AT,
        "currency": "inr",
        "enhanced_eligibility_types": [],
        "evidence": {"customer_email_address": "asha@example.com", "uncategorized_text": None},
        "evidence_details": {"due_by": AT + 604_800, "has_evidence": False, "past_due": False, "submission_count": 0},
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "10.4",
        "payment_intent": intent_id,
        "payment_method_details": {"card": {"brand": "visa", "network_reason_code": "10.4"}, "type": "card"},
        "reason": "fraudulent",
        "status": status,
    }
    return event(event_type, thing)
