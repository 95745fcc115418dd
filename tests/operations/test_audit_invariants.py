"""The nightly audit on what is really stored: silent after honest sales, exact and loud about a corrupted document."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients, clock
from common.operations.audit import IN_FLIGHT, Violation, audit_event, unsettled_webhooks
from common.payments.gateways import GatewayName
from common.payments.schemas import Webhook, WebhookStatus
from tests.support.payments import checkout, order_in, pay_on_page
from tests.support.people import Json, Person, accepted, order_body, publish_event, tier_body

if TYPE_CHECKING:
    from tests.operations.jobs import Jobs
    from tests.support.server import GatewayThread


@pytest.fixture
def event(deployed: str, host: Person) -> Json:
    return publish_event(host, tier_body(capacity=40), tier_body("VIP", capacity=3))


@pytest.fixture
def paid(buyer: Person, event: Json) -> Json:
    """A ticketed order of two."""
    order = accepted(buyer.post("/v1/orders", order_body(event, 2)))
    pay_on_page("stripe", checkout(buyer, order["orderId"])["gatewayReference"])
    return order_in(buyer, order["orderId"], "ticketed")


def audit(gateway: GatewayThread, event: Json) -> list[str]:
    return [violation.invariant for violation in gateway.run(audit_event(event["eventId"]))]


def update(gateway: GatewayThread, path: str, fields: dict[str, Any]) -> None:
    async def write() -> None:
        await clients.firestore().document(path).update(fields)

    gateway.run(write())


def delete(gateway: GatewayThread, path: str) -> None:
    async def write() -> None:
        await clients.firestore().document(path).delete()

    gateway.run(write())


def alerts(jobs: Jobs, capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What a run of the job pages a person for."""
    capfd.readouterr()
    assert jobs.call("audit_invariants").status_code == 204
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    [finished] = [line for line in lines if line["message"] == "audit finished"]
    found = [line for line in lines if line["severity"] == "ALERT"]
    assert finished["violations"] == len(found)
    return found


def test_an_event_that_sold_refunded_and_let_expire_is_clean(
    gateway: GatewayThread,
    jobs: Jobs,
    buyer: Person,
    host: Person,
    event: Json,
    paid: Json,
    capfd: pytest.CaptureFixture[str],
) -> None:
    accepted(buyer.post("/v1/orders", order_body(event, 3)))
    cancelled = accepted(buyer.post("/v1/orders", order_body(event, 3, tier=1)))
    accepted(buyer.post(f"/v1/orders/{cancelled['orderId']}/cancel"))
    refund = {"ticketIds": paid["ticketIds"][:1], "reason": "cannot come"}
    accepted(host.post(f"/v1/orders/{paid['orderId']}/refunds", refund))
    assert alerts(jobs, capfd) == []


def test_the_job_pages_a_person_for_each_violation(
    gateway: GatewayThread, jobs: Jobs, event: Json, paid: Json, capfd: pytest.CaptureFixture[str]
) -> None:
    update(gateway, f"tickets/{paid['ticketIds'][0]}", {"status": "cancelled"})
    [alert] = alerts(jobs, capfd)
    assert (alert["message"], alert["invariant"]) == ("invariant violated", "sold units have a ticket")
    assert event["tiers"][0]["tierId"] in alert["subject"]


@pytest.mark.parametrize(
    ("path", "fields", "invariants"),
    [
        pytest.param("events/{eventId}/tiers/{tierId}/shards/00", {"next": 3}, ["shard adds up"], id="shard"),
        pytest.param(
            "events/{eventId}/tiers/{tierId}/units/{number}",
            None,
            [
                "shard adds up",
                "an order owns its units",
                "valid tickets are sold units",
            ],
            id="lost unit",
        ),
        pytest.param("orders/{orderId}", {"units": []}, ["an order owns its units"], id="order"),
        pytest.param(
            "ledger/{orderId}_stripe_sale",
            None,
            ["a captured payment is booked", "the ledger says what gateways hold"],
            id="ledger",
        ),
        pytest.param(
            "ledger/{orderId}_stripe_sale",
            {"postings": [{"account": "tax", "amountMinor": 1}]},
            ["ledger balances", "totals are the postings", "the ledger says what gateways hold"],
            id="unbalanced",
        ),
        pytest.param("orders/{orderId}", {"paymentId": None}, ["an order with tickets is paid"], id="payment"),
        pytest.param("orders/{orderId}", {"refundedMinor": 5}, ["refunds are of their order"], id="refunds"),
    ],
)
def test_each_corrupted_document_is_found(
    path: str, fields: dict[str, Any] | None, invariants: list[str], gateway: GatewayThread, event: Json, paid: Json
) -> None:
    assert audit(gateway, event) == []
    stored = gateway.run(_order(paid["orderId"]))
    place = path.format(**paid, tierId=event["tiers"][0]["tierId"], number=stored["units"][0]["number"])
    if fields is None:
        delete(gateway, place)
    else:
        update(gateway, place, fields)
    assert audit(gateway, event) == invariants


async def _order(order_id: str) -> Json:
    return (await clients.firestore().document(f"orders/{order_id}").get()).to_dict() or {}


def test_a_sale_in_full_swing_is_no_violation(gateway: GatewayThread, buyer: Person, event: Json, paid: Json) -> None:
    """The books are those of one moment, or bookings between two reads would page a person every night."""

    def sell(number: int) -> None:
        order = accepted(buyer.post("/v1/orders", order_body(event, 1)))
        if number % 2:
            accepted(buyer.post(f"/v1/orders/{order['orderId']}/cancel"))

    with ThreadPoolExecutor(4) as pool:
        sales = [pool.submit(sell, number) for number in range(40)]
        audits = 0
        while audits < 5 or not all(sale.done() for sale in sales):
            assert audit(gateway, event) == []
            audits += 1
        for sale in sales:
            sale.result()


def test_drafts_and_long_gone_events_are_not_audited(
    gateway: GatewayThread, jobs: Jobs, event: Json, paid: Json, capfd: pytest.CaptureFixture[str]
) -> None:
    update(gateway, f"tickets/{paid['ticketIds'][0]}", {"status": "cancelled"})
    event_path = f"events/{event['eventId']}"
    update(gateway, event_path, {"endsAt": clock.now() - timedelta(days=8)})
    assert alerts(jobs, capfd) == []
    update(gateway, event_path, {"endsAt": clock.now() - timedelta(days=6)})
    assert len(alerts(jobs, capfd)) == 1


def test_a_webhook_that_nobody_settled_is_found(
    project: str, gateway: GatewayThread, jobs: Jobs, capfd: pytest.CaptureFixture[str]
) -> None:
    now = clock.now()

    async def keep() -> None:
        for name, age, status in (
            ("stuck", IN_FLIGHT + timedelta(seconds=1), WebhookStatus.STORED),
            ("fresh", timedelta(seconds=10), WebhookStatus.STORED),
            ("settled", timedelta(days=1), WebhookStatus.SETTLED),
            ("ignored", timedelta(days=1), WebhookStatus.IGNORED),
        ):
            kept = Webhook(
                webhook_id=name, gateway=GatewayName.STRIPE, body="{}", headers={}, received_at=now - age, status=status
            )
            await clients.firestore().document(f"webhooks/{name}").set(kept.document())

    gateway.run(keep())
    assert gateway.run(unsettled_webhooks(now)) == (Violation("webhooks are settled", "stuck", "still waiting"),)
    [alert] = alerts(jobs, capfd)
    assert (alert["invariant"], alert["subject"]) == ("webhooks are settled", "stuck")
