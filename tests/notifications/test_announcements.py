"""Who follows an event's artists, venue or organization hears of it when it is published: each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from common.catalogue.rules import artist_id, venue_id
from common.notifications import announcements
from tests.social.conftest import listed
from tests.support.people import accepted, create_organization, event_body, eventually, publish_event
from tests.tickets.conftest import Box

if TYPE_CHECKING:
    from tests.conftest import SignIn
    from tests.notifications.conftest import OwnInbox
    from tests.operations.jobs import Jobs
    from tests.social.conftest import Night
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

VENUE = venue_id("Mill No. 5", "Mumbai")
ARTIST = "Prabh Deep"


@pytest.fixture
def first(inbox: OwnInbox, gateway: GatewayThread, jobs: Jobs, host: Person) -> Night:
    """An event that makes venue, artist and organization known; its own publication tells nobody."""
    night = listed(gateway, jobs, host, lineup=[{"artist": ARTIST}])
    Box(gateway, night.event).forget("outbox")
    return night


def fan(sign_in: SignIn, name: str, *followed: tuple[str, str], **body: Any) -> Person:
    """Somebody with a device who follows these."""
    person = sign_in(name)
    device = {"id": f"{name}-device", "platform": "android", "appVersion": "1.0", "pushToken": f"{name}-push"}
    accepted(person.post("/v1/session", {"deviceInfo": device}))
    for kind, target_id in followed:
        accepted(person.call("PUT", f"/v1/follows/{kind}/{target_id}", body))
    return person


def announce(jobs: Jobs, event: Json, **more: Any) -> None:
    accepted(jobs.call("announce_event", {"eventId": event["eventId"]} | more))


def test_followers_are_told_once_whomever_they_follow(
    first: Night,
    deployed: str,
    inbox: OwnInbox,
    host: Person,
    sign_in: SignIn,
) -> None:
    org_id = first.event["orgId"]
    all_three = [("artist", artist_id(ARTIST)), ("venue", VENUE), ("organization", org_id)]
    fan(sign_in, "asha", *all_three)
    fan(sign_in, "ravi", ("venue", VENUE))
    fan(sign_in, "zoya", ("organization", org_id))
    fan(sign_in, "mute", *all_three, notify=False)
    fan(sign_in, "nobody")
    gone = fan(sign_in, "gone", ("venue", VENUE))
    accepted(gone.call("DELETE", f"/v1/follows/venue/{VENUE}"))
    silent = fan(sign_in, "silent", ("venue", VENUE))
    off = {"push": False, "sms": True, "email": True, "whatsapp": True}
    accepted(silent.call("PATCH", "/v1/me", {"notificationPreferences": off}))
    second = publish_event(host, org_id=org_id, title="Night by the Sea", lineup=[{"artist": ARTIST}])
    told = [("push", f"{name}-push") for name in ("asha", "ravi", "zoya")]
    inbox.expect(*told)
    push = inbox.one("push", "ravi-push")
    assert push.subject == "New from Mill No. 5"
    assert push.text.startswith("Night by the Sea, ")
    assert push.data == {"type": "event.published", "eventId": second["eventId"]}
    assert inbox.one("push", "zoya-push").subject == "New from Mill Nights"
    # All of it again: nobody hears twice.
    for target in (artist_id(ARTIST), VENUE, org_id):
        announce(first.jobs, second, targets=[target])
    assert inbox.all() == sorted(told)


def test_every_page_is_told(
    first: Night,
    deployed: str,
    inbox: OwnInbox,
    host: Person,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announcements, "PAGE", 2)
    names = [f"fan{number}" for number in range(5)]
    for name in names:
        fan(sign_in, name, ("venue", VENUE))
    publish_event(host, org_id=first.event["orgId"])
    inbox.expect(*[("push", f"{name}-push") for name in names])


def test_who_cannot_be_reached_keeps_nobody_behind_waiting(
    first: Night,
    deployed: str,
    inbox: OwnInbox,
    host: Person,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announcements, "PAGE", 1)
    for name in ("asha", "ravi"):
        fan(sign_in, name, ("venue", VENUE))
    inbox.fail("push", 1)
    publish_event(host, org_id=first.event["orgId"])
    inbox.expect(("push", "asha-push"), ("push", "ravi-push"))


def test_what_is_no_news_is_told_to_nobody(first: Night, inbox: OwnInbox, host: Person, sign_in: SignIn) -> None:
    fan(sign_in, "asha", ("venue", VENUE))
    org_id = first.event["orgId"]
    private = publish_event(host, org_id=org_id, visibility="private")
    called_off = publish_event(host, org_id=org_id)
    accepted(host.post(f"/v1/events/{called_off['eventId']}/cancel"))
    draft = accepted(host.post("/v1/events", event_body(create_organization(host))))
    for event in (private, called_off, draft, {"eventId": "evt_unknown"}):
        announce(first.jobs, event, targets=[VENUE])
    assert inbox.all() == []
    public = publish_event(host, org_id=org_id)
    announce(first.jobs, public, targets=[VENUE])
    eventually(lambda: inbox.all() == [("push", "asha-push")] or None)
