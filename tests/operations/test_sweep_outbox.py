"""sweep_outbox hands over what relay_outbox left behind, and says so when it cannot."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from common import clock, outbox
from common.outbox import OUTBOX, OVERDUE
from tests.support.people import refused
from triggers.operations import sweep_outbox

if TYPE_CHECKING:
    import pytest

    from tests.operations.jobs import HandOver, Jobs


def add(hand_over: HandOver, age: timedelta, name: str) -> str:
    then = clock.now() - age
    return hand_over.add(then, outbox.event("order.held", then, name=name))


def poison(hand_over: HandOver, age: timedelta, name: str) -> str:
    """A document of a form that no release of ours reads."""
    path = f"{OUTBOX}/{name}"
    hand_over.put(path, {"createdAt": clock.now() - age, "event": "of another form"})
    return path


def logged(capfd: pytest.CaptureFixture[str], severity: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if line["severity"] == severity]


def test_only_overdue_entries_are_taken(hand_over: HandOver, jobs: Jobs, capfd: pytest.CaptureFixture[str]) -> None:
    fresh = add(hand_over, timedelta(0), "fresh")
    add(hand_over, OVERDUE + timedelta(seconds=1), "late")
    add(hand_over, timedelta(days=2), "forgotten")
    assert jobs.call("sweep_outbox").status_code == 204
    assert list(hand_over.entries()) == [fresh]
    assert {event["data"]["name"] for event in hand_over.events(2)} == {"late", "forgotten"}
    assert [line["count"] for line in logged(capfd, "WARNING")] == [2]


def test_nothing_overdue_is_nothing_to_say(hand_over: HandOver, jobs: Jobs, capfd: pytest.CaptureFixture[str]) -> None:
    add(hand_over, timedelta(0), "fresh")
    assert jobs.call("sweep_outbox").status_code == 204
    assert hand_over.no_more_events()
    assert logged(capfd, "WARNING") == []


def test_as_many_pages_as_there_are(hand_over: HandOver, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_outbox, "AT_ONCE", 3)
    for number in range(8):
        add(hand_over, timedelta(minutes=1, seconds=number), str(number))
    assert jobs.call("sweep_outbox").status_code == 204
    assert hand_over.entries() == {}
    assert {event["data"]["name"] for event in hand_over.events(8)} == set("01234567")


def test_an_entry_that_cannot_be_handed_over_fails_the_run_but_holds_up_nobody(
    hand_over: HandOver, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweep_outbox, "AT_ONCE", 2)
    bad = poison(hand_over, timedelta(hours=1), "poison")
    for number in range(4):
        add(hand_over, timedelta(minutes=1, seconds=number), str(number))
    refused(jobs.call("sweep_outbox"), 500, "internal_error")
    assert list(hand_over.entries()) == [bad]
    assert len(hand_over.events(4)) == 4
    first, *_ = logged(capfd, "ERROR")
    assert (first["message"], first["count"]) == ("outbox entries cannot be handed over", 1)
    assert "ValidationError" in first["stack_trace"]


def test_where_nothing_can_be_handed_over_the_run_ends_early(
    hand_over: HandOver, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Pub/Sub down each page would wait for its time limit."""
    monkeypatch.setattr(sweep_outbox, "AT_ONCE", 2)
    for number in range(2):
        poison(hand_over, timedelta(hours=1, seconds=number), f"poison-{number}")
    behind = add(hand_over, timedelta(minutes=1), "behind")
    refused(jobs.call("sweep_outbox"), 500, "internal_error")
    assert behind in hand_over.entries()
