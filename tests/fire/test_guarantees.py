"""docs/guarantees.md names tests that exist, and a control beside each."""

from __future__ import annotations

import re
from typing import Final

import pytest

from manifest.discover import ROOT

PAGE: Final = ROOT / "docs" / "guarantees.md"
NAMED: Final = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)(?:\[[^\]`]*\])?`")
ROWS: Final = [line for line in PAGE.read_text().splitlines() if line.startswith("| **")]


def test_the_page_has_promises() -> None:
    assert len(ROWS) >= 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row).split("**")[1])
def test_each_promise_names_its_mechanism_a_test_and_a_control_that_exist(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 4, "promise | mechanism | test | control"
    for cell in cells[2:]:
        named = NAMED.findall(cell)
        assert named, f"no test is named in: {cell}"
        for path, test in named:
            assert f"def {test}(" in (ROOT / path).read_text(), f"{path} has no {test}"
