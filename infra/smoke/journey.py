"""One night out from sign-in to the door, seen by nobody, paid by nobody, and called off at its end.

The event is private and its ticket free: no list has it, no provider hears of it. The account's organization is made
once and used by every run after. A run that dies half way leaves an event that ends by itself within hours.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from infra.smoke.asking import Wrong, body, require

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from infra.smoke.asking import Api

# What tasks do behind a reply is waited for this long; their functions may have to start first.
SOON_S: Final = 20.0
LOOK_EVERY_S: Final = 0.5
CLEAN_UP_S: Final = 10.0
NAME: Final = "Smoke test"

Json = dict[str, Any]


def night_out(api: Api, token: str) -> None:
    """The whole journey of one person who is organizer, guest and door at once."""
    me = api.ask("POST", "/v1/session", token=token, json={})
    require(me, body(me).get("user"), "a user", me.text)
    # Nobody reads what would be sent to a number that is nobody's.
    silent = {"push": False, "sms": False, "email": False, "whatsapp": False}
    api.ask("PATCH", "/v1/me", token=token, json={"displayName": NAME, "notificationPreferences": silent})
    with _event(api, token) as event:
        ticket = _ticket(api, token, event)
        _door(api, token, event, ticket)
    _called_off(api, token, event)
    api.ask("DELETE", "/v1/session", 204, token=token)


@contextmanager
def _event(api: Api, token: str) -> Iterator[Json]:
    """A private event with a free ticket, on sale inside the block and called off after it, whatever happens there."""
    org = {"name": NAME, "country": "IN", "currency": "INR"}
    # This key never changes: the organization's id follows from it.
    founded = body(api.ask("POST", "/v1/organizations", 201, token=token, key="smoke-organization", json=org))
    drafted = api.ask("POST", "/v1/events", 201, token=token, key=f"{api.run}-event", json=_draft(founded["orgId"]))
    event = body(drafted)
    path = f"/v1/events/{event['eventId']}"
    try:
        published = api.ask("POST", f"{path}/publish", token=token)
        require(published, body(published)["status"] == "published", "status published", body(published)["status"])
        api.ask("GET", path, 404, "not_found")
        api.ask("GET", path, token=token)
        yield event
    except BaseException:
        api.until = max(api.until, time.monotonic() + CLEAN_UP_S)
        with suppress(Wrong):  # what failed first is what to tell
            api.ask("POST", f"{path}/cancel", token=token)
        raise
    cancelled = api.ask("POST", f"{path}/cancel", token=token)
    require(cancelled, body(cancelled)["status"] == "cancelled", "status cancelled", body(cancelled)["status"])


def _draft(org_id: str) -> Json:
    """Doors are open already: a code is admitted from four hours before the start."""
    starts = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    venue = {"name": NAME, "address": "Nowhere", "city": "Mumbai", "latitude": 19.0, "longitude": 72.8}
    return {
        "orgId": org_id,
        "title": NAME,
        "description": "Made and called off by make smoke.",
        "startsAt": starts.isoformat(),
        "endsAt": (starts + timedelta(hours=1)).isoformat(),
        "timezone": "Asia/Kolkata",
        "venue": venue,
        "genres": ["techno"],
        "visibility": "private",
        "tiers": [{"name": "Free", "price": {"amountMinor": 0, "currency": "INR"}, "capacity": 1}],
    }


def _ticket(api: Api, token: str, event: Json) -> str:
    """The only ticket there is; its code."""
    lines = [{"tierId": event["tiers"][0]["tierId"], "quantity": 1}]
    wanted = {"eventId": event["eventId"], "lines": lines}
    held = api.ask("POST", "/v1/orders", 201, token=token, key=f"{api.run}-order", json=wanted)
    order = body(held)
    require(held, order["amounts"]["total"]["amountMinor"] == 0, "a total of nothing", order["amounts"])
    again = api.ask("POST", "/v1/orders", 201, token=token, key=f"{api.run}-order", json=wanted)
    require(
        again, body(again)["orderId"] == order["orderId"], "the same order for the same key", body(again)["orderId"]
    )
    api.ask("POST", "/v1/orders", 409, "sold_out", token=token, key=f"{api.run}-second", json=wanted)
    api.ask("POST", f"/v1/orders/{order['orderId']}/checkout", token=token, json={"gateway": "stripe"})
    bought = body(_eventually(api, f"/v1/orders/{order['orderId']}", token, "status", "ticketed"))
    ticket = api.ask("GET", f"/v1/tickets/{bought['ticketIds'][0]}", token=token)
    code = str(body(ticket).get("qr", ""))
    require(ticket, code.startswith("MQ1."), "a code", "none")
    return code


def _door(api: Api, token: str, event: Json, code: str) -> None:
    """Admitted once."""
    for expected in ("admitted", "already_used"):
        scanned = api.ask("POST", f"/v1/events/{event['eventId']}/check-ins", token=token, json={"qr": code})
        require(scanned, body(scanned)["result"] == expected, expected, body(scanned)["result"])


def _called_off(api: Api, token: str, event: Json) -> None:
    """The tasks behind the cancellation ran: outbox, Cloud Tasks and the functions that they call work together."""
    run = _eventually(api, f"/v1/events/{event['eventId']}/refund-run", token, "status", "done")
    require(run, body(run)["amountMinor"] == 0, "nothing to give back", body(run)["amountMinor"])
    listed = api.ask("GET", f"/v1/organizers/{event['orgId']}/events")
    require(listed, event["eventId"] not in listed.text, "no word of a private event", "the event")


def _eventually(api: Api, path: str, token: str, field: str, value: str) -> httpx.Response:
    """The reply once it says so."""
    until = time.monotonic() + SOON_S
    while True:
        reply = api.ask("GET", path, token=token)
        if body(reply).get(field) == value:
            return reply
        require(reply, time.monotonic() < until, f"{field} {value} within {SOON_S:.0f} s", body(reply).get(field))
        time.sleep(LOOK_EVERY_S)
