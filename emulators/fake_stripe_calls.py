"""The calls of the Stripe API that the fake knows: what each takes, refuses and does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from stripe.params import (
    PaymentIntentCancelParams,
    PaymentIntentCaptureParams,
    PaymentIntentConfirmParams,
    PaymentIntentCreateParams,
    RefundCreateParams,
    WebhookEndpointCreateParams,
)

from emulators.fake_stripe_account import StripeAccount, StripeError, missing
from emulators.provider_state import Json, Webhook, new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Operation = Callable[[StripeAccount, Json, dict[str, str]], Json]

LARGEST_AMOUNT = 99_999_999
REFUND_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def _whole(params: Json, name: str, *, required: bool = False) -> int | None:
    text = params.get(name)
    if text in (None, ""):
        if required:
            raise StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name, keep=False)
        return None
    if not re.fullmatch(r"-?\d{1,15}", str(text)):
        message = f"Invalid integer: {text}"
        raise StripeError(message, code="parameter_invalid_integer", param=name, keep=False)
    if int(text) < 1:
        message = "This value must be greater than or equal to 1."
        raise StripeError(message, code="parameter_invalid_integer", param=name, keep=False)
    return int(text)


def _metadata(params: Json) -> Json:
    metadata = params.get("metadata") or {}
    if not isinstance(metadata, dict) or len(metadata) > 50:
        raise StripeError("Metadata can have up to 50 keys.", param="metadata", keep=False)
    for name, value in metadata.items():
        if len(name) > 40 or len(str(value)) > 500:
            message = "Metadata keys can have up to 40 characters and values up to 500 characters."
            raise StripeError(message, param=f"metadata[{name}]", keep=False)
    return metadata


def _known(params: Json, declared: type) -> None:
    for name in params:
        if name not in declared.__annotations__:
            raise StripeError(f"Received unknown parameter: {name}", code="parameter_unknown", param=name, keep=False)


def _of(things: dict[str, Json], kind: str, path: dict[str, str]) -> Json:
    thing = things.get(path["id"])
    if thing is None:
        raise missing(kind, path["id"], param="intent" if kind == "payment_intent" else "id")
    return thing


def create_intent(account: StripeAccount, params: Json, path: dict[str, str]) -> Json:
    """POST /v1/payment_intents, confirmed at once when asked."""
    _known(params, PaymentIntentCreateParams)
    amount = _whole(params, "amount", required=True)
    if amount is None or amount > LARGEST_AMOUNT:
        message = "Amount must be no more than 999,999.99"
        raise StripeError(message, code="amount_too_large", param="amount", keep=False)
    if not params.get("currency"):
        raise StripeError("Missing required param: currency.", code="parameter_missing", param="currency", keep=False)
    if not re.fullmatch(r"[a-zA-Z]{3}", params["currency"]):
        raise StripeError(f"Invalid currency: {params['currency']}", param="currency", keep=False)
    intent = account.create_intent(params | {"metadata": _metadata(params)}, amount)
    return account.confirm(intent, None) if params.get("confirm") == "true" else intent


def confirm_intent(account: StripeAccount, params: Json, path: dict[str, str]) -> Json:
    """POST /v1/payment_intents/{id}/confirm."""
    _known(params, PaymentIntentConfirmParams)
    return account.confirm(_of(account.intents, "payment_intent", path), params.get("payment_method"))


def cancel_intent(account: StripeAccount, params: Json, path: dict[str, str]) -> Json:
    """POST /v1/payment_intents/{id}/cancel."""
    _known(params, PaymentIntentCancelParams)
    return account.cancel(_of(account.intents, "payment_intent", path), params.get("cancellation_reason"))


def capture_intent(account: StripeAccount, params: Json, path: dict[str, str]) -> Json:
    """POST /v1/payment_intents/{id}/capture, of the whole amount."""
    _known(params, PaymentIntentCaptureParams)
    return account.capture(_of(account.intents, "payment_intent", path))


def create_refund(account: StripeAccount, params: Json, path: dict[str, str]) -> Json:
    """POST /v1/refunds, of a charge or of a payment intent's charge."""
    _known(params, RefundCreateParams)
    charge_id, intent_id = params.get("charge"), params.get("payment_intent")
    if not charge_id and not intent_id:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise StripeError(message, keep=False)
    if not charge_id:
        intent = account.intents.get(str(intent_id))
        if intent is None:
            raise missing("payment_intent", str(intent_id), status=400, param="payment_intent")
        if intent["status"] != "succeeded":
            raise StripeError(f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.")
        charge_id = intent["latest_charge"]
    charge = account.charges.get(charge_id)
    if charge is None:
        raise missing("charge", charge_id, status=400, param="charge")
    reason = params.get("reason")
    if reason is not None and reason not in REFUND_REASONS:
        message = "Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer"
        raise StripeError(message, param="reason", keep=False)
    return account.refund(charge, _whole(params, "amount"), reason, _metadata(params))


def create_webhook_endpoint(account: StripeAccount, params: Json, path: dict[str, str]) -> Json:
    """POST /v1/webhook_endpoints; the account has one, the latest."""
    _known(params, WebhookEndpointCreateParams)
    types, secret = params.get("enabled_events", ["*"]), new_id("whsec_", 32)
    account.webhook = Webhook(params["url"], secret, None if "*" in types else frozenset(types))
    endpoint = {"id": new_id("we_", 24), "object": "webhook_endpoint", "enabled_events": types, "livemode": False}
    return endpoint | {"secret": secret, "status": "enabled", "url": params["url"]}


def expanded(account: StripeAccount, thing: Json, paths: Sequence[str]) -> Json:
    """The object with the ids at these paths replaced by what they stand for."""
    homes = {"pi_": account.intents, "ch_": account.charges, "re_": account.refunds, "txn": account.balance}
    shown = dict(thing)
    for path in paths:
        name, _, rest = path.partition(".")
        if name == "data":
            shown["data"] = [expanded(account, item, [rest]) for item in shown["data"]]
        elif name not in shown:
            raise StripeError(f"This property cannot be expanded ({name}).", param="expand", keep=False)
        elif shown[name] is not None:
            inner = shown[name] if isinstance(shown[name], dict) else homes[shown[name][:3]][shown[name]]
            shown[name] = expanded(account, inner, [rest] if rest else [])
    return shown


def _listing(things: Callable[[StripeAccount], dict[str, Json]], url: str, filters: tuple[str, ...]) -> Operation:
    def page(account: StripeAccount, params: Json, path: dict[str, str]) -> Json:
        limit = _whole(params, "limit") or 10
        if limit > 100:
            raise StripeError("Invalid limit: must be at most 100", param="limit", keep=False)
        found = [
            thing
            for thing in reversed(things(account).values())
            if all(thing.get(name) == params[name] for name in filters if name in params)
            and _created_within(thing["created"], params.get("created"))
        ]
        after = params.get("starting_after")
        if after is not None:
            ids = [thing["id"] for thing in found]
            if after not in ids:
                raise missing(url.rpartition("/")[2].removesuffix("s"), after, status=400, param="starting_after")
            found = found[ids.index(after) + 1 :]
        return {"object": "list", "data": found[:limit], "has_more": len(found) > limit, "url": url}

    return page


def _created_within(created: int, window: Any) -> bool:
    if window is None:
        return True
    if not isinstance(window, dict):
        return created == int(window)
    checks = {"gt": int.__gt__, "gte": int.__ge__, "lt": int.__lt__, "lte": int.__le__}
    return all(checks[name](created, int(limit)) for name, limit in window.items())


def operations() -> list[tuple[str, str, Operation]]:
    """Method, path and operation of every call."""

    def fetch(things: Callable[[StripeAccount], dict[str, Json]], kind: str) -> Operation:
        return lambda account, params, path: _of(things(account), kind, path)

    intents, refunds = "/v1/payment_intents", "/v1/refunds"
    charges, balance = "/v1/charges", "/v1/balance_transactions"
    return [
        ("POST", intents, create_intent),
        ("GET", intents, _listing(lambda a: a.intents, intents, ("customer",))),
        ("GET", f"{intents}/{{id}}", fetch(lambda a: a.intents, "payment_intent")),
        ("POST", f"{intents}/{{id}}/confirm", confirm_intent),
        ("POST", f"{intents}/{{id}}/cancel", cancel_intent),
        ("POST", f"{intents}/{{id}}/capture", capture_intent),
        ("POST", refunds, create_refund),
        ("GET", refunds, _listing(lambda a: a.refunds, refunds, ("charge", "payment_intent"))),
        ("GET", f"{refunds}/{{id}}", fetch(lambda a: a.refunds, "refund")),
        ("GET", "/v1/disputes", _listing(lambda a: a.disputes, "/v1/disputes", ("charge", "payment_intent"))),
        ("GET", charges, _listing(lambda a: a.charges, charges, ("payment_intent",))),
        ("GET", f"{charges}/{{id}}", fetch(lambda a: a.charges, "charge")),
        ("GET", balance, _listing(lambda a: a.balance, balance, ("type", "source"))),
        ("GET", f"{balance}/{{id}}", fetch(lambda a: a.balance, "balance_transaction")),
        ("POST", "/v1/webhook_endpoints", create_webhook_endpoint),
    ]
