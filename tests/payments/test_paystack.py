"""What Paystack has that the others have not: one access code a reference, refunds by list, splits, disputes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import httpx
import pytest

from common import clients, clock
from common.config import Config
from common.money import Money
from common.payments import paystack_gateway
from common.payments.gateways import (
    CheckoutRequest,
    GatewayRefused,
    GatewayUnavailable,
    PaymentEventKind,
    RefundStatus,
    Split,
)
from common.payments.paystack_gateway import MOST_REFERENCES, PaystackGateway
from common.payments.refund_claims import LEASE
from emulators import fake_paystack
from emulators.fake_paystack_account import fee_of
from tests.emulators.served import control, events, served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from common.payments.gateways import Checkout, RefundResult

ResultT = TypeVar("ResultT")
PRICE = Money(amount_minor=590_000, currency="NGN")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(fake_paystack.create_app((0.05,))) as address:
        yield address


@pytest.fixture
def config(url: str) -> Config:
    return Config(project="demo", paystack_api_base=url, paystack_secret_key=f"sk_test_{uuid4().hex}")


@pytest.fixture
def order_id() -> str:
    return f"ord_{uuid4().hex}"


def run(config: Config, work: Callable[[PaystackGateway], Awaitable[ResultT]]) -> ResultT:
    async def once() -> ResultT:
        try:
            return await work(PaystackGateway(config))
        finally:
            await clients.close()

    return asyncio.run(once())


def checkout(config: Config, order_id: str, email: str | None = "ada@example.com", **more: Any) -> Checkout:
    request = CheckoutRequest(order_id, "MQ-1", "evt_1", PRICE, "Two tickets", email, "key", "buyer-1", **more)
    return run(config, lambda gateway: gateway.create_checkout(request))


def decide(config: Config, name: str, action: str = "pay") -> httpx.Response:
    accept = {"Accept": "application/json"}
    return httpx.post(f"{config.paystack_api_base}/pay/{name}/{action}", headers=accept, trust_env=False)


def api(config: Config, method: str, path: str, **more: Any) -> Any:
    """What somebody does in the dashboard."""
    headers = {"Authorization": f"Bearer {config.paystack_secret_key}"}
    return httpx.request(method, config.paystack_api_base + path, headers=headers, trust_env=False, **more).json()


def refund(config: Config, reference: str, amount: int, key: str) -> RefundResult:
    money = Money(amount_minor=amount, currency="NGN")
    return run(
        config, lambda gateway: gateway.refund(reference, money, refund_key=key, order_id="ord_1", reason="Rained off")
    )


@contextmanager
def refunds_end(config: Config, outcome: str) -> Iterator[None]:
    key, base = config.paystack_secret_key, config.paystack_api_base
    control(base, "POST", "refunds", key=key, outcome=outcome)
    yield
    control(base, "POST", "refunds", key=key, outcome="processed")


def test_the_reference_is_of_the_letters_that_paystack_takes(config: Config, order_id: str) -> None:
    made = checkout(config, order_id)
    assert made.reference == order_id.replace("_", "-")
    assert run(config, lambda gateway: gateway.order_of(made.reference)) == order_id


def test_an_access_code_that_got_lost_is_followed_by_another_reference(config: Config, order_id: str) -> None:
    path = {"method": "POST", "path": "/transaction/initialize", "mode": "after"}
    control(config.paystack_api_base, "POST", "faults", key=config.paystack_secret_key, **path)
    with pytest.raises(GatewayUnavailable):
        checkout(config, order_id)
    again = checkout(config, order_id)
    assert again.reference == f"{order_id.replace('_', '-')}.2"
    assert again.client["clientSecret"]
    assert run(config, lambda gateway: gateway.order_of(again.reference)) == order_id


def test_an_order_that_is_paid_gets_no_second_reference(config: Config, order_id: str) -> None:
    first = checkout(config, order_id)
    assert decide(config, first.client["clientSecret"]).status_code == 200
    again = checkout(config, order_id)
    assert (again.reference, again.client) == (first.reference, {})
    assert len(api(config, "GET", "/transaction")["data"]) == 1


def test_an_order_cannot_be_begun_without_end(config: Config, order_id: str) -> None:
    references = {checkout(config, order_id).reference for _ in range(MOST_REFERENCES)}
    assert len(references) == MOST_REFERENCES
    with pytest.raises(GatewayRefused):
        checkout(config, order_id)


def test_a_buyer_without_an_address_gets_a_stand_in(config: Config, order_id: str) -> None:
    checkout(config, order_id, email=None)
    [transaction] = api(config, "GET", "/transaction")["data"]
    assert transaction["customer"]["email"] == "buyer-1@buyers.marquee.example"


def test_a_currency_that_it_does_not_take_is_refused_for_good(config: Config, order_id: str) -> None:
    rupees = Money(amount_minor=50_000, currency="INR")
    request = CheckoutRequest(order_id, "MQ-1", "evt_1", rupees, "Two tickets", None, "key", "buyer-1")
    with pytest.raises(GatewayRefused, match="Currency not supported"):
        run(config, lambda gateway: gateway.create_checkout(request))


def test_the_organizer_s_share_goes_to_its_own_account(config: Config, order_id: str) -> None:
    """The flat charge is what stays with us, and Paystack's fee comes out of that."""
    made = checkout(config, order_id, split=Split("ACCT_lagos", 90_000))
    decide(config, made.reference)
    [transaction] = api(config, "GET", "/transaction")["data"]
    fee = fee_of(590_000, "NGN")
    shares = transaction["fees_split"]
    assert (shares["subaccount"], shares["integration"], shares["paystack"]) == (500_000, 90_000 - fee, fee)
    [capture] = run(config, lambda gateway: gateway.facts_of(made.reference))
    assert (capture.kind, capture.split_minor, capture.fee_minor) == (PaymentEventKind.CAPTURED, 500_000, fee)


