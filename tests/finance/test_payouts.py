"""Payouts over HTTP: what is owed is paid once, whatever repeats, crashes or runs beside it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud.firestore import AsyncWriteBatch

from common import clients, clock
from common.finance import payouts, rules, store, sums
from common.finance.schemas import Balance, Payout, PayoutStatus
from common.ids import new_id
from common.payments import ledger
from tests.finance.conftest import travel
from tests.support.people import Json, accepted, publish_event, refused, tier_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import SignIn
    from tests.finance.conftest import BoxOffice
    from tests.support.people import Person
    from tests.support.server import GatewayThread

# Of a ticket at 100.01: less 10 % and 18 % of that.
ONE = 10_001 - 1_000 - 180


def paid_minor(office: BoxOffice, event: Json) -> list[int]:
    return [payout["amount"]["amountMinor"] for payout in office.payouts(event)]


def balance(office: BoxOffice, event: Json) -> int:
    return int(office.statement(event)["balance"]["amountMinor"])


def run(office: BoxOffice) -> None:
    assert office.run().status_code == 204


def test_the_life_of_a_payout(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    event = office.event()
    office.sell(event)
    travel(monkeypatch)
    run(office)
    today = clock.now().date().isoformat()
    [payout] = office.payouts(event)
    line = {"eventId": event["eventId"], "eventTitle": event["title"]}
    amount = {"amountMinor": ONE, "currency": "INR"}
    assert (payout["amount"], payout["lines"]) == (amount, [line | {"amount": amount}])
    assert (payout["status"], payout["batchDate"], payout["failures"]) == ("pending", today, [])
    path = f"/v1/payouts/{payout['payoutId']}"
    assert accepted(office.host.get(path)) == accepted(office.admin.get(path)) == payout
    assert accepted(office.admin.get(f"/v1/payout-batches/{today}"))["items"] == [payout]

    admin = office.admin
    refused(admin.post(f"{path}/failed", {"bankReference": "N1", "reason": "closed"}), 409, "unknown_transfer")
    sent = accepted(admin.post(f"{path}/sent", {"bankReference": "N1"}))
    assert (sent["status"], sent["bankReference"]) == ("sent", "N1")
    assert accepted(admin.post(f"{path}/sent", {"bankReference": "N1"})) == sent
    refused(admin.post(f"{path}/sent", {"bankReference": "N2"}), 409, "payout_state_conflict")
    refused(admin.post(f"{path}/failed", {"bankReference": "N2", "reason": "closed"}), 409, "unknown_transfer")

    failed = accepted(admin.post(f"{path}/failed", {"bankReference": "N1", "reason": "account closed"}))
    assert (failed["status"], failed["failures"][0]["reason"]) == ("failed", "account closed")
    refused(admin.post(f"{path}/sent", {"bankReference": "N2"}), 409, "payout_state_conflict")
    travel(monkeypatch, timedelta(days=1))
    run(office)
    again = accepted(admin.get(path))
    assert (again["status"], again["batchDate"] > today) == ("pending", True)
    assert accepted(admin.get(f"/v1/payout-batches/{today}"))["items"] == []
    refused(admin.post(f"{path}/sent", {"bankReference": "N1"}), 409, "payout_state_conflict")
    accepted(admin.post(f"{path}/sent", {"bankReference": "N2"}))
    # A late repeat of the first failure is known: the second transfer stays with the bank.
    late = accepted(admin.post(f"{path}/failed", {"bankReference": "N1", "reason": "account closed"}))
    assert (late["status"], late["bankReference"], len(late["failures"])) == ("sent", "N2", 1)
    assert (paid_minor(office, event), balance(office, event)) == ([ONE], 0)
    office.assert_clean(event)


def test_nothing_is_paid_before_its_time(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    event = office.event()
    office.sell(event)
    ends = timedelta(days=2, hours=6)
    for wait, expected in ((timedelta(days=3, minutes=-5), []), (timedelta(days=3, minutes=5), [ONE])):
        with monkeypatch.context() as later:
            travel(later, ends + wait)
            run(office)
        assert paid_minor(office, event) == expected


def test_a_refund_after_the_payout_is_netted_with_the_next_event(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = office.event()
    second = publish_event(office.host, tier_body(price_minor=10_001), org_id=first["orgId"])
    early, _ = office.sell(first), office.sell(second, 2)
    in_a_month = clock.now() + timedelta(days=30)
    office.update(f"events/{second['eventId']}", endsAt=in_a_month)
    travel(monkeypatch)
    for _ in range(2):
        run(office)
        assert paid_minor(office, first) == [ONE]
    office.refund(early)
    # The commission is given back by the next run, so what the organizer owes is what they got.
    assert balance(office, first) == -(ONE + 1_180)
    travel(monkeypatch, timedelta(days=1))
    run(office)
    assert (balance(office, first), paid_minor(office, first)) == (-ONE, [ONE])
    travel(monkeypatch, timedelta(days=31))
    run(office)
    net = 20_002 - 2_000 - 360
    newest, _ = office.payouts(first)
    assert newest["amount"]["amountMinor"] == net - ONE
    assert [line["amount"]["amountMinor"] for line in newest["lines"]] == [-ONE, net]
    for event in (first, second):
        assert balance(office, event) == 0
        office.assert_clean(event)


def test_a_commission_that_was_overtaken_is_corrected_by_its_difference(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = office.event()
    order = office.sell(event, 3)
    travel(monkeypatch)
    run(office)
    for place, ticket in enumerate(order["ticketIds"], start=1):
        office.refund(order, ticketIds=[ticket], count=place)
        run(office)
        statement = office.statement(event)
        net, charged = statement["netSales"]["amountMinor"], statement["commission"]
        assert rules.Charge(charged["amount"]["amountMinor"], charged["tax"]["amountMinor"]) == rules.commission(
            net, 1_000, "IN"
        )
        office.assert_clean(event)
    assert sorted(entry.entry_id for entry in office.entries(event) if entry.kind == "commission") == [
        f"{event['eventId']}_commission_{revision}" for revision in range(4)
    ]
    assert balance(office, event) == -paid_minor(office, event)[0]


@pytest.fixture
def two_runs(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Two runs that both know what is owed before either has paid it."""

    def at_once() -> None:
        arrived = asyncio.Barrier(2)
        real = store.create_payout

        async def together(payout: Payout, dues: Any) -> bool:
            await arrived.wait()
            return await real(payout, dues)

        async def both() -> None:
            one, other = await asyncio.gather(payouts.pay_out(), payouts.pay_out())
            assert one == other == []

        with monkeypatch.context() as interleaved:
            interleaved.setattr(store, "create_payout", together)
            office.gateway.run(both())

    return at_once


