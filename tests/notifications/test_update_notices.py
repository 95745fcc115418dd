"""From an organizer's word or change to the phones and mailboxes of those who hold a ticket or are on a guest list."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from common import clients, clock, outbox
from tests.notifications.test_notify import on_device
from tests.notifications.test_telling import buy
from tests.support.people import accepted, eventually, publish_event, refused, tier_body

if TYPE_CHECKING:
    from tests.conftest import SignIn
    from tests.notifications.conftest import OwnInbox
    from tests.operations.jobs import Jobs
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

MAIL = "asha@example.com"
ASHAS, RAVIS, FRIENDS = "+919812300001", "+919812300002", "+919812300003"
DOORS = {"title": "Doors", "message": "They open an hour later."}


@pytest.fixture
def event(inbox: OwnInbox, host: Person) -> Json:
    return publish_event(host, tier_body("Free", price_minor=0), visibility="private")


@pytest.fixture
def asha(inbox: OwnInbox, sign_in: SignIn) -> Person:
    """Somebody with a device and a mail address."""
    return on_device(sign_in("asha", phone=ASHAS, email=MAIL), "asha-push")


@pytest.fixture
def ravi(inbox: OwnInbox, sign_in: SignIn) -> Person:
    """Somebody with a device and a number only."""
    return on_device(sign_in("ravi", phone=RAVIS), "ravi-push")


@pytest.fixture
def holders(gateway: GatewayThread, host: Person, event: Json, asha: Person, ravi: Person) -> None:
    """Asha holds four tickets, Ravi one of his own and one that she sent him; a number holds another."""
    path = f"/v1/events/{event['eventId']}"
    guests = [{"userId": asha.user_id}, {"phone": RAVIS}]
    accepted(host.post(f"{path}/guests", {"guests": guests}))
    tickets = [*buy(asha, event, 4), *buy(asha, event, 2)]
    buy(ravi, event)
    for ticket, phone in zip(tickets, (RAVIS, FRIENDS), strict=False):
        recipient = {"recipientPhone": phone, "recipientName": "Friend"}
        accepted(asha.post(f"/v1/tickets/{ticket}/transfer", recipient))
    gateway.run(forget_what_that_set_off())


async def forget_what_that_set_off() -> None:
    async for found in clients.firestore().collection("outbox").stream():
        await found.reference.delete()


def about(inbox: OwnInbox, title: str) -> list[tuple[str, str]]:
    """Channel and address of what was sent under this title. An SMS has none: it is known by what it says."""
    return sorted(
        (each.channel, each.to)
        for each in list(inbox.kept.messages)
        if title in (each.subject or "") or (each.channel == "sms" and title in SMS and SMS[title] in each.text)
    )


SMS = {
    "Doors": "They open an hour later.",
    "New time": "is now from",
    "Event cancelled": "is cancelled",
}


def settled(jobs: Jobs, gateway: GatewayThread) -> None:
    """Once nothing waits to be handed over."""

    async def waits() -> bool:
        return bool([found async for found in clients.firestore().collection("outbox").limit(1).stream()])

    eventually(lambda: None if gateway.run(waits()) else True, within_s=30)


def told(inbox: OwnInbox, title: str, *expected: tuple[str, str]) -> None:
    eventually(lambda: len(about(inbox, title)) >= len(expected), within_s=30)
    assert about(inbox, title) == sorted(expected)


def test_an_announcement_reaches_every_holder_once(
    holders: None, deployed: str, inbox: OwnInbox, jobs: Jobs, gateway: GatewayThread, host: Person, event: Json
) -> None:
    path = f"/v1/events/{event['eventId']}/updates"
    update = accepted(host.post(path, DOORS, key="doors"))
    accepted(host.post(path, DOORS, key="doors"))
    settled(jobs, gateway)
    once_each = [("mail", MAIL), ("push", "asha-push"), ("push", "ravi-push"), ("sms", RAVIS), ("sms", FRIENDS)]
    told(inbox, "Doors", *once_each)
    seen = inbox.one("push", "ravi-push")
    assert seen.text == "Night at the Mill: They open an hour later."
    assert seen.data == {"type": "event.update", "eventId": event["eventId"], "updateId": update["updateId"]}
    body = {"eventId": event["eventId"], "updateId": update["updateId"], "page": 0}
    assert jobs.call("tell_holders", body).status_code == 204
    settled(jobs, gateway)
    told(inbox, "Doors", *once_each)


def test_a_new_time_is_told_by_sms_too(
    holders: None, deployed: str, inbox: OwnInbox, host: Person, asha: Person, event: Json
) -> None:
    starts = datetime.now(UTC) + timedelta(days=5)
    times = {"startsAt": starts.isoformat(), "endsAt": (starts + timedelta(hours=4)).isoformat()}
    accepted(host.call("PATCH", f"/v1/events/{event['eventId']}", times))
    pushes = [("push", "asha-push"), ("push", "ravi-push")]
    texts = [("sms", phone) for phone in (ASHAS, RAVIS, FRIENDS)]
    told(inbox, "New time", ("mail", MAIL), *pushes, *texts)
    tickets = accepted(asha.get("/v1/tickets"))["upcoming"]
    assert {datetime.fromisoformat(ticket["startsAt"]) for ticket in tickets} == {starts}


def test_a_cancellation_is_told_beside_the_refunds(
    holders: None, deployed: str, inbox: OwnInbox, host: Person, event: Json
) -> None:
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    pushes = [("push", "asha-push"), ("push", "ravi-push")]
    texts = [("sms", phone) for phone in (ASHAS, RAVIS, FRIENDS)]
    told(inbox, "Event cancelled", ("mail", MAIL), *pushes, *texts)
    eventually(lambda: len(about(inbox, "Order refunded")) == 5, within_s=30)


OFF = [
    ({"push": False}, [("mail", MAIL)]),
    ({"email": False}, [("push", "asha-push"), ("sms", ASHAS)]),
    ({"email": False, "sms": False}, [("push", "asha-push")]),
    ({"email": False, "sms": False, "push": False}, []),
]


def addressed(event: Json, update: Json, **to: str | None) -> outbox.DomainEvent:
    data = {"userId": None, "phone": None, "orderId": None} | to
    return outbox.event("update.addressed", clock.now(), eventId=event["eventId"], updateId=update["updateId"], **data)


def posted(host: Person, event: Json) -> Json:
    return accepted(host.post(f"/v1/events/{event['eventId']}/updates", DOORS))


@pytest.mark.parametrize(("off", "sent"), OFF)
def test_channels_that_are_turned_off_stay_silent(
    off: dict[str, bool], sent: list[tuple[str, str]], inbox: OwnInbox, jobs: Jobs, host: Person, asha: Person,
    event: Json,
) -> None:  # fmt: skip
    everything = {"push": True, "sms": True, "email": True, "whatsapp": True}
    accepted(asha.call("PATCH", "/v1/me", {"notificationPreferences": everything | off}))
    assert jobs.push("notify", addressed(event, posted(host, event), userId=asha.user_id)).status_code == 204
    assert inbox.all() == sorted(sent)


def test_an_outage_repeats_nobody_and_who_is_found_twice_is_told_once(
    inbox: OwnInbox, jobs: Jobs, host: Person, asha: Person, event: Json
) -> None:
    update = posted(host, event)
    inbox.fail("mail", 1)
    by_user = addressed(event, update, userId=asha.user_id)
    refused(jobs.push("notify", by_user), 503, "message_not_sent")
    assert jobs.push("notify", by_user).status_code == 204
    # The same person's number, and the same person on another page.
    for again in (addressed(event, update, phone=ASHAS), addressed(event, update, userId=asha.user_id)):
        assert jobs.push("notify", again).status_code == 204
    assert inbox.all() == [("mail", MAIL), ("push", "asha-push")]


def test_a_buyer_who_never_opened_a_session_is_told_at_the_address_of_the_order(
    inbox: OwnInbox, jobs: Jobs, host: Person, sign_in: SignIn
) -> None:
    event = publish_event(host, tier_body("Free", price_minor=0))
    new = sign_in("new", email="new@example.com")
    buy(new, event)
    [order] = accepted(new.get("/v1/orders"))["items"]
    told = addressed(event, posted(host, event), userId=new.user_id, orderId=order["orderId"])
    assert jobs.push("notify", told).status_code == 204
    assert inbox.all() == [("mail", "new@example.com")]


# --- guests


def invitations(event: Json, reply: Json) -> list[outbox.DomainEvent]:
    return [
        outbox.event("guest.invited", clock.now(), eventId=event["eventId"], guestId=guest["guestId"])
        for guest in reply["guests"]
    ]


def test_guests_are_told_once_by_push_or_sms(
    deployed: str, inbox: OwnInbox, gateway: GatewayThread, jobs: Jobs, host: Person, asha: Person, ravi: Person,
    event: Json,
) -> None:  # fmt: skip
    path = f"/v1/events/{event['eventId']}/guests"
    guests = [{"phone": RAVIS}, {"userId": asha.user_id}, {"phone": FRIENDS}, {"phone": RAVIS}]
    for _ in range(2):
        accepted(host.post(path, {"guests": guests}))
    settled(jobs, gateway)
    inbox.expect(("push", "asha-push"), ("push", "ravi-push"), ("sms", FRIENDS))
    text = inbox.one("sms", FRIENDS).text
    assert text.startswith("You are invited to Night at the Mill on ")
    assert "Sign in to Marquee with this number" in text
    assert inbox.one("push", "ravi-push").data == {"type": "guest.invited", "eventId": event["eventId"]}


@pytest.mark.parametrize(
    ("off", "sent"),
    [
        ({"push": False}, [("sms", ASHAS)]),
        ({"push": False, "sms": False}, [("mail", MAIL)]),
        ({"push": False, "sms": False, "email": False}, []),
    ],
)
def test_guests_are_reached_where_they_want_to_be(
    off: dict[str, bool], sent: list[tuple[str, str]], inbox: OwnInbox, jobs: Jobs, host: Person, asha: Person,
    event: Json,
) -> None:  # fmt: skip
    everything = {"push": True, "sms": True, "email": True, "whatsapp": True}
    accepted(asha.call("PATCH", "/v1/me", {"notificationPreferences": everything | off}))
    reply = accepted(host.post(f"/v1/events/{event['eventId']}/guests", {"guests": [{"userId": asha.user_id}]}))
    [invitation] = invitations(event, reply)
    assert jobs.push("notify", invitation).status_code == 204
    assert inbox.all() == sent


def test_the_same_invitation_delivered_at_once_is_sent_once(
    inbox: OwnInbox, jobs: Jobs, host: Person, event: Json
) -> None:
    reply = accepted(host.post(f"/v1/events/{event['eventId']}/guests", {"guests": [{"phone": FRIENDS}]}))
    [invitation] = invitations(event, reply)
    with ThreadPoolExecutor(4) as pool:
        statuses = {each.status_code for each in pool.map(lambda _: jobs.push("notify", invitation), range(4))}
    assert statuses <= {204, 409}
    assert jobs.push("notify", invitation).status_code == 204
    inbox.expect(("sms", FRIENDS))


@pytest.mark.parametrize("happened", ["removed", "answered", "cancelled", "unknown"])
def test_nobody_is_invited_to_what_is_settled(
    happened: str, inbox: OwnInbox, jobs: Jobs, host: Person, ravi: Person, event: Json
) -> None:
    path = f"/v1/events/{event['eventId']}"
    reply = accepted(host.post(f"{path}/guests", {"guests": [{"phone": RAVIS}]}))
    [guest] = reply["guests"]
    if happened == "removed":
        assert host.call("DELETE", f"{path}/guests/{guest['guestId']}").status_code == 204
    elif happened == "answered":
        accepted(ravi.post(f"{path}/invitation", {"answer": "declined"}))
    elif happened == "cancelled":
        accepted(host.post(f"{path}/cancel"))
    else:
        reply = {"guests": [{"guestId": "gst_unknown"}]}
    [invitation] = invitations(event, reply)
    assert jobs.push("notify", invitation).status_code == 204
    assert inbox.all() == []
