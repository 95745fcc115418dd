"""Every point of every function in every mode; `make test` takes the most dangerous ones, `make fire` all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.fire.faults import Fault, Kind, Mode, Point
from tests.fire.matrix import record, replay
from tests.fire.scenario import all_scenarios
from tests.fire.summary import FULL, PROPERTY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fire.world import Site

SCENARIOS: Final = all_scenarios()
# After these something is done that nobody knows of; the outbox is the place where it is found.
DANGEROUS: Final = {Mode.DIE_AFTER, Mode.FAIL_AFTER}
_recorded: dict[str, tuple[Point, ...]] = {}


def points_of(site: Site, name: str) -> tuple[Point, ...]:
    """Recorded once a process."""
    if name not in _recorded:
        _recorded[name] = record(site, SCENARIOS[name])
    return _recorded[name]


def is_telling(point: Point) -> bool:
    """Whether something new is done there; every scenario ends with handing over what it set off, which is the same."""
    return point.kind in {Kind.COMMIT, Kind.PROVIDER} and point.label != "delete outbox"


def burn(site: Site, name: str, faults: list[Fault], tell: Callable[[str, object], None]) -> None:
    """Replay the scenario under each fault, count, and say what went wrong."""
    assert faults, "no point: the recording saw nothing"
    failures = [failure for fault in faults if (failure := replay(site, SCENARIOS[name], fault))]
    points, failed = Counter(fault.mode for fault in faults), Counter(each.fault.mode for each in failures)
    for mode, count in points.items():
        tell(PROPERTY, [name, mode.value, count, count - failed[mode]])
    assert not failures, "\n" + "\n".join(map(str, failures))


if FULL:

    @pytest.mark.parametrize("mode", list(Mode))
    @pytest.mark.parametrize("name", SCENARIOS)
    def test_every_promise_survives_every_fault(
        site: Site, name: str, mode: Mode, record_property: Callable[[str, object], None]
    ) -> None:
        faults = [Fault(point, mode) for point in points_of(site, name) if mode in point.modes]
        burn(site, name, faults, record_property)

else:

    @pytest.mark.parametrize("name", SCENARIOS)
    def test_every_promise_survives_an_unknown_outcome(
        site: Site, name: str, record_property: Callable[[str, object], None]
    ) -> None:
        points = [point for point in points_of(site, name) if is_telling(point)]
        faults = [Fault(point, mode) for point in points for mode in Mode if mode in DANGEROUS]
        burn(site, name, faults, record_property)
