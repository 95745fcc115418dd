"""All payment adapters against the fake providers: checkout, events, refunds, and every way they can fail."""

from __future__ import annotations

import asyncio
import hmac
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import httpx
import pytest
import stripe

from common import clients, clock
from common.config import Config
from common.money import Money
from common.payments.gateways import (
    BadSignature,
    CheckoutRequest,
    Gateway,
    GatewayName,
    GatewayRefused,
    GatewayUnavailable,
    MalformedEvent,
    PaymentEvent,
    PaymentEventKind,
    ProviderPayment,
    RefundResult,
    RefundStatus,
)
from common.payments.paystack_gateway import PaystackGateway
from common.payments.providers import gateway as provider_of
from common.payments.razorpay_gateway import RazorpayGateway
from common.payments.refund_claims import LEASE
from common.payments.stripe_gateway import StripeGateway
from emulators import fake_paystack, fake_razorpay, fake_stripe
from tests.emulators.served import Delivery, Receiver, control, served, wait_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from common.payments import gateways

ResultT = TypeVar("ResultT")
INR_500 = Money(amount_minor=50_000, currency="INR")
PRICE = {GatewayName.STRIPE: INR_500, GatewayName.RAZORPAY: INR_500} | {
    GatewayName.PAYSTACK: Money(amount_minor=50_000, currency="NGN")
}
HOOK_SECRET = "hook-secret"
ALL = pytest.mark.parametrize("name", list(GatewayName))
# Those with an SDK, and with idempotency keys; what Paystack has instead is in test_paystack.py.
BOTH = pytest.mark.parametrize("name", [GatewayName.STRIPE, GatewayName.RAZORPAY])


@pytest.fixture(scope="module")
def providers() -> Iterator[dict[GatewayName, str]]:
    with ExitStack() as stack:
        yield {
            GatewayName.STRIPE: stack.enter_context(served(fake_stripe.create_app((0.05,)))),
            GatewayName.RAZORPAY: stack.enter_context(served(fake_razorpay.create_app((0.05,)))),
            GatewayName.PAYSTACK: stack.enter_context(served(fake_paystack.create_app((0.05,)))),
        }


@dataclass(frozen=True)
class Shop:
    """One account at one provider, with the webhooks it was sent."""

    name: GatewayName
    url: str
    key: str
    config: Config
    receiver: Receiver

    def gateway(self) -> Gateway:
        return ADAPTERS[self.name](self.config)

    def money(self, amount_minor: int | None = None) -> Money:
        price = PRICE[self.name]
        return price if amount_minor is None else Money(amount_minor=amount_minor, currency=price.currency)

    def run(self, work: Callable[[Gateway], Awaitable[ResultT]]) -> ResultT:
        async def once() -> ResultT:
            try:
                return await work(self.gateway())
            finally:
                await clients.close()

        return asyncio.run(once())

    def checkout(self, order_id: str = "ord_1", key: str = "key-1") -> gateways.Checkout:
        return self.run(lambda gateway: gateway.create_checkout(request(order_id, self.money(), key)))

    def refund(self, event: PaymentEvent, amount: int, key: str) -> RefundResult:
        money = self.money(amount)
        return self.run(
            lambda gateway: gateway.refund(
                event.payment_id, money, refund_key=key, order_id="ord_1", reason="The show was cancelled"
            )
        )

    def decide(self, reference: str, action: str) -> None:
        accept = {"Accept": "application/json"}
        assert httpx.post(f"{self.url}/pay/{reference}/{action}", headers=accept, trust_env=False).status_code == 200

    def heard(self, kind: PaymentEventKind, count: int = 1) -> list[PaymentEvent]:
        """Wait for so many events of a kind; each is verified before it is read."""
        wait_until(lambda: len(self._heard(kind)) >= count)
        return self._heard(kind)

    def _heard(self, kind: PaymentEventKind) -> list[PaymentEvent]:
        gateway, found = self.gateway(), dict[str, PaymentEvent]()
        for delivery in list(self.receiver.deliveries):
            gateway.verify(delivery.headers, delivery.body)
            parsed = gateway.parse(delivery.headers, delivery.body)
            events = self._asked(parsed.ask_about) if parsed.ask_about else (parsed.event,)
            found |= {event.event_id: event for event in events if event is not None and event.kind is kind}
        return list(found.values())

    def _asked(self, payment_id: str) -> tuple[PaymentEvent, ...]:
        found = self.run(lambda gateway: gateway.find_payment(payment_id))
        return found.facts if found else ()

    def paid(self, order_id: str = "ord_1") -> PaymentEvent:
        reference = self.checkout(order_id, f"key-{order_id}").reference
        self.decide(reference, "pay")
        wait_until(lambda: any(event.reference == reference for event in self._heard(PaymentEventKind.CAPTURED)))
        return next(event for event in self._heard(PaymentEventKind.CAPTURED) if event.reference == reference)

    def fault(self, method: str, path: str, mode: str, times: int = 1) -> None:
        control(self.url, "POST", "faults", key=self.key, method=method, path=path, mode=mode, times=times)


