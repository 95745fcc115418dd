"""Records every point of a scenario in one clean run, then replays the scenario once for each point and mode."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.fire.faults import Fault, Mode, Point
from tests.fire.process import Died, Held
from tests.fire.world import HOLD, NEXT_SWEEP, Unanswered, World

if TYPE_CHECKING:
    from tests.fire.process import Process
    from tests.fire.scenario import Scenario
    from tests.fire.world import Site

SEED: Final = 20_261_121


@dataclass(frozen=True)
class Failure:
    """A replay that did not end well, and how."""

    fault: Fault
    why: str

    def __str__(self) -> str:
        return f"{self.fault.mode} {self.fault.point}: {self.why}"


def record(site: Site, scenario: Scenario) -> tuple[Point, ...]:
    """The points of a clean run, which must keep every promise itself."""
    points, why = _play(site, scenario, None)
    if why:
        raise AssertionError(f"{scenario.name} without a fault: {why}")
    return points


def replay(site: Site, scenario: Scenario, fault: Fault) -> Failure | None:
    """Play it with this fault; None when every promise held."""
    _, why = _play(site, scenario, fault)
    return Failure(fault, why) if why else None


def _play(site: Site, scenario: Scenario, fault: Fault | None) -> tuple[tuple[Point, ...], str]:
    random.seed(SEED)  # which shard a process begins with
    world = World(site)
    try:
        world.run(scenario.prepare(world))
        points = _under_fire(world, scenario, fault)
    except Exception as wrong:
        return (), f"{type(wrong).__name__}: {wrong}"
    return points, ""


def _under_fire(world: World, scenario: Scenario, fault: Fault | None) -> tuple[Point, ...]:
    world.twice = fault is not None and fault.mode is Mode.TWICE
    with world.process(fault) as process:
        held = False
        with suppress(Died, Unanswered):
            held = _is_held(process, world, scenario)
        if held:
            world.run(_recover(world, scenario))
            with suppress(Unanswered):
                process.resume()
    assert fault is None or process.met, f"the point was not reached, only {[str(p) for p in process.points]}"
    world.run(_recover_and_check(world, scenario))
    return tuple(process.points)


def _is_held(process: Process, world: World, scenario: Scenario) -> bool:
    try:
        process.run(act(world, scenario))
    except Held:
        return True
    return False


async def act(world: World, scenario: Scenario) -> None:
    await scenario.client(world)
    await world.relay_new()
    for task in scenario.tasks:
        await world.dispatch(task)
        await world.relay_new()


async def _recover(world: World, scenario: Scenario) -> None:
    """The client asks again, at once and later; one sweep; what is under way arrives."""
    world.platform.lose_entries()
    await scenario.meanwhile(world)
    with suppress(Unanswered):
        await scenario.client(world)
    world.advance(NEXT_SWEEP)
    await scenario.client(world)
    await world.sweep()
    await world.settle_down()


async def _recover_and_check(world: World, scenario: Scenario) -> None:
    """In a new process. Then the holds that nobody paid end; nothing else may change."""
    await _recover(world, scenario)
    await _check(world)
    await scenario.check(world)
    world.advance(HOLD)
    await world.settle_down()
    await _check(world)


async def _check(world: World) -> None:
    broken = await world.broken_promises()
    assert not broken, "; ".join(broken)
