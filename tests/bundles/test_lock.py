"""requirements.lock is what the requirements files lead to, and pip needs nothing else to install exactly that."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from manifest.bundle import modules
from manifest.closure import closure
from manifest.discover import ROOT
from manifest.requirements import ALWAYS, DEPLOYED, LOCK, packages, provider, requirements

if TYPE_CHECKING:
    from manifest.requirements import Package

DEVELOPMENT: Final = "-r requirements-dev.txt"


def asked_for(source: str) -> dict[str, str]:
    """The version that each line of a requirements file asks for, by package."""
    lines = (ROOT / source.removeprefix("-r ")).read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in found}


def stale(lock: tuple[Package, ...], source: str) -> set[tuple[str, str]]:
    """What the file asks for and the lock has not, or the other way round."""
    return {(each.name, each.version) for each in lock if source in each.wanted_by} ^ asked_for(source).items()


def test_the_lock_has_every_pin_of_the_requirements_files() -> None:
    lock = packages(LOCK.read_text())
    for source in (DEPLOYED, DEVELOPMENT):
        assert stale(lock, source) == set(), "requirements.lock is stale: run `make lock`"


def test_control_another_version_would_be_seen() -> None:
    text = LOCK.read_text()
    pin = next(line for line in text.splitlines() if line.startswith("pydantic=="))
    lock = packages(text.replace(pin, "pydantic==0.1 \\"))
    assert ("pydantic", "0.1") in stale(lock, DEPLOYED)
    assert stale(packages(text), DEVELOPMENT) == set()


def test_the_lock_has_nothing_that_nobody_wants() -> None:
    lock = packages(LOCK.read_text())
    known = {each.name for each in lock} | {DEPLOYED, DEVELOPMENT}
    assert [each.name for each in lock if not each.wanted_by] == []
    assert {wanting for each in lock for wanting in each.wanted_by} <= known


def test_the_lock_has_hashes_and_no_address() -> None:
    text = LOCK.read_text()
    assert [each.name for each in packages(text) if "--hash=sha256:" not in each.lines] == []
    # Whichever index somebody installs from, it must hand out the same files.
    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|--trusted-host| @ ", text) == []


def test_every_pin_of_what_is_deployed_is_imported_by_a_function() -> None:
    imports = {name for module in modules().values() for name in closure(f"{module.replace('.', '/')}.py").imports}
    providers = {provider(name) for name in imports if name.partition(".")[0] not in sys.stdlib_module_names}
    assert asked_for(DEPLOYED).keys() - providers == set(ALWAYS)


def test_pip_reads_every_line_that_a_bundle_takes() -> None:
    taken = "".join(each.lines for each in requirements(["stripe", "google.cloud.firestore"]))
    pinned = taken.replace("\\\n", "").splitlines()
    assert {canonicalize_name(Requirement(line.partition(" --hash")[0]).name) for line in pinned} >= {*ALWAYS, "stripe"}
    assert all(line.count("--hash=sha256:") > 0 for line in pinned)


def test_what_is_for_development_is_in_no_bundle() -> None:
    known = {each.name for each in packages(LOCK.read_text())}
    everything = {each.name for each in requirements(name.replace("-", "_") for name in ("stripe", "razorpay"))}
    assert {"pytest", "mypy", "hypothesis", "uv"} <= known
    assert not {"pytest", "mypy", "hypothesis", "uv"} & everything


LOCKED_TWICE: Final = """\
# by uv
a==1 ; python_version < '3.12' \\
    --hash=sha256:1
    # via -r requirements.txt
a==2 ; python_version >= '3.12' \\
    --hash=sha256:2 \\
    --hash=sha256:3
    # via
    #   -r requirements.txt
    #   b
b==1 \\
    --hash=sha256:4
    # via -r requirements-dev.txt
"""


def test_a_package_may_be_locked_once_for_each_python() -> None:
    first, second, other = packages(LOCKED_TWICE)
    assert (first.name, first.version) == ("a", "1")
    assert first.lines == "a==1 ; python_version < '3.12' \\\n    --hash=sha256:1\n"
    assert second.version == "2"
    assert second.wanted_by == {DEPLOYED, "b"}
    assert other.wanted_by == {DEVELOPMENT}