ADAPTERS: dict[GatewayName, Callable[[Config], Gateway]] = {
    GatewayName.STRIPE: StripeGateway,
    GatewayName.RAZORPAY: RazorpayGateway,
    GatewayName.PAYSTACK: PaystackGateway,
}


def request(order_id: str, amount: Money, key: str) -> CheckoutRequest:
    return CheckoutRequest(order_id, "MRQ-1", "evt_1", amount, "Two tickets", "asha@example.com", key)


def configuration(urls: Mapping[GatewayName, str], key: str) -> Config:
    return Config(
        project="demo-gateways",
        stripe_api_base=urls[GatewayName.STRIPE],
        stripe_secret_key=f"sk_test_{key}",
        stripe_publishable_key="pk_test_1",
        stripe_webhook_secret=HOOK_SECRET,
        razorpay_api_base=urls[GatewayName.RAZORPAY],
        razorpay_key_id=f"rzp_test_{key}",
        razorpay_key_secret="secret",
        razorpay_webhook_secret=HOOK_SECRET,
        paystack_api_base=urls[GatewayName.PAYSTACK],
        paystack_secret_key=f"sk_test_{key}",
    )


def account(config: Config, name: GatewayName) -> tuple[str, str]:
    """The key of the account, and the secret that its webhooks are signed with."""
    keys = {GatewayName.STRIPE: config.stripe_secret_key, GatewayName.RAZORPAY: config.razorpay_key_id}
    secret = config.paystack_secret_key
    return (keys[name], HOOK_SECRET) if name in keys else (secret, secret)


@pytest.fixture
def shop(name: GatewayName, providers: dict[GatewayName, str]) -> Iterator[Shop]:
    config = configuration(providers, uuid4().hex[:14])
    key, secret = account(config, name)
    with Receiver() as receiver:
        control(providers[name], "PUT", "webhook", key=key, url=receiver.url, secret=secret)
        yield Shop(name, providers[name], key, config, receiver)


REFUNDS = {GatewayName.STRIPE: "/v1/refunds", GatewayName.RAZORPAY: "/v1/payments/*/refund"} | {
    GatewayName.PAYSTACK: "/refund"
}
CHECKOUTS = {GatewayName.STRIPE: "/v1/payment_intents", GatewayName.RAZORPAY: "/v1/orders"} | {
    GatewayName.PAYSTACK: "/transaction/initialize"
}
LISTS = {GatewayName.STRIPE: "/v1/payment_intents", GatewayName.RAZORPAY: "/v1/payments"} | {
    GatewayName.PAYSTACK: "/transaction"
}


@ALL
def test_a_checkout_gives_the_app_what_the_provider_s_sdk_needs(shop: Shop) -> None:
    checkout = shop.checkout()
    if shop.name is GatewayName.STRIPE:
        assert checkout.client["clientSecret"].startswith(f"{checkout.reference}_secret_")
        assert checkout.client["publishableKey"] == "pk_test_1"
    elif shop.name is GatewayName.PAYSTACK:
        assert checkout.client["authorizationUrl"] == f"{shop.url}/pay/{checkout.client['clientSecret']}"
    else:
        assert checkout.client == {
            "keyId": shop.key,
            "orderId": checkout.reference,
            "amountMinor": "50000",
            "currency": "INR",
            "name": "Two tickets",
        }


@BOTH
def test_a_repeated_checkout_makes_one_payment(shop: Shop) -> None:
    assert shop.checkout().reference == shop.checkout().reference
    assert shop.checkout("ord_2", key="key-2").reference != shop.checkout().reference


