"""A misspelt, unknown or missing argument is found without any terraform program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra import offline
from infra.argument_names import unknown_arguments

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of terraform/, where the provider's schema can be read."""
    try:
        offline.bindings()
    except offline.NotInstalled as missing:
        pytest.skip(f"SHOWN ONLY WITH THE PROVIDER'S SCHEMA: {missing}")
    return offline.copy(tmp_path)


def test_every_argument_is_one_that_the_provider_knows(copied: Path) -> None:
    assert list(unknown_arguments(copied)) == []


def test_control_misspelt_and_missing_arguments_are_found(copied: Path) -> None:
    for module, old, new in (
        ("function", "startup_cpu_boost", "startup_cpu_bost"),
        ("triggers", "    push_endpoint = each.value.url\n", ""),
    ):
        path = copied / "modules" / module / "main.tf"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    assert sorted(unknown_arguments(copied)) == [
        "modules/function/main.tf: google_cloud_run_v2_service.this: template: containers: resources: "
        "there is no argument startup_cpu_bost",
        "modules/triggers/main.tf: google_pubsub_subscription.push: push_config: push_endpoint is missing",
    ]
