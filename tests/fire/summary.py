"""The table at the end of `make fire`: how many points each scenario has in each mode, and how many passed."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.fire.faults import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

FULL: Final = os.environ.get("MARQUEE_FIRE") == "full"
PROPERTY: Final = "fire"


class Cell(NamedTuple):
    """What one test counted. Tests that permute instead of crashing name a mode of their own."""

    scenario: str
    mode: str
    points: int
    passed: int


def cells_of(reporter: pytest.TerminalReporter) -> list[Cell]:
    """What all workers' tests counted."""
    reports = [report for name in ("passed", "failed") for report in reporter.getreports(name)]
    told = [value for report in reports for name, value in report.user_properties if name == PROPERTY]
    return [Cell(*value) for value in told]


def table(cells: Iterable[Cell]) -> list[str]:
    """The lines of the table."""
    by_row: defaultdict[str, dict[str, Cell]] = defaultdict(dict)
    for cell in cells:
        by_row[cell.scenario][cell.mode] = cell
    modes = list(dict.fromkeys([*Mode, *(mode for row in by_row.values() for mode in row)]))
    modes = [mode for mode in modes if any(mode in row for row in by_row.values())]
    width = max(map(len, by_row), default=0)
    lines = [" " * width + "".join(f"{mode:>13}" for mode in modes)]
    for name, row in sorted(by_row.items()):
        shown = (f"{row[mode].passed}/{row[mode].points}" if mode in row else "" for mode in modes)
        lines.append(f"{name:<{width}}" + "".join(f"{text:>13}" for text in shown))
    counted = [cell for row in by_row.values() for cell in row.values()]
    points, passed = sum(cell.points for cell in counted), sum(cell.passed for cell in counted)
    return [*lines, f"points enumerated {points}, passed {passed}"]
