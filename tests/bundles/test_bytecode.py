"""What the image's build compiles of our files is used when it starts, although all its files have another date."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from tests.bundles.alone import build_settings, unpack

if TYPE_CHECKING:
    from pathlib import Path

# The buildpack's own command, and the date that an image's files have: see terraform/build.yaml.
COMPILE: Final = (sys.executable, "-m", "compileall", "-f", "-q", ".")
DATE_IN_AN_IMAGE: Final = 315_532_801
PROGRAM: Final = """
import sys
sys.path.append(".")
import main
for module in list(sys.modules.values()):
    if (getattr(module, "__file__", None) or "").startswith(sys.argv[1]):
        print(module.__file__)
"""


def compiled_again(folder: Path, settings: dict[str, str]) -> list[str]:
    """Our files whose bytecode is not used by a process that starts from the image."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SOURCE_DATE"))}
    subprocess.run(COMPILE, cwd=folder, env=environment | settings, check=True)
    for path in folder.rglob("*.py"):
        os.utime(path, (DATE_IN_AN_IMAGE, DATE_IN_AN_IMAGE))
    start = (sys.executable, "-I", "-v", "-c", PROGRAM, str(folder))
    done = subprocess.run(start, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    matching = re.findall(r"^# \S+\.pyc matches (\S+)$", done.stderr, re.MULTILINE)
    return sorted(set(done.stdout.split()) - set(matching))


def test_the_bytecode_of_the_build_is_used(tmp_path: Path) -> None:
    assert compiled_again(unpack("list_genres", tmp_path).folder, build_settings()) == []


def test_control_without_the_date_of_the_build_it_would_not(tmp_path: Path) -> None:
    settings = build_settings()
    del settings["SOURCE_DATE_EPOCH"]
    found = compiled_again(unpack("list_genres", tmp_path).folder, settings)
    assert str(tmp_path / "functions" / "catalogue" / "list_genres.py") in found