@BOTH
def test_a_checkout_that_took_effect_but_failed_is_found_again(shop: Shop) -> None:
    shop.fault("POST", CHECKOUTS[shop.name], "after")
    with pytest.raises(GatewayUnavailable):
        shop.checkout()
    shop.checkout()
    auth = (shop.key, "secret" if shop.name is GatewayName.RAZORPAY else "")
    made = httpx.get(f"{shop.url}{CHECKOUTS[shop.name]}", auth=auth, trust_env=False).json()
    assert len(made.get("data", made.get("items"))) == 1


@ALL
def test_a_payment_is_heard_of_with_all_that_settling_needs(shop: Shop) -> None:
    checkout, before = shop.checkout(), datetime.now(UTC).replace(microsecond=0)
    shop.decide(checkout.reference, "pay")
    event = shop.heard(PaymentEventKind.CAPTURED)[0]
    assert (event.gateway, event.reference, event.amount) == (shop.name, checkout.reference, shop.money())
    assert event.order_id == (None if shop.name is GatewayName.RAZORPAY else "ord_1")
    if shop.name is GatewayName.RAZORPAY:
        assert event.payment_id.startswith("pay_")
    else:
        assert event.payment_id == checkout.reference
    assert event.refund_id is None
    assert before <= event.occurred_at <= datetime.now(UTC)
    assert shop.run(lambda gateway: gateway.order_of(event.reference)) == "ord_1"


@ALL
def test_a_declined_payment_is_heard_of(shop: Shop) -> None:
    checkout = shop.checkout()
    shop.decide(checkout.reference, "decline")
    event = shop.heard(PaymentEventKind.FAILED)[0]
    assert (event.reference, event.amount) == (checkout.reference, shop.money())
    shop.decide(checkout.reference, "pay")
    assert shop.heard(PaymentEventKind.CAPTURED)


@ALL
def test_the_order_of_an_unknown_reference_is_nobody_s(shop: Shop) -> None:
    assert shop.run(lambda gateway: gateway.order_of("pi_nobody")) is None


@ALL
def test_refunds_are_made_once_per_key_and_heard_of(shop: Shop) -> None:
    event = shop.paid()
    first = shop.refund(event, 20_000, "refund-1")
    # Paystack answers before it has tried.
    assert first.status is (RefundStatus.PENDING if shop.name is GatewayName.PAYSTACK else RefundStatus.SUCCEEDED)
    assert shop.refund(event, 20_000, "refund-1") == RefundResult(first.refund_id, RefundStatus.SUCCEEDED, 20_000)
    second = shop.refund(event, 30_000, "refund-2")
    assert second.refund_id != first.refund_id
    heard = {refund.refund_id: refund for refund in shop.heard(PaymentEventKind.REFUNDED, 2)}
    assert set(heard) == {first.refund_id, second.refund_id}
    told = heard[first.refund_id]
    assert (told.amount.amount_minor, told.reference, told.payment_id) == (20_000, event.reference, event.payment_id)
    assert told.order_id == "ord_1"


@ALL
@pytest.mark.parametrize("mode", ["before", "after"])
def test_a_refund_whose_call_failed_is_made_once_all_the_same(
    shop: Shop, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = shop.paid()
    shop.fault("POST", REFUNDS[shop.name], mode)
    with pytest.raises(GatewayUnavailable):
        shop.refund(event, 20_000, "refund-1")
    # Where only a claim keeps two calls apart, it ends some time after a call that was given up.
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + LEASE + timedelta(seconds=1))
    again = shop.refund(event, 20_000, "refund-1")
    assert [refund.refund_id for refund in shop.heard(PaymentEventKind.REFUNDED)] == [again.refund_id]
    shop.refund(event, 30_000, "refund-2")


@ALL
def test_a_refund_is_found_after_its_idempotency_key_was_forgotten(shop: Shop) -> None:
    event = shop.paid()
    first = shop.refund(event, 20_000, "refund-1")
    # Nothing may be posted: where the key is gone, only what stands at the provider tells.
    shop.fault("POST", REFUNDS[shop.name], "before", times=10)
    assert shop.refund(event, 20_000, "refund-1").refund_id == first.refund_id


@ALL
def test_a_refund_of_too_much_is_refused_for_good(shop: Shop) -> None:
    event = shop.paid()
    with pytest.raises(GatewayRefused):
        shop.refund(event, 50_001, "refund-1")


