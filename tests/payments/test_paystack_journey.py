"""A Nigerian organization sells in naira through Paystack, from the hold to the door, the refund and the ledger."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from common import clients
from common.operations.audit import audit_event
from emulators.fake_paystack_account import fee_of
from tests.support.payments import checkout, control, order_in, pay_on_page, provider_events
from tests.support.people import (
    Json,
    Person,
    accepted,
    create_organization,
    event_body,
    eventually,
    order_body,
    publish_event,
    refused,
    tier_body,
)

if TYPE_CHECKING:
    from tests.conftest import SignIn
    from tests.support.server import GatewayThread

PRICE = 500_000


@pytest.fixture
def org_id(host: Person) -> str:
    return create_organization(host, name="Lagoon City Sounds", country="NG", currency="NGN")


@pytest.fixture
def event(deployed: str, host: Person, org_id: str) -> Json:
    tier = tier_body(capacity=5, price={"amountMinor": PRICE, "currency": "NGN"})
    return publish_event(host, tier, org_id=org_id, timezone="Africa/Lagos")


@pytest.fixture
def buyer(sign_in: SignIn) -> Person:
    """Signed in by phone: there is no mail address."""
    return sign_in("ada", phone="+2348030000099")


def hold(buyer: Person, event: Json, quantity: int = 1) -> Json:
    return accepted(buyer.post("/v1/orders", order_body(event, quantity)))


def transactions() -> list[Json]:
    """What Paystack has, as its dashboard shows it."""
    headers = {"Authorization": f"Bearer {os.environ['PAYSTACK_SECRET_KEY']}"}
    base = os.environ["PAYSTACK_API_BASE"]
    found: list[Json] = accepted(httpx.get(f"{base}/transaction", headers=headers, trust_env=False))["data"]
    return found


def accounts(gateway: GatewayThread, order_id: str) -> Counter[str]:
    """The balance of each account over the entries of an order."""

    async def look() -> Counter[str]:
        sums: Counter[str] = Counter()
        async for each in clients.firestore().collection("ledger").stream():
            entry = each.to_dict() or {}
            for posting in entry["postings"] if entry["orderId"] == order_id else ():
                sums[posting["account"]] += posting["amountMinor"]
        return sums

    return gateway.run(look())


def test_from_the_hold_to_the_door(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, anonymous: httpx.Client
) -> None:
    order = hold(buyer, event, 2)
    amounts = {name: money["amountMinor"] for name, money in order["amounts"].items()}
    # 10 % booking fee, and 7.5 % VAT on it.
    assert amounts == {"subtotal": 1_000_000, "discount": 0, "fee": 100_000, "tax": 7_500, "total": 1_107_500}
    started = checkout(buyer, order["orderId"], "paystack")
    assert started["gatewayReference"] == order["orderId"].replace("_", "-")
    assert started["authorizationUrl"].endswith(started["clientSecret"])
    assert checkout(buyer, order["orderId"], "paystack") == started
    # The person opens the address and pays there.
    page = httpx.get(started["authorizationUrl"], trust_env=False)
    assert "₦11,075.00" in page.text
    assert pay_on_page("paystack", started["clientSecret"]).status_code == 200
    paid = order_in(buyer, order["orderId"], "ticketed")
    assert len(paid["ticketIds"]) == 2
    [transaction] = transactions()
    assert transaction["customer"]["email"] == f"{buyer.user_id}@buyers.marquee.example"
    assert transaction["metadata"]["orderId"] == order["orderId"]

    refund = accepted(host.post(f"/v1/orders/{order['orderId']}/refunds", {"reason": "Rained off"}))
    assert refund["amount"] == order["amounts"]["total"]

    def gone() -> Counter[str] | None:
        sums = accounts(gateway, order["orderId"])
        return sums if sums[f"buyer:{buyer.user_id}"] == 0 and transactions()[0]["status"] == "reversed" else None

    left = {name: amount for name, amount in eventually(gone, 30).items() if amount}
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["status"] == "refunded"
    # Nobody is owed anything; what is left is Paystack's fee, which it keeps.
    assert left.keys() <= {"gateway:paystack", "gateway_fees:paystack"}
    assert sum(left.values()) == 0
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_declined_then_paid_on_the_same_page(gateway: GatewayThread, buyer: Person, event: Json) -> None:
    order = hold(buyer, event)
    reference = checkout(buyer, order["orderId"], "paystack")["gatewayReference"]
    pay_on_page("paystack", reference, "decline")
    eventually(lambda: provider_events("paystack", "charge.failed"))
    pay_on_page("paystack", reference)
    order_in(buyer, order["orderId"], "ticketed")
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_the_same_webhook_five_times_makes_one_set_of_tickets(
    gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    control("paystack", "delivery", copies=5)
    order = hold(buyer, event, 2)
    pay_on_page("paystack", checkout(buyer, order["orderId"], "paystack")["gatewayReference"])
    paid = order_in(buyer, order["orderId"], "ticketed")
    [charge] = provider_events("paystack", "charge.success")
    control("paystack", "resend", eventId=charge["id"], copies=5)
    assert accepted(buyer.get(f"/v1/orders/{order['orderId']}"))["ticketIds"] == paid["ticketIds"]
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_a_checkout_whose_reply_got_lost_is_begun_anew_and_paid_once(
    gateway: GatewayThread, buyer: Person, event: Json
) -> None:
    order = hold(buyer, event)
    control("paystack", "faults", method="POST", path="/transaction/initialize", mode="after", times=1)
    path = f"/v1/orders/{order['orderId']}/checkout"
    refused(buyer.post(path, {"gateway": "paystack"}), 503, "gateway_unavailable")
    started = checkout(buyer, order["orderId"], "paystack")
    assert started["gatewayReference"].endswith(".2")
    pay_on_page("paystack", started["gatewayReference"])
    order_in(buyer, order["orderId"], "ticketed")
    assert gateway.run(audit_event(event["eventId"])) == ()


def test_a_webhook_that_nobody_signed_is_refused(buyer: Person, event: Json, anonymous: httpx.Client) -> None:
    order = hold(buyer, event)
    forged = {"event": "charge.success", "data": {"id": 1, "reference": order["orderId"], "amount": 1}}
    for headers in ({}, {"x-paystack-signature": "0" * 128}):
        answer = anonymous.post("/v1/webhooks/paystack", content=json.dumps(forged), headers=headers)
        refused(answer, 400, "bad_signature")


def test_a_refund_made_in_a_second_step_is_confirmed_by_its_webhook(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json
) -> None:
    """The event names no refund: the transaction is asked which one ended."""
    order = hold(buyer, event, 2)
    pay_on_page("paystack", checkout(buyer, order["orderId"], "paystack")["gatewayReference"])
    ticket_ids = order_in(buyer, order["orderId"], "ticketed")["ticketIds"]
    control("paystack", "refunds", outcome="pending")
    asked = {"ticketIds": ticket_ids[:1], "reason": "One of us is ill"}
    refund = accepted(host.post(f"/v1/orders/{order['orderId']}/refunds", asked))
    eventually(lambda: provider_events("paystack", "refund.pending"))
    control("paystack", "refunds", outcome="processed")

    async def ends() -> tuple[str, list[str]]:
        found = await clients.firestore().document(f"refunds/{refund['refundId']}").get()
        kept = [each.to_dict() or {} async for each in clients.firestore().collection("webhooks").stream()]
        told = [each["status"] for each in kept if "refund.processed" in each["body"]]
        return (found.to_dict() or {})["status"], told

    eventually(lambda: gateway.run(ends()) == ("succeeded", ["settled"]), 30)
    assert gateway.run(audit_event(event["eventId"])) == ()


def name_subaccount(person: Person, org_id: str, code: str | None) -> httpx.Response:
    return person.call("PATCH", f"/v1/organizations/{org_id}", {"paystackSubaccount": code})


def test_the_organizer_is_paid_directly_and_the_ledger_knows(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, org_id: str
) -> None:
    assert accepted(name_subaccount(host, org_id, "ACCT_lagos"))["paystackSubaccount"] == "ACCT_lagos"
    order = hold(buyer, event)
    total, kept = order["amounts"]["total"]["amountMinor"], 50_000 + 3_750
    assert total == PRICE + kept
    pay_on_page("paystack", checkout(buyer, order["orderId"], "paystack")["gatewayReference"])
    order_in(buyer, order["orderId"], "ticketed")
    [transaction] = transactions()
    assert transaction["subaccount"]["subaccount_code"] == "ACCT_lagos"
    assert transaction["fees_split"]["subaccount"] == PRICE
    assert transaction["fees_split"]["integration"] == kept - fee_of(total, "NGN")
    sums = accounts(gateway, order["orderId"])
    # We owe the organizer nothing, and Paystack owes us only what is ours.
    assert sums[f"organizer:{org_id}"] == 0
    assert sums["gateway:paystack"] == kept - sums["gateway_fees:paystack"]
    assert (sums["platform_fee"], sums["tax"]) == (-50_000, -3_750)
    assert sum(sums.values()) == 0
    assert gateway.run(audit_event(event["eventId"])) == ()

    # A refund comes out of our account at Paystack: the organizer owes us its share.
    accepted(host.post(f"/v1/orders/{order['orderId']}/refunds", {"reason": "Rained off"}))
    eventually(lambda: transactions()[0]["status"] == "reversed", 30)

    def booked() -> Counter[str] | None:
        sums = accounts(gateway, order["orderId"])
        return sums if sums["gateway:paystack"] < 0 and sums[f"buyer:{buyer.user_id}"] == 0 else None

    after = eventually(booked, 30)
    assert after[f"organizer:{org_id}"] == PRICE
    assert after["gateway:paystack"] == -PRICE - after["gateway_fees:paystack"]


def test_without_a_named_account_nothing_is_split(
    gateway: GatewayThread, host: Person, buyer: Person, event: Json, org_id: str
) -> None:
    accepted(name_subaccount(host, org_id, "ACCT_lagos"))
    assert "paystackSubaccount" not in accepted(name_subaccount(host, org_id, None))
    order = hold(buyer, event)
    pay_on_page("paystack", checkout(buyer, order["orderId"], "paystack")["gatewayReference"])
    order_in(buyer, order["orderId"], "ticketed")
    assert accounts(gateway, order["orderId"])[f"organizer:{org_id}"] == -PRICE


def test_only_an_owner_says_where_the_money_goes(host: Person, buyer: Person, sign_in: SignIn, org_id: str) -> None:
    manager = sign_in("manager")
    accepted(host.call("PUT", f"/v1/organizations/{org_id}/members/{manager.user_id}", {"role": "manager"}))
    refused(name_subaccount(manager, org_id, "ACCT_mine"), 403, "forbidden")
    refused(name_subaccount(buyer, org_id, "ACCT_mine"), 404, "not_found")
    for wrong in ("lagos", "ACCT_", "ACCT_" + "x" * 41, "ACCT_a b", 7):
        refused(
            host.call("PATCH", f"/v1/organizations/{org_id}", {"paystackSubaccount": wrong}), 422, "validation_failed"
        )
    refused(host.call("PATCH", f"/v1/organizations/{org_id}", {}), 422, "validation_failed")


def test_a_rupee_order_is_refused_by_paystack(deployed: str, host: Person, buyer: Person) -> None:
    draft = accepted(host.post("/v1/events", event_body(create_organization(host))))
    event = accepted(host.post(f"/v1/events/{draft['eventId']}/publish"))
    path = f"/v1/orders/{hold(buyer, event)['orderId']}/checkout"
    refused(buyer.post(path, {"gateway": "paystack"}), 502, "gateway_refused")
