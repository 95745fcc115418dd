"""A Paystack as its API is over HTTP: transactions, refunds, disputes, webhooks, and a page where a person pays."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators.fake_paystack_account import PAID, PaystackAccount, PaystackError, RefundOutcome
from emulators.fake_paystack_calls import operations
from emulators.payment_page import ShownPayment, page_routes
from emulators.provider_control import Command, answered, control_routes, taking
from emulators.provider_state import Answer, Event, Json
from emulators.webhook_sender import RETRY_DELAYS_S, WebhookSender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.requests import Request

    from emulators.fake_paystack_calls import Operation

SECRET_KEY = re.compile(r"Bearer (sk_test_\w+)")
BROKEN = Answer(500, {"status": False, "message": "An error occurred", "type": "api_error"}, keep=False)


class RefundsCommand(Command):
    """How pending refunds, and those that are asked for later, end."""

    outcome: RefundOutcome


class DisputeCommand(Command):
    """A dispute of the payment with this reference, or its end."""

    reference: str
    resolution: Literal["declined", "merchant-accepted", "auto-accepted"] | None = None


def sign(secret: str, event: Event) -> dict[str, str]:
    """The HMAC-SHA512 of the body."""
    digest = hmac.new(secret.encode(), event.body, hashlib.sha512).hexdigest()
    return {"X-Paystack-Signature": digest, "User-Agent": "Paystack/2.0"}


class PaystackTill:
    """The transactions of all accounts, as the page shows them; found by access code as the app does, or reference."""

    name = "Paystack"

    def __init__(self, accounts: dict[str, PaystackAccount]) -> None:
        self._accounts = accounts

    def open_payments(self) -> list[ShownPayment]:
        """Transactions that are not paid, newest first."""
        waiting = [
            transaction
            for account in self._accounts.values()
            for transaction in account.transactions.values()
            if transaction["status"] not in PAID
        ]
        waiting.sort(key=lambda transaction: str(transaction["created_at"]), reverse=True)
        return [_shown(transaction) for transaction in waiting]

    def find(self, reference: str) -> ShownPayment | None:
        """The transaction of this access code or reference."""
        found = self._found(reference)
        return _shown(found[1]) if found else None

    def decide(self, reference: str, *, pay: bool) -> tuple[int, Json]:
        """Pay or decline, and answer with what the popup hands to the app that opened it."""
        found = self._found(reference)
        if found is None:
            raise KeyError(reference)
        account, transaction = found
        try:
            (account.pay if pay else account.decline)(transaction)
        except PaystackError as refused:
            return 409, refused.body
        shown = {"trans": str(transaction["id"]), "reference": transaction["reference"]}
        return 200, shown | {"status": transaction["status"], "message": transaction["gateway_response"]}

    def _found(self, name: str) -> tuple[PaystackAccount, Json] | None:
        # References are the merchants' own: of two accounts with the same, the newer one's is meant.
        for account in reversed(self._accounts.values()):
            reference = account.access_codes.get(name, name)
            if reference in account.transactions:
                return account, account.transactions[reference]
        return None


def _shown(transaction: Json) -> ShownPayment:
    status = transaction["status"]
    metadata = transaction["metadata"] if isinstance(transaction["metadata"], dict) else {}
    words = {"abandoned": "Waiting for payment", "failed": f"Declined: {transaction['gateway_response']}"}
    return ShownPayment(
        reference=transaction["reference"],
        description=f"Order {metadata['orderNumber']}" if "orderNumber" in metadata else "Payment",
        amount_minor=transaction["amount"],
        currency=transaction["currency"],
        status=words.get(status, "Paid"),
        tone="good" if status in PAID else "bad" if status == "failed" else "soft",
        open=status not in PAID,
        details={name: str(value) for name, value in metadata.items()},
    )


def create_app(retry_delays: Sequence[float] = RETRY_DELAYS_S) -> Starlette:
    """The whole provider, its memory empty."""
    accounts: dict[str, PaystackAccount] = {}
    sender = WebhookSender(sign, retry_delays)

    def open_account(key: str) -> PaystackAccount:
        return accounts.setdefault(key, PaystackAccount(key, sender.announce))

    def route(method: str, path: str, operation: Operation) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _call(request, operation, open_account)

        return Route(path, endpoint, methods=[method])

    async def end_refunds(command: RefundsCommand) -> Response:
        open_account(command.key).end_refunds(command.outcome)
        return Response(status_code=204)

    async def dispute(command: DisputeCommand) -> Response:
        account = open_account(command.key)
        return JSONResponse(account.dispute(account.transactions[command.reference], command.resolution))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with sender.running():
            yield

    routes = [route(*operation) for operation in operations()]
    routes += [
        Route("/_control/refunds", taking(RefundsCommand, end_refunds), methods=["POST"]),
        Route("/_control/disputes", taking(DisputeCommand, dispute), methods=["POST"]),
    ]
    routes += [*control_routes(open_account, sender), *page_routes(PaystackTill(accounts))]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: _unrecognized})


async def _unrecognized(request: Request, error: Exception) -> Response:
    refused = PaystackError("The requested URL was not found on the server.", status=404, code="route_not_found")
    return JSONResponse(refused.body, refused.status)


async def _parameters(request: Request) -> Json:
    if request.method == "GET":
        return dict(request.query_params)
    try:
        params = json.loads(await request.body() or b"{}")
    except ValueError as wrong:
        raise PaystackError("The request body is not valid JSON") from wrong
    if not isinstance(params, dict):
        raise PaystackError("The request body must be a JSON object")
    return params


async def _call(request: Request, operation: Operation, open_account: Callable[[str], PaystackAccount]) -> Response:
    """One API call: who asks, what the fault says, the operation, the reply. Nothing here knows idempotency keys."""

    def run() -> Answer:
        try:
            path = {"base": str(request.base_url), **request.path_params}
            message, data, meta = operation(account, params, path)
        except PaystackError as refused:
            return Answer(refused.status, refused.body)
        return Answer(200, {"status": True, "message": message, "data": data} | ({"meta": meta} if meta else {}))

    try:
        named = SECRET_KEY.fullmatch(request.headers.get("authorization", ""))
        if named is None:
            raise PaystackError("Invalid key", status=401, code="invalid_Key")
        account = open_account(named[1])
        params = await _parameters(request)
        answer, _ = await answered(account, request, run, key=None, fingerprint=params, broken=BROKEN)
    except PaystackError as refused:
        answer = Answer(refused.status, refused.body)
    return JSONResponse(answer.body, answer.status)
