"""Tasks of the outbox: a name is a promise of one call, and once a second means once a second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from common import clock, relay
from common.outbox import PlannedTask
from tests.operations.jobs import HandOver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import GatewayThread


@pytest.fixture
def hand_over(gateway: GatewayThread, project: str) -> Iterator[HandOver]:
    opened = HandOver(gateway, project)
    opened.open()
    yield opened
    opened.close()


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: moment)


def refresh(event_id: str = "evt_1") -> PlannedTask:
    payload = {"eventId": event_id}
    return PlannedTask(function="refresh_availability", name=event_id, payload=payload, once_every_s=1)


def test_a_task_exists_once_however_often_it_is_created(gateway: GatewayThread, hand_over: HandOver) -> None:
    later = clock.now() + timedelta(hours=1)
    task = PlannedTask(function="release_hold", name="ord_1", payload={"orderId": "ord_1"}, at=later)
    for _ in range(3):
        gateway.run(relay.create_task(task))
    assert list(hand_over.tasks("release_hold")) == ["ord_1"]


def test_all_of_one_second_become_one_call_at_its_end(
    gateway: GatewayThread, hand_over: HandOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    for part in (0, 1, 500_000, 999_999):
        at(monkeypatch, second + timedelta(microseconds=part))
        gateway.run(relay.create_task(refresh()))
    [(name, task)] = hand_over.tasks("refresh_availability").items()
    # Never before the second is over: what was committed within it must be seen by the call.
    assert task.schedule_time.timestamp() == second.timestamp() + 1
    assert name == f"evt_1-{second + timedelta(seconds=1):%Y%m%d%H%M%S}"


def test_the_next_second_and_another_event_are_calls_of_their_own(
    gateway: GatewayThread, hand_over: HandOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    for moment, event_id in ((0, "evt_1"), (0, "evt_2"), (1, "evt_1")):
        at(monkeypatch, second + timedelta(seconds=moment))
        gateway.run(relay.create_task(refresh(event_id)))
    assert len(hand_over.tasks("refresh_availability")) == 3


def test_a_queue_that_does_not_exist_is_no_success(gateway: GatewayThread, project: str) -> None:
    from google.api_core.exceptions import NotFound

    with pytest.raises(NotFound):
        gateway.run(relay.create_task(refresh()))
