"""The routes under /_control by which tests and the launcher steer a fake payment provider."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators.provider_state import Account, Answer, DeliveryRule, Event, Fault, Webhook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from emulators.webhook_sender import WebhookSender

    Handler = Callable[[Any], Awaitable[Response]]

LONGEST_HANG_S = 30.0


class Command(BaseModel):
    """What every command has: the key of the account that it is for."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)
    key: str


class WebhookCommand(Command):
    """Where the account's events go and the secret they are signed with."""

    url: str
    secret: str
    events: list[str] | None = None


class DeliveryCommand(Command):
    """What is left out goes back to: one copy, as sent, not paused. What happens while `lost` is never sent."""

    copies: int = Field(default=1, ge=1, le=50)
    order: Literal["as_sent", "reversed"] = "as_sent"
    paused: bool = False
    lost: bool = False


class ResendCommand(Command):
    """An event to send again, now."""

    event_id: str
    copies: int = Field(default=1, ge=1, le=50)


class FaultCommand(Command):
    """before: 500 and no effect; after: effect, then 500; timeout: effect, no answer; delay: effect after `seconds`."""

    method: str
    path: str
    mode: Literal["before", "after", "timeout", "delay"]
    times: int = Field(default=1, ge=1, le=1000)
    seconds: float = Field(default=1.0, ge=0, le=30)


def _described(account: Account, event: Event) -> dict[str, object]:
    return {
        "id": event.id,
        "type": event.type,
        "createdAt": event.created_at,
        "held": event in account.held,
        "delivered": any(attempt.delivered for attempt in event.attempts),
        "attempts": [asdict(attempt) for attempt in event.attempts],
        "payload": event.payload,
    }


def taking(command: type[Command], handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that checks its body before the handler sees it."""

    async def route(request: Request) -> Response:
        try:
            return await handler(command.model_validate_json(await request.body()))
        except ValidationError as wrong:
            return Response(wrong.json(include_url=False), status_code=422, media_type="application/json")

    return route


def control_routes(open_account: Callable[[str], Account], sender: WebhookSender) -> list[Route]:
    """The control routes over one provider's accounts."""

    async def set_webhook(command: WebhookCommand) -> Response:
        types = None if command.events is None or "*" in command.events else frozenset(command.events)
        open_account(command.key).webhook = Webhook(command.url, command.secret, types)
        return Response(status_code=204)

    async def set_delivery(command: DeliveryCommand) -> Response:
        account = open_account(command.key)
        account.rule = DeliveryRule(command.copies, command.order == "reversed", command.paused, command.lost)
        if not command.paused and account.held:
            sender.release(account)
        return Response(status_code=204)

    async def resend(command: ResendCommand) -> Response:
        account = open_account(command.key)
        event = account.events.get(command.event_id)
        if event is None:
            return JSONResponse({"error": "no such event"}, status_code=404)
        attempts = await sender.resend(account, event, command.copies)
        return JSONResponse({"attempts": [asdict(attempt) for attempt in attempts]})

    async def add_fault(command: FaultCommand) -> Response:
        fault = Fault(command.method.upper(), command.path, command.mode, command.times, command.seconds)
        open_account(command.key).faults.append(fault)
        return Response(status_code=204)

    async def list_events(request: Request) -> Response:
        account = open_account(request.query_params.get("key", ""))
        wanted = request.query_params.get("type")
        events = [event for event in account.events.values() if wanted in (None, event.type)]
        return JSONResponse({"events": [_described(account, event) for event in events]})

    return [
        Route("/_control/webhook", taking(WebhookCommand, set_webhook), methods=["PUT", "POST"]),
        Route("/_control/delivery", taking(DeliveryCommand, set_delivery), methods=["POST"]),
        Route("/_control/resend", taking(ResendCommand, resend), methods=["POST"]),
        Route("/_control/faults", taking(FaultCommand, add_fault), methods=["POST"]),
        Route("/_control/events", list_events, methods=["GET"]),
    ]


async def _hang(request: Request) -> None:
    """Keep the caller waiting until it gives up."""
    for _ in range(int(LONGEST_HANG_S / 0.1)):
        if await request.is_disconnected():
            return
        await asyncio.sleep(0.1)


async def answered(
    account: Account,
    request: Request,
    run: Callable[[], Answer],
    *,
    key: str | None,
    fingerprint: dict[str, Any],
    broken: Answer,
) -> tuple[Answer, bool]:
    """Run one API call under the account's faults and idempotency keys: the answer, and whether it is a replay.

    Faults lie outside the keys, as a network does: a call that failed "after" can be replayed.
    Raises KeyReused and KeyInUse.
    """
    fault = account.take_fault(request.method, request.url.path)
    mode = fault.mode if fault else None
    if mode == "before":
        return broken, False
    answer = account.keys.claim(key, request.url.path, json.dumps(fingerprint, sort_keys=True)) if key else None
    replayed = answer is not None
    if answer is None:
        try:
            if fault and mode == "delay":
                await asyncio.sleep(fault.seconds)
            answer = run()
        finally:
            if key:
                account.keys.settle(key, answer)
    if mode == "timeout":
        await _hang(request)
    return (broken, False) if mode in ("after", "timeout") else (answer, replayed)
