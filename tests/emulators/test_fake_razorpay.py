"""The fake Razorpay under Razorpay's own SDK: what it remembers, refuses and sends."""

from __future__ import annotations

import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
import razorpay
import requests
from razorpay.errors import BadRequestError, ServerError, SignatureVerificationError

from emulators.fake_razorpay import create_app
from tests.emulators.served import Receiver, control, events, served, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "hook secret"
WANTS_JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(create_app(retry_delays=(0.02, 0.05))) as address:
        yield address


@pytest.fixture
def key() -> str:
    return f"rzp_test_{uuid4().hex[:14]}"


@pytest.fixture
def client(url: str, key: str) -> Iterator[Any]:
    with requests.Session() as session:
        yield razorpay.Client(session=session, auth=(key, "secret"), base_url=url)


@pytest.fixture
def receiver(url: str, key: str) -> Iterator[Receiver]:
    with Receiver() as taking:
        control(url, "PUT", "webhook", key=key, url=taking.url, secret=SECRET)
        yield taking


def new_order(client: Any, amount: int = 50_000, **more: object) -> Any:
    asked = {"amount": amount, "currency": "INR", "receipt": "ord_1", "notes": {"orderId": "ord_1"}}
    return client.order.create(asked | more)


def decide(url: str, order: Any, action: str) -> httpx.Response:
    return httpx.post(f"{url}/pay/{order['id']}/{action}", headers=WANTS_JSON, trust_env=False)


def paid(client: Any, url: str, amount: int = 50_000) -> Any:
    return client.payment.fetch(decide(url, new_order(client, amount), "pay").json()["payment_id"])


def types(receiver: Receiver) -> list[str]:
    return [json.loads(delivery.body)["event"] for delivery in receiver.deliveries]


def test_paying_an_order_captures_it(client: Any, url: str) -> None:
    order = new_order(client)
    assert (order["status"], order["amount_due"], order["attempts"]) == ("created", 50_000, 0)
    said = decide(url, order, "pay").json()
    assert client.utility.verify_payment_signature(said)
    payment = client.payment.fetch(said["razorpay_payment_id"])
    assert (payment["status"], payment["captured"], payment["order_id"]) == ("captured", True, order["id"])
    # 2 % and 18 % tax on it.
    assert (payment["fee"], payment["tax"]) == (1180, 180)
    after = client.order.fetch(order["id"])
    assert (after["status"], after["amount_paid"], after["amount_due"]) == ("paid", 50_000, 0)
    assert [p["id"] for p in client.order.payments(order["id"])["items"]] == [payment["id"]]
    assert decide(url, order, "pay").status_code == 409


def test_a_declined_order_can_be_tried_again(client: Any, url: str, receiver: Receiver) -> None:
    order = new_order(client)
    declined = client.payment.fetch(decide(url, order, "decline").json()["payment_id"])
    assert (declined["status"], declined["error_code"]) == ("failed", "BAD_REQUEST_ERROR")
    assert client.order.fetch(order["id"])["status"] == "attempted"
    decide(url, order, "pay")
    assert client.order.fetch(order["id"])["attempts"] == 2
    wait_until(lambda: len(receiver.deliveries) == 4)
    assert sorted(types(receiver)) == ["order.paid", "payment.authorized", "payment.captured", "payment.failed"]


