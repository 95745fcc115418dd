"""The plan agrees with the manifest, and each of four mistakes turns that red. These need a terraform program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bench import monthly
from infra import offline
from infra.agreement import disagreements
from infra.plan import beside_the_repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.plan import Plan


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} is in {file} {text.count(old)} times"
    file.write_text(text.replace(old, new))


def test_everything_is_formatted(configuration: Path) -> None:
    done = offline.run(configuration, "fmt", "-check", "-recursive", "-diff")
    assert done.stdout == ""


@pytest.mark.parametrize("folder", [".", "bootstrap"])
def test_the_configuration_is_valid(configuration: Path, folder: str) -> None:
    assert offline.validated(configuration / folder) == []


def test_terraforms_own_tests_pass_and_the_plan_agrees_with_the_manifest(configuration: Path) -> None:
    failures, resources = offline.tested(configuration)
    assert failures == []
    plan = beside_the_repository(resources)
    assert disagreements(plan) == []
    # The month's bill names what is paid by the piece.
    assert len(plan.all("google_compute_security_policy")) == monthly.POLICIES
    conditions = [each["values"]["conditions"] for each in plan.all("google_monitoring_alert_policy")]
    assert sum(map(len, conditions)) == monthly.ALERT_CONDITIONS


def test_control_a_misspelt_argument_is_found(configuration: Path) -> None:
    _replace(configuration / "modules/function/main.tf", "startup_cpu_boost", "startup_cpu_bost")
    assert any("startup_cpu_bost" in each for each in offline.validated(configuration))


def test_control_a_missing_argument_is_found(configuration: Path) -> None:
    _replace(configuration / "modules/triggers/main.tf", "schedule  = each.value.cron\n", "")
    _replace(configuration / "modules/triggers/main.tf", "push_endpoint = each.value.url\n", "")
    assert any("push_endpoint" in each for each in offline.validated(configuration))


def test_control_a_dropped_role_and_one_too_many_are_found(
    configuration: Path, planned: Callable[[Path], Plan]
) -> None:
    _replace(configuration / "modules/rights/main.tf", "for_each = local.of_kind.topic\n", "for_each = {}\n")
    path = configuration.parent / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["functions"]["get_event"]["grants"][0]["role"] = "roles/datastore.owner"
    path.write_text(json.dumps(manifest))
    found = disagreements(planned(configuration))
    assert any(each.startswith("rights: rights of relay_outbox: missing") and "topic" in each for each in found)
    assert any("rights of get_event: nobody declared" in each and "datastore.owner" in each for each in found)


def test_control_a_trigger_made_public_is_found(configuration: Path, planned: Callable[[Path], Plan]) -> None:
    _replace(configuration / "main.tf", 'each.value.invoker == "public" ? "allUsers"', 'true ? "allUsers"')
    found = disagreements(planned(configuration))
    assert "invokers: settle_payment may be called by ['allUsers']" in found


def test_control_a_removed_index_is_found(configuration: Path, planned: Callable[[Path], Plan]) -> None:
    path = configuration.parent / "firestore.indexes.json"
    indexes = json.loads(path.read_text())
    gone = indexes["indexes"].pop()
    path.write_text(json.dumps(indexes))
    found = disagreements(planned(configuration))
    assert len(found) == 1
    assert found[0].startswith(f"database: indexes: missing [\"('{gone['collectionGroup']}'")
