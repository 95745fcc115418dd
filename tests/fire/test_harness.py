"""The harness itself: it sees every commit, death is final, a delayed call arrives late, and the table adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common import clients
from tests.fire.faults import Fault, Kind, Mode, Point
from tests.fire.matrix import act, record, replay
from tests.fire.process import Died, Held, Process
from tests.fire.scenario import all_scenarios
from tests.fire.summary import Cell, table
from tests.fire.world import World
from tests.support.cost_recorder import CostRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fire.world import Site

WRITE = Point(Kind.COMMIT, "create things", 1)


@pytest.fixture
def world(site: Site) -> World:
    return World(site)


@pytest.fixture
def recorder() -> Iterator[CostRecorder]:
    counting = CostRecorder()
    counting.start()
    yield counting
    counting.stop()


async def write(name: str) -> None:
    await clients.firestore().document(f"things/{name}").create({"name": name})


async def write_and_cling(name: str) -> None:
    """What product code may do when a call fails: go on, tidy up, try again."""
    try:
        await write(name)
    except Exception:
        await write("caught")
    finally:
        await write("tidied")


def things(world: World) -> set[str]:
    return {path.partition("/")[2] for path in world.run(world.documents("things"))}


@pytest.mark.parametrize("name", ["create_order", "settle_payment, razorpay", "refund by the organizer, stripe"])
def test_no_commit_goes_past_the_harness(site: Site, recorder: CostRecorder, name: str) -> None:
    """What is enumerated is what the database was asked, counted on the wire."""
    world, scenario = World(site), all_scenarios()[name]
    world.run(scenario.prepare(world))
    recorder.take()
    with world.process() as process:
        process.run(act(world, scenario))
        on_the_wire = recorder.take().commits
    assert on_the_wire == len([point for point in process.points if point.kind is Kind.COMMIT]) > 0


@pytest.mark.parametrize(
    ("mode", "left"), [(Mode.DIE_BEFORE, set()), (Mode.DIE_AFTER, {"a"}), (Mode.FAIL_BEFORE, {"caught", "tidied"})]
)
def test_death_is_final_and_a_failure_is_not(world: World, mode: Mode, left: set[str]) -> None:
    with world.process(Fault(WRITE, mode)) as process:
        try:
            process.run(write_and_cling("a"))
        except Died:
            assert mode is not Mode.FAIL_BEFORE
    assert things(world) == left


def test_a_failure_after_the_effect_is_told_as_one(world: World) -> None:
    with world.process(Fault(WRITE, Mode.FAIL_AFTER)) as process:
        process.run(write_and_cling("a"))
    assert things(world) == {"a", "caught", "tidied"}


def test_a_delayed_call_takes_effect_after_what_others_did_meanwhile(world: World) -> None:
    with world.process(Fault(WRITE, Mode.DELAY)) as process:
        with pytest.raises(Held):
            process.run(write("late"))
        assert things(world) == set()
        world.run(write("early"))
        process.resume()
    assert things(world) == {"early", "late"}


def test_a_call_made_twice_shows_its_second_answer(world: World) -> None:
    with world.process(Fault(WRITE, Mode.TWICE)) as process:
        process.run(write_and_cling("a"))
    assert things(world) == {"a", "caught", "tidied"}


def test_memory_does_not_outlive_its_process(world: World) -> None:
    def client_of(process: Process) -> int:
        async def look() -> int:
            return id(clients.firestore())

        return process.run(look())

    with world.process() as first, world.process() as second:
        assert client_of(first) == client_of(first) != client_of(second)


def test_a_point_that_is_not_met_is_a_failure(site: Site) -> None:
    failure = replay(site, all_scenarios()["check_in"], Fault(Point(Kind.COMMIT, "create nothing", 1), Mode.DIE_AFTER))
    assert failure is not None
    assert "the point was not reached" in failure.why


def test_every_kind_of_call_and_the_shared_commit_are_among_the_points(site: Site) -> None:
    shared = record(site, all_scenarios()["create_order, two buyers in one commit"])
    assert any("create orders x2" in point.label for point in shared)
    assert {point.kind for point in record(site, all_scenarios()["settle_payment, stripe"])} >= {
        Kind.TASK,
        Kind.PUBLISH,
    }
    assert Kind.PROVIDER in {point.kind for point in record(site, all_scenarios()["checkout, razorpay"])}


def test_the_table_adds_up() -> None:
    lines = table([Cell("transfer", Mode.DIE_AFTER, 4, 3), Cell("checkout", Mode.TWICE, 2, 2)])
    assert lines[0].split() == ["die", "after", "twice"]
    assert [line.split() for line in lines[1:3]] == [["checkout", "2/2"], ["transfer", "3/4"]]
    assert lines[-1] == "points enumerated 6, passed 5"
