"""The calls of the Razorpay API that the fake knows: what each takes, refuses and does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulators.fake_razorpay_account import RazorpayAccount, RazorpayError, unknown_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulators.provider_state import Json

    Operation = Callable[[RazorpayAccount, Json, dict[str, str]], Json]

ORDER_FIELDS = {"amount", "currency", "receipt", "notes", "partial_payment", "first_payment_min_amount"} | {
    "payment_capture",
    "payment",
    "customer_id",
    "method",
    "token",
    "offers",
    "customer_details",
    "checkout_config_id",
}
REFUND_FIELDS = {"amount", "speed", "notes", "receipt"}
SMALLEST_ORDER = 100


def _known(params: Json, fields: set[str]) -> None:
    extra = [name for name in params if name not in fields]
    if extra:
        raise RazorpayError(f"{', '.join(extra)} is/are not required and should not be sent")


def _amount(params: Json, *, required: bool) -> int | None:
    amount = params.get("amount")
    if amount is None:
        if required:
            raise RazorpayError("The amount field is required.", field="amount")
        return None
    if isinstance(amount, bool) or not str(amount).isdigit():
        raise RazorpayError("The amount must be an integer.", field="amount")
    return int(amount)


def _notes(params: Json) -> Json:
    notes = params.get("notes") or {}
    if not isinstance(notes, dict) or len(notes) > 15:
        raise RazorpayError("Number of fields in notes should be less than or equal to 15", field="notes")
    if any(len(str(value)) > 256 for value in notes.values()):
        raise RazorpayError("notes value cannot be greater than 256 characters", field="notes")
    return notes


def _receipt(params: Json) -> str | None:
    receipt = params.get("receipt")
    if receipt is not None and len(str(receipt)) > 40:
        raise RazorpayError("The receipt may not be greater than 40 characters.", field="receipt")
    return receipt


def _captures_itself(params: Json) -> bool:
    by_hand = (params.get("payment") or {}).get("capture") == "manual"
    return not by_hand and str(params.get("payment_capture", 1)).lower() in ("1", "true")


def create_order(account: RazorpayAccount, params: Json, path: dict[str, str]) -> Json:
    """POST /v1/orders."""
    _known(params, ORDER_FIELDS)
    amount, currency = _amount(params, required=True), params.get("currency")
    if not currency:
        raise RazorpayError("The currency field is required.", field="currency")
    if len(str(currency)) != 3:
        raise RazorpayError("The currency should be ISO standard", field="currency")
    if amount is None or (currency == "INR" and amount < SMALLEST_ORDER):
        raise RazorpayError("Order amount less than minimum amount allowed", field="amount")
    said = {"amount": amount, "currency": currency, "receipt": _receipt(params), "notes": _notes(params)}
    return account.create_order(said, automatic=_captures_itself(params))


def capture_payment(account: RazorpayAccount, params: Json, path: dict[str, str]) -> Json:
    """POST /v1/payments/{id}/capture."""
    _known(params, {"amount", "currency"})
    return account.capture(_of(account.payments, path["id"]), _amount(params, required=True) or 0)


def create_refund(account: RazorpayAccount, params: Json, path: dict[str, str]) -> Json:
    """POST /v1/payments/{id}/refund."""
    _known(params, REFUND_FIELDS)
    payment, speed = _of(account.payments, path["id"]), params.get("speed", "normal")
    if speed not in ("normal", "optimum"):
        raise RazorpayError("speed should be normal or optimum", field="speed")
    return account.refund(payment, _amount(params, required=False), _receipt(params), _notes(params), speed)


def _of(things: dict[str, Json], thing_id: str) -> Json:
    if thing_id not in things:
        raise unknown_id()
    return things[thing_id]


def _listing(things: Callable[[RazorpayAccount], dict[str, Json]], parent: str | None = None) -> Operation:
    def collection(account: RazorpayAccount, params: Json, path: dict[str, str]) -> Json:
        if parent is not None:
            _of(account.orders if parent == "order_id" else account.payments, path["id"])
        begin, end = int(params.get("from", 0)), int(params.get("to", 1 << 62))
        found = [
            thing
            for thing in reversed(things(account).values())
            if begin <= thing["created_at"] <= end
            and (parent is None or thing[parent] == path["id"])
            and ("receipt" not in params or thing.get("receipt") == params["receipt"])
        ]
        count, skip = int(params.get("count", 10)), int(params.get("skip", 0))
        if not 1 <= count <= 100:
            raise RazorpayError("The count must be between 1 and 100.", field="count")
        items = found[skip : skip + count]
        return {"entity": "collection", "count": len(items), "items": items}

    return collection


def operations() -> list[tuple[str, str, Operation]]:
    """Method, path and operation of every call."""

    def fetch(things: Callable[[RazorpayAccount], dict[str, Json]], name: str = "id") -> Operation:
        return lambda account, params, path: _of(things(account), path[name])

    orders, payments, refunds = "/v1/orders", "/v1/payments", "/v1/refunds"
    return [
        ("POST", orders, create_order),
        ("GET", orders, _listing(lambda a: a.orders)),
        ("GET", f"{orders}/{{id}}", fetch(lambda a: a.orders)),
        ("GET", f"{orders}/{{id}}/payments", _listing(lambda a: a.payments, "order_id")),
        ("GET", payments, _listing(lambda a: a.payments)),
        ("GET", f"{payments}/{{id}}", fetch(lambda a: a.payments)),
        ("POST", f"{payments}/{{id}}/capture", capture_payment),
        ("POST", f"{payments}/{{id}}/refund", create_refund),
        ("GET", f"{payments}/{{id}}/refunds", _listing(lambda a: a.refunds, "payment_id")),
        ("GET", f"{payments}/{{id}}/refunds/{{refund}}", fetch(lambda a: a.refunds, "refund")),
        ("GET", refunds, _listing(lambda a: a.refunds)),
        ("GET", f"{refunds}/{{id}}", fetch(lambda a: a.refunds)),
    ]