@pytest.fixture
def owed(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> Json:
    """An event that is settled and not paid out."""
    event = office.event()
    office.sell(event)
    travel(monkeypatch)
    assert office.gateway.run(payouts.settle_ended()) == []
    assert (balance(office, event), office.payouts(event)) == (ONE, [])
    return event


def days_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each payout as if made on a day of its own, such as by a run that began before midnight."""
    real, days = rules.new_payout, count()
    monkeypatch.setattr(rules, "new_payout", lambda org, lines, now: real(org, lines, now + timedelta(days=next(days))))


def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_unchanged", lambda seen: None)


def test_two_runs_at_once_pay_once(office: BoxOffice, two_runs: Callable[[], None], owed: Json) -> None:
    two_runs()
    assert (paid_minor(office, owed), balance(office, owed)) == ([ONE], 0)


def test_two_runs_of_different_days_pay_once(
    office: BoxOffice, two_runs: Callable[[], None], owed: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    days_apart(monkeypatch)
    two_runs()
    assert (paid_minor(office, owed), balance(office, owed)) == ([ONE], 0)


def test_control_without_the_guard_two_runs_of_different_days_pay_twice(
    office: BoxOffice, two_runs: Callable[[], None], owed: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    days_apart(monkeypatch)
    unguarded(monkeypatch)
    two_runs()
    assert (paid_minor(office, owed), balance(office, owed)) == ([ONE, ONE], -ONE)


def test_on_one_day_the_id_alone_keeps_a_payout_single(
    office: BoxOffice, two_runs: Callable[[], None], owed: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    unguarded(monkeypatch)
    two_runs()
    assert (paid_minor(office, owed), balance(office, owed)) == ([ONE], 0)


@pytest.mark.parametrize("guarded", [True, False], ids=["", "control"])
@pytest.mark.parametrize("step", ["settle", "correct"])
def test_two_runs_at_once_charge_once(
    step: str, guarded: bool, office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both mean to book the same revision. The control gives each entry an id of its own, and guards nothing."""
    event = office.event()
    order = office.sell(event)
    travel(monkeypatch)
    if step == "correct":
        assert office.gateway.run(payouts.settle_ended()) == []
        office.refund(order, amount={"amountMinor": 5_000, "currency": "INR"})
    arrived, real, commission = asyncio.Barrier(2), getattr(store, step), ledger.commission

    async def together(*arguments: Any) -> Any:
        await arrived.wait()
        return await real(*arguments)

    async def both() -> None:
        work = payouts.settle_ended if step == "settle" else payouts.pay_out
        one, other = await asyncio.gather(work(), work())
        assert one == other == []

    if not guarded:
        unguarded(monkeypatch)
        monkeypatch.setattr(
            ledger,
            "commission",
            lambda *about: commission(*about).model_copy(update={"entry_id": new_id("entry")}),
        )
        monkeypatch.setattr(AsyncWriteBatch, "create", AsyncWriteBatch.set)
    monkeypatch.setattr(store, step, together)
    office.gateway.run(both())
    statement = office.statement(event)
    due = rules.commission(statement["netSales"]["amountMinor"], 1_000, "IN")
    assert (statement["commission"]["amount"]["amountMinor"] == due.amount_minor) == guarded


OURS = ("/settlements/", "/payouts/", "/ledger/", "/finance/")


class Crash:
    """Stops the process at the n-th commit of the run, before it took effect or after it."""

    def __init__(self, at: int, mode: str) -> None:
        self.at, self.mode, self.commits = at, mode, 0
        self._real = AsyncWriteBatch.commit

    async def commit(self, batch: AsyncWriteBatch, *arguments: Any, **options: Any) -> Any:
        if not any(part in write.update.name for write in batch._write_pbs for part in OURS):
            return await self._real(batch, *arguments, **options)
        self.commits += 1
        here = self.commits == self.at
        if here and self.mode == "before":
            raise RuntimeError("stopped before the commit")
        result = await self._real(batch, *arguments, **options)
        if here:
            raise RuntimeError("stopped after the commit")
        return result


def crashes() -> Iterator[tuple[int, str]]:
    for at in range(1, 4):
        yield at, "before"
        yield at, "after"


def test_a_run_that_stops_at_any_commit_pays_once(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settlement with commission, the note of how far it came, and the payout: three commits."""
    for at, mode in crashes():
        event = office.event()
        office.sell(event)
        with monkeypatch.context() as later:
            travel(later)
            with monkeypatch.context() as stopped:
                crash = Crash(at, mode)
                stopped.setattr(
                    AsyncWriteBatch, "commit", lambda batch, *more, c=crash, **named: c.commit(batch, *more, **named)
                )
                assert office.run().status_code == 500, (at, mode)
                assert crash.commits >= at
            run(office)
            assert paid_minor(office, event) == [ONE], (at, mode)
            assert balance(office, event) == 0
            office.assert_clean(event)


def test_control_a_payout_without_its_entry_in_the_same_commit_would_be_paid_again(
    office: BoxOffice, owed: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a stop between two commits would leave."""
    with monkeypatch.context() as torn:
        torn.setattr(store, "_book", lambda batch, entry: None)
        run(office)
    assert paid_minor(office, owed) == [ONE]
    travel(monkeypatch, timedelta(days=1))
    run(office)
    assert paid_minor(office, owed) == [ONE, ONE]


def test_one_that_fails_stops_nobody_else(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = office.event(), office.event()
    for event in (broken, sound):
        office.sell(event)
    travel(monkeypatch)
    real = sums.of_event

    async def fails_for_one(event_id: str, currency: str) -> rules.EventSums:
        if event_id == broken["eventId"]:
            raise RuntimeError("no sums for this one")
        return await real(event_id, currency)

    with monkeypatch.context() as failing:
        failing.setattr(sums, "of_event", fails_for_one)
        assert office.run().status_code == 500
    assert (paid_minor(office, broken), paid_minor(office, sound)) == ([], [ONE])
    run(office)
    assert paid_minor(office, broken) == [ONE]


def test_an_event_that_owes_nothing_is_looked_at_for_half_a_year(
    office: BoxOffice, owed: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(office)

    def watched() -> list[str]:
        return [seen.settlement.event_id for seen in office.gateway.run(store.open_settlements())]

    for wait, expected in ((179, [owed["eventId"]]), (181, [])):
        with monkeypatch.context() as later:
            travel(later, timedelta(days=wait))
            run(office)
        assert watched() == expected


def a_payout(org_id: str, number: int, at: timedelta = timedelta(0)) -> Payout:
    created = clock.now() + at
    return Payout(
        payout_id=f"payout_{number}",
        org_id=org_id,
        amount=Balance(amount_minor=number + 1, currency="INR"),
        lines=(),
        status=PayoutStatus.PENDING,
        batch_date="2026-11-21",
        created_at=created,
    )


def test_payouts_come_in_pages(gateway: GatewayThread, project: str, host: Person, sign_in: SignIn) -> None:
    org_id = publish_event(host)["orgId"]

    async def keep() -> None:
        for number in range(5):
            payout = a_payout(org_id, number, timedelta(minutes=number // 2))
            await clients.firestore().document(f"payouts/{payout.payout_id}").set(payout.document())

    gateway.run(keep())
    admin = sign_in("admin", admin=True)

    def all_of(by: Person, path: str) -> list[str]:
        found: list[str] = []
        query = {"limit": "2"}
        while True:
            page = accepted(by.get(path, params=query))
            found += [item["payoutId"] for item in page["items"]]
            if "nextCursor" not in page:
                return found
            query["cursor"] = page["nextCursor"]

    names = [f"payout_{number}" for number in range(5)]
    assert all_of(host, f"/v1/organizations/{org_id}/payouts") == names[::-1]
    assert all_of(admin, "/v1/payout-batches/2026-11-21") == names
    assert all_of(admin, "/v1/payout-batches/2026-11-22") == []
    cursor = accepted(admin.get("/v1/payout-batches/2026-11-21", params={"limit": "2"}))["nextCursor"]
    refused(host.get(f"/v1/organizations/{org_id}/payouts", params={"cursor": cursor}), 400, "invalid_cursor")


def test_who_may_see_and_change_payouts(office: BoxOffice, owed: Json, sign_in: SignIn) -> None:
    run(office)
    [payout] = office.payouts(owed)
    path, stranger = f"/v1/payouts/{payout['payoutId']}", sign_in("stranger")
    of_organization = f"/v1/organizations/{owed['orgId']}/payouts"
    refused(stranger.get(path), 404, "not_found")
    refused(stranger.get(of_organization), 404, "not_found")
    for by in (office.host, office.admin):
        refused(by.get("/v1/payouts/payout_none"), 404, "not_found")
    member = f"/v1/organizations/{owed['orgId']}/members/{stranger.user_id}"
    accepted(office.host.call("PUT", member, {"role": "manager"}))
    refused(stranger.get(path), 403, "forbidden")
    refused(stranger.get(of_organization), 403, "forbidden")
    for by in (stranger, office.host):
        refused(by.get("/v1/payout-batches/2026-11-21"), 403, "forbidden")
        refused(by.post(f"{path}/sent", {"bankReference": "N1"}), 403, "forbidden")
        refused(by.post(f"{path}/failed", {"bankReference": "N1", "reason": "x"}), 403, "forbidden")
    refused(office.admin.post("/v1/payouts/payout_none/sent", {"bankReference": "N1"}), 404, "not_found")
    refused(office.admin.post(f"{path}/sent", {"bankReference": " "}), 422, "validation_failed")
    refused(office.admin.post(f"{path}/failed", {"bankReference": "N1"}), 422, "validation_failed")
