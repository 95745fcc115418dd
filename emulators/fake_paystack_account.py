"""What one Paystack account holds: transactions, refunds, disputes, and the events their changes raise."""

from __future__ import annotations

import copy
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from emulators.provider_state import Account, Event, Json, new_id

RefundOutcome = Literal["processed", "failed", "pending"]
PAID = ("success", "reversed")
# 1.5 % and, from ₦2,500 on, ₦100 more; never above ₦2,000. Elsewhere 1.95 %.
NAIRA_BASIS_POINTS, OTHER_BASIS_POINTS = 150, 195
NAIRA_FLAT, NAIRA_FLAT_FROM, NAIRA_CAP = 10_000, 250_000, 200_000


class PaystackError(Exception):
    """A refusal, in the provider's words."""

    def __init__(self, message: str, *, status: int = 400, code: str = "invalid_params") -> None:
        super().__init__(message)
        self.status = status
        hint = {"nextStep": "Ensure that the value(s) you're passing are valid."}
        self.body: Json = {
            "status": False,
            "message": message,
            "meta": hint,
            "type": "validation_error",
            "code": code,
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number() -> int:
    return 10**9 + secrets.randbelow(9 * 10**9)


def fee_of(amount: int, currency: str) -> int:
    """What Paystack keeps of a payment by a local card."""
    if currency != "NGN":
        return (amount * OTHER_BASIS_POINTS + 5_000) // 10_000
    flat = NAIRA_FLAT if amount >= NAIRA_FLAT_FROM else 0
    return min((amount * NAIRA_BASIS_POINTS + 5_000) // 10_000 + flat, NAIRA_CAP)


@dataclass
class PaystackAccount(Account):
    """Objects by id, in the order they were made; transactions by their reference, which is the merchant's."""

    integration: int = field(default_factory=lambda: 100_000 + secrets.randbelow(900_000))
    transactions: dict[str, Json] = field(default_factory=dict)
    access_codes: dict[str, str] = field(default_factory=dict)
    # By reference: what of a subaccount's payment stays with the account, whatever the subaccount's percentage.
    flat_charges: dict[str, int | None] = field(default_factory=dict)
    refunds: dict[int, Json] = field(default_factory=dict)
    disputes: dict[int, Json] = field(default_factory=dict)
    # How a refund ends that is asked for from now on; one that ends later is pending until then.
    refunds_end: RefundOutcome = "processed"

    def raise_event(self, event_type: str, data: Json) -> None:
        """Tell what happened, with a snapshot of what it happened to. The id is for the control routes only."""
        payload = {"event": event_type, "data": copy.deepcopy(data)}
        body = json.dumps(payload, separators=(",", ":")).encode()
        self.happened(Event(new_id("evt_", 24), event_type, payload, body))

    def initialize(self, params: Json) -> Json:
        """A new transaction under the merchant's reference; the access code is told this once."""
        reference = params.get("reference") or new_id("T", 15)
        if reference in self.transactions:
            raise PaystackError("Duplicate Transaction Reference", code="duplicate_reference")
        code = new_id("", 15).lower()
        transaction = {
            "id": _number(),
            "domain": "test",
            "status": "abandoned",
            "reference": reference,
            "amount": params["amount"],
            "message": None,
            "gateway_response": "The transaction was not completed",
            "paid_at": None,
            "created_at": _now(),
            "channel": "card",
            "currency": params["currency"],
            "ip_address": "41.242.49.37",
            # Without any it is an empty text.
            "metadata": params.get("metadata") or "",
            "log": None,
            "fees": None,
            "fees_split": None,
            "authorization": {},
            "customer": {"id": _number(), "email": params["email"], "customer_code": new_id("CUS_", 15).lower()},
            "plan": {},
            "split": {},
            "subaccount": {"subaccount_code": params["subaccount"]} if params.get("subaccount") else {},
            "order_id": None,
            "requested_amount": params["amount"],
            "pos_transaction_data": None,
            "source": None,
            "fees_breakdown": None,
        }
        self.flat_charges[reference] = params.get("transaction_charge")
        self.transactions[reference] = transaction
        self.access_codes[code] = reference
        return {"access_code": code, "reference": reference}

    def pay(self, transaction: Json) -> None:
        """A person pays; the fee is kept, and a subaccount's share set aside."""
        self._require_open(transaction)
        amount, reference = transaction["amount"], transaction["reference"]
        fee = fee_of(amount, transaction["currency"])
        transaction |= {"status": "success", "gateway_response": "Successful", "paid_at": _now(), "fees": fee}
        transaction["authorization"] = {"authorization_code": new_id("AUTH_", 10).lower(), "last4": "4081"}
        if transaction["subaccount"]:
            charge = self.flat_charges[reference]
            kept = amount // 10 if charge is None else charge
            said = {"bearer": "account", "transaction_charge": str(charge or ""), "percentage_charge": "10"}
            shares = {"paystack": fee, "integration": kept - fee, "subaccount": amount - kept}
            transaction["fees_split"] = shares | {"params": said}
        self.raise_event("charge.success", transaction)

    def decline(self, transaction: Json) -> None:
        """A person's bank says no. They can try again on the same page."""
        self._require_open(transaction)
        transaction |= {"status": "failed", "gateway_response": "Declined"}
        self.raise_event("charge.failed", transaction)

    def _require_open(self, transaction: Json) -> None:
        if transaction["status"] in PAID:
            raise PaystackError("Transaction has already been completed", code="transaction_completed")

    def refund(
        self, transaction: Json, amount: int | None, customer_note: str | None, merchant_note: str | None
    ) -> Json:
        """Queue a refund, never of more than is left. The reply is from before it ends."""
        if transaction["status"] == "reversed":
            raise PaystackError("Transaction has been fully reversed", code="transaction_reversed")
        if transaction["status"] != "success":
            raise PaystackError("Transaction has not been completed", code="transaction_not_completed")
        left = transaction["amount"] - sum(each["amount"] for each in self.refunds_of(transaction))
        amount = left if amount is None else amount
        if amount > left:
            raise PaystackError("Refund amount cannot be more than the transaction amount", code="invalid_amount")
        reference = transaction["reference"]
        refund = {
            "integration": self.integration,
            "transaction": transaction["id"],
            "dispute": None,
            "settlement": None,
            "id": _number(),
            "domain": "test",
            "currency": transaction["currency"],
            "amount": amount,
            "status": "pending",
            "channel": None,
            "refunded_at": None,
            "refunded_by": "finance@marquee.example",
            "expected_at": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
            "customer_note": customer_note or f"Refund for transaction {reference}",
            "merchant_note": merchant_note or f"Refund for transaction {reference} by finance@marquee.example",
            "deducted_amount": 0,
            "fully_deducted": False,
            "createdAt": _now(),
            "updatedAt": _now(),
        }
        self.refunds[int(str(refund["id"]))] = refund
        self._tell_refund(refund)
        reply = copy.deepcopy(refund) | {"transaction": copy.deepcopy(transaction)}
        self.end_refunds(self.refunds_end)
        return reply

    def refunds_of(self, transaction: Json) -> list[Json]:
        """The refunds of a transaction that did not fail."""
        return [
            each
            for each in self.refunds.values()
            if each["transaction"] == transaction["id"] and each["status"] != "failed"
        ]

    def end_refunds(self, outcome: RefundOutcome) -> None:
        """What pending refunds come to, and those of later on."""
        self.refunds_end = outcome
        if outcome == "pending":
            return
        for refund in [each for each in self.refunds.values() if each["status"] == "pending"]:
            refund |= {"status": outcome, "updatedAt": _now(), "refunded_at": _now()}
            transaction = self.transaction(refund["transaction"])
            done = [each for each in self.refunds_of(transaction) if each["status"] == "processed"]
            if sum(each["amount"] for each in done) == transaction["amount"]:
                transaction["status"] = "reversed"
            self._tell_refund(refund)

    def transaction(self, transaction_id: int) -> Json:
        """The transaction of this number."""
        for transaction in self.transactions.values():
            if transaction["id"] == transaction_id:
                return transaction
        raise PaystackError("Transaction not found", status=404, code="transaction_not_found")

    def dispute(self, transaction: Json, resolution: str | None) -> Json:
        """The buyer's bank wants the money back; or, with a resolution, how that ended."""
        known = [each for each in self.disputes.values() if each["transaction"]["id"] == transaction["id"]]
        dispute = known[-1] if known else self._new_dispute(transaction)
        if resolution is not None:
            dispute |= {"status": "resolved", "resolution": resolution, "resolvedAt": _now()}
        self.raise_event("charge.dispute.create" if resolution is None else "charge.dispute.resolve", dispute)
        return dispute

    def _new_dispute(self, transaction: Json) -> Json:
        dispute = {
            "id": _number(),
            "refund_amount": transaction["amount"],
            "currency": transaction["currency"],
            "status": "awaiting-merchant-feedback",
            "resolution": None,
            "domain": "test",
            # Its transaction comes without the metadata.
            "transaction": copy.deepcopy(transaction) | {"metadata": ""},
            "transaction_reference": None,
            "category": "chargeback",
            "dueAt": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
            "resolvedAt": None,
            "created_at": _now(),
        }
        self.disputes[int(str(dispute["id"]))] = dispute
        return dispute

    def _tell_refund(self, refund: Json) -> None:
        """Its events name the transaction, but not the refund."""
        transaction = self.transaction(refund["transaction"])
        ended = refund["status"] != "pending"
        data = {
            "status": refund["status"],
            "transaction_reference": transaction["reference"],
            "refund_reference": f"TRF_{refund['id']}" if ended else None,
            "amount": str(refund["amount"]),
            "currency": refund["currency"],
            "processor": "instant-transfer",
            "customer": {"first_name": None, "last_name": None, "email": transaction["customer"]["email"]},
            "integration": self.integration,
            "domain": "test",
        }
        self.raise_event(f"refund.{refund['status']}", data)
