"""The message inbox under the product's own adapters and under raw wire calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from common import clients
from common.config import config
from common.notifications.delivery import MessageNotSent, RecipientRefused
from common.notifications.fcm_push import send_push
from common.notifications.sendgrid_mail import send_mail
from common.notifications.twilio_text import send_sms, send_whatsapp
from emulators.message_inbox import KEPT, create_app
from tests.emulators.served import served

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

SID = "AC" + "0" * 32


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(create_app()) as address:
        yield address


@pytest.fixture(autouse=True)
def configured(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("FCM", "SENDGRID", "TWILIO"):
        monkeypatch.setenv(f"{name}_API_BASE", url)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "demo-inbox")
    monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:1")
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.test")
    monkeypatch.setenv("MAIL_FROM", "Marquee <tickets@marquee.example>")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", SID)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "token")
    monkeypatch.setenv("SMS_FROM", "+15005550006")
    config.cache_clear()
    httpx.delete(f"{url}/messages", trust_env=False)
    yield
    config.cache_clear()


def sent(send: Coroutine[Any, Any, str]) -> str:
    async def send_and_close() -> str:
        try:
            return await send
        finally:
            await clients.close()

    return asyncio.run(send_and_close())


def messages(url: str, **query: str) -> list[dict[str, Any]]:
    found = httpx.get(f"{url}/messages", params=query, trust_env=False).json()["messages"]
    assert isinstance(found, list)
    return found


def test_each_adapter_s_message_arrives(url: str) -> None:
    ids = [
        sent(send_push("token-1", "Tickets", "Two for Friday", {"orderId": "ord_1"})),
        sent(send_mail("asha@example.com", "Your tickets", "Plain", "<p>Rich</p>")),
        sent(send_sms("+919800000001", "Code 1234")),
        sent(send_whatsapp("+919800000002", "नमस्ते & welcome")),
    ]
    arrived = messages(url)
    assert [message["id"] for message in arrived] == ids[::-1]
    whatsapp, sms, mail, push = arrived
    assert ids[0].startswith("projects/demo-inbox/messages/")
    assert (push["channel"], push["to"], push["project"]) == ("push", "token-1", "demo-inbox")
    assert (push["subject"], push["text"], push["data"]) == ("Tickets", "Two for Friday", {"orderId": "ord_1"})
    assert (mail["to"], mail["sender"]) == ("asha@example.com", "tickets@marquee.example")
    assert (mail["subject"], mail["text"], mail["html"]) == ("Your tickets", "Plain", "<p>Rich</p>")
    assert (sms["channel"], sms["to"], sms["text"]) == ("sms", "+919800000001", "Code 1234")
    assert (whatsapp["channel"], whatsapp["to"]) == ("whatsapp", "+919800000002")
    assert whatsapp["text"] == "नमस्ते & welcome"


def test_messages_are_found_by_recipient_channel_and_project(url: str) -> None:
    sent(send_sms("+919800000001", "one"))
    sent(send_sms("+919800000002", "two"))
    sent(send_push("token-1", "t", "b", {}))
    assert [m["text"] for m in messages(url, to="+919800000001")] == ["one"]
    assert [m["text"] for m in messages(url, channel="sms")] == ["two", "one"]
    assert [m["channel"] for m in messages(url, project="demo-inbox")] == ["push"]


@pytest.mark.parametrize(
    "send",
    [
        lambda: send_push("unregistered-1", "t", "b", {}),
        lambda: send_mail("not an address", "s", "t"),
        lambda: send_sms("12345", "t"),
        lambda: send_whatsapp("12345", "t"),
    ],
)
def test_a_recipient_that_never_works_is_told_from_a_failure(url: str, send: Any) -> None:
    with pytest.raises(RecipientRefused):
        sent(send())
    assert messages(url) == []


@pytest.mark.parametrize(
    ("channel", "send"),
    [
        ("push", lambda: send_push("token-1", "t", "b", {})),
        ("mail", lambda: send_mail("asha@example.com", "s", "t")),
        ("sms", lambda: send_sms("+919800000001", "t")),
        ("whatsapp", lambda: send_whatsapp("+919800000001", "t")),
    ],
)
def test_a_provider_that_is_down_is_worth_a_retry(url: str, channel: str, send: Any) -> None:
    httpx.post(f"{url}/_control/faults", json={"channel": channel, "times": 1}, trust_env=False)
    with pytest.raises(MessageNotSent):
        sent(send())
    assert messages(url) == []
    assert sent(send())
    assert [m["channel"] for m in messages(url)] == [channel]


def test_a_fault_of_ours_does_not_blame_the_recipient(url: str) -> None:
    with pytest.raises(MessageNotSent):
        sent(send_push("token-1", "t", "b" * 5000, {}))
    with pytest.raises(MessageNotSent):
        sent(send_mail("asha@example.com", "", "t"))
    with pytest.raises(MessageNotSent):
        sent(send_sms("+919800000001", ""))


def test_no_provider_at_all_is_worth_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_API_BASE", "http://127.0.0.1:1")
    config.cache_clear()
    with pytest.raises(MessageNotSent):
        sent(send_sms("+919800000001", "t"))


def test_wrong_calls_get_the_providers_own_errors(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False) as client:
        push = client.post("/v1/projects/p/messages:send", json={"message": {"token": "t", "data": {"n": 1}}})
        assert (push.status_code, push.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert push.json()["error"]["details"][0]["errorCode"] == "INVALID_ARGUMENT"
        gone = client.post("/v1/projects/p/messages:send", json={"message": {"token": "unregistered"}})
        assert (gone.status_code, gone.json()["error"]["details"][0]["errorCode"]) == (404, "UNREGISTERED")
        assert client.post("/v3/mail/send", json={}).status_code == 401
        mail = client.post("/v3/mail/send", json={}, headers={"Authorization": "Bearer SG.x"})
        assert (mail.status_code, mail.json()["errors"][0]["field"]) == (400, "personalizations")
        path = f"/2010-04-01/Accounts/{SID}/Messages.json"
        assert client.post(path, data={"To": "+919800000001"}).json()["code"] == 20003
        text = client.post(path, data={"To": "123", "From": "+1500", "Body": "x"}, auth=(SID, "t"))
        assert (text.status_code, text.json()["code"], text.json()["status"]) == (400, 21211, 400)
        fault = client.post("/_control/faults", json={"channel": "pigeon"})
        assert fault.status_code == 422


def test_the_page_shows_newest_first_and_escapes(url: str) -> None:
    sent(send_sms("+919800000001", "first <script>alert(1)</script>"))
    sent(send_mail("asha@example.com", "second", "body"))
    with httpx.Client(base_url=url, trust_env=False) as browser:
        page = browser.get("/").text
        assert page.index("second") < page.index("first")
        assert "<script>" not in page
        assert 'http-equiv="refresh"' in page
        assert "second" not in browser.get("/", params={"channel": "sms"}).text


def test_only_the_last_messages_are_kept(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False) as client:
        for number in range(KEPT + 5):
            body = {"message": {"token": "t", "notification": {"body": str(number)}}}
            client.post("/v1/projects/p/messages:send", json=body)
        found = client.get("/messages").json()["messages"]
        assert len(found) == KEPT
        assert (found[0]["text"], found[-1]["text"]) == (str(KEPT + 4), "5")
        assert client.delete("/messages").status_code == 204
        assert client.get("/messages").json()["messages"] == []