def test_without_a_split_nothing_is_shared(config: Config, order_id: str) -> None:
    made = checkout(config, order_id)
    decide(config, made.reference)
    [capture] = run(config, lambda gateway: gateway.facts_of(made.reference))
    assert capture.split_minor == 0


def refund_twice_at_once(config: Config, reference: str) -> list[RefundResult | BaseException]:
    """As when Cloud Tasks delivers one task twice."""
    money = Money(amount_minor=90_000, currency="NGN")

    async def both(gateway: PaystackGateway) -> list[RefundResult | BaseException]:
        calls = [
            gateway.refund(reference, money, refund_key="ref_1", order_id="ord_1", reason="Rained off")
            for _ in range(2)
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    # Each has looked for a standing refund before either has made it.
    delay = {"method": "POST", "path": "/refund", "mode": "delay", "times": 2, "seconds": 0.5}
    control(config.paystack_api_base, "POST", "faults", key=config.paystack_secret_key, **delay)
    return run(config, both)


@pytest.fixture
def paid(project: str, config: Config, order_id: str) -> str:
    """The reference of a paid transaction."""
    reference = checkout(config, order_id).reference
    decide(config, reference)
    return reference


def test_a_refund_that_two_calls_make_at_once_is_made_once(config: Config, paid: str) -> None:
    results = refund_twice_at_once(config, paid)
    assert sorted(type(each).__name__ for each in results) == ["GatewayUnavailable", "RefundResult"]
    assert refund(config, paid, 90_000, "ref_1").status is RefundStatus.SUCCEEDED
    assert len(api(config, "GET", "/refund")["data"]) == 1


def test_control_without_the_claim_two_calls_pay_twice(
    config: Config, paid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paystack_gateway, "claimed", lambda _: nullcontext())
    assert all(not isinstance(each, BaseException) for each in refund_twice_at_once(config, paid))
    assert len(api(config, "GET", "/refund")["data"]) == 2


def test_control_without_a_look_at_what_stands_a_repeated_refund_pays_twice(
    config: Config, paid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard of test_refunds_are_made_once_per_key_and_heard_of: Paystack itself knows no idempotency keys."""

    async def none_stands(self: PaystackGateway, transaction_id: int) -> list[Any]:
        return []

    monkeypatch.setattr(PaystackGateway, "_refunds_of", none_stands)
    first, again = (refund(config, paid, 90_000, "ref_1") for _ in range(2))
    assert first.refund_id != again.refund_id
    assert len(api(config, "GET", "/refund")["data"]) == 2


def test_a_call_that_was_given_up_keeps_its_claim_until_it_must_be_over(
    config: Config, paid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may reach Paystack after we stopped waiting: a second call at once would not see its refund."""
    monkeypatch.setattr(paystack_gateway, "CALL_TIMEOUT_S", 0.3)
    hang = {"method": "POST", "path": "/refund", "mode": "timeout"}
    control(config.paystack_api_base, "POST", "faults", key=config.paystack_secret_key, **hang)
    with pytest.raises(GatewayUnavailable):
        refund(config, paid, 90_000, "ref_1")
    with pytest.raises(GatewayUnavailable, match="another call"):
        refund(config, paid, 90_000, "ref_1")
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + LEASE + timedelta(seconds=1))
    assert refund(config, paid, 90_000, "ref_1").status is RefundStatus.SUCCEEDED
    assert len(api(config, "GET", "/refund")["data"]) == 1


def test_a_refund_is_told_once_it_ended(config: Config, order_id: str) -> None:
    made = checkout(config, order_id)
    decide(config, made.reference)
    with refunds_end(config, "pending"):
        pending = refund(config, made.reference, 90_000, "ref_1")
        assert pending.status is RefundStatus.PENDING
        assert [fact.kind for fact in run(config, lambda gateway: gateway.facts_of(made.reference))] == ["captured"]
    capture, told = run(config, lambda gateway: gateway.facts_of(made.reference))
    assert (told.kind, told.refund_id, told.refund_key) == (PaymentEventKind.REFUNDED, pending.refund_id, "ref_1")
    assert told.amount.amount_minor == 90_000
    assert capture.order_id == told.order_id == order_id


def test_a_refund_that_failed_is_told_and_leaves_its_money_to_another(config: Config, order_id: str) -> None:
    made = checkout(config, order_id)
    decide(config, made.reference)
    with refunds_end(config, "failed"):
        refund(config, made.reference, 590_000, "ref_1")
    assert refund(config, made.reference, 590_000, "ref_1").status is RefundStatus.FAILED
    second = refund(config, made.reference, 590_000, "ref_1.2")
    facts = {fact.kind: fact for fact in run(config, lambda gateway: gateway.facts_of(made.reference))}
    assert facts[PaymentEventKind.REFUND_FAILED].refund_key == "ref_1"
    assert facts[PaymentEventKind.REFUNDED].refund_key == "ref_1.2"
    assert facts[PaymentEventKind.REFUNDED].refund_id == second.refund_id


def test_a_refund_in_the_dashboard_has_no_key_of_ours(config: Config, order_id: str) -> None:
    made = checkout(config, order_id)
    decide(config, made.reference)
    made_there = api(config, "POST", "/refund", json={"transaction": made.reference})["data"]
    _, told = run(config, lambda gateway: gateway.facts_of(made.reference))
    assert (told.refund_id, told.refund_key) == (str(made_there["id"]), None)
    # All of it went back, and it is a captured payment none the less.
    paid = run(config, lambda gateway: gateway.find_payment(made.reference))
    assert paid is not None
    assert paid.refunded_minor == paid.amount.amount_minor


@pytest.mark.parametrize(
    ("resolution", "kind"),
    [
        ("declined", PaymentEventKind.DISPUTE_WON),
        ("merchant-accepted", PaymentEventKind.DISPUTE_LOST),
        ("auto-accepted", PaymentEventKind.DISPUTE_LOST),
    ],
)
def test_a_dispute_and_its_end(config: Config, order_id: str, resolution: str, kind: PaymentEventKind) -> None:
    made = checkout(config, order_id)
    decide(config, made.reference)
    key, base = config.paystack_secret_key, config.paystack_api_base
    control(base, "POST", "disputes", key=key, reference=made.reference)
    [_, opened] = run(config, lambda gateway: gateway.facts_of(made.reference))
    assert (opened.kind, opened.amount, opened.order_id) == (PaymentEventKind.DISPUTED, PRICE, order_id)
    control(base, "POST", "disputes", key=key, reference=made.reference, resolution=resolution)
    [_, ended] = run(config, lambda gateway: gateway.facts_of(made.reference))
    assert (ended.kind, ended.refund_id) == (kind, opened.refund_id)
    parsed = [PaystackGateway(config).parse({}, json.dumps(each["payload"]).encode()) for each in events(base, key)]
    assert [each.event.kind for each in parsed if each.event] == ["captured", "disputed", kind]
    assert len({each.event_id for each in parsed}) == len(parsed)


def test_a_declined_payment_and_one_that_nobody_paid(config: Config, order_id: str) -> None:
    made = checkout(config, order_id)
    assert run(config, lambda gateway: gateway.facts_of(made.reference)) == ()
    decide(config, made.reference, "decline")
    [fact] = run(config, lambda gateway: gateway.facts_of(made.reference))
    assert fact.kind is PaymentEventKind.FAILED
    assert run(config, lambda gateway: gateway.facts_of("ord-nobody")) == ()


def test_the_signature_is_hmac_sha512_of_the_body_under_the_secret_key(config: Config) -> None:
    body = b'{"event":"charge.success","data":{}}'
    signature = hmac.new(config.paystack_secret_key.encode(), body, hashlib.sha512).hexdigest()
    PaystackGateway(config).verify({"X-Paystack-Signature": signature}, body)


DOCUMENTED = {
    "event": "charge.success",
    "data": {
        "id": 302961,
        "domain": "live",
        "status": "success",
        "reference": "qTPrJoy9Bx",
        "amount": 10000,
        "message": None,
        "gateway_response": "Approved by Financial Institution",
        "paid_at": "2016-09-30T21:10:19.000Z",
        "created_at": "2016-09-30T21:09:56.000Z",
        "channel": "card",
        "currency": "NGN",
        "ip_address": "41.242.49.37",
        "metadata": 0,
        "fees": None,
        "customer": {"id": 68324, "email": "bojack@horseman.com"},
        "plan": {},
    },
}


@pytest.mark.parametrize(
    ("metadata", "order_id"),
    [
        (0, None),
        ("", None),
        (None, None),
        ({}, None),
        ({"orderId": "ord_1"}, "ord_1"),
        ('{"orderId": "ord_1"}', "ord_1"),
        ({"orderId": 7}, None),
    ],
)
def test_metadata_comes_in_many_forms(config: Config, metadata: object, order_id: str | None) -> None:
    said = DOCUMENTED | {"data": {**DOCUMENTED["data"], "metadata": metadata}}  # type: ignore[dict-item]
    parsed = PaystackGateway(config).parse({}, json.dumps(said).encode())
    assert parsed.event is not None
    assert (parsed.event_id, parsed.event.order_id) == ("charge.success:302961", order_id)
    assert (parsed.event.amount.amount_minor, parsed.event.fee_minor) == (10_000, None)


def test_a_refund_s_event_says_only_what_to_ask_about(config: Config) -> None:
    told = {
        "event": "refund.processed",
        "data": {
            "status": "processed",
            "transaction_reference": "T2154954_412829_3be32076_6lcg3",
            "refund_reference": "132013318360",
            "amount": "5000",
            "currency": "NGN",
            "processor": "mpgs_zen",
            "customer": {"first_name": "Damilola", "last_name": "Kwabena", "email": "damilola@email.com"},
            "integration": 412829,
            "domain": "live",
        },
    }
    gateway = PaystackGateway(config)
    parsed = gateway.parse({}, json.dumps(told).encode())
    assert (parsed.event, parsed.ask_about) == (None, "T2154954_412829_3be32076_6lcg3")
    # A repeat is the same event, another refund of the transaction is another.
    assert gateway.parse({}, json.dumps(told).encode()).event_id == parsed.event_id
    other = told | {"data": {**told["data"], "refund_reference": "132013318361"}}  # type: ignore[dict-item]
    assert gateway.parse({}, json.dumps(other).encode()).event_id != parsed.event_id
