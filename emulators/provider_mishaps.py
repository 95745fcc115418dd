"""The routes under /_control by which tests have a fake provider's refunds fail and its payments disputed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from emulators.provider_state import Json


class Account(Protocol):
    """The part of a provider's account that mishaps happen to."""

    refund_outcomes: list[str]
    refunds: dict[str, Json]

    def end_refund(self, refund: Json, status: str) -> None:
        """Let a refund end."""

    def dispute(self, payment_id: str, status: str, amount: int | None = None) -> Json:
        """Open or decide a dispute."""


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid")
    key: str


class RefundOutcomes(_Command):
    """How the next refunds go, in this order; all after them succeed."""

    outcomes: list[Literal["succeeded", "pending", "failed"]] = Field(max_length=100)


class RefundEnd(_Command):
    """Let a refund end: one that is pending, or one whose money the bank hands back."""

    refund: str
    status: Literal["succeeded", "failed"]


class DisputeCommand(_Command):
    """`payment` is what a refund would name; `status` is the provider's own word."""

    payment: str
    status: str
    amount: int | None = None


def mishap_routes(open_account: Callable[[str], Any]) -> list[Route]:
    """The routes over one provider's accounts."""

    def taking(
        command: type[_Command], act: Callable[[Account, Any], Json]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def route(request: Request) -> Response:
            try:
                said = command.model_validate_json(await request.body())
                return JSONResponse(act(open_account(said.key), said))
            except ValidationError as wrong:
                return Response(wrong.json(include_url=False), status_code=422, media_type="application/json")
            except KeyError as unknown:
                return JSONResponse({"error": f"no such thing: {unknown}"}, status_code=404)

        return route

    def set_outcomes(account: Account, said: RefundOutcomes) -> Json:
        account.refund_outcomes[:] = said.outcomes
        return {}

    def end_refund(account: Account, said: RefundEnd) -> Json:
        account.end_refund(account.refunds[said.refund], said.status)
        return account.refunds[said.refund]

    def dispute(account: Account, said: DisputeCommand) -> Json:
        return account.dispute(said.payment, said.status, said.amount)

    return [
        Route("/_control/refund-outcomes", taking(RefundOutcomes, set_outcomes), methods=["POST"]),
        Route("/_control/refund-end", taking(RefundEnd, end_refund), methods=["POST"]),
        Route("/_control/disputes", taking(DisputeCommand, dispute), methods=["POST"]),
    ]
