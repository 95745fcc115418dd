"""Bookings of one hot tier over HTTP, as phones make them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from bench.load import encode, send_all
from bench.measurement import Part, Sale, sale
from tests.support.cost_recorder import Cost

if TYPE_CHECKING:
    from collections.abc import Sequence

UNITS: Final = 400
BUYERS: Final = 800


async def over_http(urls: Sequence[str], event_id: str, tier_id: str, tokens: Sequence[str], at_once: int) -> Sale:
    """The buyers spread over the servers."""
    body = json.dumps({"eventId": event_id, "lines": [{"tierId": tier_id, "quantity": 1}]}).encode()
    requests = [encode("POST", "/v1/orders", signed_in(token) | _booking_headers(), body) for token in tokens]
    await _spent(urls)
    began = time.perf_counter()
    answers = await send_all(urls, requests, at_once)
    outcomes = [_outcome(answer.status, answer.body) for answer in answers]
    last = max((answer.ended for answer in answers if answer.status == 201), default=began)
    part = Part(began, last, float("nan"), [answer.took for answer in answers], outcomes)
    return sale([part], await _spent(urls))


def signed_in(token: str) -> dict[str, str]:
    """The header that a phone sends."""
    return {"Authorization": f"Bearer {token}"}


def _booking_headers() -> dict[str, str]:
    return {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}


def _outcome(status: int, body: bytes) -> str:
    if status == 201:
        return "done"
    code = json.loads(body).get("code")
    return "sold_out" if (status, code) == (409, "sold_out") else f"{status} {code}"


async def _spent(urls: Sequence[str]) -> list[Cost]:
    answers = [(await send_all([url], [encode("GET", "/bench/spent")], 1))[0] for url in urls]
    return [Cost(**json.loads(answer.body)) for answer in answers]
