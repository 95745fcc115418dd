"""A process that starts reads a snapshot and what changed since; whatever is wrong with it, it misses nothing."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from google.api_core.exceptions import ServiceUnavailable
from google.cloud.firestore import SERVER_TIMESTAMP, AsyncDocumentReference

from common import clients, clock
from common.listings import building as index_building
from common.listings import index as listing_index
from common.listings import snapshots as index_snapshots
from common.listings import tables as listing_tables
from common.listings.snapshots import KEPT
from common.listings.store import LISTINGS
from common.transaction import committed
from tests.operations.jobs import Jobs
from tests.support.listings import corpus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import httpx

    from common.listings.schemas import Listing
    from tests.support.people import SigningKeys
    from tests.support.server import GatewayThread

NOW: Final = datetime.now(UTC)
COUNT: Final = 60


class World:
    """Listings in Firestore, and processes that copy them; `reads` counts the listings that queries returned."""

    def __init__(self, gateway: GatewayThread, project: str, patch: pytest.MonkeyPatch) -> None:
        self.gateway, self.patch = gateway, patch
        self.listings = {each.event_id: each for each in corpus(COUNT, NOW)}
        self.run(self.put(*self.listings.values()))
        self.read: list[str] = []
        patch.setattr(listing_index, "FRESH_FOR_S", 0.0)
        patch.setattr(listing_index, "OVERLAP", timedelta(0))
        taken_over = listing_index._change

        def counted(fields: dict[str, Any]) -> Any:
            self.read.append(fields["eventId"])
            return taken_over(fields)

        patch.setattr(listing_index, "_change", counted)

    def run(self, work: Any) -> Any:
        return self.gateway.run(work)

    async def put(self, *listings: Listing) -> None:
        batch = clients.firestore().batch()
        for each in listings:
            document = clients.firestore().document(f"{LISTINGS}/{each.event_id}")
            batch.set(document, each.document() | {"changedAt": SERVER_TIMESTAMP})
        await batch.commit()

    def change(self, event_id: str, **fields: Any) -> None:
        self.listings[event_id] = self.listings[event_id].model_copy(update=fields)
        self.run(self.put(self.listings[event_id]))

    def restart(self) -> None:
        """Forget this process's copy, as a new process has none."""
        listing_index._indexes.clear()
        self.read.clear()

    def build(self, now: datetime | None = None) -> None:
        self.run(index_building.build(now or clock.now()))

    def seen(self) -> dict[str, str]:
        """What the process shows: titles by event."""
        index = self.run(listing_index.current())
        return dict(index.db.execute("SELECT event_id, json_extract(document, '$.title') FROM listings").fetchall())

    def truth(self) -> dict[str, str]:
        return {each.event_id: each.title for each in self.listings.values() if each.listed}

    def pointer(self) -> dict[str, Any] | None:
        return self.run(self._fields("indexes/current"))

    async def _fields(self, path: str) -> Any:
        return (await clients.firestore().document(path).get()).to_dict()

    def generations(self) -> set[str]:
        async def found() -> set[str]:
            documents = await clients.firestore().collection("indexes").get()
            return {each.id for each in documents} - {"current"}

        return self.run(found())

    def parts(self) -> int:
        async def found() -> int:
            return len(await clients.firestore().collection_group("parts").get())

        return self.run(found())

    def write(self, path: str, **fields: Any) -> None:
        self.run(clients.firestore().document(path).update(fields))


