"""What the business counts is counted once, by the whole chain, whatever is repeated on the way."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from common import clients, clock, kpi, outbox, relay
from common.outbox import OUTBOX
from tests.support.payments import checkout, order_in, pay_on_page
from tests.support.people import accepted, eventually, order_body, publish_event, refused, tier_body

if TYPE_CHECKING:
    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

ROOT = Path(__file__).resolve().parents[2]


class Counted:
    """The lines about the business that were written so far."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self.lines: list[Json] = []

    def read(self) -> Counter[str]:
        written = (json.loads(line) for line in self._capfd.readouterr().out.splitlines() if line.startswith("{"))
        self.lines += [line for line in written if "kpi" in line]
        return Counter(line["kpi"] for line in self.lines)

    def of(self, counted: kpi.Kpi) -> list[Json]:
        return [line for line in self.lines if line["kpi"] == counted.name]


@pytest.fixture
def counted(capfd: pytest.CaptureFixture[str]) -> Counted:
    return Counted(capfd)


def doors_open(host: Person) -> Json:
    now = datetime.now(UTC).replace(microsecond=0)
    night = {"startsAt": (now - timedelta(hours=1)).isoformat(), "endsAt": (now + timedelta(hours=5)).isoformat()}
    return publish_event(host, tier_body(price_minor=50_000), **night)


def bought(buyer: Person, event: Json, quantity: int, key: str) -> Json:
    """A paid order; each step that a client or provider may repeat is repeated."""
    orders = [accepted(buyer.post("/v1/orders", order_body(event, quantity), key=key)) for _ in range(2)]
    assert orders[0]["orderId"] == orders[1]["orderId"]
    started = checkout(buyer, orders[0]["orderId"], "stripe")
    assert accepted(pay_on_page("stripe", started["gatewayReference"]))
    paid = order_in(buyer, orders[0]["orderId"], "ticketed")
    accepted(buyer.post(f"/v1/orders/{paid['orderId']}/confirm", {"gateway": "stripe"}))
    return paid


def test_every_kpi_is_counted_once_though_everything_is_repeated(
    deployed: str, host: Person, buyer: Person, gateway: GatewayThread, counted: Counted
) -> None:
    for _ in range(2):
        accepted(buyer.post("/v1/session", {}))
    event = doors_open(host)
    refused(host.post(f"/v1/events/{event['eventId']}/publish"), 409, "already_published")
    kept, returned = bought(buyer, event, 2, "kept"), bought(buyer, event, 1, "returned")
    refund = f"/v1/orders/{returned['orderId']}/refunds"
    for _ in range(2):
        accepted(host.post(refund, {"reason": "a friend of the house"}, key="refund"))
    used, given = kept["ticketIds"]
    for _ in range(2):
        body = {"recipientPhone": "+919811111111", "recipientName": "Ravi"}
        accepted(buyer.post(f"/v1/tickets/{given}/transfer", body, key="give"))
    code = accepted(buyer.get(f"/v1/tickets/{used}"))["qr"]
    for scan in ("first-scan", "first-scan", "second-scan"):
        accepted(host.post(f"/v1/events/{event['eventId']}/check-ins", {"qr": code, "scanId": scan}))

    expected = {
        **{"sign_up": 1, "log_in": 2, "event": 1, "booking": 2, "purchase": 2, "refund": 1},
        **{"transfer": 1, "check_in": 2, "attendance": 1},
    }
    eventually(lambda: counted.read().keys() >= expected.keys() and _handed_over(gateway))
    assert counted.read() == expected
    assert set(expected) == {each.name for each in kpi.KPIS}, "each is counted somewhere"
    total = {order["orderId"]: order["amounts"]["total"] for order in (kept, returned)}
    amounts = [(line["amountMinor"], line["currency"]) for line in counted.of(kpi.PURCHASE)]
    assert amounts == [(each["amountMinor"], "INR") for each in total.values()]
    [back] = counted.of(kpi.REFUND)
    assert 0 < back["amountMinor"] <= total[returned["orderId"]]["amountMinor"]
    assert [line["result"] for line in counted.of(kpi.CHECK_IN)] == ["admitted", "already_used"]
    allowed = {"severity", "message", "kpi", "function", "amountMinor", "currency", "result"}
    for line in counted.lines:
        assert {name for name in line if not name.startswith("logging.googleapis.com/")} <= allowed


def _handed_over(gateway: GatewayThread) -> bool:
    async def look() -> bool:
        return not await clients.firestore().collection(OUTBOX).limit(1).get()

    return gateway.run(look())


def _relayed_by_two_at_once(project: str, gateway: GatewayThread, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Both have handed the entry over before either deletes it."""
    sold = outbox.event("order.held", clock.now(), orderId="ord_1")
    path, fields = outbox.entry(clock.now(), sold)

    async def both() -> list[bool]:
        barrier = asyncio.Barrier(2)

        async def published(_: object) -> None:
            await barrier.wait()

        monkeypatch.setattr(relay, "_publish", published)
        entry = clients.firestore().document(path)
        await entry.create(fields)
        return list(await asyncio.gather(relay.relay(entry), relay.relay(entry)))

    return gateway.run(both())


def test_of_two_who_hand_over_the_same_entry_one_counts(
    project: str, gateway: GatewayThread, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sorted(_relayed_by_two_at_once(project, gateway, monkeypatch)) == [False, True]
    assert counted.read() == {"booking": 1}


def test_control_a_deletion_that_asks_nothing_counts_twice(
    project: str, gateway: GatewayThread, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.cloud.firestore import AsyncDocumentReference

    delete = AsyncDocumentReference.delete

    async def unguarded(self: AsyncDocumentReference, **_: Any) -> object:
        return await delete(self)

    monkeypatch.setattr(AsyncDocumentReference, "delete", unguarded)
    assert _relayed_by_two_at_once(project, gateway, monkeypatch) == [True, True]
    assert counted.read() == {"booking": 2}


def test_an_entry_of_the_release_before_has_no_amount_and_counts_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kpi.count_event(outbox.event("order.ticketed", clock.now(), orderId="ord_1"))
    kpi.count_event(outbox.event("payment.returned", clock.now(), orderId="ord_1"))
    assert json.loads(capsys.readouterr().out) == {"severity": "INFO", "message": "kpi purchase", "kpi": "purchase"}


def test_each_is_declared_once_and_explained() -> None:
    assert len({each.name for each in kpi.KPIS}) == len(kpi.KPIS)
    assert sum(len(each.of) for each in kpi.KPIS) == len(kpi.BY_EVENT)
    explained = (ROOT / "docs" / "observability.md").read_text()
    for each in kpi.KPIS:
        assert f"| `{each.name}` |" in explained
