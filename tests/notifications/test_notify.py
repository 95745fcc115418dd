"""From a sale, a refund or a transfer to the phones and mailboxes of those who should hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common import clock, outbox
from tests.support.payments import checkout, order_in, pay_on_page
from tests.support.people import Json, Person, accepted, eventually, order_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    from tests.conftest import SignIn
    from tests.notifications.conftest import OwnInbox
    from tests.operations.jobs import Jobs

MAIL = "asha@example.com"
PHONE = "+919812300001"


def on_device(person: Person, token: str, device: str = "phone") -> Person:
    """The person signed in on a device that takes push messages under this token."""
    info = {"id": device, "platform": "android", "appVersion": "1.0.0", "pushToken": token}
    accepted(person.post("/v1/session", {"deviceInfo": info}))
    return person


@pytest.fixture
def owner(inbox: OwnInbox, host: Person) -> Person:
    return on_device(host, "host-push")


@pytest.fixture
def event(deployed: str, owner: Person) -> Json:
    return publish_event(owner, tier_body(capacity=20), tier_body("Free", price_minor=0, capacity=20))


@pytest.fixture
def asha(inbox: OwnInbox, sign_in: SignIn) -> Person:
    """A buyer with a phone number, a mail address and a device."""
    return on_device(sign_in("asha", phone=PHONE, email=MAIL), "asha-push")


def buy(buyer: Person, event: Json, quantity: int = 2, tier: int = 0) -> Json:
    """A ticketed order."""
    order = accepted(buyer.post("/v1/orders", order_body(event, quantity, tier)))
    started = checkout(buyer, order["orderId"])
    if "gatewayReference" in started:
        pay_on_page("stripe", started["gatewayReference"])
    return order_in(buyer, order["orderId"], "ticketed")


def ticketed(order: Json) -> outbox.DomainEvent:
    """What a settlement tells of this order, for tests that deliver it themselves."""
    return outbox.event("order.ticketed", clock.now(), orderId=order["orderId"])


def test_a_buyer_gets_mail_and_push_and_the_host_a_push(inbox: OwnInbox, asha: Person, event: Json) -> None:
    order = buy(asha, event)
    inbox.expect(("mail", MAIL), ("push", "asha-push"), ("push", "host-push"))
    mail, push = inbox.one("mail", MAIL), inbox.one("push", "asha-push")
    assert mail.subject == push.subject == "Your tickets are here"
    assert order["orderNumber"] in mail.text
    assert "2 tickets for Night at the Mill" in mail.text
    assert push.data == {"type": "order.ticketed", "orderId": order["orderId"], "eventId": event["eventId"]}
    sale = inbox.one("push", "host-push")
    assert (sale.subject, sale.text) == ("New sale", "2 tickets sold for Night at the Mill (₹1,000.00).")


def test_a_buyer_without_an_address_gets_an_sms(inbox: OwnInbox, sign_in: SignIn, event: Json) -> None:
    order = buy(on_device(sign_in("ravi", phone=PHONE), "ravi-push"), event, 1)
    inbox.expect(("sms", PHONE), ("push", "ravi-push"), ("push", "host-push"))
    text = inbox.one("sms", PHONE).text
    assert text.startswith("1 ticket for Night at the Mill.")
    assert order["orderNumber"] in text


def test_somebody_who_never_opened_a_session_is_told_at_the_address_of_the_order(
    inbox: OwnInbox, sign_in: SignIn, event: Json
) -> None:
    buy(sign_in("new", phone=PHONE, email=MAIL), event, 1, tier=1)
    inbox.expect(("mail", MAIL), ("push", "host-push"))
    assert "free of charge" in inbox.one("mail", MAIL).text


def test_every_device_is_told(inbox: OwnInbox, asha: Person, event: Json) -> None:
    on_device(asha, "asha-tablet", "tablet")
    buy(asha, event)
    inbox.expect(("mail", MAIL), ("push", "asha-push"), ("push", "asha-tablet"), ("push", "host-push"))


@pytest.mark.parametrize(
    ("off", "told"),
    [
        ({"push": False}, [("mail", MAIL)]),
        ({"email": False}, [("push", "asha-push"), ("sms", PHONE)]),
        ({"email": False, "sms": False}, [("push", "asha-push")]),
    ],
)
def test_channels_that_are_turned_off_stay_silent(
    off: dict[str, bool], told: list[tuple[str, str]], inbox: OwnInbox, jobs: Jobs, asha: Person, owner: Person
) -> None:
    everything = {"push": True, "sms": True, "email": True, "whatsapp": True}
    accepted(asha.call("PATCH", "/v1/me", {"notificationPreferences": everything | off}))
    order = accepted(asha.post("/v1/orders", order_body(publish_event(owner))))
    assert jobs.push("notify", ticketed(order)).status_code == 204
    assert inbox.all() == sorted([*told, ("push", "host-push")])


def test_a_host_who_wants_no_push_gets_none(inbox: OwnInbox, jobs: Jobs, asha: Person, owner: Person) -> None:
    silent = {"push": False, "sms": True, "email": True, "whatsapp": True}
    accepted(owner.call("PATCH", "/v1/me", {"notificationPreferences": silent}))
    order = accepted(asha.post("/v1/orders", order_body(publish_event(owner))))
    assert jobs.push("notify", ticketed(order)).status_code == 204
    assert inbox.all() == [("mail", MAIL), ("push", "asha-push")]


def test_a_refund_is_announced_to_the_buyer_with_its_amount(
    inbox: OwnInbox, asha: Person, owner: Person, event: Json
) -> None:
    order = buy(asha, event)
    inbox.expect(("mail", MAIL), ("push", "asha-push"), ("push", "host-push"))
    refund = {"ticketIds": order["ticketIds"][:1], "reason": "cannot come"}
    accepted(owner.post(f"/v1/orders/{order['orderId']}/refunds", refund))
    inbox.expect(("mail", MAIL), ("mail", MAIL), ("push", "asha-push"), ("push", "asha-push"), ("push", "host-push"))
    newest = next(message for message in inbox.kept.messages if message.channel == "mail")
    assert newest.subject == "Refund on its way"
    assert newest.text.startswith("₹559.00 for Night at the Mill is on its way back to you.")


def test_a_transfer_is_announced_to_the_number_it_was_sent_to(inbox: OwnInbox, asha: Person, event: Json) -> None:
    order = buy(asha, event, 1)
    inbox.expect(("mail", MAIL), ("push", "asha-push"), ("push", "host-push"))
    gift = {"recipientPhone": "+919812300099", "recipientName": "Ravi"}
    accepted(asha.post(f"/v1/tickets/{order['ticketIds'][0]}/transfer", gift))
    inbox.expect(("mail", MAIL), ("push", "asha-push"), ("push", "host-push"), ("sms", "+919812300099"))
    assert "You were given a ticket for Night at the Mill" in inbox.one("sms", "+919812300099").text


@pytest.mark.parametrize("channel", ["mail", "push"])
def test_an_outage_delays_its_own_messages_and_repeats_no_other(
    channel: str, inbox: OwnInbox, asha: Person, event: Json
) -> None:
    inbox.fail(channel, 1)
    buy(asha, event)
    inbox.expect(("mail", MAIL), ("push", "asha-push"), ("push", "host-push"))


def test_pubsub_is_told_to_come_again_until_all_went_out(
    inbox: OwnInbox, jobs: Jobs, asha: Person, owner: Person
) -> None:
    order = accepted(asha.post("/v1/orders", order_body(publish_event(owner))))
    told = ticketed(order)
    inbox.fail("mail", 2)
    for _ in range(2):
        refused(jobs.push("notify", told), 503, "message_not_sent")
        assert inbox.all() == [("push", "asha-push"), ("push", "host-push")]
    for _ in range(2):
        assert jobs.push("notify", told).status_code == 204
    inbox.expect(("mail", MAIL), ("push", "asha-push"), ("push", "host-push"))


def test_a_device_that_is_gone_silences_no_other(inbox: OwnInbox, jobs: Jobs, asha: Person, owner: Person) -> None:
    on_device(asha, "unregistered-1", "lost-phone")
    order = accepted(asha.post("/v1/orders", order_body(publish_event(owner))))
    assert jobs.push("notify", ticketed(order)).status_code == 204
    inbox.expect(("mail", MAIL), ("push", "asha-push"), ("push", "host-push"))


def test_what_nobody_wants_to_hear_is_done_at_once(inbox: OwnInbox, jobs: Jobs, asha: Person, owner: Person) -> None:
    order = accepted(asha.post("/v1/orders", order_body(publish_event(owner))))
    about = {"orderId": order["orderId"]}
    for event in (
        outbox.event("order.held", clock.now(), **about),
        outbox.event("order.ticketed", clock.now(), orderId="ord_unknown"),
        outbox.event("ticket.transferred", clock.now(), ticketId="tkt_unknown", recipientPhone=PHONE),
    ):
        assert jobs.push("notify", event).status_code == 204
    assert inbox.all() == []


def test_the_same_sale_announced_by_two_deliveries_at_once_is_told_once(
    inbox: OwnInbox, jobs: Jobs, asha: Person, owner: Person
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    order = accepted(asha.post("/v1/orders", order_body(publish_event(owner))))
    told = ticketed(order)
    with ThreadPoolExecutor(4) as pool:
        statuses = {reply.status_code for reply in pool.map(lambda _: jobs.push("notify", told), range(4))}
    assert statuses <= {204, 409}
    eventually(lambda: jobs.push("notify", told).status_code == 204)
    inbox.expect(("mail", MAIL), ("push", "asha-push"), ("push", "host-push"))
