"""`python -m infra` (make infra-check): what can be shown of the deployment without a cloud, and what cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra import offline
from infra.agreement import CHECKS, Plan

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS: Final = """\
What this cannot show: that values mean something to Google's APIs (names of roles, regions, metrics and machine types,
lengths, limits on combinations), quotas, organization policies, that rights suffice when the functions run, prices, and
anything that only happens over time. A first deployment to an empty project shows these (docs/deploy.md).\
"""


def formatted(folder: Path) -> list[str]:
    return offline.run(folder, "fmt", "-check", "-recursive").stdout.split()


def valid(folder: Path) -> list[str]:
    return [*offline.validated(folder), *offline.validated(folder / "bootstrap")]


def tests(folder: Path) -> list[str]:
    return offline.tested(folder)[0]


def secure(folder: Path) -> list[str]:
    """checkov's findings; each skip in the files says why."""
    environment = dict(os.environ) | {"PYTHONPATH": str(offline.installed("checkov", offline.CHECKOV_PACKAGES))}
    command = (sys.executable, "-m", "checkov.main", "--framework", "terraform", "--quiet", "--output", "json")
    done = subprocess.run(
        (*command, "--directory", folder), capture_output=True, text=True, env=environment, check=False
    )
    report = json.loads(done.stdout)
    counts = report["summary"]
    print(f"  ({counts['passed']} checks passed, {counts['skipped']} skipped with a reason in the files)")
    failed = report["results"]["failed_checks"]
    return [f"{each['check_id']} {each['resource']}: {each['check_name']}" for each in failed]


def agreement(folder: Path) -> list[str]:
    """Every check of infra/agreement.py, on what terraform plans."""
    failures, resources = offline.tested(folder, only="everything")
    if failures:
        return failures
    plan = Plan(
        resources,
        **json.loads((offline.ROOT / "manifest.json").read_text()),
        indexes=json.loads((offline.ROOT / "firestore.indexes.json").read_text()),
        rules=(offline.ROOT / "firestore.rules").read_text(),
    )
    found = []
    for check in CHECKS:
        differences = list(check(plan))
        _report(f"  {check.__name__}", differences)
        found += differences
    print(f"  ({len(plan.functions)} functions, {len(resources)} resources)")
    return found


STEPS: Final[dict[str, Callable[[Path], list[str]]]] = {
    "format": formatted,
    "schema of every argument (validate)": valid,
    "terraform's own tests": tests,
    "checkov": secure,
    "plan and manifest agree": agreement,
}
WITHOUT_TERRAFORM: Final = ("checkov",)


def _report(name: str, found: list[str]) -> None:
    print(f"{name:40} {'ok' if not found else f'{len(found)} wrong'}", flush=True)
    for each in found:
        print(f"    {each}")


def main() -> int:
    steps = dict(STEPS)
    try:
        offline.terraform()
    except offline.NoTerraform as missing:
        print(f"SKIPPED, all but checkov: {missing}\n")
        steps = {name: steps[name] for name in WITHOUT_TERRAFORM}
    wrong = 0
    for name, step in steps.items():
        with tempfile.TemporaryDirectory() as temporary:
            found = step(offline.copy(Path(temporary)))
        _report(name, found)
        wrong += len(found)
    print(f"\n{LIMITS}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
