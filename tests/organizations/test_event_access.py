"""Every endpoint that names an event role asks for it: strangers and lower roles get nowhere with any of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from common.organizations.policy import EventAccess
from common.organizations.schemas import Role
from manifest.discover import discover
from tests.support.people import accepted, create_organization, event_body, publish_event, refused

if TYPE_CHECKING:
    from common.endpoint import EndpointSpec
    from tests.conftest import SignIn
    from tests.support.people import Json, Person

GUARDED = {spec.name: spec for spec in discover().endpoints if isinstance(spec.access, EventAccess)}
# A body that passes validation, for the endpoints that take one.
BODIES: dict[str, Json] = {
    "update_event": {"title": "Taken over"},
    "update_tier": {"paused": True},
    "put_promo_code": {"kind": "percent", "basisPoints": 10_000},
    "check_in": {"qr": "x"},
    "invite_guests": {"guests": [{"phone": "+919811100001"}]},
    "create_update": {"title": "Doors", "message": "They open an hour later."},
}


def path_of(spec: EndpointSpec, event_id: str) -> str:
    """The endpoint's path for this event; what else it names is nobody's."""
    return re.sub(r"\{\w+\}", "unknown", spec.path.replace("{eventId}", event_id))


def attempt(person: Person, spec: EndpointSpec, event_id: str) -> tuple[int, str]:
    reply = person.call(spec.method, path_of(spec, event_id), BODIES.get(spec.name))
    return reply.status_code, reply.json().get("code", "")


def test_these_endpoints_name_an_event_role() -> None:
    assert {"update_event", "publish_event", "cancel_event", "check_in"} <= GUARDED.keys()
    assert {spec.name for spec in GUARDED.values() if spec.body} <= BODIES.keys()


@pytest.mark.parametrize("spec", GUARDED.values(), ids=GUARDED)
def test_strangers_are_refused(spec: EndpointSpec, host: Person, buyer: Person) -> None:
    org_id = create_organization(host)
    draft = accepted(host.post("/v1/events", event_body(org_id)))
    private = publish_event(host, org_id=org_id, visibility="private")
    public = publish_event(host, org_id=org_id)
    assert attempt(buyer, spec, draft["eventId"]) == (404, "not_found")
    assert attempt(buyer, spec, private["eventId"]) == (404, "not_found")
    assert attempt(buyer, spec, "evt_unknown") == (404, "not_found")
    assert attempt(buyer, spec, public["eventId"]) == (403, "forbidden")
    for event in (draft, private, public):
        assert accepted(host.get(f"/v1/events/{event['eventId']}")) == event


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("spec", GUARDED.values(), ids=GUARDED)
def test_the_declared_roles_and_no_others_pass(
    spec: EndpointSpec, role: Role, host: Person, buyer: Person, sign_in: SignIn
) -> None:
    org_id = create_organization(host)
    accepted(host.call("PUT", f"/v1/organizations/{org_id}/members/{buyer.user_id}", {"role": role}))
    event = accepted(host.post("/v1/events", event_body(org_id)))
    assert isinstance(spec.access, EventAccess)
    assert spec.access.name == f"event_role:{','.join(spec.access.roles)}"
    refused_by_role = attempt(buyer, spec, event["eventId"]) == (403, "forbidden")
    assert refused_by_role is (role not in spec.access.roles)
    # A role in another organization is none in this one.
    other = sign_in("other")
    create_organization(other)
    assert attempt(other, spec, event["eventId"])[0] in (403, 404)


def test_a_role_must_be_asked_for_with_a_token(host: Person) -> None:
    event = publish_event(host)
    for spec in GUARDED.values():
        reply = host.client.request(spec.method, path_of(spec, event["eventId"]))
        refused(reply, 401, "unauthenticated")
