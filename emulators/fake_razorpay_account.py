"""What one Razorpay account holds: orders, payments, refunds, and the events their changes raise."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass, field

from emulators.provider_state import Account, Event, Json, new_id

NOT_SAID = {"source": "NA", "step": "NA", "reason": "NA", "metadata": {}}
FEE_BASIS_POINTS, TAX_PERCENT_OF_FEE = 200, 18
SMALLEST_REFUND = 100


class RazorpayError(Exception):
    """A refusal, in the provider's words."""

    def __init__(self, description: str, *, status: int = 400, **members: object) -> None:
        super().__init__(description)
        self.status = status
        self.error: Json = {"code": "BAD_REQUEST_ERROR", "description": description, **NOT_SAID, **members}


def unknown_id() -> RazorpayError:
    """Razorpay answers 400, not 404, to an id it does not know."""
    return RazorpayError(
        "The id provided does not exist",
        source="business",
        step="payment_initiation",
        reason="input_validation_failed",
    )


def _now() -> int:
    return int(time.time())


@dataclass
class RazorpayAccount(Account):
    """Objects by id, in the order they were made. The first secret seen with a key id is its secret."""

    key_secret: str | None = None
    account_id: str = field(default_factory=lambda: new_id("acc_", 14))
    orders: dict[str, Json] = field(default_factory=dict)
    payments: dict[str, Json] = field(default_factory=dict)
    refunds: dict[str, Json] = field(default_factory=dict)
    disputes: dict[str, Json] = field(default_factory=dict)
    captured_by_hand: set[str] = field(default_factory=set)

    def raise_event(self, event_type: str, **entities: Json) -> None:
        """Tell what happened, with a snapshot of each entity it happened to."""
        payload = {
            "entity": "event",
            "account_id": self.account_id,
            "event": event_type,
            "contains": list(entities),
            "payload": {name: {"entity": copy.deepcopy(entity)} for name, entity in entities.items()},
            "created_at": _now(),
        }
        body = json.dumps(payload, separators=(",", ":")).encode()
        self.happened(Event(new_id("", 14), event_type, payload, body))

    def create_order(self, params: Json, *, automatic: bool) -> Json:
        """A new order. Razorpay captures by itself unless the order (or the dashboard) says otherwise."""
        order = {
            "id": new_id("order_", 14),
            "entity": "order",
            "amount": params["amount"],
            "amount_paid": 0,
            "amount_due": params["amount"],
            "currency": params["currency"],
            "receipt": params.get("receipt"),
            "offer_id": None,
            "status": "created",
            "attempts": 0,
            # An empty set of notes is a list there.
            "notes": params.get("notes") or [],
            "created_at": _now(),
        }
        self.orders[str(order["id"])] = order
        if not automatic:
            self.captured_by_hand.add(str(order["id"]))
        return order

    def pay(self, order: Json) -> Json:
        """A person pays: authorized, and captured where the order says so."""
        payment = self._attempt(order, {"status": "authorized", "acquirer_data": {"rrn": new_id("", 12)}})
        self.raise_event("payment.authorized", payment=payment)
        if order["id"] not in self.captured_by_hand:
            self.capture(payment, payment["amount"])
        return payment

    def decline(self, order: Json) -> Json:
        """A person's bank says no. The order can be tried again."""
        failed = {
            "status": "failed",
            "error_code": "BAD_REQUEST_ERROR",
            "error_description": "Your payment was declined by the bank. Try another payment method.",
            "error_source": "bank",
            "error_step": "payment_authorization",
            "error_reason": "payment_declined",
        }
        payment = self._attempt(order, failed)
        self.raise_event("payment.failed", payment=payment)
        return payment

    def capture(self, payment: Json, amount: int) -> Json:
        """Take an authorized payment, all of it, which pays its order."""
        if payment["captured"]:
            raise RazorpayError("This payment has already been captured")
        if payment["status"] != "authorized":
            raise RazorpayError("Only payments which have been authorized and not yet captured can be captured")
        if amount != payment["amount"]:
            raise RazorpayError("Capture amount must be equal to the amount authorized", field="amount")
        fee = (amount * FEE_BASIS_POINTS + 5_000) // 10_000
        tax = (fee * TAX_PERCENT_OF_FEE + 50) // 100
        payment |= {"status": "captured", "captured": True, "fee": fee + tax, "tax": tax}
        order = self.orders[payment["order_id"]]
        order |= {"status": "paid", "amount_paid": amount, "amount_due": order["amount"] - amount}
        self.raise_event("payment.captured", payment=payment)
        self.raise_event("order.paid", payment=payment, order=order)
        return payment

    def refund(self, payment: Json, amount: int | None, receipt: str | None, notes: Json, speed: str) -> Json:
        """Give money back, never more than is left of the payment."""
        left = payment["amount"] - payment["amount_refunded"]
        if not payment["captured"]:
            raise RazorpayError("The payment status should be captured for action to be taken")
        if left == 0:
            raise RazorpayError("The payment has been fully refunded already")
        amount = left if amount is None else amount
        if amount < min(SMALLEST_REFUND, left):
            raise RazorpayError("The amount must be atleast INR 1.00", field="amount")
        if amount > left:
            raise RazorpayError("The refund amount provided is greater than amount captured", field="amount")
        refund = {
            "id": new_id("rfnd_", 14),
            "entity": "refund",
            "amount": amount,
            "currency": payment["currency"],
            "payment_id": payment["id"],
            "notes": notes or [],
            "receipt": receipt,
            "acquirer_data": {"arn": None},
            "created_at": _now(),
            "batch_id": None,
            "status": "pending",
            "speed_processed": "normal",
            "speed_requested": speed,
        }
        self.refunds[refund["id"]] = refund
        payment["amount_refunded"] += amount
        payment |= {"status": "refunded", "refund_status": "full"} if amount == left else {"refund_status": "partial"}
        self.raise_event("refund.created", refund=refund, payment=payment)
        outcome = self.next_refund_outcome()
        if outcome != "pending":
            self.end_refund(refund, outcome)
        return refund

    def end_refund(self, refund: Json, status: str) -> None:
        """A pending refund ends: the bank took the money, or handed it back."""
        payment = self.payments[refund["payment_id"]]
        refund["status"] = "failed" if status == "failed" else "processed"
        if status == "failed":
            payment["amount_refunded"] -= refund["amount"]
            payment |= {"status": "captured", "refund_status": "partial" if payment["amount_refunded"] else None}
        self.raise_event(f"refund.{refund['status']}", refund=refund, payment=payment)

    def dispute(self, payment_id: str, status: str, amount: int | None = None) -> Json:
        """The buyer's bank disputes a payment; or decides, if it has."""
        payment = self.payments[payment_id]
        known = next((each for each in self.disputes.values() if each["payment_id"] == payment_id), None)
        dispute = known or {
            "id": new_id("disp_", 14),
            "entity": "dispute",
            "payment_id": payment_id,
            "amount": payment["amount"] if amount is None else amount,
            "currency": payment["currency"],
            "amount_deducted": 0,
            "reason_code": "goods_or_services_not_received_or_partially_received",
            "respond_by": _now() + 7 * 86_400,
            "phase": "chargeback",
            "created_at": _now(),
        }
        dispute |= {"status": status, "amount_deducted": dispute["amount"] if status == "lost" else 0}
        self.disputes[dispute["id"]] = dispute
        self.raise_event(f"payment.dispute.{status if known else 'created'}", payment=payment, dispute=dispute)
        return dispute

    def _attempt(self, order: Json, outcome: Json) -> Json:
        if order["status"] == "paid":
            raise RazorpayError("Payment already done for this order.")
        payment_id = new_id("pay_", 14)
        payment = {
            "id": payment_id,
            "entity": "payment",
            "amount": order["amount"],
            "currency": order["currency"],
            "status": "created",
            "order_id": order["id"],
            "invoice_id": None,
            "international": order["currency"] != "INR",
            "method": "upi" if order["currency"] == "INR" else "card",
            "amount_refunded": 0,
            "refund_status": None,
            "captured": False,
            "description": None,
            "card_id": None,
            "bank": None,
            "wallet": None,
            "vpa": "success@razorpay" if order["currency"] == "INR" else None,
            "email": "buyer@example.com",
            "contact": "+919000090000",
            # A payment has the notes its checkout gave it, not those of its order.
            "notes": [],
            "fee": None,
            "tax": None,
            "error_code": None,
            "error_description": None,
            "error_source": None,
            "error_step": None,
            "error_reason": None,
            "acquirer_data": {},
            "created_at": _now(),
        } | outcome
        self.payments[payment_id] = payment
        order |= {"status": "attempted", "attempts": order["attempts"] + 1}
        return payment