@ALL
def test_a_provider_that_fails_or_is_away_is_worth_a_retry(shop: Shop) -> None:
    shop.fault("*", CHECKOUTS[shop.name], "before", times=3)
    with pytest.raises(GatewayUnavailable):
        shop.checkout()
    nowhere = "http://127.0.0.1:1"
    bases: dict[str, Any] = {f"{each}_api_base": nowhere for each in GatewayName}
    away = replace(shop, config=replace(shop.config, **bases))
    with pytest.raises(GatewayUnavailable):
        away.checkout()


@ALL
def test_wrong_keys_are_refused(shop: Shop) -> None:
    keys: dict[str, Any] = {
        "stripe_secret_key": "sk_live_1",
        "razorpay_key_id": "live_1",
        "paystack_secret_key": "live_1",
    }
    stranger = replace(shop, config=replace(shop.config, **keys))
    with pytest.raises(GatewayRefused):
        stranger.checkout()


def a_delivery(shop: Shop) -> Delivery:
    shop.decide(shop.checkout().reference, "decline")
    wait_until(lambda: shop.receiver.deliveries)
    return shop.receiver.deliveries[0]


SIGNATURES = {GatewayName.STRIPE: "stripe-signature", GatewayName.RAZORPAY: "x-razorpay-signature"} | {
    GatewayName.PAYSTACK: "x-paystack-signature"
}


@ALL
def test_only_the_provider_s_own_signature_is_taken(shop: Shop) -> None:
    delivery, gateway, header = a_delivery(shop), shop.gateway(), SIGNATURES[shop.name]
    gateway.verify(delivery.headers, delivery.body)
    gateway.verify({name.upper(): value for name, value in delivery.headers.items()}, delivery.body)
    good = delivery.headers[header]
    wrong: list[tuple[dict[str, str], bytes]] = [
        (delivery.headers, delivery.body.replace(b"50000", b"50001")),
        (delivery.headers, delivery.body + b" "),
        (delivery.headers, b"\xff\xfe"),
        ({name: value for name, value in delivery.headers.items() if name != header}, delivery.body),
        (delivery.headers | {header: good[:-1] + ("0" if good[-1] != "0" else "1")}, delivery.body),
        (delivery.headers | {header: ""}, delivery.body),
        (delivery.headers | {header: "t=1,v1=é"}, delivery.body),
        (delivery.headers | {header: "é"}, delivery.body),
    ]
    for headers, body in wrong:
        with pytest.raises(BadSignature):
            gateway.verify(headers, body)


@ALL
def test_without_a_secret_nothing_is_taken(shop: Shop) -> None:
    """An empty HMAC key would let anybody sign."""
    delivery = a_delivery(shop)
    empty: dict[str, Any] = {"stripe_webhook_secret": "", "razorpay_webhook_secret": "", "paystack_secret_key": ""}
    open_shop = replace(shop, config=replace(shop.config, **empty))
    digest = "sha512" if shop.name is GatewayName.PAYSTACK else "sha256"
    forged = hmac.new(b"", delivery.body, digest).hexdigest()
    with pytest.raises(GatewayUnavailable):
        open_shop.gateway().verify(delivery.headers | {SIGNATURES[shop.name]: forged}, delivery.body)


@pytest.mark.parametrize("name", [GatewayName.STRIPE])
@pytest.mark.parametrize(("age", "taken"), [(290, True), (310, False)])
def test_an_old_stripe_signature_is_refused(shop: Shop, age: int, taken: bool) -> None:
    body = a_delivery(shop).body
    signature = stripe.WebhookSignature.generate_signature_header(body.decode(), HOOK_SECRET, int(time.time()) - age)
    gateway = shop.gateway()
    if taken:
        gateway.verify({"Stripe-Signature": signature}, body)
    else:
        with pytest.raises(BadSignature):
            gateway.verify({"Stripe-Signature": signature}, body)


EVENT_ID = {"X-Razorpay-Event-Id": "e1"}
STRIPE_HEAD = {"id": "evt_1", "type": "payment_intent.succeeded", "created": 1_790_000_000}


@ALL
@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"null", b'"text"', b"{}", b"\xff", b'{"id": 1, "event": 1}'])
def test_nonsense_is_malformed(shop: Shop, body: bytes) -> None:
    with pytest.raises(MalformedEvent):
        shop.gateway().parse(EVENT_ID, body)


