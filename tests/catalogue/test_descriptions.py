"""Who has a part in a venue or an artist may describe them, the first of them keeps the description."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from common import clients
from common.catalogue import store
from common.catalogue.rules import artist_id, venue_id
from tests.support.people import accepted, create_organization, event_body, publish_event, refused

if TYPE_CHECKING:
    import httpx

    from tests.conftest import SignIn
    from tests.support.people import Json, Person

MILL = venue_id("Mill No. 5", "Mumbai")
FELA = artist_id("Fela Kuti")
PLACE = event_body("x")["venue"]
LINEUP = [{"artist": "fela kuti"}]
SAID: Json = {
    "description": "A mill, then a club.",
    "images": [{"url": "https://images.example/mill.jpg", "alt": ""}],
    "links": [{"label": "Web", "url": "https://mill.example/?a=b"}],
}
OF = {"venues": MILL, "artists": FELA}
MORE: dict[str, Json] = {
    "venues": {"capacity": 900, "timezone": "Asia/Kolkata"},
    "artists": {"genres": ["afrobeat", "jazz"]},
}
KINDS = pytest.mark.parametrize("kind", ["venues", "artists"])


def organizer(sign_in: SignIn, name: str = "organizer") -> tuple[Person, str]:
    """Somebody whose organization published an event in the mill, with Fela Kuti."""
    person = sign_in(name)
    return person, str(publish_event(person, lineup=LINEUP)["orgId"])


def put(
    person: Person, kind: str, org_id: str | None = None, address: str | None = None, **said: object
) -> httpx.Response:
    named = {"orgId": org_id} if org_id else {}
    return person.call("PUT", f"/v1/{kind}/{address or OF[kind]}", named | said)


def created(person: Person, kind: str, org_id: str) -> Json:
    body = PLACE if kind == "venues" else {"name": "fela kuti"}
    return accepted(person.post(f"/v1/{kind}", {"orgId": org_id} | body))


@KINDS
def test_a_description_is_shown_and_replaced(sign_in: SignIn, anonymous: httpx.Client, kind: str) -> None:
    person, org_id = organizer(sign_in)
    created(person, kind, org_id)
    said = SAID | MORE[kind]
    assert said.items() <= accepted(put(person, kind, org_id, **said)).items()
    page = accepted(anonymous.get(f"/v1/{kind}/{OF[kind]}"))
    assert said.items() <= page.items()
    assert not {"describedBy", "describedAt", "createdAt"} & page.keys()
    again = accepted(put(person, kind, org_id, address=page["slug"], description="Shorter."))
    assert (again["description"], again["images"], again["links"]) == ("Shorter.", [], [])
    assert not {"capacity", "timezone"} & again.keys()


def test_the_name_can_be_spelled_otherwise_but_not_be_another(sign_in: SignIn, anonymous: httpx.Client) -> None:
    person, org_id = organizer(sign_in)
    created(person, "artists", org_id)
    created(person, "venues", org_id)
    assert accepted(put(person, "artists", org_id, name="Fẹlá Kútì"))["name"] == "Fẹlá Kútì"
    assert accepted(put(person, "venues", org_id, name="MILL no. 5"))["name"] == "MILL no. 5"
    for kind in OF:
        refused(put(person, kind, org_id, name="Somebody Else"), 422, "name_differs")
    page = accepted(anonymous.get(f"/v1/artists/{FELA}"))
    assert (page["name"], page["slug"]) == ("Fẹlá Kútì", f"fela-kuti-{FELA}")


@KINDS
def test_created_once_however_spelled(host: Person, sign_in: SignIn, anonymous: httpx.Client, kind: str) -> None:
    org_id = create_organization(host)
    first = created(host, kind, org_id)
    other, again = sign_in("other"), {"name": "FELA KÚTÌ"}
    if kind == "venues":
        again = PLACE | {"name": "MILL  NO 5", "address": "Nowhere", "latitude": 0.0}
    reply = other.post(f"/v1/{kind}", {"orgId": create_organization(other)} | again)
    assert (reply.status_code, reply.json()) == (201, first)
    assert accepted(anonymous.get(f"/v1/{kind}/{OF[kind]}")) == first
    assert (first["followerCount"], first["pastEvents"], first["upcoming"]) == (0, 0, {"items": []})


@KINDS
def test_who_may_create(host: Person, sign_in: SignIn, anonymous: httpx.Client, kind: str) -> None:
    org_id = create_organization(host)
    body = {"orgId": org_id} | (PLACE if kind == "venues" else {"name": "fela kuti"})
    refused(anonymous.post(f"/v1/{kind}", json=body), 401, "unauthenticated")
    refused(sign_in("stranger").post(f"/v1/{kind}", body), 404, "not_found")
    for role, allowed in (("door", False), ("coordinator", False), ("manager", True)):
        member = sign_in(role)
        accepted(host.call("PUT", f"/v1/organizations/{org_id}/members/{member.user_id}", {"role": role}))
        reply = member.post(f"/v1/{kind}", body)
        assert reply.status_code == (201 if allowed else 403), reply.text


@KINDS
def test_who_may_describe(host: Person, sign_in: SignIn, anonymous: httpx.Client, kind: str) -> None:
    org_id = create_organization(host)
    refused(put(host, kind, org_id, **SAID), 404, "not_found")
    created(host, kind, org_id)
    refused(put(host, kind, org_id, **SAID), 403, "no_event_there")
    accepted(host.post("/v1/events", event_body(org_id, lineup=LINEUP)))
    publish_event(host, org_id=org_id, lineup=LINEUP, visibility="private")
    cancelled = publish_event(host, org_id=org_id, lineup=LINEUP)
    accepted(host.post(f"/v1/events/{cancelled['eventId']}/cancel"))
    other = PLACE | {"name": "Elsewhere"}
    publish_event(host, org_id=org_id, lineup=[{"artist": "Femi Kuti"}], venue=other)
    refused(put(host, kind, org_id, **SAID), 403, "no_event_there")
    publish_event(host, org_id=org_id, lineup=LINEUP)
    stranger, member = sign_in("stranger"), sign_in("member")
    accepted(host.call("PUT", f"/v1/organizations/{org_id}/members/{member.user_id}", {"role": "coordinator"}))
    refused(put(member, kind, org_id, **SAID), 403, "forbidden")
    refused(put(stranger, kind, org_id, **SAID), 404, "not_found")
    refused(put(stranger, kind, create_organization(stranger), **SAID), 403, "no_event_there")
    missing = refused(put(host, kind, None, **SAID), 422, "validation_failed")
    assert [error["field"] for error in missing["errors"]] == ["orgId"]
    refused(anonymous.put(f"/v1/{kind}/{OF[kind]}", json=SAID), 401, "unauthenticated")
    assert "description" not in accepted(anonymous.get(f"/v1/{kind}/{OF[kind]}"))
    accepted(host.call("PUT", f"/v1/organizations/{org_id}/members/{member.user_id}", {"role": "manager"}))
    accepted(put(member, kind, org_id, **SAID))


@KINDS
def test_the_first_keeps_it_until_an_admin_hands_it_over(sign_in: SignIn, anonymous: httpx.Client, kind: str) -> None:
    first, first_org = organizer(sign_in, "first")
    second, second_org = organizer(sign_in, "second")
    admin = sign_in("admin", admin=True)
    created(first, kind, first_org)
    accepted(put(first, kind, first_org, description="First."))
    refused(put(second, kind, second_org, description="Second."), 409, "described_by_another")
    accepted(put(admin, kind, second_org, description="Handed over."))
    refused(put(first, kind, first_org, description="Mine!"), 409, "described_by_another")
    accepted(put(second, kind, second_org, description="Second."))
    accepted(put(admin, kind, description="Ours."))
    for person, org_id in ((first, first_org), (second, second_org)):
        refused(put(person, kind, org_id, description="Mine!"), 409, "described_by_another")
    assert accepted(anonymous.get(f"/v1/{kind}/{OF[kind]}"))["description"] == "Ours."
    refused(put(admin, kind, f"org_{'a' * 24}", description="Nobody's."), 404, "not_found")


def at_once(sign_in: SignIn) -> list[int]:
    """Two organizations describe the same artist at the same moment; the statuses."""
    people = [organizer(sign_in, name) for name in ("first", "second")]
    created(people[0][0], "artists", people[0][1])
    with ThreadPoolExecutor(2) as pool:
        replies = [*pool.map(lambda each: put(each[0], "artists", each[1], description=each[0].user_id), people)]
    return sorted(reply.status_code for reply in replies)


def test_of_two_at_once_one_is_first(sign_in: SignIn) -> None:
    assert at_once(sign_in) == [200, 409]


def test_control_without_a_transaction_both_are_first(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard off: both read before either writes, and the second silently takes what the first was promised."""
    reads = 0

    class Unguarded:
        def __init__(self) -> None:
            self.writes: list[tuple[Any, Any]] = []

        def set(self, document: Any, fields: Any) -> None:
            self.writes.append((document, fields))

    async def read_apart(_: object, path: str) -> list[Any]:
        nonlocal reads
        found = (await clients.firestore().document(path).get()).to_dict()
        reads += 1
        while reads < 2:
            await asyncio.sleep(0.01)
        return [found]

    async def run_apart(work: Any) -> None:
        unguarded = Unguarded()
        await work(unguarded)
        for document, fields in unguarded.writes:
            await document.set(fields)

    monkeypatch.setattr(store, "read", read_apart)
    monkeypatch.setattr(store, "in_transaction", run_apart)
    assert at_once(sign_in) == [200, 200]


