"""The fake Stripe under Stripe's own SDK: what it remembers, refuses, replays and sends."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
import stripe

from emulators import nested_form
from emulators.fake_stripe import create_app
from tests.emulators.served import Receiver, control, events, served, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "whsec_test"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(create_app(retry_delays=(0.02, 0.05))) as address:
        yield address


@pytest.fixture
def key() -> str:
    return f"sk_test_{uuid4().hex}"


@pytest.fixture
def client(url: str, key: str) -> Iterator[stripe.StripeClient]:
    transport = stripe.RequestsClient(timeout=10)
    yield stripe.StripeClient(key, base_addresses={"api": url}, http_client=transport, max_network_retries=0)
    transport.close()


@pytest.fixture
def receiver(url: str, key: str) -> Iterator[Receiver]:
    with Receiver() as taking:
        control(url, "PUT", "webhook", key=key, url=taking.url, secret=SECRET)
        yield taking


def new_intent(
    client: stripe.StripeClient, amount: int = 5000, idempotency_key: str | None = None
) -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(
        {"amount": amount, "currency": "inr", "metadata": {"orderId": "ord_1"}},
        {"idempotency_key": idempotency_key or uuid4().hex},
    )


def paid_intent(client: stripe.StripeClient, amount: int = 5000) -> stripe.PaymentIntent:
    return client.v1.payment_intents.confirm(new_intent(client, amount).id, {"payment_method": "pm_card_visa"})


def types(receiver: Receiver) -> list[str]:
    return [json.loads(delivery.body)["type"] for delivery in receiver.deliveries]


def test_a_working_card_pays_and_books_the_fee(client: stripe.StripeClient) -> None:
    intent = paid_intent(client, 10_000)
    assert (intent.status, intent.amount_received) == ("succeeded", 10_000)
    shown = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge.balance_transaction"]})
    charge = shown.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
    assert charge.metadata.to_dict() == {"orderId": "ord_1"}
    assert charge.balance_transaction.fee == 320
    assert charge.balance_transaction.net == 9_680


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ],
)
def test_a_declined_card_leaves_the_intent_to_be_tried_again(
    client: stripe.StripeClient, card: str, code: str, decline_code: str | None
) -> None:
    intent = new_intent(client)
    with pytest.raises(stripe.CardError) as declined:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": card})
    assert (declined.value.http_status, declined.value.code) == (402, code)
    assert declined.value.error is not None
    assert declined.value.error.decline_code == decline_code
    after = client.v1.payment_intents.retrieve(intent.id)
    assert after.status == "requires_payment_method"
    assert after.last_payment_error is not None
    assert client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_states_that_do_not_allow_a_call_refuse_it(client: stripe.StripeClient) -> None:
    paid, canceled = paid_intent(client), client.v1.payment_intents.cancel(new_intent(client).id)
    assert canceled.status == "canceled"
    for call in (
        lambda: client.v1.payment_intents.confirm(paid.id, {"payment_method": "pm_card_visa"}),
        lambda: client.v1.payment_intents.confirm(canceled.id, {"payment_method": "pm_card_visa"}),
        lambda: client.v1.payment_intents.confirm(new_intent(client).id),
        lambda: client.v1.payment_intents.cancel(paid.id),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            call()
        assert refused.value.code == "payment_intent_unexpected_state"


def test_a_manual_intent_is_authorized_first_and_captured_by_a_call(
    client: stripe.StripeClient, receiver: Receiver
) -> None:
    intent = client.v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "inr",
            "capture_method": "manual",
            "payment_method": "pm_card_visa",
            "confirm": True,
        }
    )
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 700)
    assert client.v1.payment_intents.capture(intent.id).amount_received == 700
    wait_until(lambda: len(receiver.deliveries) == 5)
    assert "payment_intent.amount_capturable_updated" in types(receiver)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"currency": "inr"}, "parameter_missing"),
        ({"amount": 100}, "parameter_missing"),
        ({"amount": 0, "currency": "inr"}, "parameter_invalid_integer"),
        ({"amount": "12.5", "currency": "inr"}, "parameter_invalid_integer"),
        ({"amount": 100_000_000, "currency": "inr"}, "amount_too_large"),
        ({"amount": 100, "currency": "inr", "colour": "red"}, "parameter_unknown"),
    ],
)
def test_wrong_parameters_are_refused_as_stripe_does(
    client: stripe.StripeClient, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(params)  # type: ignore[arg-type]  # wrong on purpose
    assert (refused.value.http_status, refused.value.code) == (400, code)


def test_an_unknown_id_is_404_and_an_unknown_card_400(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        client.v1.payment_intents.retrieve("pi_nobody")
    assert (unknown.value.http_status, unknown.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as card:
        client.v1.payment_intents.confirm(new_intent(client).id, {"payment_method": "pm_card_nobody"})
    assert (card.value.http_status, card.value.code) == (400, "resource_missing")


@pytest.mark.parametrize("bad", ["sk_live_abc", "pk_test_abc", "nonsense"])
def test_a_key_that_is_no_test_secret_is_401(url: str, bad: str) -> None:
    transport = stripe.RequestsClient(timeout=10)
    stranger = stripe.StripeClient(bad, base_addresses={"api": url}, http_client=transport)
    with pytest.raises(stripe.AuthenticationError):
        new_intent(stranger)
    transport.close()


def test_accounts_do_not_see_each_other(client: stripe.StripeClient, url: str) -> None:
    intent, transport = new_intent(client), stripe.RequestsClient(timeout=10)
    other = stripe.StripeClient("sk_test_other", base_addresses={"api": url}, http_client=transport)
    with pytest.raises(stripe.InvalidRequestError):
        other.v1.payment_intents.retrieve(intent.id)
    transport.close()


def test_lists_page_newest_first(client: stripe.StripeClient) -> None:
    made = [new_intent(client).id for _ in range(5)]
    first = client.v1.payment_intents.list({"limit": 2})
    assert [intent.id for intent in first.data] == made[:2:-1]
    assert first.has_more
    assert [intent.id for intent in first.auto_paging_iter()] == made[::-1]


def test_refunds_are_partial_then_whole_then_refused(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = paid_intent(client, 1000)
    part = client.v1.refunds.create({"payment_intent": intent.id, "amount": 400, "metadata": {"refundKey": "r1"}})
    assert (part.status, part.amount, part.charge) == ("succeeded", 400, intent.latest_charge)
    with pytest.raises(stripe.InvalidRequestError) as over:
        client.v1.refunds.create({"charge": str(intent.latest_charge), "amount": 601})
    assert over.value.user_message == "Refund amount (₹6.01) is greater than unrefunded amount on charge (₹6.00)"
    client.v1.refunds.create({"charge": str(intent.latest_charge)})
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (1000, True)
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.refunds.create({"charge": charge.id})
    assert again.value.code == "charge_already_refunded"
    assert [r.amount for r in client.v1.refunds.list({"charge": charge.id}).data] == [600, 400]
    wait_until(lambda: types(receiver).count("charge.refunded") == 2)
    assert types(receiver).count("refund.created") == 2


def test_an_intent_that_was_not_paid_cannot_be_refunded(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": new_intent(client).id})


def test_the_same_idempotency_key_replays_and_another_body_is_refused(client: stripe.StripeClient) -> None:
    first = new_intent(client, 500, idempotency_key="k1")
    again = new_intent(client, 500, idempotency_key="k1")
    assert again.id == first.id
    assert again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError) as reused:
        new_intent(client, 501, idempotency_key="k1")
    assert reused.value.http_status == 400
    assert len(client.v1.payment_intents.list().data) == 1


def test_a_key_keeps_a_decline_but_not_a_wrong_parameter(client: stripe.StripeClient) -> None:
    intent = new_intent(client)
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            client.v1.payment_intents.confirm(
                intent.id, {"payment_method": "pm_card_chargeDeclined"}, {"idempotency_key": "k2"}
            )
    assert declined.value.headers is not None
    assert declined.value.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.InvalidRequestError):
        new_intent(client, 0, idempotency_key="k3")
    assert new_intent(client, 50, idempotency_key="k3").amount == 50


def test_two_requests_at_once_with_one_key_make_one_payment(client: stripe.StripeClient, url: str, key: str) -> None:
    control(url, "POST", "faults", key=key, method="POST", path="/v1/payment_intents", mode="delay", seconds=0.5)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda _: status_of_a_payment_with_one_key(client), range(2)))
    assert sorted(outcomes) == [200, 409]
    assert len(client.v1.payment_intents.list().data) == 1


def status_of_a_payment_with_one_key(client: stripe.StripeClient) -> int:
    try:
        new_intent(client, 500, idempotency_key="k4")
    except stripe.APIError as conflict:
        return conflict.http_status or 0
    return 200


@pytest.mark.parametrize(("mode", "made"), [("before", 0), ("after", 1)])
def test_a_fault_fails_the_call_before_or_after_its_effect(
    client: stripe.StripeClient, url: str, key: str, mode: str, made: int
) -> None:
    control(url, "POST", "faults", key=key, method="POST", path="/v1/payment_intents", mode=mode)
    with pytest.raises(stripe.APIError) as failed:
        new_intent(client, idempotency_key="k5")
    assert failed.value.http_status == 500
    assert len(client.v1.payment_intents.list().data) == made
    new_intent(client, idempotency_key="k5")
    assert len(client.v1.payment_intents.list().data) == 1


def test_a_timeout_takes_effect_without_an_answer(client: stripe.StripeClient, url: str, key: str) -> None:
    control(url, "POST", "faults", key=key, method="POST", path="/v1/*", mode="timeout")
    impatient = stripe.RequestsClient(timeout=0.3)
    hasty = stripe.StripeClient(key, base_addresses={"api": url}, http_client=impatient, max_network_retries=0)
    with pytest.raises(stripe.APIConnectionError):
        new_intent(hasty)
    impatient.close()
    assert len(client.v1.payment_intents.list().data) == 1


def test_webhooks_are_signed_so_that_the_sdk_takes_them(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = paid_intent(client)
    wait_until(lambda: len(receiver.deliveries) == 3)
    assert set(types(receiver)) == {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}
    for delivery in receiver.deliveries:
        event = stripe.Webhook.construct_event(delivery.body, delivery.headers["stripe-signature"], SECRET)
        assert event.livemode is False
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(delivery.body, delivery.headers["stripe-signature"], "whsec_other")
    created = next(json.loads(d.body) for d in receiver.deliveries if b'"payment_intent.created"' in d.body)
    # The snapshot is of the moment, though the intent has moved on since.
    assert created["data"]["object"]["status"] == "requires_payment_method"
    assert created["data"]["object"]["id"] == intent.id
    assert created["request"]["id"].startswith("req_")


def test_webhooks_are_retried_until_they_are_taken(
    client: stripe.StripeClient, url: str, key: str, receiver: Receiver
) -> None:
    receiver.statuses = [500, 503]
    new_intent(client)
    wait_until(lambda: len(receiver.deliveries) == 3)
    assert len({delivery.body for delivery in receiver.deliveries}) == 1
    wait_until(lambda: events(url, key)[0]["delivered"])
    assert [attempt["status"] for attempt in events(url, key)[0]["attempts"]] == [500, 503, 200]


def test_webhooks_can_be_doubled_held_and_turned_around(
    client: stripe.StripeClient, url: str, key: str, receiver: Receiver
) -> None:
    control(url, "POST", "delivery", key=key, copies=2, paused=True)
    paid_intent(client)
    assert [event["held"] for event in events(url, key)] == [True] * 3
    assert receiver.deliveries == []
    control(url, "POST", "delivery", key=key, copies=2, order="reversed")
    wait_until(lambda: len(receiver.deliveries) == 6)
    sent = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    assert types(receiver) == [name for name in reversed(sent) for _ in range(2)]


def test_reversed_turns_what_happens_together_around(
    client: stripe.StripeClient, url: str, key: str, receiver: Receiver
) -> None:
    control(url, "POST", "delivery", key=key, order="reversed")
    paid_intent(client)
    wait_until(lambda: len(receiver.deliveries) == 3)
    assert types(receiver) == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]


def test_an_event_can_be_sent_again(client: stripe.StripeClient, url: str, key: str, receiver: Receiver) -> None:
    new_intent(client)
    wait_until(lambda: receiver.deliveries)
    reply = control(url, "POST", "resend", key=key, eventId=events(url, key)[0]["id"], copies=5).json()
    assert [attempt["status"] for attempt in reply["attempts"]] == [200] * 5
    assert len({delivery.body for delivery in receiver.deliveries}) == 1


def test_an_endpoint_made_by_the_sdk_gets_what_it_asked_for(client: stripe.StripeClient) -> None:
    with Receiver() as taking:
        endpoint = client.v1.webhook_endpoints.create(
            {"url": taking.url, "enabled_events": ["payment_intent.succeeded"]}
        )
        paid_intent(client)
        wait_until(lambda: taking.deliveries)
        header = taking.deliveries[0].headers["stripe-signature"]
        assert stripe.Webhook.construct_event(taking.deliveries[0].body, header, endpoint.secret)
        assert types(taking) == ["payment_intent.succeeded"]


def test_a_person_declines_and_then_pays_on_the_page(client: stripe.StripeClient, url: str) -> None:
    intent = client.v1.payment_intents.create(
        {"amount": 123_456, "currency": "inr", "description": "<b>Late & loud</b>", "metadata": {"orderId": "ord_9"}}
    )
    with httpx.Client(base_url=url, follow_redirects=True, trust_env=False) as browser:
        assert intent.id in browser.get("/").text
        page = browser.get(f"/pay/{intent.id}").text
        assert "₹1,234.56" in page
        assert "&lt;b&gt;Late &amp; loud&lt;/b&gt;" in page
        assert "<b>Late" not in page
        assert "Your card was declined." in browser.post(f"/pay/{intent.id}/decline").text
        paid = browser.post(f"/pay/{intent.id}/pay").text
        assert "Paid" in paid
        assert "<form" not in paid
        assert intent.id not in browser.get("/").text
        assert browser.get("/pay/pi_nobody").status_code == 404
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_program_pays_with_json(client: stripe.StripeClient, url: str) -> None:
    intent, wants = new_intent(client), {"Accept": "application/json"}

    def post(action: str) -> httpx.Response:
        return httpx.post(f"{url}/pay/{intent.id}/{action}", headers=wants, trust_env=False)

    assert post("decline").json()["status"] == "requires_payment_method"
    assert post("pay").json()["status"] == "succeeded"
    assert post("pay").status_code == 409


def test_nested_forms_become_nested_values() -> None:
    text = "a=1&m[x]=2&m[y][z]=3&list[0]=p&list[1]=q&more[]=r&more[]=s&m%5Bw%5D=%E2%82%B9"
    assert nested_form.parse(text) == {
        "a": "1",
        "m": {"x": "2", "y": {"z": "3"}, "w": "₹"},
        "list": ["p", "q"],
        "more": ["r", "s"],
    }
