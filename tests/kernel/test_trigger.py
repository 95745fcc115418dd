"""What every private job does before its handler: the caller is the platform, the payload is the job's."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from common.errors import Problem
from common.outbox import DomainEvent
from common.trigger import (
    REPLAYED_TO,
    CreatedDocument,
    DocumentCreated,
    Job,
    Nothing,
    PubSub,
    RetryLater,
    Schedule,
    Task,
    Trigger,
    trigger,
)
from common.wire import Record
from tests.kernel.conftest import INVOKER, TRIGGERS, ask
from tests.support.people import refused

if TYPE_CHECKING:
    import httpx

    from tests.support.people import SigningKeys

EVENT = DomainEvent(
    id="evn_a", type="order.ticketed", occurred_at=datetime(2026, 3, 14, tzinfo=UTC), data={"orderId": "ord_a"}
)
done: list[Job[Any]] = []


class Settlement(Record):
    """The payload of a task."""

    webhook_id: str


@trigger(PubSub("domain-events", types=("order.ticketed",)), payload=DomainEvent)
async def on_order_ticketed(job: Job[DomainEvent]) -> None:
    """Hear of orders."""
    done.append(job)


@trigger(DocumentCreated("outbox/{entryId}"), payload=CreatedDocument)
async def on_outbox_created(job: Job[CreatedDocument]) -> None:
    """Hear of documents."""
    done.append(job)


@trigger(Task("settle-it"), payload=Settlement)
async def settle_it(job: Job[Settlement]) -> None:
    """Do a task."""
    done.append(job)


@trigger(Schedule("* * * * *"))
async def sweep_up(job: Job[Nothing]) -> None:
    """Do the same every minute."""
    done.append(job)


class Broken(Problem):
    status, code, title = 409, "broken", "Broken"


@trigger(Schedule("* * * * *"))
async def fail_always(job: Job[Nothing]) -> None:
    """Fail as asked."""
    raise {"later": RetryLater("Not yet."), "problem": Broken(), "defect": ValueError("hunter2")}[job.delivery_id]


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()


@pytest.fixture
def token(signing_keys: SigningKeys) -> Token:
    return Token(signing_keys)


class Token:
    """OIDC tokens as Google signs them for the invoker's service account."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def header(self, function: Trigger, **claims: Any) -> dict[str, str]:
        invoker = {
            "iss": "https://accounts.google.com",
            "aud": TRIGGERS.format(name=function.spec.name),
            "email": INVOKER,
            "email_verified": True,
        }
        return {"Authorization": f"Bearer {self._keys.token('', 'invoker', **(invoker | claims))}"}


def deliver(function: Trigger, headers: dict[str, str], body: object = None, method: str = "POST") -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
    return ask(function, method, f"/triggers/{function.spec.name}", content=raw, headers=headers)


def pushed(event: DomainEvent, **changes: Any) -> dict[str, Any]:
    """The body of a push request, as Pub/Sub documents it."""
    message = {
        "attributes": {"type": event.type},
        "data": base64.b64encode(event.model_dump_json(by_alias=True).encode()).decode(),
        "messageId": "2070443601311540",
        "message_id": "2070443601311540",
        "publishTime": "2026-03-14T19:13:55.749Z",
        "publish_time": "2026-03-14T19:13:55.749Z",
    }
    return {"message": message | changes, "subscription": "projects/demo/subscriptions/on_order_ticketed"}


def test_a_pushed_event_is_unwrapped(token: Token) -> None:
    reply = deliver(on_order_ticketed, token.header(on_order_ticketed), pushed(EVENT))
    assert (reply.status_code, reply.content) == (204, b"")
    assert done == [Job(EVENT, "evn_a")]


@pytest.mark.parametrize("attributes", [{"type": "order.refunded"}, {}, {"other": "order.ticketed"}])
def test_an_event_that_the_subscription_does_not_want_is_acknowledged(token: Token, attributes: dict[str, str]) -> None:
    body = pushed(EVENT, attributes=attributes)
    assert deliver(on_order_ticketed, token.header(on_order_ticketed), body).status_code == 204
    assert done == []


@pytest.mark.parametrize(("to", "got"), [("on_order_ticketed", 1), ("somebody_else", 0)])
def test_a_replay_is_for_the_function_that_it_names(token: Token, to: str, got: int) -> None:
    body = pushed(EVENT, attributes={"type": EVENT.type, REPLAYED_TO: to})
    assert deliver(on_order_ticketed, token.header(on_order_ticketed), body).status_code == 204
    assert len(done) == got


