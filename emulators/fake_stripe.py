"""A Stripe that the real SDK talks to: payment intents, refunds, webhooks, and a page where a person pays."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from base64 import b64decode
from binascii import Error as NotBase64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators import nested_form
from emulators.fake_stripe_account import CONFIRMABLE, StripeAccount, StripeError
from emulators.fake_stripe_calls import expanded, operations
from emulators.payment_page import ShownPayment, page_routes
from emulators.provider_control import answered, control_routes
from emulators.provider_mishaps import mishap_routes
from emulators.provider_state import Answer, Event, Json, KeyInUse, KeyReused, new_id
from emulators.webhook_sender import RETRY_DELAYS_S, WebhookSender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.requests import Request

    from emulators.fake_stripe_calls import Operation

SECRET_KEY = re.compile(r"sk_test_\w+")
BROKEN = Answer(500, {"error": {"message": "An unknown error occurred", "type": "api_error"}}, keep=False)


def sign(secret: str, event: Event) -> dict[str, str]:
    """Stripe's header: a timestamp and the HMAC-SHA256 of it and the body."""
    at = int(time.time())
    digest = hmac.new(secret.encode(), f"{at}.".encode() + event.body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={at},v1={digest}", "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"}


def _secret_key(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            value = b64decode(value).decode().partition(":")[0]
        except (NotBase64, UnicodeDecodeError):
            value = ""
    if not header:
        raise StripeError("You did not provide an API key.", status=401, keep=False)
    if not SECRET_KEY.fullmatch(value):
        raise StripeError(f"Invalid API Key provided: {value[:8]}****{value[-4:]}", status=401, keep=False)
    return value


class StripeTill:
    """The payment intents of all accounts, as the page shows them."""

    name = "Stripe"

    def __init__(self, accounts: dict[str, StripeAccount]) -> None:
        self._accounts = accounts

    def open_payments(self) -> list[ShownPayment]:
        """Those that wait for a payment method, newest first."""
        intents = [intent for account in self._accounts.values() for intent in account.intents.values()]
        intents.sort(key=lambda intent: int(intent["created"]), reverse=True)
        return [_shown(intent) for intent in intents if intent["status"] in CONFIRMABLE]

    def find(self, reference: str) -> ShownPayment | None:
        """The intent of this id."""
        account = self._owner(reference)
        return _shown(account.intents[reference]) if account else None

    def decide(self, reference: str, *, pay: bool) -> tuple[int, Json]:
        """Confirm with a card that works, or with one that does not."""
        account = self._owner(reference)
        if account is None:
            raise KeyError(reference)
        intent = account.intents[reference]
        account.request = {"id": new_id("req_", 14), "idempotency_key": None}
        status = 200
        try:
            account.confirm(intent, "pm_card_visa" if pay else "pm_card_chargeDeclined")
        except StripeError as refused:
            # A decline is what its button is for; anything else means that the intent was not open any more.
            status = 200 if refused.status == 402 else 409
        shown = ("id", "status", "amount", "currency", "latest_charge", "last_payment_error", "metadata")
        return status, {name: intent[name] for name in shown}

    def _owner(self, reference: str) -> StripeAccount | None:
        return next((account for account in self._accounts.values() if reference in account.intents), None)


def _shown(intent: Json) -> ShownPayment:
    error, status = intent["last_payment_error"], intent["status"]
    paid = status in ("succeeded", "requires_capture")
    return ShownPayment(
        reference=intent["id"],
        description=intent["description"] or "Payment",
        amount_minor=intent["amount"],
        currency=intent["currency"],
        status="Paid" if paid else f"Declined: {error['message']}" if error else status.replace("_", " "),
        tone="good" if paid else "bad" if error or status == "canceled" else "soft",
        open=status in CONFIRMABLE,
        details=intent["metadata"],
    )


def create_app(retry_delays: Sequence[float] = RETRY_DELAYS_S) -> Starlette:
    """The whole provider, its memory empty."""
    accounts: dict[str, StripeAccount] = {}
    sender = WebhookSender(sign, retry_delays)

    def open_account(key: str) -> StripeAccount:
        return accounts.setdefault(key, StripeAccount(key, sender.announce))

    def route(method: str, path: str, operation: Operation) -> Route:
        async def endpoint(request: Request) -> Response:
            text = request.url.query if method == "GET" else (await request.body()).decode("utf-8", "replace")
            return await _call(request, operation, nested_form.parse(text), open_account)

        return Route(path, endpoint, methods=[method])

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with sender.running():
            yield

    routes = [route(*operation) for operation in operations()]
    routes += [*control_routes(open_account, sender), *mishap_routes(open_account), *page_routes(StripeTill(accounts))]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: _unrecognized})


async def _unrecognized(request: Request, error: Exception) -> Response:
    message = f"Unrecognized request URL ({request.method}: {request.url.path})."
    return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, status_code=404)


async def _call(
    request: Request, operation: Operation, params: Json, open_account: Callable[[str], StripeAccount]
) -> Response:
    """One API call: who asks, what the fault and key say, the operation, the reply."""
    headers = {"Request-Id": new_id("req_", 14)}
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    expand = params.pop("expand", [])

    def run() -> Answer:
        account.request = {"id": headers["Request-Id"], "idempotency_key": key}
        try:
            return Answer(200, expanded(account, operation(account, params, request.path_params), expand))
        except StripeError as refused:
            return Answer(refused.status, {"error": refused.error}, refused.keep)

    try:
        account = open_account(_secret_key(request.headers.get("authorization", "")))
        said = params | {"expand": expand}
        answer, replayed = await answered(account, request, run, key=key, fingerprint=said, broken=BROKEN)
    except StripeError as refused:
        return JSONResponse({"error": refused.error}, refused.status, headers)
    except KeyReused as reused:
        return JSONResponse({"error": _key_reused(reused, key, request.url.path)}, 400, headers)
    except KeyInUse:
        message = f"There is currently another in-progress request using this Idempotent Key: {key}."
        error = {"code": "idempotency_key_in_use", "message": message, "type": "invalid_request_error"}
        return JSONResponse({"error": error}, 409, headers)
    headers |= {"Idempotency-Key": key} if key else {}
    headers |= {"Idempotent-Replayed": "true"} if replayed else {}
    headers |= {"Stripe-Should-Retry": "false"} if answer is BROKEN else {}
    return JSONResponse(answer.body, answer.status, headers)


def _key_reused(reused: KeyReused, key: str | None, path: str) -> Json:
    same = "with the same parameters they were first used with"
    if reused.path != path:
        same = f"for the same endpoint they were first used for ('{path}' vs '{reused.path}')"
    message = f"Keys for idempotent requests can only be used {same}. Try using a key other than '{key}' "
    return {"message": f"{message}if you meant to execute a different request.", "type": "idempotency_error"}
