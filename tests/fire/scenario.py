"""What a scenario of the crash matrix is; the modules named here have them. A new one needs no other place."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.fire.world import World

Step = Callable[["World"], Coroutine[Any, Any, None]]
MODULES: Final = ("bookings", "capacity", "payments", "cancellations", "nights", "tickets")


async def no_client(_: World) -> None:
    """Nobody does anything."""


@dataclass(frozen=True)
class Scenario:
    """A function under fire.

    `prepare` happens before, in another process. `client` is what a client does: it is done again from the start when
    it failed, with what was answered already skipped. Then the platform relays the outbox and runs `tasks`, each with
    what it sets off, in the same process. `meanwhile` is what others do between the fault and the recovery. `check`
    is what must be true after one sweep, beside the promises that always hold.
    """

    name: str
    prepare: Step
    client: Step
    check: Step
    tasks: tuple[str, ...] = ()
    meanwhile: Step = no_client


def all_scenarios() -> dict[str, Scenario]:
    """Every scenario by name."""
    found = [scenario for name in MODULES for scenario in import_module(f"tests.fire.{name}").SCENARIOS]
    by_name = {scenario.name: scenario for scenario in found}
    assert len(by_name) == len(found), "two scenarios of one name"
    return by_name