@pytest.mark.parametrize("by_hand", [{"payment_capture": 0}, {"payment": {"capture": "manual"}}])
def test_an_order_can_leave_capture_to_a_call(client: Any, url: str, by_hand: dict[str, Any]) -> None:
    payment_id = decide(url, new_order(client, **by_hand), "pay").json()["payment_id"]
    assert client.payment.fetch(payment_id)["status"] == "authorized"
    with pytest.raises(BadRequestError, match="equal to the amount authorized"):
        client.payment.capture(payment_id, 49_999, {"currency": "INR"})
    with pytest.raises(BadRequestError, match="should be captured"):
        client.payment.refund(payment_id, {"amount": 100})
    assert client.payment.capture(payment_id, 50_000, {"currency": "INR"})["captured"]
    with pytest.raises(BadRequestError, match="already been captured"):
        client.payment.capture(payment_id, 50_000, {"currency": "INR"})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"amount": None}, "amount field is required"),
        ({"amount": "12.5"}, "must be an integer"),
        ({"amount": 99}, "less than minimum"),
        ({"currency": None}, "currency field is required"),
        ({"receipt": "r" * 41}, "40 characters"),
        ({"notes": {str(n): "x" for n in range(16)}}, "15"),
        ({"colour": "red"}, "not required and should not be sent"),
    ],
)
def test_wrong_orders_are_refused(client: Any, more: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        new_order(client, **more)


def test_only_the_account_s_own_secret_is_let_in(client: Any, url: str, key: str) -> None:
    order = new_order(client)
    with requests.Session() as session:
        for auth in ((key, "other"), (f"{key}x", ""), ("nonsense", "secret")):
            stranger = razorpay.Client(session=session, auth=auth, base_url=url)
            with pytest.raises(BadRequestError, match="Authentication failed"):
                stranger.order.fetch(order["id"])
        other = razorpay.Client(session=session, auth=("rzp_test_other", "secret"), base_url=url)
        with pytest.raises(BadRequestError, match="does not exist"):
            other.order.fetch(order["id"])


def test_lists_page_newest_first(client: Any) -> None:
    made = [new_order(client, receipt=f"r{n}")["id"] for n in range(4)]
    assert [o["id"] for o in client.order.all({"count": 2, "skip": 1})["items"]] == [made[2], made[1]]
    assert [o["id"] for o in client.order.all({"receipt": "r0"})["items"]] == [made[0]]


def test_refunds_are_partial_then_whole_then_refused(client: Any, url: str, receiver: Receiver) -> None:
    payment = paid(client, url, 1000)
    part = client.payment.refund(payment["id"], {"amount": 400, "notes": {"refundKey": "r1"}, "receipt": "r1"})
    assert (part["amount"], part["status"], part["notes"]) == (400, "processed", {"refundKey": "r1"})
    with pytest.raises(BadRequestError, match="greater than amount captured"):
        client.payment.refund(payment["id"], {"amount": 601})
    with pytest.raises(BadRequestError, match="atleast INR"):
        client.payment.refund(payment["id"], {"amount": 99})
    assert client.payment.fetch(payment["id"])["refund_status"] == "partial"
    client.payment.refund(payment["id"], {"amount": 600})
    after = client.payment.fetch(payment["id"])
    assert (after["status"], after["amount_refunded"], after["refund_status"]) == ("refunded", 1000, "full")
    with pytest.raises(BadRequestError, match="fully refunded already"):
        client.payment.refund(payment["id"], {"amount": 100})
    assert [r["amount"] for r in client.payment.fetch_multiple_refund(payment["id"])["items"]] == [600, 400]
    assert client.refund.fetch(part["id"]) == part
    wait_until(lambda: types(receiver).count("refund.processed") == 2)
    assert types(receiver).count("refund.created") == 2


def test_the_refund_header_makes_one_refund(client: Any, url: str) -> None:
    payment, header = paid(client, url, 1000), {"X-Refund-Idempotency": "refund-key-1"}
    first = client.payment.refund(payment["id"], {"amount": 400}, headers=dict(header))
    assert client.payment.refund(payment["id"], {"amount": 400}, headers=dict(header)) == first
    with pytest.raises(BadRequestError, match="Different request with the same idempotency key"):
        client.payment.refund(payment["id"], {"amount": 300}, headers=dict(header))
    with pytest.raises(BadRequestError, match="at least 10"):
        client.payment.refund(payment["id"], {"amount": 300}, headers={"X-Refund-Idempotency": "short"})
    assert client.payment.fetch(payment["id"])["amount_refunded"] == 400


def test_two_refunds_at_once_with_one_key_make_one(client: Any, url: str, key: str) -> None:
    payment = paid(client, url, 1000)
    control(
        url, "POST", "faults", key=key, method="POST", path="/v1/payments/*/refund", mode="delay", seconds=0.5, times=2
    )

    def status(_: int) -> int:
        return httpx.post(
            f"{url}/v1/payments/{payment['id']}/refund",
            json={"amount": 400},
            headers={"X-Refund-Idempotency": "refund-key-2"},
            auth=(key, "secret"),
            trust_env=False,
        ).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(status, range(2))) == [200, 409]
    assert client.payment.fetch(payment["id"])["amount_refunded"] == 400


