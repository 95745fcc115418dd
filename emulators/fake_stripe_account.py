"""What one Stripe account holds: payment intents, charges, refunds, and the events their changes raise."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass, field

from emulators.provider_state import Account, Event, Json, new_id

API_VERSION = "2026-10-28.endive"
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CARDS = {"pm_card_visa": "visa", "pm_card_visa_debit": "visa", "pm_card_mastercard": "mastercard"} | {
    "pm_card_amex": "amex",
    "pm_card_in": "visa",
    "pm_card_us": "visa",
}
# The suffix after pm_card_ or pm_card_visa_ → code, decline code, message.
DECLINES = {
    "chargeDeclined": ("card_declined", "generic_decline", "Your card was declined."),
    "chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    "chargeDeclinedLostCard": ("card_declined", "lost_card", "Your card was declined."),
    "chargeDeclinedStolenCard": ("card_declined", "stolen_card", "Your card was declined."),
    "chargeDeclinedFraudulent": ("card_declined", "fraudulent", "Your card was declined."),
    "chargeDeclinedExpiredCard": ("expired_card", None, "Your card has expired."),
    "chargeDeclinedIncorrectCvc": ("incorrect_cvc", None, "Your card's security code is incorrect."),
    "chargeDeclinedProcessingError": (
        "processing_error",
        None,
        "An error occurred while processing your card. Try again in a little bit.",
    ),
}
FEE_BASIS_POINTS, FEE_FIXED = 290, 30


class StripeError(Exception):
    """An error reply. Only what fails after the call began is kept under its idempotency key, as Stripe does."""

    def __init__(self, message: str, *, status: int = 400, keep: bool = True, **members: object) -> None:
        super().__init__(message)
        self.status, self.keep = status, keep
        self.error: Json = {"message": message, "type": "invalid_request_error", **members}


def missing(kind: str, object_id: str, *, status: int = 404, param: str = "id") -> StripeError:
    """Stripe's reply about an id it does not know."""
    return StripeError(
        f"No such {kind}: '{object_id}'", status=status, code="resource_missing", param=param, keep=False
    )


def _now() -> int:
    return int(time.time())


