"""relay_outbox hands over to Pub/Sub and Cloud Tasks, and only then forgets."""

from __future__ import annotations

import json
from concurrent.futures import Future
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from google.api_core.exceptions import ServiceUnavailable

from common import clock, messaging, outbox, relay
from common.outbox import PlannedTask
from tests.operations.jobs import HandOver, Jobs
from tests.support.people import accepted, eventually, refused

if TYPE_CHECKING:
    from common.outbox import DomainEvent
    from tests.support.server import GatewayThread


def news(**data: object) -> DomainEvent:
    return outbox.event("order.held", clock.now(), orderId="ord_1", **data)


def release(name: str = "ord_1") -> PlannedTask:
    due = clock.now() + timedelta(minutes=10)
    return PlannedTask(function="release_hold", name=name, payload={"orderId": name}, at=due)


class PublisherThat:
    """A publisher whose messages end as this future does."""

    def __init__(self, future: Future[str]) -> None:
        self.future = future

    def topic_path(self, project: str, topic: str) -> str:
        return f"projects/{project}/topics/{topic}"

    def publish(self, topic: str, data: bytes, **attributes: str) -> Future[str]:
        return self.future


def failed(failure: Exception) -> Future[str]:
    future: Future[str] = Future()
    future.set_exception(failure)
    return future


def test_an_entry_is_published_its_task_made_and_then_it_is_gone(hand_over: HandOver, jobs: Jobs) -> None:
    told, task = news(), release()
    path = hand_over.add(clock.now(), told, task)
    assert jobs.created(path).status_code == 204
    assert hand_over.entries() == {}
    assert hand_over.events(1) == [json.loads(told.model_dump_json(by_alias=True))]
    [(name, made)] = hand_over.tasks("release_hold").items()
    assert (name, json.loads(made.http_request.body)) == ("ord_1", {"orderId": "ord_1"})
    assert made.http_request.url.endswith("/triggers/release_hold")
    assert made.http_request.oidc_token.audience == made.http_request.url
    assert task.at is not None
    assert abs(made.schedule_time.timestamp() - task.at.timestamp()) < 0.001


def test_an_entry_that_is_gone_needs_nothing(hand_over: HandOver, jobs: Jobs) -> None:
    path = hand_over.add(clock.now(), news())
    assert jobs.created(path).status_code == 204
    assert jobs.created(path).status_code == 204
    assert len(hand_over.events(1)) == 1
    assert hand_over.no_more_events()


def test_without_a_platform_token_or_an_event_nothing_happens(hand_over: HandOver, jobs: Jobs) -> None:
    path = hand_over.add(clock.now(), news())
    refused(jobs.client.post("/triggers/relay_outbox", headers={"ce-document": path}), 401, "unauthenticated")
    refused(jobs.call("relay_outbox"), 400, "malformed_delivery")
    assert list(hand_over.entries()) == [path]


@pytest.mark.parametrize(
    ("future", "status", "code"),
    [
        pytest.param(failed(ServiceUnavailable("down")), 503, "temporarily_unavailable", id="refused"),
        pytest.param(Future(), 500, "internal_error", id="silent"),
    ],
)
def test_while_pubsub_fails_the_entry_stays_and_eventarc_is_told(
    future: Future[str],
    status: int,
    code: str,
    hand_over: HandOver,
    jobs: Jobs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = hand_over.add(clock.now(), news(), release())
    with monkeypatch.context() as outage:
        outage.setattr(messaging, "publisher", lambda: PublisherThat(future))
        outage.setattr(relay, "PUBLISH_TIMEOUT_S", 0.2)
        refused(jobs.created(path), status, code)
    assert list(hand_over.entries()) == [path]
    assert hand_over.tasks("release_hold") == {}
    assert jobs.created(path).status_code == 204
    assert len(hand_over.events(1)) == 1
    assert list(hand_over.tasks("release_hold")) == ["ord_1"]


def test_a_topic_that_does_not_exist_loses_nothing(gateway: GatewayThread, project: str, jobs: Jobs) -> None:
    before_deployment = HandOver(gateway, project)
    path = before_deployment.add(clock.now(), news())
    assert jobs.created(path).status_code == 500
    assert list(before_deployment.entries()) == [path]


def test_a_crash_before_the_entry_is_deleted_repeats_harmlessly(
    hand_over: HandOver, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.cloud.firestore import AsyncDocumentReference

    async def crash(self: AsyncDocumentReference, **_: object) -> None:
        raise ServiceUnavailable("the process ends here")

    told = news()
    path = hand_over.add(clock.now(), told, release())
    with monkeypatch.context() as crashing:
        crashing.setattr(AsyncDocumentReference, "delete", crash)
        refused(jobs.created(path), 503, "temporarily_unavailable")
    assert list(hand_over.entries()) == [path]
    assert jobs.created(path).status_code == 204
    assert hand_over.entries() == {}
    # Consumers know the second by its id, Cloud Tasks by its name.
    assert [event["id"] for event in hand_over.events(2)] == [told.id, told.id]
    assert list(hand_over.tasks("release_hold")) == ["ord_1"]


def test_a_task_name_makes_one_task_whichever_entry_asks_for_it(hand_over: HandOver, jobs: Jobs) -> None:
    paths = [hand_over.add(clock.now(), None, release(), release("ord_2")) for _ in range(3)]
    assert {jobs.created(path).status_code for path in paths} == {204}
    assert sorted(hand_over.tasks("release_hold")) == ["ord_1", "ord_2"]
    assert hand_over.no_more_events()


def test_on_the_deployed_chain_a_commit_is_enough(deployed: str, gateway: GatewayThread, jobs: Jobs) -> None:
    chain = HandOver(gateway, deployed)
    chain.listen()
    told = [news(number=number) for number in range(5)]
    for event in told:
        chain.add(clock.now(), event)
    assert {event["id"] for event in chain.events(5)} == {event.id for event in told}
    eventually(lambda: chain.entries() == {})
    assert accepted(jobs.call("sweep_outbox")) == {}
