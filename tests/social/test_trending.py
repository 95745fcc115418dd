"""The job that keeps what is trending: only what changed is read, once, and a run that dies loses nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from common import clients
from common.listings import store as listings
from common.social import trending
from tests.support.people import accepted, refused

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

    from tests.operations.jobs import Jobs
    from tests.support.people import Json
    from tests.support.server import GatewayThread


class Listings:
    """Listings of which only what is trending matters."""

    def __init__(self, gateway: GatewayThread, jobs: Jobs) -> None:
        self.gateway, self.jobs = gateway, jobs

    def be(self, event_id: str, **counts: int) -> None:
        """Write these counts as those who count do."""

        async def put() -> None:
            await clients.firestore().document(f"listings/{event_id}").set({"eventId": event_id}, merge=True)
            await listings.update(event_id, **counts)

        self.gateway.run(put())

    def get(self, event_id: str) -> Json:
        async def read() -> Json:
            return (await clients.firestore().document(f"listings/{event_id}").get()).to_dict() or {}

        return self.gateway.run(read())

    def run(self) -> None:
        accepted(self.jobs.call("refresh_trending"))

    def order(self, *event_ids: str) -> list[str]:
        return sorted(event_ids, key=lambda each: -self.get(each).get("trending", 0.0))

    def write(self, path: str, fields: Json) -> None:
        async def put() -> None:
            await clients.firestore().document(path).set(fields, merge=True)

        self.gateway.run(put())


@pytest.fixture
def shown(gateway: GatewayThread, jobs: Jobs) -> Listings:
    return Listings(gateway, jobs)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The listings that were weighed, in order."""
    done: list[str] = []
    update = listings.update_as_seen

    async def counted(seen: DocumentSnapshot, **fields: object) -> bool:
        ok = await update(seen, **fields)
        done.extend([seen.id] if ok else [])
        return ok

    monkeypatch.setattr(listings, "update_as_seen", counted)
    return done


def test_tickets_and_posts_decide(shown: Listings) -> None:
    shown.be("evt_quiet", available=False)
    shown.be("evt_posts", posts=4)
    shown.be("evt_sold", attendees=3)
    shown.run()
    assert shown.order("evt_quiet", "evt_posts", "evt_sold") == ["evt_sold", "evt_posts", "evt_quiet"]
    assert [shown.get(f"evt_{name}").get("weighed") for name in ("sold", "posts", "quiet")] == [9, 8, None]
    shown.be("evt_posts", posts=6)
    shown.run()
    assert shown.order("evt_quiet", "evt_posts", "evt_sold") == ["evt_posts", "evt_sold", "evt_quiet"]
    shown.be("evt_posts", posts=0)
    shown.run()
    assert shown.get("evt_posts")["trending"] == 0


def test_only_what_changed_is_written_and_a_repeat_writes_nothing(shown: Listings, written: list[str]) -> None:
    for number in range(3):
        shown.be(f"evt_{number}", attendees=number + 1)
    shown.run()
    assert sorted(written) == ["evt_0", "evt_1", "evt_2"]
    before = [shown.get(f"evt_{number}") for number in range(3)]
    shown.run()
    shown.be("evt_1", available=False, ratingCount=1)  # nothing that counts
    shown.run()
    assert len(written) == 3
    assert shown.get("evt_1")["trending"] == before[1]["trending"]
    shown.be("evt_2", attendees=5)
    shown.run()
    assert written[3:] == ["evt_2"]
    assert shown.get("evt_0") == before[0]


def test_what_is_long_weighed_is_not_read_again(
    shown: Listings, monkeypatch: pytest.MonkeyPatch, written: list[str]
) -> None:
    looked: list[str] = []
    weigh = trending._weigh

    async def counted(seen: DocumentSnapshot) -> bool:
        looked.append(seen.id)
        return await weigh(seen)

    monkeypatch.setattr(trending, "_weigh", counted)
    monkeypatch.setattr(trending, "OVERLAP", timedelta(0))
    for number in range(5):
        shown.be(f"evt_{number}", attendees=1)
    monkeypatch.setattr(trending, "PAGE", 2)
    shown.run()
    assert sorted(looked) == [f"evt_{number}" for number in range(5)], "all pages of one run"
    shown.be("evt_3", attendees=2)
    shown.run()
    assert looked[5:] == ["evt_3"]
    shown.run()
    assert len(looked) == 6


def test_a_run_that_dies_is_made_up_for(shown: Listings, monkeypatch: pytest.MonkeyPatch, written: list[str]) -> None:
    for number in range(3):
        shown.be(f"evt_{number}", attendees=1)
    weigh = trending._weigh

    async def dies(seen: DocumentSnapshot) -> bool:
        if seen.id == "evt_1":
            raise RuntimeError("killed")
        return await weigh(seen)

    with monkeypatch.context() as dying:
        dying.setattr(trending, "_weigh", dies)
        refused(shown.jobs.call("refresh_trending"), 500, "internal_error")
    shown.run()
    keys = [shown.get(f"evt_{number}")["trending"] for number in range(3)]
    assert max(keys) - min(keys) < 0.001
    assert sorted(written) == ["evt_0", "evt_1", "evt_2"], "each once, though the run was repeated"


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control: without what it was weighed with"])
def test_two_runs_at_once_weigh_once(shown: Listings, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    shown.be("evt_1", attendees=1)
    shown.run()
    first = shown.get("evt_1")["trending"]
    shown.be("evt_1", attendees=2)
    once = shown.get("evt_1")
    shown.run()
    after = shown.get("evt_1")["trending"]
    assert after > first
    # The same run again, from where it began.
    again = {"activeAt": once["activeAt"]} if guarded else {"activeAt": once["activeAt"], "weighed": once["weighed"]}
    shown.write("listings/evt_1", again)
    shown.write(trending.WATERMARK, {"completeTo": trending.BEFORE_ALL})
    shown.run()
    assert (shown.get("evt_1")["trending"] == after) is guarded


def test_a_listing_that_changes_meanwhile_is_weighed_as_it_is_then(
    shown: Listings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown.be("evt_1", attendees=1)
    raced: list[str] = []
    update = listings.update_as_seen

    async def late(seen: DocumentSnapshot, **fields: object) -> bool:
        if not raced:
            raced.append(seen.id)
            await listings.update("evt_1", attendees=10)
        return await update(seen, **fields)

    monkeypatch.setattr(listings, "update_as_seen", late)
    shown.run()
    assert shown.get("evt_1")["weighed"] == 30
