"""What follows from the facts about a payment, case by case: money is returned once, booked once, and never lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common.money import Money
from common.orders.schemas import OrderStatus
from common.payments import refund_rules
from common.payments.gateways import RefundStatus
from common.payments.refund_rules import RETRY_AFTER, after_failure, next_attempt
from common.payments.schemas import PaymentStatus, refund_id_of
from common.payments.settlement_rules import Meaning, _Settlement, judge
from tests.support.money_world import MoneyWorld, fact
from tests.support.records import NOW, an_order

if TYPE_CHECKING:
    from common.payments.schemas import Refund

TOTAL = an_order().amounts.total
PART = Money(amount_minor=40_000, currency="INR")


def paid(**more: object) -> MoneyWorld:
    world = MoneyWorld()
    world.hear(fact("captured", **more))  # type: ignore[arg-type]
    return world


def returned() -> MoneyWorld:
    """Paid after it was cancelled: a refund of ours waits."""
    world = MoneyWorld()
    world.end_hold(OrderStatus.CANCELLED)
    world.hear(fact("captured"))
    return world


def only(world: MoneyWorld) -> Refund:
    [refund] = world.refunds.values()
    return refund


@pytest.mark.parametrize(
    ("status", "captured", "meaning", "reason"),
    [
        ("held", TOTAL, Meaning.TICKET, ""),
        ("expired", TOTAL, Meaning.RECLAIM, ""),
        ("cancelled", TOTAL, Meaning.RETURN, "order_cancelled"),
        ("ticketed", TOTAL, Meaning.RETURN, "paid_twice"),
        ("refunded", TOTAL, Meaning.RETURN, "paid_twice"),
        ("partially_refunded", TOTAL, Meaning.RETURN, "paid_twice"),
        ("held", PART, Meaning.RETURN, "amount_mismatch"),
        ("held", Money(amount_minor=TOTAL.amount_minor, currency="NGN"), Meaning.RETURN, "amount_mismatch"),
    ],
)
def test_what_a_capture_means(status: str, captured: Money, meaning: Meaning, reason: str) -> None:
    verdict = judge(an_order(status=status), captured)
    assert (verdict.meaning, verdict.reason) == (meaning, reason)


def test_a_capture_buys_tickets_once() -> None:
    world = paid()
    world.hear(fact("captured"))
    assert (world.order.status, world.valid_tickets, world.order.payment_id) == ("ticketed", 2, "ord_1_stripe")
    assert world.payment.provider_payment_id == "pi_1"
    assert list(world.entries) == ["ord_1_stripe_sale"]


def test_a_wrong_amount_goes_back_and_is_raised() -> None:
    world = MoneyWorld()
    world.hear(fact("captured", amount=5))
    assert (only(world).amount.amount_minor, only(world).reason, world.order.status) == (5, "amount_mismatch", "held")
    assert world.alerts == ["captured amount differs from the order"]
    world.hear(fact("captured", "pi_2"))
    assert (world.order.status, world.valid_tickets) == ("ticketed", 2)
    assert world.violations() == []


def test_a_capture_in_another_currency_goes_back_in_that_currency() -> None:
    world = MoneyWorld()
    world.hear(fact("captured", currency="NGN", fee_minor=9))
    world.hear(fact("refunded", amount=PART.amount_minor, currency="NGN", refund_id="re_dashboard"))
    assert {(each.amount.currency, each.stray) for each in world.refunds.values()} == {("NGN", True)}
    assert {entry.currency for entry in world.entries.values()} == {"NGN"}
    assert (world.order.status, world.violations()) == ("held", [])


def test_a_payment_after_the_hold_takes_units_again_or_goes_back() -> None:
    for units_left, status, count in ((10, "ticketed", 2), (0, "expired", 0)):
        world = MoneyWorld()
        world.end_hold(OrderStatus.EXPIRED)
        world.units_left = units_left
        world.hear(fact("captured"))
        assert (world.order.status, world.valid_tickets) == (status, count)
        assert [each.reason for each in world.refunds.values()] == ([] if count else ["sold_out"])
        assert world.violations() == []


def test_a_second_capture_goes_back_and_the_first_keeps_its_tickets() -> None:
    world = paid()
    world.hear(fact("captured", "pi_2"))
    assert (world.order.status, world.valid_tickets, only(world).provider_payment_id) == ("ticketed", 2, "pi_2")
    world.hear(fact("refunded", "pi_2", refund_id="re_1", refund_key=only(world).refund_id))
    assert (only(world).status, world.valid_tickets, world.order.refunded_minor) == ("succeeded", 2, 0)
    assert world.violations() == []


def test_the_fee_is_booked_once_whenever_it_becomes_known() -> None:
    world = paid()
    world.hear(fact("captured", fee_minor=2_000))
    world.hear(fact("captured", fee_minor=2_000))
    world.hear(fact("captured", "pi_2", fee_minor=300))
    assert [name for name in world.entries if name.endswith("_fee")] == [
        "ord_1_stripe_fee",
        f"{refund_rules.stray_refund_id(world.payment.gateway, 'pi_2')}_fee",
    ]
    assert world.balances()["gateway_fees:stripe"] == 2_300
    assert world.violations() == []


def test_a_whole_refund_in_the_dashboard_voids_the_tickets_a_part_does_not() -> None:
    world = paid()
    world.hear(fact("refunded", amount=PART.amount_minor, refund_id="re_1"))
    assert (world.order.status, world.valid_tickets, world.order.refunded_minor) == ("partially_refunded", 2, 40_000)
    world.hear(fact("refunded", amount=TOTAL.amount_minor - PART.amount_minor, refund_id="re_2"))
    assert (world.order.status, world.valid_tickets, world.order.units) == ("refunded", 0, ())
    assert world.payment.status is PaymentStatus.REFUNDED
    assert world.balances() == {}
    assert world.violations() == []


def test_the_dashboard_s_refund_of_a_duplicate_is_ours() -> None:
    world = returned()
    world.hear(fact("refunded", refund_id="re_dashboard"))
    assert (only(world).status, only(world).provider_refund_id) == ("succeeded", "re_dashboard")
    assert world.unpaid() == []


def test_a_part_given_back_in_the_dashboard_leaves_us_the_rest() -> None:
    world = returned()
    before = only(world)
    world.hear(fact("refunded", amount=PART.amount_minor, refund_id="re_dashboard"))
    [rest] = world.unpaid()
    assert (rest.refund_id, rest.amount.amount_minor) == (before.refund_id, TOTAL.amount_minor - PART.amount_minor)
    assert rest.key == before.key, "its first attempt may have been made, and must not be made again under another"
    assert world.violations() == []


def test_control_without_that_more_would_go_back_than_was_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Settlement, "relieve", lambda *_: None)
    world = returned()
    world.hear(fact("refunded", amount=PART.amount_minor, refund_id="re_dashboard"))
    assert any(found.startswith("no more goes back") for found in world.violations())


def test_a_refund_that_failed_for_good_can_be_paid_in_the_dashboard() -> None:
    world = paid()
    asked = world.request_refund(amount=PART)
    world.refunds[asked.refund_id] = asked.model_copy(update={"status": RefundStatus.FAILED, "attempt": 5})
    world.hear(fact("refunded", amount=PART.amount_minor, refund_id="re_dashboard"))
    assert (only(world).status, world.order.refunded_minor) == ("succeeded", PART.amount_minor)
    assert world.violations() == []


def test_a_dashboard_refund_beside_one_of_ours_in_flight_takes_what_is_left() -> None:
    world = paid()
    asked = world.request_refund(amount=PART)
    world.hear(fact("refunded", amount=TOTAL.amount_minor - 10_000, refund_id="re_dashboard"))
    assert world.refunds[asked.refund_id].amount.amount_minor == 10_000
    assert (world.order.status, world.order.refunded_minor) == ("refunded", TOTAL.amount_minor)
    assert world.violations() == []


def test_a_chargeback_after_a_refund_is_more_than_we_took_and_a_person_is_told() -> None:
    world = paid()
    world.hear(fact("refunded", refund_id="re_1"), fact("dispute_lost", refund_id="du_1"))
    assert "more went back than was captured" in world.alerts
    assert only(world).amount == TOTAL


def test_a_lost_dispute_pays_what_we_owe() -> None:
    world = paid()
    asked = world.request_refund()
    world.hear(fact("dispute_lost", refund_id="du_1"))
    assert (only(world).refund_id, only(world).status) == (asked.refund_id, "succeeded")
    assert world.violations() == []


def test_a_dispute_is_open_until_it_is_decided() -> None:
    world = paid()
    world.hear(fact("disputed", refund_id="du_1"))
    assert (world.payment.status, world.alerts) == (PaymentStatus.DISPUTED, ["payment disputed"])
    world.hear(fact("dispute_won", refund_id="du_1"), fact("disputed", refund_id="du_1"))
    assert (world.payment.status, world.order.status) == (PaymentStatus.CAPTURED, "ticketed")


def test_a_late_failure_of_an_earlier_attempt_changes_nothing() -> None:
    world = returned()
    key = only(world).refund_id
    world.hear(fact("refund_failed", refund_id="re_1", refund_key=key))
    assert (only(world).attempt, only(world).status) == (2, "pending")
    world.hear(fact("refunded", refund_id="re_2", refund_key=f"{key}.2"))
    world.hear(fact("refund_failed", refund_id="re_1", refund_key=key))
    assert (only(world).attempt, only(world).status) == (2, "succeeded")
    assert world.violations() == []


def test_attempts_are_bounded_spaced_and_never_share_a_key() -> None:
    refund, keys = only(returned()), []
    while refund.status is RefundStatus.PENDING:
        keys.append(refund.key)
        refund = after_failure(refund, "no", NOW)
    assert len(keys) == len(set(keys)) == len(RETRY_AFTER) + 1
    assert {refund_id_of(key) for key in keys} == {refund.refund_id}
    assert (refund.status, refund.failure, refund.due_at) == ("failed", "no", None)
    again = next_attempt(refund, None)
    assert again.key not in keys
    assert after_failure(again, "no", NOW).status is RefundStatus.FAILED


def test_what_somebody_began_at_the_provider_is_theirs_to_finish() -> None:
    world = paid()
    world.hear(fact("refund_failed", amount=PART.amount_minor, refund_id="re_dashboard"))
    assert (only(world).status, only(world).attempt, world.unpaid()) == ("failed", 0, [])
    assert "refund failed for good" in world.alerts
    assert world.balances()["buyer:buyer"] == -PART.amount_minor, "it is owed until it is paid"
    world.hear(fact("refunded", amount=PART.amount_minor, refund_id="re_again"))
    assert only(world).status is RefundStatus.SUCCEEDED
    assert world.violations() == []
