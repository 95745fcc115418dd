"""The page where a person pays or declines, the same for every fake provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from emulators.html_page import Html, fragment, money_text, page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request

    from emulators.provider_state import Json


@dataclass(frozen=True)
class ShownPayment:
    """One payment as a page shows it. `tone` is good, bad or soft."""

    reference: str
    description: str
    amount_minor: int
    currency: str
    status: str
    tone: str
    open: bool
    details: Mapping[str, str]


class Till(Protocol):
    """What a provider offers to its page."""

    name: str

    def open_payments(self) -> Sequence[ShownPayment]:
        """All payments that can still be paid, newest first."""

    def find(self, reference: str) -> ShownPayment | None:
        """The payment of this id, whoever's it is."""

    def decide(self, reference: str, *, pay: bool) -> tuple[int, Json]:
        """Pay or decline a known payment: a status and what became of it. 409 when it was not open any more."""


def page_routes(till: Till) -> list[Route]:
    """GET /, GET /pay/{reference}, POST /pay/{reference}/pay and /decline (JSON when Accept asks for it)."""

    async def show_open(request: Request) -> Response:
        rows = [_row(payment) for payment in till.open_payments()]
        body = Html("".join(rows)) if rows else fragment("nothing", text="Nothing waits to be paid.")
        title = f"Open {till.name} payments"
        return HTMLResponse(page(title, fragment("open_payments", provider=till.name, rows=body), refresh_seconds=5))

    async def show(request: Request) -> Response:
        payment = till.find(request.path_params["reference"])
        if payment is None:
            return HTMLResponse(page("Unknown payment", fragment("nothing", text="There is no such payment.")), 404)
        return HTMLResponse(page(f"{till.name} test payment", _card(till.name, payment)))

    def deciding(*, pay: bool) -> Callable[[Request], Awaitable[Response]]:
        async def decide(request: Request) -> Response:
            reference = request.path_params["reference"]
            if till.find(reference) is None:
                return await show(request)
            status, outcome = till.decide(reference, pay=pay)
            if "application/json" in request.headers.get("accept", ""):
                return JSONResponse(outcome, status)
            # A reload of the result must not pay twice.
            return RedirectResponse(f"/pay/{reference}", 303)

        return decide

    return [
        Route("/", show_open),
        Route("/pay/{reference}", show),
        Route("/pay/{reference}/pay", deciding(pay=True), methods=["POST"]),
        Route("/pay/{reference}/decline", deciding(pay=False), methods=["POST"]),
    ]


def _row(payment: ShownPayment) -> str:
    return fragment(
        "open_payment",
        reference=payment.reference,
        amount=money_text(payment.amount_minor, payment.currency),
        description=payment.description,
        status=payment.status,
    )


def _card(provider: str, payment: ShownPayment) -> Html:
    details = {"Reference": payment.reference, **payment.details}
    return fragment(
        "pay",
        provider=provider,
        description=payment.description,
        amount=money_text(payment.amount_minor, payment.currency),
        tone=payment.tone,
        status=payment.status,
        details=Html("".join(fragment("detail", name=name, value=value) for name, value in details.items())),
        buttons=fragment("pay_buttons", reference=payment.reference) if payment.open else Html(""),
    )
