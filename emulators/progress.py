"""Long steps show that they live: what runs, how long it takes as a rule, how long it has taken.

Also a command, for the Makefile before anything is installed: python -m emulators.progress TITLE LOG COMMAND...
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emulators.processes import StartFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LINE_EVERY_S: Final = 10


def run(
    title: str,
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> None:
    """Run a command to its end with its output in `log`; StartFailed says what failed and where to read why."""
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    _say(f"{title} …")
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=directory,
        )
        try:
            _wait(child, title, began)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if child.returncode != 0:
        _say("")
        raise StartFailed(f"{title} failed with exit code {child.returncode} (log: {log})")
    _say(f"{title}: done in {time.monotonic() - began:.0f} s", end=True)


def _wait(child: subprocess.Popen[bytes], title: str, began: float) -> None:
    step = 1 if sys.stdout.isatty() else LINE_EVERY_S
    while True:
        try:
            child.wait(step)
        except subprocess.TimeoutExpired:
            _say(f"{title} … {time.monotonic() - began:.0f} s")
        else:
            return


def _say(text: str, *, end: bool = False) -> None:
    """On a terminal one line that changes, in a log a line each time."""
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\033[K{text}" + ("\n" if end or not text else ""))
    elif text:
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    title, log, *command = sys.argv[1:]
    try:
        run(title, command, Path(log))
    except StartFailed as failed:
        lines = Path(log).read_text(errors="replace").splitlines()
        print("\n".join([*lines[-5:], str(failed)]), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