@pytest.mark.parametrize(("mode", "refunded"), [("before", 0), ("after", 400)])
def test_a_fault_fails_the_call_before_or_after_its_effect(
    client: Any, url: str, key: str, mode: str, refunded: int
) -> None:
    payment = paid(client, url, 1000)
    control(url, "POST", "faults", key=key, method="POST", path="/v1/payments/*/refund", mode=mode)
    with pytest.raises(ServerError):
        client.payment.refund(payment["id"], {"amount": 400})
    assert client.payment.fetch(payment["id"])["amount_refunded"] == refunded


def test_webhooks_carry_the_documented_shape_and_signature(client: Any, url: str, receiver: Receiver) -> None:
    payment = paid(client, url)
    wait_until(lambda: len(receiver.deliveries) == 3)
    by_type = {json.loads(d.body)["event"]: d for d in receiver.deliveries}
    assert set(by_type) == {"payment.authorized", "payment.captured", "order.paid"}
    for delivery in receiver.deliveries:
        signature = delivery.headers["x-razorpay-signature"]
        assert signature == hmac.new(SECRET.encode(), delivery.body, hashlib.sha256).hexdigest()
        assert client.utility.verify_webhook_signature(delivery.body.decode(), signature, SECRET)
        with pytest.raises(SignatureVerificationError):
            client.utility.verify_webhook_signature(delivery.body.decode() + " ", signature, SECRET)
    assert len({delivery.headers["x-razorpay-event-id"] for delivery in receiver.deliveries}) == 3
    order_paid = json.loads(by_type["order.paid"].body)
    assert order_paid["entity"] == "event"
    assert order_paid["contains"] == ["payment", "order"]
    assert order_paid["payload"]["payment"]["entity"]["id"] == payment["id"]
    assert order_paid["payload"]["order"]["entity"]["receipt"] == "ord_1"
    authorized = json.loads(by_type["payment.authorized"].body)
    # The snapshot is of the moment, though the payment was captured since.
    assert authorized["payload"]["payment"]["entity"]["status"] == "authorized"


def test_copies_of_an_event_share_its_id(client: Any, url: str, key: str, receiver: Receiver) -> None:
    control(url, "POST", "delivery", key=key, copies=5)
    decide(url, new_order(client), "decline")
    wait_until(lambda: len(receiver.deliveries) == 5)
    assert len({(d.body, d.headers["x-razorpay-event-id"]) for d in receiver.deliveries}) == 1
    assert len(events(url, key)) == 1


def test_held_webhooks_leave_in_reverse(client: Any, url: str, key: str, receiver: Receiver) -> None:
    control(url, "POST", "delivery", key=key, paused=True)
    paid(client, url)
    control(url, "POST", "delivery", key=key, order="reversed")
    wait_until(lambda: len(receiver.deliveries) == 3)
    assert types(receiver) == ["order.paid", "payment.captured", "payment.authorized"]


def test_a_person_declines_and_then_pays_on_the_page(client: Any, url: str) -> None:
    order = new_order(client, 123_400, receipt="<i>ord</i>")
    with httpx.Client(base_url=url, follow_redirects=True, trust_env=False) as browser:
        assert order["id"] in browser.get("/").text
        page = browser.get(f"/pay/{order['id']}").text
        assert "₹1,234.00" in page
        assert "&lt;i&gt;ord&lt;/i&gt;" in page
        assert "declined by the bank" in browser.post(f"/pay/{order['id']}/decline").text
        result = browser.post(f"/pay/{order['id']}/pay").text
        assert "Paid" in result
        assert "<form" not in result
        assert order["id"] not in browser.get("/").text
        assert browser.get("/pay/order_nobody").status_code == 404


def test_a_wrong_command_is_told_what_is_wrong(url: str) -> None:
    reply = httpx.post(f"{url}/_control/delivery", json={"key": "k", "copies": 0}, trust_env=False)
    assert reply.status_code == 422
    assert "copies" in reply.text