def test_control_without_the_name_every_function_has_it_again(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.trigger.REPLAYED_TO", "unread")
    body = pushed(EVENT, attributes={"type": EVENT.type, REPLAYED_TO: "somebody_else"})
    deliver(on_order_ticketed, token.header(on_order_ticketed), body)
    assert len(done) == 1


def test_a_created_document_is_known_by_its_event_headers(token: Token) -> None:
    event = {
        "ce-id": "7a2f",
        "ce-type": "google.cloud.firestore.document.v1.created",
        "ce-document": "outbox/out_a",
        "ce-source": "//firestore.googleapis.com/projects/demo/databases/(default)",
        "Content-Type": "application/protobuf",
    }
    reply = deliver(on_outbox_created, token.header(on_outbox_created) | event, b"\x0a\x02\x08\x01")
    assert reply.status_code == 204
    assert done == [Job(CreatedDocument(path="outbox/out_a"), "7a2f")]


def test_a_task_gets_its_payload_and_knows_its_name(token: Token) -> None:
    headers = token.header(settle_it) | {"X-CloudTasks-TaskName": "settle-whk-a"}
    assert deliver(settle_it, headers, {"webhookId": "whk_a"}).status_code == 204
    assert done == [Job(Settlement(webhook_id="whk_a"), "settle-whk-a")]


def test_a_scheduled_job_runs_on_anything(token: Token) -> None:
    for body in (b"{}", b"", b"anything"):
        headers = token.header(sweep_up) | {"X-CloudScheduler-ScheduleTime": "2026-03-14T19:13:00Z"}
        assert deliver(sweep_up, headers, body).status_code == 204
    assert done == [Job(Nothing(), "2026-03-14T19:13:00Z")] * 3


def test_nobody_calls_without_a_token() -> None:
    for function in (on_order_ticketed, on_outbox_created, settle_it, sweep_up):
        for headers in ({}, {"Authorization": "Bearer abc"}, {"Authorization": "Basic YTpi"}):
            refused(deliver(function, headers, pushed(EVENT)), 401, "unauthenticated")
    assert done == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": TRIGGERS.format(name="settle_it")},
        {"aud": "https://functions.test"},
        {"email": "somebody@example.com"},
        {"email_verified": False},
        {"iss": "https://securetoken.google.com/demo-kernel"},
    ],
    ids=str,
)
def test_a_token_for_something_else_is_refused(token: Token, wrong: dict[str, Any]) -> None:
    refused(deliver(sweep_up, token.header(sweep_up, **wrong)), 401, "unauthenticated")
    assert done == []


def test_an_expired_token_is_refused(token: Token) -> None:
    refused(deliver(sweep_up, token.header(sweep_up, iat=0, exp=1)), 401, "token_expired")


def test_a_users_token_is_refused(signing_keys: SigningKeys) -> None:
    user = {"Authorization": f"Bearer {signing_keys.token('demo-kernel', 'asha', admin=True, email=INVOKER)}"}
    refused(deliver(sweep_up, user), 401, "unauthenticated")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_jobs_are_posted(token: Token, method: str) -> None:
    reply = deliver(sweep_up, token.header(sweep_up), method=method)
    refused(reply, 405, "method_not_allowed")
    assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        {},
        {"message": {}} | {"message": 7},
        pushed(EVENT, data="no base64 é"),
        pushed(EVENT, data="e30="),
    ],
    ids=["empty", "broken", "list", "nothing", "number", "no base64", "no event"],
)
def test_what_cannot_be_the_jobs_event_is_not_acknowledged(token: Token, body: object) -> None:
    refused(deliver(on_order_ticketed, token.header(on_order_ticketed), body), 400, "malformed_delivery")
    assert done == []


def test_a_malformed_task_or_document_event_is_not_acknowledged(token: Token) -> None:
    refused(deliver(settle_it, token.header(settle_it), {"orderId": "a"}), 400, "malformed_delivery")
    refused(deliver(settle_it, token.header(settle_it), b"{"), 400, "malformed_delivery")
    refused(deliver(on_outbox_created, token.header(on_outbox_created)), 400, "malformed_delivery")
    assert done == []


def test_a_delivery_over_the_limit_is_refused(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.trigger.MAX_BODY_BYTES", 64)
    body = {"webhookId": "a" * 64}
    refused(deliver(settle_it, token.header(settle_it), body), 413, "body_too_large")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("later", 409, "retry_later"), ("problem", 409, "broken"), ("defect", 500, "internal_error")],
)
def test_a_failure_makes_the_source_call_again(token: Token, kind: str, status: int, code: str) -> None:
    headers = token.header(fail_always) | {"X-CloudScheduler-ScheduleTime": kind}
    reply = deliver(fail_always, headers)
    refused(reply, status, code)
    assert "hunter2" not in reply.text


def test_the_log_line_names_the_delivery(token: Token, capsys: pytest.CaptureFixture[str]) -> None:
    deliver(on_order_ticketed, token.header(on_order_ticketed), pushed(EVENT))
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["function"], line["deliveryId"]) == ("on_order_ticketed", "evn_a")


@pytest.mark.parametrize(
    ("kind", "message", "code", "detail"),
    [
        ("later", "delivery refused", "retry_later", "Not yet."),
        ("problem", "delivery refused", "broken", None),
        ("defect", "request failed", "internal_error", None),
    ],
)
def test_the_log_says_why_a_delivery_was_refused(
    token: Token, capsys: pytest.CaptureFixture[str], kind: str, message: str, code: str, detail: str | None
) -> None:
    deliver(fail_always, token.header(fail_always) | {"X-CloudScheduler-ScheduleTime": kind})
    line = json.loads(capsys.readouterr().out.splitlines()[-2])
    assert (line["message"], line["code"], line.get("detail")) == (message, code, detail)
    assert (line["function"], line["deliveryId"]) == ("fail_always", kind)
    assert ("ValueError" in line.get("stack_trace", "")) == (kind == "defect")


def test_a_task_function_cannot_name_another_ones_queue() -> None:
    with pytest.raises(ValueError, match="release-hold"):

        @trigger(Task("settle-it"), payload=Settlement)
        async def release_hold(job: Job[Settlement]) -> None:
            """Take another's queue."""
