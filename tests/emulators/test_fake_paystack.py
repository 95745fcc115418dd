"""The fake Paystack over HTTP: what it remembers, refuses and sends."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from emulators.fake_paystack import create_app
from emulators.fake_paystack_account import fee_of
from tests.emulators.served import Receiver, control, events, served, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

WANTS_JSON = {"Accept": "application/json"}
ASKED = {"email": "ada@example.com", "amount": 590_000, "currency": "NGN", "metadata": {"orderId": "ord_1"}}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(create_app(retry_delays=(0.02, 0.05))) as address:
        yield address


@pytest.fixture
def key() -> str:
    return f"sk_test_{uuid4().hex}"


@pytest.fixture
def client(url: str, key: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, follow_redirects=True) as opened:
        yield opened


@pytest.fixture
def receiver(url: str, key: str) -> Iterator[Receiver]:
    with Receiver() as taking:
        control(url, "PUT", "webhook", key=key, url=taking.url, secret=key)
        yield taking


def initialize(client: httpx.Client, **more: Any) -> Any:
    return client.post("/transaction/initialize", json=ASKED | more).json()


def paid(client: httpx.Client, **more: Any) -> Any:
    made = initialize(client, **more)["data"]
    client.post(f"/pay/{made['access_code']}/pay", headers=WANTS_JSON)
    return client.get(f"/transaction/verify/{made['reference']}").json()["data"]


def told(receiver: Receiver) -> list[str]:
    return [json.loads(delivery.body)["event"] for delivery in receiver.deliveries]


def test_a_payment_on_its_page(client: httpx.Client, url: str) -> None:
    made = initialize(client, reference="ord-page")["data"]
    assert made["authorization_url"] == f"{url}/pay/{made['access_code']}"
    assert client.get("/transaction/verify/ord-page").json()["data"]["status"] == "abandoned"
    page = client.get(made["authorization_url"]).text
    assert "₦5,900.00" in page
    assert "ord-page" in client.get("/").text
    assert "Declined" in client.post(f"/pay/{made['access_code']}/decline").text
    assert "Paid" in client.post(f"/pay/{made['access_code']}/pay").text
    transaction = client.get("/transaction/verify/ord-page").json()["data"]
    assert (transaction["status"], transaction["fees"]) == ("success", fee_of(590_000, "NGN"))
    assert client.get(f"/transaction/{transaction['id']}").json()["data"] == transaction
    assert client.post("/pay/ord-page/pay", headers=WANTS_JSON).status_code == 409
    assert client.get("/pay/nobody").status_code == 404


@pytest.mark.parametrize(
    ("amount", "currency", "fee"),
    [(200_000, "NGN", 3_000), (250_000, "NGN", 13_750), (50_000_000, "NGN", 200_000), (100_000, "GHS", 1_950)],
)
def test_fees(amount: int, currency: str, fee: int) -> None:
    assert fee_of(amount, currency) == fee


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": 0}, "Invalid Amount Sent"),
        ({"amount": 1.5}, "Invalid Amount Sent"),
        ({"amount": None}, "Invalid Amount Sent"),
        ({"email": "nobody"}, "Invalid Email Address Passed"),
        ({"currency": "INR"}, "Currency not supported by merchant"),
        ({"reference": "ord_1"}, "Invalid character in transaction reference"),
        ({"subaccount": "lagos"}, "Subaccount code is invalid"),
    ],
)
def test_what_it_refuses_to_begin(client: httpx.Client, change: dict[str, Any], message: str) -> None:
    said = initialize(client, **change)
    assert (said["status"], said["message"]) == (False, message)
    assert client.get("/transaction").json()["data"] == []


def test_a_reference_is_used_once(client: httpx.Client) -> None:
    assert initialize(client, reference="ord-1")["status"]
    again = client.post("/transaction/initialize", json=ASKED | {"reference": "ord-1"})
    assert (again.status_code, again.json()["message"]) == (400, "Duplicate Transaction Reference")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer sk_live_1", "Basic c2tfdGVzdF8x"])
def test_who_it_does_not_know(url: str, header: str) -> None:
    reply = httpx.get(f"{url}/transaction", headers={"Authorization": header}, trust_env=False)
    assert (reply.status_code, reply.json()["message"]) == (401, "Invalid key")


def test_what_it_does_not_know(client: httpx.Client) -> None:
    assert client.get("/transaction/verify/nobody").json()["message"] == "Transaction reference not found"
    assert client.get("/transaction/1").status_code == 404
    assert client.get("/transaction/one").status_code == 400
    assert client.get("/nothing").json()["code"] == "route_not_found"
    assert client.post("/refund", content=b"no json").status_code == 400


def test_refunds_never_exceed_the_payment(client: httpx.Client) -> None:
    transaction = paid(client)
    asked = {"transaction": transaction["reference"], "amount": 400_000}
    first = client.post("/refund", json=asked).json()["data"]
    assert (first["status"], first["transaction"]["id"]) == ("pending", transaction["id"])
    assert client.post("/refund", json=asked).json()["message"].startswith("Refund amount cannot be more")
    assert client.get(f"/transaction/{transaction['id']}").json()["data"]["status"] == "success"
    client.post("/refund", json={"transaction": str(transaction["id"])})
    assert client.get(f"/transaction/{transaction['id']}").json()["data"]["status"] == "reversed"
    refunds = client.get("/refund", params={"transaction": transaction["id"]}).json()["data"]
    assert [(each["amount"], each["status"]) for each in refunds] == [(190_000, "processed"), (400_000, "processed")]
    assert client.post("/refund", json=asked).json()["message"] == "Transaction has been fully reversed"
    unpaid = initialize(client)["data"]["reference"]
    assert client.post("/refund", json={"transaction": unpaid}).json()["status"] is False


def test_lists_have_pages_and_spans(client: httpx.Client) -> None:
    references = [paid(client)["reference"] for _ in range(5)]
    pages = [client.get("/transaction", params={"perPage": 2, "page": page}).json() for page in (1, 2, 3, 4)]
    assert [each["reference"] for page in pages for each in page["data"]] == references[::-1]
    assert pages[0]["meta"] == {"total": 5, "skipped": 0, "perPage": 2, "page": 1, "pageCount": 3}
    oldest = pages[2]["data"][0]["created_at"]
    assert len(client.get("/transaction", params={"from": oldest}).json()["data"]) == 5
    assert client.get("/transaction", params={"to": "2020-01-01"}).json()["data"] == []
    assert client.get("/transaction", params={"status": "abandoned"}).json()["data"] == []
    assert client.get("/transaction", params={"from": "yesterday"}).status_code == 400
    assert client.get("/transaction", params={"page": "0"}).status_code == 400


def test_webhooks_are_signed_and_name_no_refund(client: httpx.Client, key: str, receiver: Receiver) -> None:
    transaction = paid(client, reference="ord-hook")
    client.post("/refund", json={"transaction": "ord-hook", "amount": 90_000})
    wait_until(lambda: len(receiver.deliveries) == 3)
    assert sorted(told(receiver)) == ["charge.success", "refund.pending", "refund.processed"]
    for delivery in receiver.deliveries:
        digest = hmac.new(key.encode(), delivery.body, hashlib.sha512).hexdigest()
        assert delivery.headers["x-paystack-signature"] == digest
        data = json.loads(delivery.body)["data"]
        assert data.get("reference", data.get("transaction_reference")) == transaction["reference"]
        assert "id" in data or data["amount"] == "90000"


def test_lost_webhooks_never_come(client: httpx.Client, url: str, key: str, receiver: Receiver) -> None:
    control(url, "POST", "delivery", key=key, lost=True)
    paid(client)
    control(url, "POST", "delivery", key=key)
    paid(client)
    wait_until(lambda: receiver.deliveries)
    assert told(receiver) == ["charge.success"]
    assert [event["delivered"] for event in events(url, key)] == [False, True]


@pytest.mark.parametrize(("mode", "made"), [("before", 0), ("after", 1)])
def test_faults(client: httpx.Client, url: str, key: str, mode: str, made: int) -> None:
    control(url, "POST", "faults", key=key, method="POST", path="/transaction/initialize", mode=mode)
    assert client.post("/transaction/initialize", json=ASKED).status_code == 500
    assert len(client.get("/transaction").json()["data"]) == made


def test_disputes_are_listed(client: httpx.Client, url: str, key: str) -> None:
    transaction = paid(client, reference="ord-dispute")
    control(url, "POST", "disputes", key=key, reference="ord-dispute")
    control(url, "POST", "disputes", key=key, reference="ord-dispute", resolution="declined")
    [dispute] = client.get("/dispute", params={"transaction": transaction["id"]}).json()["data"]
    assert (dispute["status"], dispute["resolution"]) == ("resolved", "declined")
    assert client.get("/dispute", params={"transaction": 1}).json()["data"] == []
