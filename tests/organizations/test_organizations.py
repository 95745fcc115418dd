"""An organization belongs to somebody at all times, and only its owners say who else may act for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from common.organizations import store
from common.organizations.schemas import Role
from tests.support.people import accepted, create_organization, refused

if TYPE_CHECKING:
    import httpx

    from tests.conftest import SignIn
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

BODY = {"name": "Mill Nights", "country": "IN", "currency": "INR"}


def appoint(by: Person, org_id: str, person: Person, role: str) -> httpx.Response:
    return by.call("PUT", f"/v1/organizations/{org_id}/members/{person.user_id}", {"role": role})


def test_the_founder_is_owner(gateway: GatewayThread, host: Person) -> None:
    reply = host.post("/v1/organizations", BODY)
    assert reply.status_code == 201
    organization = accepted(reply)
    assert {name: organization[name] for name in BODY} == BODY
    assert organization["role"] == "owner"
    assert gateway.run(store.role_of(organization["orgId"], host.user_id)) is Role.OWNER
    assert gateway.run(store.owners_of(organization["orgId"])) == (host.user_id,)


def test_a_repeat_founds_nothing_new(host: Person, buyer: Person) -> None:
    first = host.post("/v1/organizations", BODY, key="found-1")
    again = host.post("/v1/organizations", BODY, key="found-1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert accepted(buyer.post("/v1/organizations", BODY, key="found-1"))["orgId"] != first.json()["orgId"]
    refused(host.post("/v1/organizations", BODY | {"name": "Other"}, key="found-1"), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"country": "India"},
        {"currency": "inr"},
        {"currency": 356},
        {"ownerIds": ["somebody"]},
    ],
)
def test_what_is_no_organization_is_refused(host: Person, change: Json) -> None:
    refused(host.post("/v1/organizations", BODY | change), 422, "validation_failed")


def test_an_owner_gives_and_changes_roles(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    org_id = create_organization(host)
    assert gateway.run(store.role_of(org_id, buyer.user_id)) is None
    for role in Role:
        member = accepted(appoint(host, org_id, buyer, role))
        assert (member["orgId"], member["userId"], member["role"]) == (org_id, buyer.user_id, role)
        assert gateway.run(store.role_of(org_id, buyer.user_id)) is role
    assert gateway.run(store.owners_of(org_id)) == (host.user_id,)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.COORDINATOR, Role.DOOR])
def test_only_owners_appoint(gateway: GatewayThread, host: Person, sign_in: SignIn, role: Role) -> None:
    org_id = create_organization(host)
    member, stranger = sign_in("member"), sign_in("stranger")
    accepted(appoint(host, org_id, member, role))
    refused(appoint(member, org_id, member, "owner"), 403, "forbidden")
    refused(appoint(stranger, org_id, stranger, "owner"), 404, "not_found")
    refused(appoint(host, "org_unknown", host, "owner"), 404, "not_found")
    assert gateway.run(store.role_of(org_id, member.user_id)) is role
    assert gateway.run(store.role_of(org_id, stranger.user_id)) is None


def test_the_last_owner_stays(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    org_id = create_organization(host)
    refused(appoint(host, org_id, host, "manager"), 409, "last_owner")
    accepted(appoint(host, org_id, host, "owner"))
    accepted(appoint(host, org_id, buyer, "owner"))
    assert set(gateway.run(store.owners_of(org_id))) == {host.user_id, buyer.user_id}
    accepted(appoint(host, org_id, host, "door"))
    refused(appoint(host, org_id, host, "owner"), 403, "forbidden")
    refused(appoint(buyer, org_id, buyer, "door"), 409, "last_owner")
    assert gateway.run(store.owners_of(org_id)) == (buyer.user_id,)


def test_two_owners_who_leave_at_once_do_not_both_go(gateway: GatewayThread, host: Person, buyer: Person) -> None:
    for _ in range(5):
        org_id = create_organization(host)
        accepted(appoint(host, org_id, buyer, "owner"))
        with ThreadPoolExecutor(2) as pool:
            replies = [*pool.map(lambda person, org=org_id: appoint(person, org, person, "door"), (host, buyer))]
        assert sorted(reply.status_code for reply in replies) == [200, 409]
        (left,) = gateway.run(store.owners_of(org_id))
        assert gateway.run(store.role_of(org_id, left)) is Role.OWNER


@pytest.mark.parametrize("body", [{}, {"role": "admin"}, {"role": None}, {"role": "door", "until": "2030"}])
def test_what_is_no_role_is_refused(host: Person, buyer: Person, body: Json) -> None:
    org_id = create_organization(host)
    path = f"/v1/organizations/{org_id}/members/{buyer.user_id}"
    refused(host.call("PUT", path, body), 422, "validation_failed")


def test_strangers_to_the_house(anonymous: httpx.Client) -> None:
    refused(anonymous.post("/v1/organizations", json=BODY), 401, "unauthenticated")
    refused(anonymous.put("/v1/organizations/o/members/u", json={"role": "door"}), 401, "unauthenticated")