@pytest.mark.parametrize("name", [GatewayName.STRIPE])
@pytest.mark.parametrize(
    "document",
    [
        STRIPE_HEAD | {"data": {"object": {}}},
        STRIPE_HEAD | {"data": {"object": None}},
        STRIPE_HEAD | {"data": {"object": {"id": "pi_1", "amount_received": -1, "currency": "inr"}}},
        STRIPE_HEAD | {"data": {"object": {"id": "pi_1", "amount_received": "1", "currency": "inr"}}},
        STRIPE_HEAD | {"data": {"object": {"id": "pi_1", "amount_received": 1, "currency": "rupees"}}},
        STRIPE_HEAD | {"created": "today", "data": {"object": {}}},
        STRIPE_HEAD | {"created": 10**30, "data": {"object": {}}},
    ],
)
def test_a_stripe_event_without_what_it_must_have_is_malformed(shop: Shop, document: dict[str, Any]) -> None:
    with pytest.raises(MalformedEvent):
        shop.gateway().parse({}, json.dumps(document).encode())


@pytest.mark.parametrize("name", [GatewayName.RAZORPAY])
def test_a_razorpay_event_needs_its_id(shop: Shop) -> None:
    body = b'{"event": "payment.captured", "created_at": 1790000000, "payload": {}}'
    for headers in ({}, EVENT_ID):
        with pytest.raises(MalformedEvent):
            shop.gateway().parse(headers, body)


@ALL
def test_kinds_that_we_do_not_act_on_are_known_by_id_only(shop: Shop) -> None:
    event = shop.paid()
    shop.refund(event, 50_000, "refund-1")
    shop.heard(PaymentEventKind.REFUNDED)
    expected = {
        GatewayName.STRIPE: {"payment_intent.created", "charge.succeeded", "charge.refunded"},
        GatewayName.RAZORPAY: {"order.paid", "refund.created"},
        GatewayName.PAYSTACK: {"refund.pending"},
    }[shop.name]
    gateway = shop.gateway()

    def passed_over() -> set[str]:
        parsed = [gateway.parse(d.headers, d.body) for d in list(shop.receiver.deliveries)]
        assert all(p.event_id for p in parsed)
        return {p.type for p in parsed if p.event is None and p.ask_about is None}

    wait_until(lambda: passed_over() == expected)


DISPUTES = {
    GatewayName.STRIPE: STRIPE_HEAD
    | {
        "type": "charge.dispute.created",
        "data": {
            "object": {
                "id": "dp_1",
                "object": "dispute",
                "amount": 700,
                "charge": "ch_1",
                "currency": "inr",
                "metadata": {},
                "payment_intent": "pi_1",
                "reason": "fraudulent",
                "status": "needs_response",
            }
        },
    },
    GatewayName.RAZORPAY: {
        "entity": "event",
        "event": "payment.dispute.created",
        "contains": ["payment", "dispute"],
        "created_at": 1_790_000_000,
        "payload": {
            "payment": {
                "entity": {"id": "pay_1", "order_id": "order_1", "amount": 900, "currency": "INR", "notes": []}
            },
            "dispute": {"entity": {"id": "disp_1", "payment_id": "pay_1", "amount": 700, "currency": "INR"}},
        },
    },
    GatewayName.PAYSTACK: {
        "event": "charge.dispute.create",
        "data": {
            "id": 358950,
            "refund_amount": 700,
            "currency": "NGN",
            "status": "awaiting-merchant-feedback",
            "resolution": None,
            "domain": "live",
            "transaction": {
                "id": 896467688,
                "status": "success",
                "reference": "pi_1",
                "amount": 900,
                "currency": "NGN",
                "metadata": "",
                "fees": 53,
            },
            "transaction_reference": None,
            "category": "chargeback",
            "resolvedAt": None,
            "created_at": "2020-11-24T13:46:57.000Z",
        },
    },
}


@ALL
def test_a_dispute_tells_its_own_amount(shop: Shop) -> None:
    event = shop.gateway().parse(EVENT_ID, json.dumps(DISPUTES[shop.name]).encode()).event
    assert event is not None
    assert (event.kind, event.amount.amount_minor) == (PaymentEventKind.DISPUTED, 700)
    assert event.reference in ("pi_1", "order_1")
    assert event.payment_id in ("pi_1", "pay_1")


