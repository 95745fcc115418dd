"""A Razorpay that the real SDK talks to: orders, payments, refunds, webhooks, and a page where a person pays."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64decode
from binascii import Error as NotBase64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators.fake_razorpay_account import RazorpayAccount, RazorpayError
from emulators.fake_razorpay_calls import operations
from emulators.payment_page import ShownPayment, page_routes
from emulators.provider_control import answered, control_routes
from emulators.provider_mishaps import mishap_routes
from emulators.provider_state import Answer, Event, Json, KeyInUse, KeyReused
from emulators.webhook_sender import RETRY_DELAYS_S, WebhookSender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.requests import Request

    from emulators.fake_razorpay_calls import Operation

KEY_ID = re.compile(r"rzp_test_\w+")
REFUND_KEY = re.compile(r"[A-Za-z0-9_-]{10,}")
BROKEN = Answer(
    500,
    {"error": {"code": "SERVER_ERROR", "description": "We are facing some trouble completing your request"}},
    keep=False,
)


def sign(secret: str, event: Event) -> dict[str, str]:
    """The HMAC-SHA256 of the body; the event's id stands only in a header."""
    digest = hmac.new(secret.encode(), event.body, hashlib.sha256).hexdigest()
    return {"X-Razorpay-Signature": digest, "X-Razorpay-Event-Id": event.id, "User-Agent": "Razorpay-Webhook/v1"}


class RazorpayTill:
    """The orders of all accounts, as the page shows them."""

    name = "Razorpay"

    def __init__(self, accounts: dict[str, RazorpayAccount]) -> None:
        self._accounts = accounts

    def open_payments(self) -> list[ShownPayment]:
        """Orders that are not paid, newest first."""
        open_orders = [
            (account, order)
            for account in self._accounts.values()
            for order in account.orders.values()
            if order["status"] != "paid"
        ]
        open_orders.sort(key=lambda pair: int(pair[1]["created_at"]), reverse=True)
        return [_shown(account, order) for account, order in open_orders]

    def find(self, reference: str) -> ShownPayment | None:
        """The order of this id."""
        account = self._owner(reference)
        return _shown(account, account.orders[reference]) if account else None

    def decide(self, reference: str, *, pay: bool) -> tuple[int, Json]:
        """Pay or decline, and answer with what the checkout hands to the app that opened it."""
        account = self._owner(reference)
        if account is None:
            raise KeyError(reference)
        order = account.orders[reference]
        try:
            payment = account.pay(order) if pay else account.decline(order)
        except RazorpayError as refused:
            return 409, {"error": refused.error}
        if not pay:
            return 200, {"order_id": reference, "payment_id": payment["id"], "status": payment["status"]}
        signed = f"{reference}|{payment['id']}".encode()
        secret = (account.key_secret or "").encode()
        return 200, {
            "order_id": reference,
            "payment_id": payment["id"],
            "status": payment["status"],
            "razorpay_order_id": reference,
            "razorpay_payment_id": payment["id"],
            "razorpay_signature": hmac.new(secret, signed, hashlib.sha256).hexdigest(),
        }

    def _owner(self, reference: str) -> RazorpayAccount | None:
        return next((account for account in self._accounts.values() if reference in account.orders), None)


def _shown(account: RazorpayAccount, order: Json) -> ShownPayment:
    attempts = [payment for payment in account.payments.values() if payment["order_id"] == order["id"]]
    last = attempts[-1] if attempts else None
    taken = last is not None and last["status"] != "failed"
    status = "Waiting for payment" if last is None else last["error_description"] or str(last["status"]).capitalize()
    return ShownPayment(
        reference=order["id"],
        description=f"Order {order['receipt']}" if order["receipt"] else "Order",
        amount_minor=order["amount"],
        currency=order["currency"],
        status="Paid" if order["status"] == "paid" else status,
        tone="soft" if last is None else "good" if taken else "bad",
        open=order["status"] != "paid",
        details={name: str(value) for name, value in dict(order["notes"]).items()},
    )


def create_app(retry_delays: Sequence[float] = RETRY_DELAYS_S) -> Starlette:
    """The whole provider, its memory empty."""
    accounts: dict[str, RazorpayAccount] = {}
    sender = WebhookSender(sign, retry_delays)

    def open_account(key: str) -> RazorpayAccount:
        return accounts.setdefault(key, RazorpayAccount(key, sender.announce))

    def route(method: str, path: str, operation: Operation) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _call(request, operation, open_account)

        return Route(path, endpoint, methods=[method])

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with sender.running():
            yield

    routes = [route(*operation) for operation in operations()]
    routes += [
        *control_routes(open_account, sender),
        *mishap_routes(open_account),
        *page_routes(RazorpayTill(accounts)),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: _unrecognized})


async def _unrecognized(request: Request, error: Exception) -> Response:
    refused = RazorpayError("The requested URL was not found on the server.")
    return JSONResponse({"error": refused.error}, 400)


def _authenticated(header: str, open_account: Callable[[str], RazorpayAccount]) -> RazorpayAccount:
    try:
        key_id, _, secret = b64decode(header.removeprefix("Basic ")).decode().partition(":")
    except (NotBase64, UnicodeDecodeError):
        key_id, secret = "", ""
    if not KEY_ID.fullmatch(key_id) or not secret:
        raise RazorpayError("Authentication failed", status=401)
    account = open_account(key_id)
    account.key_secret = account.key_secret or secret
    if not hmac.compare_digest(account.key_secret.encode(), secret.encode()):
        raise RazorpayError("Authentication failed", status=401)
    return account


async def _parameters(request: Request) -> Json:
    if request.method == "GET":
        return dict(request.query_params)
    try:
        params = json.loads(await request.body() or b"{}")
    except ValueError as wrong:
        raise RazorpayError("The request body is not valid JSON") from wrong
    if not isinstance(params, dict):
        raise RazorpayError("The request body must be a JSON object")
    return params


def _refund_key(request: Request) -> str | None:
    key = request.headers.get("x-refund-idempotency") if request.url.path.endswith("/refund") else None
    if key is not None and not REFUND_KEY.fullmatch(key):
        raise RazorpayError("The idempotency key must be at least 10 characters: letters, digits, hyphens, underscores")
    return key


async def _call(request: Request, operation: Operation, open_account: Callable[[str], RazorpayAccount]) -> Response:
    """One API call: who asks, what the fault and key say, the operation, the reply."""

    def run() -> Answer:
        try:
            return Answer(200, operation(account, params, request.path_params))
        except RazorpayError as refused:
            # A refund that was refused can be asked for again under its key.
            return Answer(refused.status, {"error": refused.error}, keep=False)

    try:
        account = _authenticated(request.headers.get("authorization", ""), open_account)
        params = await _parameters(request)
        key = _refund_key(request)
        answer, _ = await answered(account, request, run, key=key, fingerprint=params, broken=BROKEN)
    except KeyReused:
        said = "Different request with the same idempotency key has already been processed."
        answer = Answer(400, {"error": RazorpayError(said).error})
    except KeyInUse:
        said = "Request failed because another request is in progress with the same idempotency key"
        answer = Answer(409, {"error": RazorpayError(said).error})
    except RazorpayError as refused:
        answer = Answer(refused.status, {"error": refused.error})
    return JSONResponse(answer.body, answer.status)