@pytest.fixture
def world(gateway: GatewayThread, project: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    yield World(gateway, project, monkeypatch)


EVENT: Final = "evt_000007"


def test_a_new_process_reads_the_snapshot_and_what_changed_since(world: World) -> None:
    world.build()
    world.change(EVENT, title="Renamed")
    world.change("evt_000008", listed=False)
    world.restart()
    assert world.seen() == world.truth()
    assert set(world.read) == {EVENT, "evt_000008"}
    # All that belongs to a listing came along: its words, its venue, its artists.
    index = world.run(listing_index.current())
    assert index.db.execute("SELECT COUNT(*) FROM texts WHERE texts MATCH 'renamed'").fetchone() == (1,)
    assert index.db.execute("SELECT COUNT(*) FROM listings").fetchone() == (COUNT - 1,)


def test_without_a_snapshot_every_listing_is_read(world: World) -> None:
    assert world.seen() == world.truth()
    assert set(world.read) == set(world.listings)


def damage_part(world: World, pointer: dict[str, Any]) -> None:
    world.write(f"indexes/{pointer['generation']}/parts/0", blob=b"damaged")


def lose_part(world: World, pointer: dict[str, Any]) -> None:
    world.run(clients.firestore().document(f"indexes/{pointer['generation']}/parts/0").delete())


def other_release(world: World, pointer: dict[str, Any]) -> None:
    world.write("indexes/current", version="of another release")


def damage_pointer(world: World, pointer: dict[str, Any]) -> None:
    world.write("indexes/current", parts="many")


def point_nowhere(world: World, pointer: dict[str, Any]) -> None:
    world.write("indexes/current", generation="idx_nowhere")


DAMAGES: Final = (damage_part, lose_part, other_release, damage_pointer, point_nowhere)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_snapshot_that_cannot_be_used_is_not(world: World, damage: Callable[[World, dict[str, Any]], None]) -> None:
    world.build()
    pointer = world.pointer()
    assert pointer
    damage(world, pointer)
    world.restart()
    assert world.seen() == world.truth()
    assert set(world.read) == set(world.listings)
    # The next run, in whatever process, writes one that can be used again.
    world.build()
    world.restart()
    assert world.seen() == world.truth()
    assert world.read == []


def test_unchecked_parts_would_be_believed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the check: what somebody wrote over a part would be shown."""
    world.build()
    pointer = world.pointer()
    assert pointer
    other = listing_index.ListingIndex()
    image = zlib.compress(other.db.serialize())
    world.write(f"indexes/{pointer['generation']}/parts/0", blob=image)
    for part in range(1, pointer["parts"]):
        world.write(f"indexes/{pointer['generation']}/parts/{part}", blob=b"")
    world.restart()
    assert world.seen() == world.truth()
    world.restart()
    monkeypatch.setattr(index_snapshots, "_image", lambda parts, _: zlib.decompress(parts[0].get("blob")))
    assert world.seen() == {}


def test_a_large_index_has_many_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_snapshots, "PART_BYTES", 5_000)
    world.build()
    pointer = world.pointer()
    assert pointer and pointer["parts"] > 8
    world.restart()
    assert world.seen() == world.truth()
    assert world.read == []


def test_nothing_is_written_when_nothing_changed(world: World) -> None:
    world.build()
    first = world.pointer()
    world.build()
    world.restart()
    world.build()
    assert world.pointer() == first
    world.change(EVENT, title="Renamed")
    world.build()
    second = world.pointer()
    assert second and first and second["generation"] != first["generation"]
    assert second["rebuiltAt"] == first["rebuiltAt"]
    # What is hidden is a change, too.
    world.change(EVENT, listed=False)
    world.build()
    assert (world.pointer() or {})["generation"] != second["generation"]


def test_a_change_that_was_lost_comes_back_within_a_day(world: World) -> None:
    world.build()
    index = world.run(listing_index.current())
    index.db.execute("DELETE FROM facts WHERE event_id = ?", (EVENT,))
    world.change("evt_000009", title="Renamed")
    world.build(clock.now() + timedelta(hours=23))
    world.restart()
    assert world.seen().keys() == world.truth().keys() - {EVENT}
    world.build(clock.now() + timedelta(hours=25))
    world.restart()
    assert world.seen() == world.truth()
    assert world.read == []


def test_a_process_that_lives_long_starts_afresh(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.build()
    index = world.run(listing_index.current())
    index.db.execute("DELETE FROM facts WHERE event_id = ?", (EVENT,))
    assert EVENT not in world.seen()
    monkeypatch.setattr(listing_index, "LIVES_S", 0.0)
    assert world.seen() == world.truth()


@pytest.mark.parametrize("dies_at", ["idx_", "/parts/0", "/parts/1", "indexes/current"])
def test_a_run_may_die_at_any_line(world: World, dies_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each of its writes: the last whole snapshot stays in force, and the next run succeeds and tidies up."""
    world.build()
    before = world.pointer()
    world.change(EVENT, title="Renamed")
    monkeypatch.setattr(index_snapshots, "PART_BYTES", 10_000)
    with dying(dies_at), pytest.raises(ServiceUnavailable):
        world.build()
    assert world.pointer() == before
    world.restart()
    assert world.seen() == world.truth()
    world.build()
    in_force = world.pointer()
    assert in_force and before and in_force["generation"] != before["generation"]
    world.restart()
    assert world.seen() == world.truth()
    assert world.read == []
    world.build(clock.now() + KEPT + timedelta(minutes=1))
    assert world.generations() == {in_force["generation"]}
    assert world.parts() == in_force["parts"]


@contextmanager
def dying(at: str) -> Iterator[None]:
    """Until the end of the block, a write to a path with this in it finds the process dead, as do all after it."""
    written, commits, died = AsyncDocumentReference.set, committed, [False]

    def look(path: str) -> None:
        died[0] |= at in path
        if died[0]:
            raise ServiceUnavailable("the process died")

    async def set_or_die(reference: Any, *data: Any) -> Any:
        look(reference.path)
        return await written(reference, *data)

    async def commit_or_die(batch: Any) -> bool:
        look("indexes/current")
        return await commits(batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncDocumentReference, "set", set_or_die)
        patch.setattr(index_snapshots, "committed", commit_or_die)
        yield
        assert died[0]


def two_at_once(world: World) -> list[Any]:
    """Two runs that both read the pointer before either wrote."""

    async def build_twice() -> list[Any]:
        known, index = await index_snapshots.known(), await listing_index.current()
        image, complete_to, changed_to = await index.image()
        now = clock.now()
        runs: list[Awaitable[Any]] = [
            index_snapshots.save(image, complete_to, changed_to, now, known, now) for _ in range(2)
        ]
        return list(await asyncio.gather(*runs))

    return list(world.run(build_twice()))


@pytest.mark.parametrize("exists", [False, True], ids=["the first of all", "over another"])
def test_of_two_runs_at_once_one_wins(world: World, exists: bool) -> None:
    if exists:
        world.build()
    won = two_at_once(world)
    pointer = world.pointer()
    assert pointer and sorted(each is None for each in won) == [False, True]
    assert pointer["generation"] in won
    world.restart()
    assert world.seen() == world.truth()


def test_without_the_guard_both_runs_would_win(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: an older snapshot would replace a newer one."""
    world.build()

    async def unguarded(batch: Any) -> bool:
        for write in batch._write_pbs:
            write.current_document = None
        await batch.commit()
        return True

    monkeypatch.setattr(index_snapshots, "committed", unguarded)
    assert None not in two_at_once(world)


def test_tidying_spares_what_may_be_read_and_what_is_being_written(world: World) -> None:
    world.build()
    old = (world.pointer() or {})["generation"]
    world.change(EVENT, title="Renamed")
    world.build()
    assert old in world.generations()
    # A tidying that dies between the parts and their generation is finished by the next one.
    world.run(clients.firestore().document(f"indexes/{old}/parts/0").delete())
    world.build(clock.now() + KEPT + timedelta(minutes=1))
    assert world.generations() == {(world.pointer() or {})["generation"]}


def test_the_job_writes_the_snapshot(world: World, anonymous: httpx.Client, signing_keys: SigningKeys) -> None:
    jobs = Jobs(anonymous, signing_keys)
    assert jobs.call("build_index").status_code == 204
    first = world.pointer()
    assert jobs.call("build_index").status_code == 204
    assert first and world.pointer() == first
    assert first["version"] == listing_tables.version()


def test_a_copy_asks_only_for_what_is_new(world: World) -> None:
    """Not even for the last changes again and again, once the overlap is over."""
    world.patch.setattr(listing_index, "OVERLAP", timedelta(seconds=1))
    world.seen()
    world.run(asyncio.sleep(1.2))
    world.seen()
    world.read.clear()
    world.seen()
    assert world.read == []
    world.change(EVENT, title="Renamed")
    assert world.seen() == world.truth()


def test_what_is_written_while_all_listings_are_read_is_not_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing that moves from a page still to come into one that was read."""
    monkeypatch.setattr(listing_index, "PAGE", 10)
    last = max(world.listings.values(), key=lambda each: each.ends_at)
    apply = listing_index.ListingIndex.apply
    moved: list[str] = []

    def slow(index: Any, changed: Any, now: datetime) -> None:
        apply(index, changed, now)
        if not moved:
            moved.append(last.event_id)
            soon = now + timedelta(minutes=5)
            world.listings[last.event_id] = last.model_copy(update={"title": "Moved", "ends_at": soon})
            asyncio.run_coroutine_threadsafe(world.put(world.listings[last.event_id]), world.gateway._loop).result(10)

    monkeypatch.setattr(listing_index.ListingIndex, "apply", slow)
    assert world.seen() == world.truth()
    assert world.truth()[last.event_id] == "Moved"
