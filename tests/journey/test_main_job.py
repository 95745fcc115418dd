"""The main job over HTTP, on the official emulators: sign in by phone, find, hold, pay, walk in."""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING

import httpx
import pytest

from emulators import topology
from emulators.addresses import PROJECT
from manifest.discover import discover
from tests.support.payments import checkout, order_in, pay_on_page
from tests.support.people import Json, Person, accepted, event_body, eventually, tier_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import GatewayThread


@pytest.fixture
def city(
    gateway: GatewayThread, project: str, monkeypatch: pytest.MonkeyPatch, auth_emulator: str
) -> Iterator[httpx.Client]:
    """The project that the Auth emulator signs phones in for, deployed, with people signing in for real."""
    from common.config import config

    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", auth_emulator)
    config.cache_clear()
    asyncio.run(topology.deploy(PROJECT, os.environ, discover()))
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as client:
        yield client
    asyncio.run(topology.remove(PROJECT, os.environ))


def sign_in_by_phone(client: httpx.Client, phone: str) -> Person:
    """What the Firebase SDK does: ask for a code, receive it, hand it in."""
    host = f"http://{os.environ['FIREBASE_AUTH_EMULATOR_HOST']}"
    accounts = f"{host}/identitytoolkit.googleapis.com/v1/accounts"
    with httpx.Client(trust_env=False, params={"key": "any"}) as google:
        session = accepted(google.post(f"{accounts}:sendVerificationCode", json={"phoneNumber": phone}))
        codes = accepted(google.get(f"{host}/emulator/v1/projects/{PROJECT}/verificationCodes"))
        code = next(sent["code"] for sent in codes["verificationCodes"] if sent["phoneNumber"] == phone)
        signed = accepted(
            google.post(f"{accounts}:signInWithPhoneNumber", json={"sessionInfo": session["sessionInfo"], "code": code})
        )
    return Person(signed["localId"], signed["idToken"], client, phone)


def phone_number() -> str:
    return f"+9198{random.randrange(10**8):08d}"


def open_night(host: Person) -> Json:
    """An event whose doors are open."""
    org = accepted(host.post("/v1/organizations", {"name": "Mill Nights", "country": "IN", "currency": "INR"}))
    body = event_body(org["orgId"], tier_body(price_minor=99_900, capacity=50))
    night = _from_now(hours=-1), _from_now(hours=5)
    draft = accepted(host.post("/v1/events", body | {"startsAt": night[0], "endsAt": night[1]}))
    return accepted(host.post(f"/v1/events/{draft['eventId']}/publish"))


def _from_now(hours: int) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


@pytest.mark.parametrize("provider", ["stripe", "razorpay"])
def test_from_a_phone_number_to_the_door(city: httpx.Client, provider: str) -> None:
    host, buyer = sign_in_by_phone(city, phone_number()), sign_in_by_phone(city, phone_number())
    device = {"id": f"device-{provider}-{buyer.user_id}", "platform": "android", "appVersion": "1.0.0"}
    assert accepted(buyer.post("/v1/session", {"deviceInfo": device}))["isNewUser"] is True
    assert accepted(buyer.post("/v1/session", {}))["isNewUser"] is False
    accepted(host.post("/v1/session", {"deviceInfo": device | {"id": f"host-{host.user_id}"}}))
    event = open_night(host)

    around = {"latitude": 18.99, "longitude": 72.83, "radiusKm": 5, "limit": 100}
    cards = accepted(city.get("/v1/events/nearby", params=around))["items"]
    assert event["eventId"] in [card["eventId"] for card in cards]

    wanted = {"eventId": event["eventId"], "lines": [{"tierId": event["tiers"][0]["tierId"], "quantity": 2}]}
    order = accepted(buyer.post("/v1/orders", wanted, key="first"))
    assert (order["status"], order["amounts"]["subtotal"]["amountMinor"]) == ("held", 2 * 99_900)

    started = checkout(buyer, order["orderId"], provider)
    assert accepted(pay_on_page(provider, started["gatewayReference"]))
    paid = order_in(buyer, order["orderId"], "ticketed")
    assert len(paid["ticketIds"]) == 2

    ticket = accepted(buyer.get(f"/v1/tickets/{paid['ticketIds'][0]}"))
    door = f"/v1/events/{event['eventId']}/check-ins"
    assert accepted(host.post(door, {"qr": ticket["qr"], "gate": "North"}))["result"] == "admitted"
    second = accepted(host.post(door, {"qr": ticket["qr"], "gate": "South"}))
    assert (second["result"], second["usedGate"]) == ("already_used", "North")

    told = eventually(lambda: _told(buyer, host))
    assert {message["channel"] for message in told} == {"push", "sms"}


def _told(buyer: Person, host: Person) -> list[Json] | None:
    """The messages once the buyer has a push and an SMS, and the host a push."""
    inbox = os.environ["INBOX_URL"]
    with httpx.Client(trust_env=False) as client:
        all_messages: list[Json] = accepted(client.get(f"{inbox}/messages"))["messages"]
    wanted = (buyer.user_id, buyer.phone, host.user_id)
    mine = [message for message in all_messages if any(str(who) in message["to"] for who in wanted)]
    return mine if len(mine) >= 3 else None
