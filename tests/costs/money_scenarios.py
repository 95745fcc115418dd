"""One usual call of each function that pays, refunds and settles."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from tests.costs.scenario import SCENARIOS, scenario
from tests.support import people
from tests.support.people import accepted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.costs.scenario import Act, Scenario
    from tests.costs.shop import Shop


@scenario
def checkout_order(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        path = f"/v1/orders/{shop.order(event)['orderId']}/checkout"
        return lambda: shop.buyer.post(path, {"gateway": "stripe"})

    return prepare


@scenario
def refund_order(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        path = f"/v1/orders/{shop.ticketed(event)['orderId']}/refunds"
        return lambda: shop.host.post(path, {"reason": "The headliner is ill"}, key=uuid4().hex)

    return prepare


@scenario
def confirm_order(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        order = shop.order(event)
        shop.paid(order)
        return lambda: shop.buyer.post(f"/v1/orders/{order['orderId']}/confirm", {"gateway": "stripe"})

    return prepare


@scenario
def list_refunds(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/orders/{shop.refund(shop.event())['orderId']}/refunds"
    return lambda: lambda: shop.buyer.get(path)


@scenario
def retry_refund(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        refund = shop.refund(event, status="failed")
        return lambda: shop.host.post(f"/v1/refunds/{refund['refundId']}/retry")

    return prepare


@scenario
def get_refund_run(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/events/{shop.event()['eventId']}"
    accepted(shop.host.post(f"{path}/cancel"))
    return lambda: lambda: shop.host.get(f"{path}/refund-run")


@scenario
def get_statement(shop: Shop) -> Callable[[], Act]:
    event = shop.event()
    shop.ticketed(event)
    return lambda: lambda: shop.host.get(f"/v1/events/{event['eventId']}/statement")


@scenario
def agree_commission(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/organizations/{people.create_organization(shop.host)}/commission"
    return lambda: lambda: shop.admin.call("PUT", path, {"basisPoints": 700})


@scenario
def create_payouts(shop: Shop) -> Callable[[], Act]:
    def prepare() -> Act:
        shop.close_settlements()
        shop.long_over(shop.event())
        return lambda: shop.trigger("create_payouts", {})

    return prepare


@scenario
def list_payouts(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/organizations/{shop.payout()['orgId']}/payouts"
    return lambda: lambda: shop.host.get(path)


@scenario
def get_payout(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/payouts/{shop.payout()['payoutId']}"
    return lambda: lambda: shop.host.get(path)


@scenario
def get_payout_batch(shop: Shop) -> Callable[[], Act]:
    path = f"/v1/payout-batches/{shop.payout()['batchDate']}"
    return lambda: lambda: shop.admin.get(path)


@scenario
def mark_payout_sent(shop: Shop) -> Callable[[], Act]:
    def prepare() -> Act:
        path = f"/v1/payouts/{shop.payout()['payoutId']}/sent"
        return lambda: shop.admin.post(path, {"bankReference": "N1"})

    return prepare


@scenario
def mark_payout_failed(shop: Shop) -> Callable[[], Act]:
    def prepare() -> Act:
        path = f"/v1/payouts/{shop.payout()['payoutId']}"
        accepted(shop.admin.post(f"{path}/sent", {"bankReference": "N1"}))
        return lambda: shop.admin.post(f"{path}/failed", {"bankReference": "N1", "reason": "account closed"})

    return prepare


def _webhook(provider: str) -> Scenario:
    def set_up(shop: Shop) -> Callable[[], Act]:
        event = shop.nigerian_event() if provider == "paystack" else shop.event()

        def prepare() -> Act:
            webhook = shop.paid(shop.order(event), provider)
            return lambda: shop.deliver(webhook)

        return prepare

    return set_up


SCENARIOS["receive_stripe_webhook"] = _webhook("stripe")
SCENARIOS["receive_razorpay_webhook"] = _webhook("razorpay")
SCENARIOS["receive_paystack_webhook"] = _webhook("paystack")


@scenario
def settle_payment(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        webhook = shop.paid(shop.order(event))
        accepted(shop.deliver(webhook))
        return lambda: shop.trigger("settle_payment", {"webhookId": webhook.id})

    return prepare


@scenario
def refund_event(shop: Shop) -> Callable[[], Act]:
    def prepare() -> Act:
        event = shop.event()
        shop.ticketed(event)
        accepted(shop.host.post(f"/v1/events/{event['eventId']}/cancel"))
        return lambda: shop.trigger("refund_event", {"eventId": event["eventId"], "page": 0})

    return prepare


@scenario
def execute_refund(shop: Shop) -> Callable[[], Act]:
    event = shop.event()

    def prepare() -> Act:
        refund = shop.refund(event)
        return lambda: shop.trigger("execute_refund", {"refundId": refund["refundId"]})

    return prepare


@scenario
def reconcile_payments(shop: Shop) -> Callable[[], Act]:
    shop.ticketed(shop.event())
    return lambda: lambda: shop.trigger("reconcile_payments", {})
