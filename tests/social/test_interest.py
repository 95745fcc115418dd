"""What a person does with an event, over HTTP: what excludes what, who may, and what it does to their taste."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from common import clock, transaction
from common.social import interests, store
from tests.social.conftest import Night, listed
from tests.support.people import accepted, create_organization, event_body, refused

if TYPE_CHECKING:
    import httpx

    from tests.operations.jobs import Jobs
    from tests.support.people import Person
    from tests.support.server import GatewayThread


def post(person: Person, night: Night, kind: str) -> httpx.Response:
    return person.post(f"{night.path}/interest", {"kind": kind})


def said(person: Person, night: Night) -> set[str]:
    return set(accepted(person.get(f"{night.path}/interest"))["since"])


def hidden(gateway: GatewayThread, person: Person) -> tuple[str, ...]:
    return gateway.run(store.taste_of(person.user_id)).hidden_event_ids


def test_what_a_person_did_is_kept_with_its_first_time(night: Night, buyer: Person) -> None:
    assert said(buyer, night) == set()
    first = accepted(post(buyer, night, "viewed"))
    assert set(first["since"]) == {"viewed"}
    assert accepted(post(buyer, night, "viewed")) == first
    both = accepted(post(buyer, night, "going"))
    assert set(both["since"]) == {"viewed", "going", "interested"}
    assert both["since"]["viewed"] == first["since"]["viewed"]
    assert accepted(buyer.get(f"{night.path}/interest")) == both
    back = accepted(buyer.call("DELETE", f"{night.path}/interest/interested"))
    assert set(back["since"]) == {"viewed"}
    accepted(buyer.call("DELETE", f"{night.path}/interest/viewed"))
    assert night.document(interests.interest_path(buyer.user_id, night.event_id)) == {}


def test_not_interested_hides_the_event_until_it_is_wanted(gateway: GatewayThread, night: Night, buyer: Person) -> None:
    accepted(post(buyer, night, "going"))
    accepted(post(buyer, night, "liked"))
    assert set(accepted(post(buyer, night, "not_interested"))["since"]) == {"not_interested"}
    assert hidden(gateway, buyer) == (night.event_id,)
    assert set(accepted(post(buyer, night, "liked"))["since"]) == {"liked"}
    assert hidden(gateway, buyer) == ()
    accepted(post(buyer, night, "not_interested"))
    accepted(buyer.call("DELETE", f"{night.path}/interest/not_interested"))
    assert hidden(gateway, buyer) == ()


def test_who_and_what_is_refused(gateway: GatewayThread, jobs: Jobs, night: Night, host: Person, buyer: Person) -> None:
    refused(post(buyer, night, "loved"), 422, "validation_failed")
    refused(buyer.post(f"{night.path}/interest", {}), 422, "validation_failed")
    refused(buyer.post("/v1/events/evt_unknown/interest", {"kind": "liked"}), 404, "not_found")
    refused(buyer.call("DELETE", f"{night.path}/interest/loved"), 404, "not_found")
    refused(buyer.client.post(f"{night.path}/interest", json={"kind": "liked"}), 401, "unauthenticated")
    draft = accepted(host.post("/v1/events", event_body(create_organization(host))))
    refused(buyer.post(f"/v1/events/{draft['eventId']}/interest", {"kind": "liked"}), 404, "not_found")
    private = listed(gateway, jobs, host, visibility="private")
    refused(post(buyer, private, "liked"), 404, "not_found")
    accepted(post(host, private, "liked"))
    refused(buyer.get(f"{private.path}/social"), 404, "not_found")
    private.count("interest")
    assert accepted(host.get(f"{private.path}/social"))["liked"] == 1


def test_nobody_goes_to_what_is_called_off_or_over(
    night: Night, host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = clock.now
    with monkeypatch.context() as later:
        later.setattr(clock, "now", lambda: real() + timedelta(days=3))
        refused(post(buyer, night, "going"), 409, "event_completed")
        accepted(post(buyer, night, "liked"))
    accepted(host.post(f"{night.path}/cancel"))
    refused(post(buyer, night, "interested"), 409, "event_cancelled")
    accepted(post(buyer, night, "shared"))


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control: unguarded"])
def test_what_one_person_does_at_once_is_all_kept(
    night: Night, buyer: Person, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    accepted(post(buyer, night, "interested"))
    monkeypatch.setattr(transaction, "ATTEMPTS", 12)
    if not guarded:
        monkeypatch.setattr(interests, "put_as_seen", lambda batch, seen, fields: batch.set(seen.reference, fields))
    kinds = ["viewed", "liked", "shared", "going"]
    rounds = 1 if guarded else 5

    def at_once(_: int) -> bool:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda kind: accepted(post(buyer, night, kind)), kinds))
        complete = said(buyer, night) == {*kinds, "interested"}
        for kind in kinds:
            accepted(buyer.call("DELETE", f"{night.path}/interest/{kind}"))
        return complete

    assert all(map(at_once, range(rounds))) is guarded
