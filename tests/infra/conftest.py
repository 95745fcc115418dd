"""What the whole configuration plans, worked out once for all tests of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra import offline
from infra.plan import beside_the_repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.plan import Plan


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
        return beside_the_repository(resources)

    return plan