@pytest.mark.parametrize("name", [GatewayName.STRIPE])
def test_a_pending_stripe_refund_is_not_yet_a_refund(shop: Shop) -> None:
    refund = {"id": "re_1", "object": "refund", "amount": 1, "currency": "inr", "charge": "ch_1"}

    def parsed(event_type: str, status: str) -> PaymentEvent | None:
        thing = refund | {"payment_intent": "pi_1", "status": status}
        document = STRIPE_HEAD | {"type": event_type, "data": {"object": thing}}
        return shop.gateway().parse({}, json.dumps(document).encode()).event

    assert parsed("refund.created", "pending") is None
    event = parsed("refund.updated", "succeeded")
    assert event is not None
    assert event.refund_id == "re_1"


def test_gateways_are_opened_once_per_configuration(
    providers: dict[GatewayName, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    present = configuration(providers, "1")
    monkeypatch.setattr("common.payments.providers.config", lambda: present)
    first = provider_of(GatewayName.RAZORPAY)
    assert first is provider_of(GatewayName.RAZORPAY)
    assert first is not provider_of(GatewayName.STRIPE)
    present = configuration(providers, "2")
    assert first is not provider_of(GatewayName.RAZORPAY)


def listed(shop: Shop, since: datetime, until: datetime) -> dict[str, ProviderPayment]:
    async def walk(gateway: Gateway) -> dict[str, ProviderPayment]:
        return {each.payment_id: each async for each in gateway.payments_between(since, until)}

    return shop.run(walk)


@ALL
def test_the_provider_s_books_tell_what_its_events_told(shop: Shop) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    events = [shop.paid(f"ord_{number}") for number in range(3)]
    shop.decide(shop.checkout("ord_declined", "key-4").reference, "decline")
    refund = shop.refund(events[0], 20_000, "refund-1")
    shop.heard(PaymentEventKind.REFUNDED)
    books = listed(shop, since, datetime.now(UTC))
    assert set(books) == {event.payment_id for event in events}
    told = books[events[0].payment_id]
    assert (told.reference, told.amount, told.refunded_minor) == (events[0].reference, events[0].amount, 20_000)
    assert told.fee_minor is not None
    assert 0 < told.fee_minor < 50_000
    [fact] = told.refunds
    assert (fact.refund_id, fact.refund_key, fact.amount) == (refund.refund_id, "refund-1", shop.money(20_000))
    assert [each.refunded_minor for each in books.values()].count(0) == 2
    capture = told.facts[0]
    assert (capture.kind, capture.payment_id, capture.order_id) == (
        PaymentEventKind.CAPTURED,
        events[0].payment_id,
        events[0].order_id,
    )
    assert shop.run(lambda gateway: gateway.find_payment(events[0].payment_id)) == told
    assert shop.run(lambda gateway: gateway.find_payment("pi_nobody")) is None


@ALL
def test_its_books_have_more_than_a_page(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[type(shop.gateway()).__module__], "PAGE", 2)
    since = datetime.now(UTC) - timedelta(seconds=1)
    paid = [shop.paid(f"ord_{number}") for number in range(5)]
    for number, event in enumerate(paid):
        shop.refund(event, 10_000, f"refund-{number}")
    books = listed(shop, since, datetime.now(UTC))
    assert {each.payment_id: each.refunded_minor for each in books.values()} == {
        event.payment_id: 10_000 for event in paid
    }


@ALL
def test_an_older_payment_is_in_the_books_of_the_day_of_its_refund(shop: Shop) -> None:
    event = shop.paid()
    before = datetime.now(UTC) + timedelta(seconds=1)
    wait_until(lambda: datetime.now(UTC) > before + timedelta(seconds=1))
    today = before, datetime.now(UTC) + timedelta(days=1)
    assert listed(shop, *today) == {}
    shop.refund(event, 20_000, "refund-1")
    [told] = listed(shop, *today).values()
    assert (told.payment_id, told.refunded_minor) == (event.payment_id, 20_000)


@ALL
def test_books_that_break_off_are_not_taken_for_whole(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[type(shop.gateway()).__module__], "PAGE", 1)
    since = datetime.now(UTC) - timedelta(seconds=1)
    for number in range(3):
        shop.paid(f"ord_{number}")
    seen = []

    async def walk(gateway: Gateway) -> None:
        async for payment in gateway.payments_between(since, datetime.now(UTC)):
            seen.append(payment)
            await asyncio.to_thread(shop.fault, "GET", LISTS[shop.name], "before", times=10)

    with pytest.raises(GatewayUnavailable):
        shop.run(walk)
    assert len(seen) == 1
