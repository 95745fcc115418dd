"""What the whole configuration plans, worked out once for all tests of a process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from infra import offline
from infra.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def as_plan(resources: list[dict[str, Any]]) -> Plan:
    """These resources beside what the repository declares, whatever the copy that was planned says."""
    return Plan(
        resources,
        **json.loads((offline.ROOT / "manifest.json").read_text()),
        indexes=json.loads((offline.ROOT / "firestore.indexes.json").read_text()),
        rules=(offline.ROOT / "firestore.rules").read_text(),
    )


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A copy of the configuration to run terraform in, or to spoil first."""
    try:
        offline.terraform()
    except offline.NoTerraform as missing:
        pytest.skip(f"SHOWN ONLY WITH TERRAFORM: {missing}")
    return offline.copy(tmp_path)


@pytest.fixture
def planned() -> Callable[[Path], Plan]:
    """Plans a configuration, which must succeed."""

    def plan(folder: Path) -> Plan:
        failures, resources = offline.tested(folder, only="everything")
        assert failures == []
        assert resources
        return as_plan(resources)

    return plan
