"""Every endpoint that takes an event's id keeps private events from strangers, declined roles and removed guests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common.listings import index as listing_index
from common.listings import store as listings
from common.organizations import policy
from manifest.discover import discover
from tests.organizations.test_event_access import BODIES, path_of
from tests.support.people import accepted, order_body, publish_event

if TYPE_CHECKING:
    import httpx

    from common.endpoint import EndpointSpec
    from tests.conftest import SignIn
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread


def takes_event(spec: EndpointSpec) -> bool:
    """Whether path, body or query name an event."""
    shapes = [shape.model_fields for shape in (spec.body, spec.query) if shape is not None]
    return "{eventId}" in spec.path or any("event_id" in fields for fields in shapes)


TAKING = {spec.name: spec for spec in discover().endpoints if takes_event(spec)}
# For endpoints that name no event role; a body that names the event gets its id below.
OTHER_BODIES: dict[str, Json] = {
    "answer_invitation": {"answer": "accepted"},
    "add_interest": {"kind": "viewed"},
    "put_review": {"rating": 5},
}
# What concerns the caller's own words alone: a private event is answered like one that does not exist.
OWN_WORDS = {"get_interest", "remove_interest", "get_my_review", "delete_review"}
NOT_OWN = [spec for name, spec in TAKING.items() if name not in OWN_WORDS]
# What whoever may see an event may do with it.
FOR_ALL = {"get_event", "get_availability", "list_updates", "create_order", "answer_invitation", "add_interest"}
GUEST = "+919811100001"


def body_of(spec: EndpointSpec, event: Json) -> Json | None:
    if spec.name == "create_order":
        return order_body(event)
    body = (BODIES | OTHER_BODIES).get(spec.name)
    return body | {"eventId": event["eventId"]} if body and spec.body and "event_id" in spec.body.model_fields else body


def ask(client: httpx.Client, spec: EndpointSpec, event: Json, person: Person | None) -> httpx.Response:
    query = {"eventId": event["eventId"]} if spec.query and "event_id" in spec.query.model_fields else None
    headers = {"Authorization": f"Bearer {person.token}"} if person else {}
    address = path_of(spec, event["eventId"])
    return client.request(spec.method, address, json=body_of(spec, event), params=query, headers=headers)


@pytest.fixture
def private(host: Person) -> Json:
    return publish_event(host, visibility="private")


@pytest.fixture
def guest(host: Person, private: Json, sign_in: SignIn) -> Person:
    path = f"/v1/events/{private['eventId']}/guests"
    accepted(host.post(path, {"guests": [{"phone": GUEST}]}))
    return sign_in("guest", phone=GUEST)


@pytest.fixture
def removed(host: Person, private: Json, sign_in: SignIn) -> Person:
    path = f"/v1/events/{private['eventId']}/guests"
    former = sign_in("former", phone="+919811100002")
    [guest] = accepted(host.post(path, {"guests": [{"phone": former.phone}]}))["guests"]
    accepted(former.post(f"/v1/events/{private['eventId']}/invitation", {"answer": "accepted"}))
    assert host.call("DELETE", f"{path}/{guest['guestId']}").status_code == 204
    return former


def test_these_endpoints_take_an_event() -> None:
    assert TAKING.keys() >= FOR_ALL | {"update_event", "cancel_event", "check_in", "invite_guests"}
    without = {name for name, spec in TAKING.items() if spec.body and body_of(spec, order_like()) is None}
    assert without == set(), "give them a valid body, so that nothing but the event's being private refuses them"


def order_like() -> Json:
    return {"eventId": "evt_a", "tiers": [{"tierId": "tier_a"}]}


@pytest.mark.parametrize("name", sorted(OWN_WORDS))
def test_nobodys_own_words_tell_whether_an_event_exists(name: str, private: Json, buyer: Person) -> None:
    unknown = private | {"eventId": "evt_unknown"}
    replies = [ask(buyer.client, TAKING[name], event, buyer) for event in (private, unknown)]
    seen = [(reply.status_code, reply.text.replace(private["eventId"], "evt_unknown")) for reply in replies]
    without_request_ids = {(status, text.partition('"requestId"')[0]) for status, text in seen}
    assert len(without_request_ids) == 1


@pytest.mark.parametrize("spec", NOT_OWN, ids=lambda spec: spec.name)
def test_a_private_event_is_not_there_for_strangers_and_removed_guests(
    spec: EndpointSpec, private: Json, removed: Person, buyer: Person
) -> None:
    for person in (buyer, removed):
        reply = ask(person.client, spec, private, person)
        assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
    assert ask(buyer.client, spec, private, None).status_code in (401, 404)


@pytest.mark.parametrize("spec", NOT_OWN, ids=lambda spec: spec.name)
def test_its_guests_are_let_in_but_get_no_role(spec: EndpointSpec, private: Json, guest: Person) -> None:
    reply = ask(guest.client, spec, private, guest)
    if spec.name in FOR_ALL:
        assert reply.status_code < 300, reply.text
    elif spec.name in BODIES or isinstance(spec.access, policy.EventAccess):
        assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
    else:
        assert reply.status_code != 404, reply.text


@pytest.mark.parametrize("name", sorted(FOR_ALL))
def test_control_without_the_check_everybody_gets_in(
    name: str, private: Json, buyer: Person, guest: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def let_in(*_: object) -> bool:
        return True

    monkeypatch.setattr(policy, "_is_visible_to", let_in)
    reply = ask(buyer.client, TAKING[name], private, buyer)
    if name == "answer_invitation":  # it is theirs only who were invited
        assert reply.json()["detail"] == "You are not invited to this event."
    else:
        assert reply.status_code < 300


def test_no_list_shows_it(gateway: GatewayThread, private: Json, guest: Person, buyer: Person, host: Person) -> None:
    near = "/v1/events/nearby?latitude=18.9953&longitude=72.83&radiusKm=5"
    for person in (guest, buyer, host):
        assert accepted(person.get(near))["items"] == []
    shown = publish_event(host)
    assert [event["eventId"] for event in accepted(guest.get(near))["items"]] == [shown["eventId"]]

    async def listed() -> list[str]:
        for event in (private, shown):
            await listings.refresh(event["eventId"])
        index = await listing_index.current()
        return [row[0] for row in index.db.execute("SELECT event_id FROM listings")]

    assert gateway.run(listed()) == [shown["eventId"]]