WRONG: list[Json] = [
    {"description": "x" * 5_001},
    {"description": "   "},
    {"images": [{"url": "http://images.example/a.jpg"}]},
    {"images": [{"url": "https://"}]},
    {"images": [{"url": "javascript:alert(1)"}]},
    {"images": [{"url": "https://i.example/a"}] * 11},
    {"links": [{"label": "Web", "url": "ftp://mill.example"}]},
    {"links": [{"label": "Web", "url": "https://mill.example/a b"}]},
    {"links": [{"label": "", "url": "https://mill.example"}]},
    {"links": [{"url": "https://mill.example"}]},
    {"links": [{"label": "Web", "url": "https://mill.example"}] * 11},
    {"describedBy": "org_1"},
    {"followerCount": 9},
    {"orgId": "a/b"},
    {"name": ""},
]


@pytest.mark.parametrize("wrong", WRONG, ids=[f"{next(iter(each))}-{place}" for place, each in enumerate(WRONG)])
def test_what_is_no_description_is_refused(sign_in: SignIn, wrong: Json) -> None:
    admin = sign_in("admin", admin=True)
    for kind in OF:
        refused(put(admin, kind, **wrong), 422, "validation_failed")


def test_what_is_no_venue_and_no_artist_is_refused(sign_in: SignIn) -> None:
    admin = sign_in("admin", admin=True)
    for more in ({"capacity": 0}, {"capacity": 1_000_001}, {"timezone": "Mumbai"}, {"genres": ["jazz"]}):
        refused(put(admin, "venues", **more), 422, "validation_failed")
    for more in ({"genres": ["x" * 41]}, {"genres": ["jazz"] * 11}, {"capacity": 5}):
        refused(put(admin, "artists", **more), 422, "validation_failed")
    person, org_id = organizer(sign_in)
    for wrong in ({"latitude": 91.0}, {"longitude": -181.0}, {"city": ""}, {"name": "x" * 201}, {"capacity": 5}):
        refused(person.post("/v1/venues", {"orgId": org_id} | PLACE | wrong), 422, "validation_failed")
    refused(person.post("/v1/artists", {"orgId": org_id, "name": " "}), 422, "validation_failed")
    refused(person.post("/v1/artists", {"name": "Femi Kuti"}), 422, "validation_failed")


def test_five_thousand_characters_of_any_script_are_kept(sign_in: SignIn, anonymous: httpx.Client) -> None:
    person, org_id = organizer(sign_in)
    created(person, "artists", org_id)
    text = "फ़ẹ́🎷" * 1_000
    accepted(put(person, "artists", org_id, description=text[:5_000]))
    assert accepted(anonymous.get(f"/v1/artists/{FELA}"))["description"] == text[:5_000]
