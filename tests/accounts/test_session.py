"""The first sign-in makes a profile exactly once; every sign-in keeps the device and what the token says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from common.accounts import store
from tests.support.people import Person, accepted, refused

if TYPE_CHECKING:
    import httpx

    from tests.conftest import SignIn
    from tests.support.people import Json, SigningKeys
    from tests.support.server import GatewayThread

PHONE = {"id": "ios-7F3A:1", "platform": "ios", "appVersion": "1.4.0", "pushToken": "fcm-token-1"}


def signed_in_as(person: Person, keys: SigningKeys, project: str, **claims: object) -> Person:
    """The same person with a newer token that says something else."""
    return Person(person.user_id, keys.token(project, person.user_id, **claims), person.client)


def test_first_sign_in_creates_the_profile(buyer: Person) -> None:
    first = accepted(buyer.post("/v1/session", {"deviceInfo": PHONE}))
    assert first["isNewUser"] is True
    assert first["user"]["userId"] == buyer.user_id
    assert (first["user"]["phone"], first["user"]["email"]) == ("+919800000001", "buyer@example.com")
    again = accepted(buyer.post("/v1/session"))
    assert again["isNewUser"] is False
    assert again["user"] == first["user"] == accepted(buyer.get("/v1/me"))


def test_of_many_first_sign_ins_at_once_one_is_new(buyer: Person) -> None:
    bodies = [{"deviceInfo": PHONE | {"id": f"device-{number}"}} for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        replies = [accepted(reply) for reply in pool.map(lambda body: buyer.post("/v1/session", body), bodies)]
    assert sum(reply["isNewUser"] for reply in replies) == 1
    assert {reply["user"]["createdAt"] for reply in replies} == {replies[0]["user"]["createdAt"]}


def test_devices_are_kept_and_push_goes_to_the_token_else_to_the_id(gateway: GatewayThread, buyer: Person) -> None:
    web = {"id": "web-1", "platform": "web", "appVersion": "2.0"}
    accepted(buyer.post("/v1/session", {"deviceInfo": PHONE}))
    accepted(buyer.post("/v1/session", {"deviceInfo": web}))
    accepted(buyer.post("/v1/session", {"deviceInfo": PHONE | {"appVersion": "1.5.0", "pushToken": "fcm-token-2"}}))
    devices = {device.device_id: device for device in gateway.run(store.devices_of(buyer.user_id))}
    assert {name: device.push_address for name, device in devices.items()} == {
        "ios-7F3A:1": "fcm-token-2",
        "web-1": "web-1",
    }
    assert devices["ios-7F3A:1"].app_version == "1.5.0"


def test_a_number_belongs_to_whoever_signed_in_with_it_last(
    gateway: GatewayThread, sign_in: SignIn, signing_keys: SigningKeys, project: str
) -> None:
    number = "+919811111111"
    before, after = sign_in("before", phone=number), sign_in("after", phone=number)
    accepted(before.post("/v1/session"))
    assert gateway.run(store.user_id_by_phone(number)) == before.user_id
    accepted(after.post("/v1/session"))
    assert gateway.run(store.user_id_by_phone(number)) == after.user_id
    renumbered = signed_in_as(after, signing_keys, project, phone_number="+919822222222")
    assert accepted(renumbered.post("/v1/session"))["user"]["phone"] == "+919822222222"
    assert gateway.run(store.user_id_by_phone(number)) == before.user_id
    unlinked = signed_in_as(before, signing_keys, project, email="before@example.com")
    assert "phone" not in accepted(unlinked.post("/v1/session"))["user"]
    assert gateway.run(store.user_id_by_phone(number)) is None


@pytest.mark.parametrize(
    "device",
    [
        {"id": "x", "platform": "ios"},
        {"id": "x", "platform": "blackberry", "appVersion": "1"},
        {"id": "", "platform": "ios", "appVersion": "1"},
        {"id": "../other", "platform": "ios", "appVersion": "1"},
        {"id": "__reserved__", "platform": "ios", "appVersion": "1"},
        {"id": "x" * 129, "platform": "ios", "appVersion": "1"},
        {"id": 7, "platform": "ios", "appVersion": "1"},
        {"id": "x", "platform": "ios", "appVersion": "1", "rooted": True},
        "ios",
    ],
)
def test_a_device_that_is_none_is_refused_and_leaves_no_profile(buyer: Person, device: object) -> None:
    refused(buyer.post("/v1/session", {"deviceInfo": device}), 422, "validation_failed")
    refused(buyer.get("/v1/me"), 404, "not_found")


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/session"), ("DELETE", "/v1/session"), ("GET", "/v1/me")])
def test_nobody_is_signed_in_without_a_valid_token(
    anonymous: httpx.Client, buyer: Person, signing_keys: SigningKeys, project: str, method: str, path: str
) -> None:
    refused(anonymous.request(method, path), 401, "unauthenticated")
    refused(Person("x", "no.token.this", anonymous).call(method, path), 401, "unauthenticated")
    expired = signed_in_as(buyer, signing_keys, project, exp=1_700_000_000, iat=1_699_996_400)
    refused(expired.call(method, path), 401, "token_expired")


def test_bodies_that_are_not_json_objects(buyer: Person) -> None:
    text = {"Content-Type": "text/plain"}
    refused(buyer.call("POST", "/v1/session", content=b"{}", headers=text), 415, "unsupported_media_type")
    json_type = {"Content-Type": "application/json"}
    refused(buyer.call("POST", "/v1/session", content=b"{", headers=json_type), 400, "malformed_json")
    refused(buyer.call("POST", "/v1/session", content=b"[]", headers=json_type), 422, "validation_failed")
    long: Json = {"deviceInfo": PHONE | {"pushToken": "x" * 70_000}}
    refused(buyer.post("/v1/session", long), 413, "body_too_large")
    refused(buyer.call("PUT", "/v1/session"), 405, "method_not_allowed")