@dataclass
class StripeAccount(Account):
    """Objects by id, in the order they were made. Lists show them newest first."""

    intents: dict[str, Json] = field(default_factory=dict)
    charges: dict[str, Json] = field(default_factory=dict)
    refunds: dict[str, Json] = field(default_factory=dict)
    balance: dict[str, Json] = field(default_factory=dict)
    disputes: dict[str, Json] = field(default_factory=dict)
    # The request that is being answered, for the events it raises.
    request: Json = field(default_factory=lambda: {"id": None, "idempotency_key": None})

    def raise_event(self, event_type: str, thing: Json, previous: Json | None = None) -> None:
        """Tell what happened to an object, with a snapshot of it."""
        data = {"object": copy.deepcopy(thing)} | ({"previous_attributes": previous} if previous else {})
        event_id = new_id("evt_", 24)
        payload = {
            "id": event_id,
            "object": "event",
            "api_version": API_VERSION,
            "created": _now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 1 if self.webhook else 0,
            "request": dict(self.request),
            "type": event_type,
        }
        body = json.dumps(payload, indent=2).encode()
        self.happened(Event(event_id, event_type, payload, body))

    def create_intent(self, params: Json, amount: int) -> Json:
        """A new payment intent that waits for a payment method."""
        intent_id = new_id("pi_", 24)
        automatic = params.get("automatic_payment_methods", {"enabled": "true"})
        redirects = automatic.get("allow_redirects", "always")
        method = params.get("payment_method")
        intent = {
            "id": intent_id,
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": {"allow_redirects": redirects, "enabled": True},
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": params.get("capture_method", "automatic_async"),
            "client_secret": f"{intent_id}_secret_{new_id('', 25)}",
            "confirmation_method": "automatic",
            "created": _now(),
            "currency": params["currency"].lower(),
            "customer": params.get("customer"),
            "description": params.get("description"),
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": dict(params.get("metadata", {})),
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": method,
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": params.get("payment_method_types", ["card"]),
            "processing": None,
            "receipt_email": params.get("receipt_email"),
            "setup_future_usage": None,
            "shipping": None,
            "source": None,
            "statement_descriptor": params.get("statement_descriptor"),
            "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
            "status": "requires_confirmation" if method else "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
        }
        self.intents[intent_id] = intent
        self.raise_event("payment_intent.created", intent)
        return intent

    def confirm(self, intent: Json, method: str | None) -> Json:
        """Pay with a test card, or decline as the card says."""
        method = method or intent["payment_method"]
        if intent["status"] not in CONFIRMABLE:
            raise self._unexpected(intent, "confirm", self._why_not_confirm(intent))
        if method is None:
            raise self._unexpected(
                intent,
                "confirm",
                "it's missing a payment method. You can either update the PaymentIntent with a payment method and "
                "then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
            )
        suffix = method.removeprefix("pm_card_").removeprefix("visa_")
        if method.startswith("pm_card_") and suffix in DECLINES:
            self._decline(intent, method, *DECLINES[suffix])
        if method not in CARDS:
            raise missing("PaymentMethod", method, status=400, param="payment_method")
        held = intent["capture_method"] == "manual"
        charge = self._charge(intent, method, {"status": "succeeded", "paid": True, "captured": not held})
        intent |= {"payment_method": method, "latest_charge": charge["id"], "last_payment_error": None}
        if held:
            intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
            self.raise_event("charge.succeeded", charge)
            self.raise_event("payment_intent.amount_capturable_updated", intent)
        else:
            charge["balance_transaction"] = self._book("charge", charge, charge["amount"])
            intent |= {"status": "succeeded", "amount_received": intent["amount"]}
            self.raise_event("charge.succeeded", charge)
            self.raise_event("payment_intent.succeeded", intent)
        return intent

    def capture(self, intent: Json) -> Json:
        """Take the money that a manual intent holds."""
        if intent["status"] != "requires_capture":
            raise self._unexpected(intent, "capture", f"it has a status of {intent['status']}.")
        charge = self.charges[intent["latest_charge"]]
        charge |= {"captured": True, "amount_captured": charge["amount"]}
        charge["balance_transaction"] = self._book("charge", charge, charge["amount"])
        intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": intent["amount"]}
        self.raise_event("charge.captured", charge)
        self.raise_event("payment_intent.succeeded", intent)
        return intent

    def cancel(self, intent: Json, reason: str | None) -> Json:
        """Give the intent up; nothing can be paid on it any more."""
        if intent["status"] not in CANCELABLE:
            allowed = ", ".join(CANCELABLE)
            because = f"it has a status of {intent['status']}. Only a PaymentIntent with one of the following "
            raise self._unexpected(intent, "cancel", f"{because}statuses may be canceled: {allowed}.")
        intent |= {"status": "canceled", "canceled_at": _now(), "cancellation_reason": reason, "amount_capturable": 0}
        self.raise_event("payment_intent.canceled", intent)
        return intent

    def refund(self, charge: Json, amount: int | None, reason: str | None, metadata: Json) -> Json:
        """Give money back, never more than is left on the charge."""
        left = charge["amount"] - charge["amount_refunded"]
        if not charge["captured"]:
            raise StripeError(f"Charge {charge['id']} has not been captured and cannot be refunded.")
        if left == 0:
            message = f"Charge {charge['id']} has already been refunded."
            raise StripeError(message, code="charge_already_refunded")
        amount = left if amount is None else amount
        if amount > left:
            over = f"Refund amount ({_dollars(amount, charge)}) is greater than unrefunded amount on charge"
            raise StripeError(f"{over} ({_dollars(left, charge)})", param="amount")
        refund = {
            "id": new_id("re_", 24),
            "object": "refund",
            "amount": amount,
            "charge": charge["id"],
            "created": _now(),
            "currency": charge["currency"],
            "destination_details": {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
            "metadata": metadata,
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": self.next_refund_outcome(),
            "transfer_reversal": None,
        }
        refund["balance_transaction"] = self._book("refund", refund, -amount)
        self.refunds[refund["id"]] = refund
        before = {"amount_refunded": charge["amount_refunded"]} | ({"refunded": False} if amount == left else {})
        charge |= {"amount_refunded": charge["amount_refunded"] + amount, "refunded": amount == left}
        self.raise_event("refund.created", refund)
        self.raise_event("charge.refunded", charge, before)
        if refund["status"] == "failed":
            self.end_refund(refund, "failed")
        return refund

    def end_refund(self, refund: Json, status: str) -> None:
        """A pending refund ends, or one that had succeeded comes back from the bank."""
        refund["status"] = status
        if status == "failed":
            charge = self.charges[refund["charge"]]
            charge |= {"amount_refunded": charge["amount_refunded"] - refund["amount"], "refunded": False}
            returned = self._book("refund_failure", refund, refund["amount"])
            refund |= {"failure_reason": "expired_or_canceled_card", "failure_balance_transaction": returned}
            self.raise_event("refund.failed", refund)
        self.raise_event("refund.updated", refund)

    def dispute(self, intent_id: str, status: str, amount: int | None = None) -> Json:
        """The buyer's bank disputes a payment; or decides, if it has."""
        charge = self.charges[self.intents[intent_id]["latest_charge"]]
        known = next((each for each in self.disputes.values() if each["payment_intent"] == intent_id), None)
        dispute = known or {
            "id": new_id("du_", 24),
            "object": "dispute",
            "amount": charge["amount"] if amount is None else amount,
            "balance_transactions": [],
            "charge": charge["id"],
            "created": _now(),
            "currency": charge["currency"],
            "is_charge_refundable": False,
            "livemode": False,
            "metadata": {},
            "payment_intent": intent_id,
            "reason": "fraudulent",
        }
        dispute["status"] = status
        self.disputes[dispute["id"]] = dispute
        self.raise_event("charge.dispute.closed" if known else "charge.dispute.created", dispute)
        return dispute

    def _decline(self, intent: Json, method: str, code: str, decline_code: str | None, message: str) -> None:
        outcome = {"status": "failed", "paid": False, "captured": False, "failure_code": code}
        charge = self._charge(intent, method, outcome | {"failure_message": message})
        error = {"charge": charge["id"], "code": code, "message": message, "type": "card_error"}
        error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        error |= {"decline_code": decline_code} if decline_code else {}
        error |= {"payment_method": {"id": method, "object": "payment_method", "type": "card"}}
        intent |= {"status": "requires_payment_method", "payment_method": None, "latest_charge": charge["id"]}
        intent["last_payment_error"] = dict(error)
        self.raise_event("charge.failed", charge)
        self.raise_event("payment_intent.payment_failed", intent)
        error["payment_intent"] = copy.deepcopy(intent)
        raise StripeError(message, status=402, **{name: error[name] for name in error if name != "message"})

    def _charge(self, intent: Json, method: str, outcome: Json) -> Json:
        charge_id = new_id("ch_", 24)
        card = {"brand": CARDS.get(method, "visa"), "country": "IN", "funding": "credit", "last4": "4242"}
        charge = {
            "id": charge_id,
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if outcome["captured"] else 0,
            "amount_refunded": 0,
            "balance_transaction": None,
            "billing_details": {"address": None, "email": intent["receipt_email"], "name": None, "phone": None},
            "created": _now(),
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_code": None,
            "failure_message": None,
            "livemode": False,
            "metadata": dict(intent["metadata"]),
            "outcome": {"network_status": "approved_by_network" if outcome["paid"] else "declined_by_network"},
            "payment_intent": intent["id"],
            "payment_method": method,
            "payment_method_details": {"card": card, "type": "card"},
            "receipt_email": intent["receipt_email"],
            "refunded": False,
        } | outcome
        self.charges[charge_id] = charge
        return charge

    def _book(self, kind: str, source: Json, amount: int) -> str:
        # Stripe keeps its fee when a charge is refunded.
        fee = (amount * FEE_BASIS_POINTS + 5_000) // 10_000 + FEE_FIXED if kind == "charge" else 0
        detail = {"amount": fee, "currency": source["currency"], "type": "stripe_fee"}
        entry = {
            "id": new_id("txn_", 24),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": _now(),
            "created": _now(),
            "currency": source["currency"],
            "description": source.get("description"),
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [detail | {"description": "Stripe processing fees"}] if fee else [],
            "net": amount - fee,
            "reporting_category": kind,
            "source": source["id"],
            "status": "available",
            "type": kind,
        }
        self.balance[str(entry["id"])] = entry
        return str(entry["id"])

    @staticmethod
    def _why_not_confirm(intent: Json) -> str:
        if intent["status"] == "succeeded":
            return "it has already succeeded after being previously confirmed."
        return f"it has a status of {intent['status']}."

    @staticmethod
    def _unexpected(intent: Json, action: str, because: str) -> StripeError:
        return StripeError(
            f"You cannot {action} this PaymentIntent because {because}",
            code="payment_intent_unexpected_state",
            payment_intent=copy.deepcopy(intent),
        )


def _dollars(amount: int, charge: Json) -> str:
    sign = {"usd": "$", "inr": "₹", "ngn": "₦"}.get(charge["currency"], "")
    return f"{sign}{amount // 100:,}.{amount % 100:02d}"
