"""Guest lists over HTTP: invited by number or user id, answered, removed, and what each of them may see."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud.firestore_v1.async_batch import AsyncWriteBatch

from common import clients, clock, memory
from common.events import store as events
from common.guests import rules, store
from common.guests.schemas import Guest, GuestRequest, GuestStatus
from common.orders import inventory
from common.transaction import committed
from tests.support.people import (
    accepted,
    create_organization,
    event_body,
    order_body,
    publish_event,
    refused,
    tier_body,
)
from tests.support.races import meet_before_committing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from common.tokens import Caller
    from tests.conftest import SignIn
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

PHONE = "+919811100001"


@pytest.fixture
def private(host: Person) -> Json:
    return publish_event(host, tier_body("Free", price_minor=0), visibility="private")


@pytest.fixture
def asha(sign_in: SignIn) -> Person:
    """Somebody who proves to own PHONE."""
    return sign_in("asha", phone=PHONE)


def path(event: Json, *more: str) -> str:
    return "/".join(["/v1/events", event["eventId"], *more])


def invite(by: Person, event: Json, *guests: Json) -> list[Json]:
    return list(accepted(by.post(path(event, "guests"), {"guests": guests or [{"phone": PHONE}]}))["guests"])


def remove(by: Person, event: Json, guest: Json) -> httpx.Response:
    return by.call("DELETE", path(event, "guests", guest["guestId"]))


def told(gateway: GatewayThread) -> list[str]:
    """The guests whose invitation waits to be told."""

    async def read() -> list[Json]:
        return [found.to_dict() or {} async for found in clients.firestore().collection("outbox").stream()]

    entries = [entry["event"] for entry in gateway.run(read())]
    return sorted(event["data"]["guestId"] for event in entries if event and event["type"] == "guest.invited")


# --- who comes in


def test_a_number_is_a_guest_as_soon_as_a_token_proves_it(host: Person, private: Json, sign_in: SignIn) -> None:
    [guest] = invite(host, private, {"phone": PHONE, "name": "Asha"})
    assert (guest["status"], guest["phone"], guest["name"]) == ("invited", PHONE, "Asha")
    assert guest["invitedBy"] == host.user_id
    asha = sign_in("asha", phone=PHONE)
    assert accepted(asha.get(path(private))) == private
    assert accepted(asha.get(path(private, "availability")))["tiers"][0]["available"] == 100
    assert accepted(asha.post("/v1/orders", order_body(private)))["status"] == "held"
    for other in (sign_in("unproven"), sign_in("ravi", phone="+919811100002")):
        refused(other.get(path(private)), 404, "not_found")
        refused(other.post("/v1/orders", order_body(private)), 404, "not_found")


def test_a_user_is_invited_without_a_number(host: Person, private: Json, buyer: Person, asha: Person) -> None:
    [guest] = invite(host, private, {"userId": buyer.user_id})
    assert (guest["userId"], "phone" in guest and guest["phone"]) == (buyer.user_id, False)
    assert accepted(buyer.get(path(private))) == private
    refused(asha.get(path(private)), 404, "not_found")


def test_a_guest_may_see_but_not_manage(host: Person, private: Json, asha: Person) -> None:
    invite(host, private)
    for reply in (
        asha.get(path(private, "guests")),
        asha.post(path(private, "guests"), {"guests": [{"phone": "+919811100003"}]}),
        asha.call("PATCH", path(private), {"title": "Mine now"}),
    ):
        refused(reply, 403, "forbidden")


@pytest.mark.parametrize(("role", "status"), [("manager", 200), ("coordinator", 200), ("door", 403)])
def test_who_keeps_the_list(host: Person, sign_in: SignIn, role: str, status: int) -> None:
    org_id = create_organization(host)
    event = publish_event(host, org_id=org_id, visibility="private")
    member = sign_in("member")
    accepted(host.call("PUT", f"/v1/organizations/{org_id}/members/{member.user_id}", {"role": role}))
    assert member.post(path(event, "guests"), {"guests": [{"phone": PHONE}]}).status_code == status
    assert member.get(path(event, "guests")).status_code == status
    [guest] = invite(host, event)
    assert remove(member, event, guest).status_code == (204 if status == 200 else 403)


# --- one guest, however often


def test_the_same_number_twice_is_one_guest_and_told_once(gateway: GatewayThread, host: Person, private: Json) -> None:
    twice = invite(host, private, {"phone": PHONE}, {"phone": PHONE, "name": "Asha"}, {"phone": "+919811100002"})
    assert len(twice) == 2
    assert invite(host, private) == [guest for guest in twice if guest["phone"] == PHONE]
    assert len(accepted(host.get(path(private, "guests")))["items"]) == 2
    assert told(gateway) == sorted(guest["guestId"] for guest in twice)


def test_two_hundred_at_once_and_no_more(gateway: GatewayThread, host: Person, private: Json) -> None:
    crowd = [{"phone": f"+9198111{number:05}", "name": "அ" * 200} for number in range(200)]
    assert len(invite(host, private, *crowd)) == 200
    assert len(set(told(gateway))) == 200
    refused(
        host.post(path(private, "guests"), {"guests": [*crowd, {"phone": "+919811200000"}]}), 422, "validation_failed"
    )
    assert len({guest["guestId"] for guest in pages(host, path(private, "guests"), 70)}) == 200


def pages(person: Person, address: str, limit: int) -> list[Json]:
    """Every item of a list, page by page."""
    items: list[Json] = []
    cursor = ""
    while True:
        page = accepted(person.get(f"{address}?limit={limit}" + (f"&cursor={cursor}" if cursor else "")))
        assert len(page["items"]) <= limit
        items += page["items"]
        cursor = page.get("nextCursor") or ""
        if not cursor:
            return items


@pytest.mark.parametrize(
    "guests",
    [
        [],
        [{}],
        [{"phone": "98111"}],
        [{"phone": "+0123456789"}],
        [{"phone": PHONE, "userId": "someone"}],
        [{"userId": "../evil"}],
        [{"userId": "__reserved__"}],
        [{"phone": PHONE, "status": "accepted"}],
        [{"phone": PHONE, "name": ""}],
    ],
)
def test_what_is_no_guest_is_refused(gateway: GatewayThread, host: Person, private: Json, guests: list[Json]) -> None:
    refused(host.post(path(private, "guests"), {"guests": guests}), 422, "validation_failed")
    assert told(gateway) == []


async def invited_twice_at_once(event_id: str) -> None:
    now = clock.now()
    wanted = rules.new_guest(event_id, GuestRequest(phone=PHONE), "host", now)
    await asyncio.gather(store.invite([wanted], now), store.invite([wanted], now))


def test_invited_by_two_at_once_they_are_told_once(
    gateway: GatewayThread, private: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    meet_before_committing(monkeypatch, store)
    gateway.run(invited_twice_at_once(private["eventId"]))
    assert len(told(gateway)) == 1


def test_control_without_the_guard_two_at_once_tell_twice(
    gateway: GatewayThread, private: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    meet_before_committing(monkeypatch, store)
    monkeypatch.setattr(AsyncWriteBatch, "create", AsyncWriteBatch.set)
    gateway.run(invited_twice_at_once(private["eventId"]))
    assert len(told(gateway)) == 2


@pytest.mark.parametrize("state", ["draft", "cancelled"])
def test_nobody_is_invited_to_what_is_not_to_be_had(host: Person, state: str) -> None:
    event = accepted(host.post("/v1/events", event_body(create_organization(host))))
    if state == "cancelled":
        accepted(host.post(path(event, "cancel")))
    code = {"draft": "event_not_published", "cancelled": "event_cancelled"}[state]
    refused(host.post(path(event, "guests"), {"guests": [{"phone": PHONE}]}), 409, code)


# --- answers


def test_whoever_declines_may_look_and_change_their_mind(host: Person, private: Json, asha: Person) -> None:
    invite(host, private)
    for answer in ("declined", "accepted", "accepted", "declined"):
        reply = accepted(asha.post(path(private, "invitation"), {"answer": answer}))
        assert (reply["answer"], reply["eventId"], reply["title"]) == (answer, private["eventId"], private["title"])
        assert accepted(asha.get(path(private))) == private
        [listed] = accepted(host.get(path(private, f"guests?status={answer}")))["items"]
        assert listed["status"] == answer
    assert accepted(host.get(path(private, "guests?status=invited")))["items"] == []


@pytest.mark.parametrize("body", [{}, {"answer": "removed"}, {"answer": "invited"}, {"answer": None}, {"answer": 1}])
def test_other_answers_are_none(host: Person, private: Json, asha: Person, body: Json) -> None:
    invite(host, private)
    refused(asha.post(path(private, "invitation"), body), 422, "validation_failed")


def test_only_guests_answer_and_only_while_it_is_on(host: Person, private: Json, asha: Person, buyer: Person) -> None:
    invite(host, private)
    yes = {"answer": "accepted"}
    public = publish_event(host)
    refused(buyer.post(path(private, "invitation"), yes), 404, "not_found")
    refused(buyer.post(path(public, "invitation"), yes), 404, "not_found")
    refused(host.post(path(private, "invitation"), yes), 404, "not_found")
    accepted(host.post(path(private, "cancel")))
    refused(asha.post(path(private, "invitation"), yes), 409, "event_cancelled")
    refused(buyer.post(path(private, "invitation"), yes), 404, "not_found")


def test_an_answered_invitation_does_not_move_on_with_the_number(
    host: Person, private: Json, asha: Person, sign_in: SignIn
) -> None:
    invite(host, private)
    next_owner = sign_in("next", phone=PHONE)
    assert accepted(next_owner.get(path(private))) == private
    accepted(asha.post(path(private, "invitation"), {"answer": "accepted"}))
    assert accepted(asha.get(path(private))) == private
    refused(next_owner.get(path(private)), 404, "not_found")
    refused(next_owner.post(path(private, "invitation"), {"answer": "declined"}), 404, "not_found")
    assert accepted(next_owner.get("/v1/invitations"))["items"] == []
    [listed] = accepted(host.get(path(private, "guests")))["items"]
    assert "userId" not in listed or listed["userId"] is None


def test_my_invitations_come_newest_first_in_pages(host: Person, asha: Person, buyer: Person) -> None:
    org_id = create_organization(host)
    nights = [publish_event(host, org_id=org_id, visibility="private", title=f"Night {n}") for n in range(5)]
    for number, night in enumerate(nights):
        invite(host, night, {"phone": PHONE} if number % 2 else {"userId": asha.user_id})
    accepted(asha.post(path(nights[1], "invitation"), {"answer": "declined"}))
    [gone] = invite(host, nights[2], {"userId": asha.user_id})
    remove(host, nights[2], gone)
    mine = pages(asha, "/v1/invitations", 2)
    assert [each["title"] for each in mine] == ["Night 4", "Night 3", "Night 1", "Night 0"]
    assert [each["answer"] for each in mine] == ["invited", "invited", "declined", "invited"]
    assert {each["status"] for each in mine} == {"published"}
    assert accepted(buyer.get("/v1/invitations"))["items"] == []
    cursor = accepted(asha.get("/v1/invitations?limit=1"))["nextCursor"]
    refused(buyer.get(f"/v1/invitations?cursor={cursor}"), 400, "invalid_cursor")
    refused(host.get(path(nights[0], f"guests?cursor={cursor}")), 400, "invalid_cursor")
    refused(asha.get("/v1/invitations?cursor=x"), 400, "invalid_cursor")
    refused(asha.get("/v1/invitations?limit=0"), 422, "validation_failed")


# --- removal


def test_whoever_is_removed_is_a_stranger_and_keeps_what_they_bought(host: Person, private: Json, asha: Person) -> None:
    [guest] = invite(host, private)
    accepted(asha.post(path(private, "invitation"), {"answer": "accepted"}))
    bought = accepted(asha.post("/v1/orders", order_body(private)))
    accepted(asha.post(f"/v1/orders/{bought['orderId']}/checkout", {"gateway": "stripe"}))
    held = accepted(asha.post("/v1/orders", order_body(private)))
    for _ in range(2):
        assert remove(host, private, guest).status_code == 204
    refused(asha.get(path(private)), 404, "not_found")
    refused(asha.post("/v1/orders", order_body(private)), 404, "not_found")
    refused(asha.post(path(private, "invitation"), {"answer": "accepted"}), 404, "not_found")
    assert accepted(asha.get("/v1/invitations"))["items"] == []
    [ticket] = accepted(asha.get("/v1/tickets"))["upcoming"]
    assert ticket["eventId"] == private["eventId"]
    accepted(asha.post(f"/v1/orders/{held['orderId']}/checkout", {"gateway": "stripe"}))
    assert len(accepted(asha.get("/v1/tickets"))["upcoming"]) == 2
    [listed] = accepted(host.get(path(private, "guests?status=removed")))["items"]
    assert listed["guestId"] == guest["guestId"]


def test_whoever_was_removed_can_be_invited_anew(
    gateway: GatewayThread, host: Person, private: Json, asha: Person
) -> None:
    [guest] = invite(host, private)
    accepted(asha.post(path(private, "invitation"), {"answer": "declined"}))
    remove(host, private, guest)
    [again] = invite(host, private)
    assert (again["guestId"], again["status"]) == (guest["guestId"], "invited")
    assert accepted(asha.get(path(private))) == private
    assert told(gateway) == [guest["guestId"]] * 2


def test_nobody_else_is_removed(host: Person, private: Json, sign_in: SignIn) -> None:
    [guest] = invite(host, private)
    refused(remove(host, private, {"guestId": "gst_unknown"}), 404, "not_found")
    other = sign_in("other")
    elsewhere = publish_event(other, visibility="private")
    refused(remove(other, elsewhere, guest), 404, "not_found")
    refused(remove(other, private, guest), 404, "not_found")


def remove_between_read_and_commit(monkeypatch: pytest.MonkeyPatch, event: Json, guest: Json) -> None:
    async def too_late(batch: AsyncWriteBatch) -> bool:
        await store.remove(event["eventId"], guest["guestId"])
        return await committed(batch)

    monkeypatch.setattr(store, "committed", too_late)


async def status_of(event: Json, guest: Json) -> GuestStatus:
    found = await store.find(event["eventId"], guest["guestId"])
    assert isinstance(found, Guest)
    return found.status


def test_an_answer_brings_nobody_back_who_is_removed_meanwhile(
    gateway: GatewayThread, host: Person, private: Json, asha: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    [guest] = invite(host, private)
    remove_between_read_and_commit(monkeypatch, private, guest)
    refused(asha.post(path(private, "invitation"), {"answer": "accepted"}), 404, "not_found")
    assert gateway.run(status_of(private, guest)) is GuestStatus.REMOVED


def test_control_without_the_guard_an_answer_brings_them_back(
    gateway: GatewayThread, host: Person, private: Json, asha: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    [guest] = invite(host, private)
    remove_between_read_and_commit(monkeypatch, private, guest)
    monkeypatch.setattr(store, "_as_seen", lambda _: None)
    accepted(asha.post(path(private, "invitation"), {"answer": "accepted"}))
    assert gateway.run(status_of(private, guest)) is GuestStatus.ACCEPTED


def remembering(admits: Callable[[str, Caller], Awaitable[bool]]) -> Callable[[str, Caller], Awaitable[bool]]:
    """What a process would believe that kept what it read of a guest list."""
    kept: dict[tuple[str, str], bool] = {}

    async def remembered(event_id: str, caller: Caller) -> bool:
        key = (event_id, caller.user_id)
        if key not in kept:
            kept[key] = await admits(event_id, caller)
        return kept[key]

    return remembered


@pytest.mark.parametrize("afresh", [True, False], ids=["", "control: a list that is remembered"])
def test_no_booking_that_begins_after_a_removal_succeeds(
    host: Person, private: Json, asha: Person, monkeypatch: pytest.MonkeyPatch, afresh: bool
) -> None:
    if not afresh:
        monkeypatch.setattr(store, "admits", remembering(store.admits))
    [guest] = invite(host, private)
    accepted(asha.post("/v1/orders", order_body(private)))  # the process remembers the event now
    assert remove(host, private, guest).status_code == 204
    reply = asha.post("/v1/orders", order_body(private))
    assert reply.status_code == (404 if afresh else 201)


def test_a_booking_that_was_let_in_before_the_removal_may_still_end(
    host: Person, private: Json, asha: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound of the race: what counts is who stood on the list when the request asked."""
    [guest] = invite(host, private)
    submit = inventory.EventInventory.submit

    async def slowly(self: inventory.EventInventory, change: inventory.Change) -> Any:
        await store.remove(private["eventId"], guest["guestId"])
        return await submit(self, change)

    monkeypatch.setattr(inventory.EventInventory, "submit", slowly)
    assert accepted(asha.post("/v1/orders", order_body(private)))["status"] == "held"
    refused(asha.post("/v1/orders", order_body(private)), 404, "not_found")


def test_an_event_that_turns_private_elsewhere_is_bookable_for_five_seconds_at_most(
    gateway: GatewayThread, host: Person, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = publish_event(host)
    accepted(buyer.post("/v1/orders", order_body(event)))

    async def turn_private() -> None:
        await clients.firestore().document(f"events/{event['eventId']}").update({"visibility": "private"})

    gateway.run(turn_private())
    refused(buyer.get(path(event)), 404, "not_found")
    assert buyer.post("/v1/orders", order_body(event)).status_code == 201
    assert memory.KEPT_FOR_S == 5.0

    async def wait() -> None:
        events.memory.forget(event["eventId"])  # what five seconds do

    gateway.run(wait())
    refused(buyer.post("/v1/orders", order_body(event)), 404, "not_found")
