"""The Scheduler stand-in: cron's rules, and each due minute called once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from emulators.cron import Cron, InvalidCron
from emulators.scheduler import Job, Scheduler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulators.private_call import PrivateCaller


def minute(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "due", "not_due"),
    [
        ("* * * * *", ["2026-01-01T00:00", "2026-12-31T23:59"], []),
        ("*/5 * * * *", ["2026-01-01T10:00", "2026-01-01T10:55"], ["2026-01-01T10:04", "2026-01-01T10:56"]),
        ("7/20 * * * *", ["2026-01-01T10:07", "2026-01-01T10:47"], ["2026-01-01T10:00", "2026-01-01T10:20"]),
        ("0 2 * * *", ["2026-03-04T02:00"], ["2026-03-04T02:01", "2026-03-04T14:00"]),
        ("0,30 9-17 * * *", ["2026-01-01T09:00", "2026-01-01T17:30"], ["2026-01-01T18:00", "2026-01-01T09:15"]),
        ("10-40/15 * * * *", ["2026-01-01T00:10", "2026-01-01T00:40"], ["2026-01-01T00:45", "2026-01-01T00:55"]),
        # 2026-11-20 is a Friday, 2026-11-22 a Sunday.
        ("0 0 * * fri", ["2026-11-20T00:00"], ["2026-11-21T00:00"]),
        ("0 0 * * 0", ["2026-11-22T00:00"], ["2026-11-20T00:00"]),
        ("0 0 * * 7", ["2026-11-22T00:00"], ["2026-11-20T00:00"]),
        ("0 0 * * 5-7", ["2026-11-20T00:00", "2026-11-21T00:00", "2026-11-22T00:00"], ["2026-11-23T00:00"]),
        ("0 0 29 feb *", ["2028-02-29T00:00"], ["2026-03-29T00:00"]),
        # Both day fields restricted: either is enough. One with a star: both must hold.
        ("0 0 13 * fri", ["2026-11-13T00:00", "2026-11-20T00:00", "2026-12-13T00:00"], ["2026-11-21T00:00"]),
        ("0 0 */2 * fri", ["2026-11-13T00:00"], ["2026-11-20T00:00", "2026-11-15T00:00"]),
    ],
)
def test_cron(expression: str, due: list[str], not_due: list[str]) -> None:
    cron = Cron.parse(expression)
    assert [text for text in due if not cron.due(minute(text))] == []
    assert [text for text in not_due if cron.due(minute(text))] == []


@pytest.mark.parametrize(
    "expression",
    (
        "|* * * *|* * * * * *|60 * * * *|* 24 * * *|* * 0 * *|* * * 13 *|* * * * 8|*/0 * * * *|a * * * *"
        "|5-1 * * * *|1,, * * * *|-5 * * * *|1- * * * *|*/x * * * *"
    ).split("|"),
)
def test_unreadable_cron_is_refused(expression: str) -> None:
    with pytest.raises(InvalidCron):
        Cron.parse(expression)


@given(
    start=st.integers(0, 59),
    length=st.integers(0, 59),
    step=st.integers(1, 59),
    at=st.datetimes(timezones=st.just(UTC)),
)
def test_a_stepped_range_is_due_exactly_on_its_steps(start: int, length: int, step: int, at: datetime) -> None:
    end = min(59, start + length)
    expected = start <= at.minute <= end and (at.minute - start) % step == 0
    assert Cron.parse(f"{start}-{end}/{step} * * * *").due(at) is expected


class Calls:
    """Takes the place of PrivateCaller."""

    def __init__(self) -> None:
        self.made: list[tuple[str, bytes, dict[str, str]]] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> int:
        self.made.append((url, content, dict(headers)))
        await self.hold.wait()
        return 204


def scheduler(calls: Calls) -> Scheduler:
    return Scheduler(cast("PrivateCaller", calls))


def test_due_jobs_are_called_once_with_the_scheduled_time() -> None:
    async def scenario() -> None:
        calls = Calls()
        ticking = scheduler(calls)
        ticking.put("demo-a", (Job(name="sweep", cron="*/2 * * * *", url="http://f/sweep"),))
        ticking.put("demo-b", (Job(name="audit", cron="5 * * * *", url="http://f/audit"),))
        for offset in range(6):
            ticking.tick(minute("2026-01-01T10:00") + timedelta(minutes=offset))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert [url for url, _, _ in calls.made] == ["http://f/sweep"] * 3 + ["http://f/audit"]
        _, content, headers = calls.made[1]
        assert content == b"{}"
        assert headers["x-cloudscheduler-scheduletime"] == "2026-01-01T10:02:00Z"
        assert headers["x-cloudscheduler"] == "true"
        ticking.remove("demo-a")
        ticking.tick(minute("2026-01-01T11:00"))
        await asyncio.sleep(0)
        assert len(calls.made) == 4

    asyncio.run(scenario())


def test_a_job_that_still_runs_is_not_started_beside_itself() -> None:
    async def scenario() -> None:
        calls = Calls()
        calls.hold.clear()
        ticking = scheduler(calls)
        ticking.put("demo-a", (Job(name="slow", cron="* * * * *", url="http://f/slow"),))
        ticking.tick(minute("2026-01-01T10:00"))
        await asyncio.sleep(0)
        ticking.tick(minute("2026-01-01T10:01"))
        await asyncio.sleep(0)
        assert len(calls.made) == 1
        calls.hold.set()
        for _ in range(3):
            await asyncio.sleep(0)
        ticking.tick(minute("2026-01-01T10:02"))
        await asyncio.sleep(0)
        assert len(calls.made) == 2

    asyncio.run(scenario())


def test_the_clock_ticks_at_each_minute_and_skips_what_it_slept_through(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [minute("2026-01-01T10:00") + timedelta(seconds=40)]
    ticked: list[datetime] = []

    async def sleep(seconds: float) -> None:
        now[0] += timedelta(seconds=seconds)
        if len(ticked) == 2:
            now[0] += timedelta(minutes=30)  # the laptop was closed
        if len(ticked) == 4:
            raise asyncio.CancelledError

    async def scenario() -> None:
        ticking = Scheduler(cast("PrivateCaller", Calls()), now=lambda: now[0])
        monkeypatch.setattr(ticking, "tick", ticked.append)
        monkeypatch.setattr("emulators.scheduler.asyncio.sleep", sleep)
        with pytest.raises(asyncio.CancelledError):
            await ticking.run()

    asyncio.run(scenario())
    assert [at.strftime("%H:%M") for at in ticked] == ["10:01", "10:02", "10:03", "10:33"]


def test_the_control_api_takes_jobs_and_refuses_what_cannot_run() -> None:
    async def scenario() -> None:
        ticking = scheduler(Calls())
        transport = httpx.ASGITransport(Starlette(routes=ticking.routes()))
        job = {"name": "sweep", "cron": "* * * * *", "url": "http://f/sweep"}
        unreadable = job | {"cron": "61 * * * *"}
        async with httpx.AsyncClient(transport=transport, base_url="http://local") as client:
            accepted = await client.put("/scheduler/demo-a", json={"jobs": [job]})
            assert accepted.json() == {"scheduled": ["sweep"]}
            assert (await client.put("/scheduler/demo-a", json={"jobs": [unreadable]})).status_code == 422
            assert (await client.put("/scheduler/demo-a", content=b"{")).status_code == 422
            assert (await client.delete("/scheduler/demo-a")).status_code == 204

    asyncio.run(scenario())
