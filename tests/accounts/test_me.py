"""A profile changes field by field, and only in ways that make sense."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.people import accepted, refused

if TYPE_CHECKING:
    from tests.conftest import SignIn
    from tests.support.people import Json, Person

PROFILE = {
    "displayName": "Asha",
    "firstName": "Asha",
    "lastName": "Rao",
    "birthDate": "1999-02-28",
    "gender": "female",
    "city": "Mumbai",
    "avatarUrl": "https://images.example.com/asha.jpg",
    "musicPreferences": ["techno", "house"],
    "notificationPreferences": {"push": True, "sms": False, "email": True, "whatsapp": False},
    "socialLinks": {"instagram": "https://instagram.com/asha"},
}


def patch(person: Person, **fields: object) -> Json:
    return accepted(person.call("PATCH", "/v1/me", fields))


@pytest.fixture
def asha(sign_in: SignIn) -> Person:
    person = sign_in("asha", phone="+919812345678")
    accepted(person.post("/v1/session"))
    return person


def test_every_field_is_kept(asha: Person) -> None:
    changed = patch(asha, **PROFILE)
    assert {name: changed[name] for name in PROFILE} == PROFILE
    assert changed["updatedAt"] > changed["createdAt"]
    assert accepted(asha.get("/v1/me")) == changed
    assert accepted(asha.post("/v1/session"))["user"] == changed


def test_absent_stays_null_clears(asha: Person) -> None:
    patch(asha, **PROFILE)
    after = patch(asha, city="Pune", avatarUrl=None, birthDate=None, musicPreferences=["Techno ", "techno", "dub"])
    assert (after["city"], after["firstName"]) == ("Pune", "Asha")
    assert "avatarUrl" not in after
    assert "birthDate" not in after
    assert after["musicPreferences"] == ["techno", "dub"]
    assert after["notificationPreferences"] == PROFILE["notificationPreferences"]


def test_a_consent_keeps_its_version_and_its_time(asha: Person) -> None:
    terms = {"purpose": "terms", "version": "2024-06", "granted": True}
    marketing = {"purpose": "marketing", "version": "3", "granted": True}
    first = patch(asha, consents=[terms, marketing])["consents"]
    assert [{name: said[name] for name in terms} for said in first] == [terms, marketing]
    again = patch(asha, consents=[terms])["consents"]
    assert again == first
    withdrawn = patch(asha, consents=[marketing | {"granted": False}])["consents"]
    assert withdrawn[0] == first[0]
    assert withdrawn[1]["granted"] is False
    assert withdrawn[1]["at"] > first[1]["at"]
    renewed = patch(asha, consents=[terms | {"version": "2025-01"}])["consents"]
    assert renewed[0]["at"] > first[0]["at"]


def test_an_email_is_the_sign_ins_where_it_has_one(asha: Person, buyer: Person) -> None:
    assert patch(asha, email="asha@example.com")["email"] == "asha@example.com"
    assert accepted(asha.post("/v1/session"))["user"]["email"] == "asha@example.com"
    accepted(buyer.post("/v1/session"))
    refused(buyer.call("PATCH", "/v1/me", {"email": "other@example.com"}), 409, "email_from_sign_in")
    refused(buyer.call("PATCH", "/v1/me", {"email": None}), 409, "email_from_sign_in")
    assert patch(buyer, email="buyer@example.com")["email"] == "buyer@example.com"


def test_changes_at_once_lose_nothing(asha: Person) -> None:
    fields: list[Json] = [{"city": "Mumbai"}, {"firstName": "Asha"}, {"gender": "female"}]
    with ThreadPoolExecutor(3) as pool:
        for reply in pool.map(lambda body: asha.call("PATCH", "/v1/me", body), fields):
            accepted(reply)
    after = accepted(asha.get("/v1/me"))
    assert (after["city"], after["firstName"], after["gender"]) == ("Mumbai", "Asha", "female")


TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()


@pytest.mark.parametrize(
    "fields",
    [
        {"nickname": "A"},
        {"userId": "somebody-else"},
        {"phone": "+919800000009"},
        {"city": ""},
        {"city": 7},
        {"birthDate": TOMORROW},
        {"birthDate": "1800-01-01"},
        {"birthDate": "28.02.1999"},
        {"gender": "unknown"},
        {"avatarUrl": "http://images.example.com/a.jpg"},
        {"avatarUrl": "javascript:alert(1)"},
        {"email": "no-address"},
        {"musicPreferences": None},
        {"musicPreferences": ["techno"] * 31},
        {"notificationPreferences": {"push": "yes"}},
        {"socialLinks": {"myspace": "https://myspace.com/a"}},
        {"consents": [{"purpose": "terms", "granted": True}]},
        {"consents": [{"purpose": "terms", "version": "1", "granted": True, "at": "2020-01-01T00:00:00Z"}]},
    ],
)
def test_what_is_no_profile_is_refused_and_changes_nothing(asha: Person, fields: Json) -> None:
    before = accepted(asha.get("/v1/me"))
    problem = refused(asha.call("PATCH", "/v1/me", fields), 422, "validation_failed")
    assert problem["errors"][0]["field"].split(".")[0] == next(iter(fields))
    assert accepted(asha.get("/v1/me")) == before


def test_there_is_no_profile_before_the_first_session(buyer: Person) -> None:
    refused(buyer.get("/v1/me"), 404, "not_found")
    refused(buyer.call("PATCH", "/v1/me", {"city": "Pune"}), 404, "not_found")
