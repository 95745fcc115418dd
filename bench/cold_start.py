"""`python -m bench.cold_start [--only NAME …] [--repeats N]`: the time until a new process gives its first answer.

From the start of the process to the first byte of the answer to one usual request, with its token, its reads and its
writes, as a multiple of the plain hello-world of functions-framework, which is started before each. Bundles are
unpacked and compiled as images have them, each with its own packages and no others. What is measured
is the process: no image is pulled, no machine is started, and the emulators are near, without TLS or credentials.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.cloud import local_cloud
from bench.cold_process import ColdStartFailed, Request, Start, first_answer, modules_imported
from bench.cold_requests import Requests
from bench.goals import Goal
from bench.server import ROOT
from manifest.bundle import REQUIREMENTS, SERVING, contents
from manifest.discover import discover
from tests.bundles.alone import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from common.endpoint import EndpointSpec
    from common.trigger import TriggerSpec

REPEATS: Final = 3
MEDIAN_AT_MOST: Final = 2.75
EACH_AT_MOST: Final = 3.5
RESULT: Final = ROOT / "build" / "bench-cold-start.json"
AS_DEPLOYED: Final = ("-m", "common.serving")
FRAMEWORK: Final = ("-m", "functions_framework", "--host", "127.0.0.1")
FRAMEWORK_ASGI: Final = (*FRAMEWORK, "--asgi")
HELLO: Final = "def hello(request):\n    return 'hello'\n"
ASYNC_HELLO: Final = """\
from starlette.responses import Response

async def hello(request):
    return Response("hello")
"""


@dataclass(frozen=True)
class Row:
    """What is measured of one program: medians, `times` that of the ratio to the hello-world started just before."""

    name: str
    ms: float
    times: float
    hello_ms: float
    modules: int

    def __str__(self) -> str:
        return f"{self.name:40}{self.ms:8.0f}{self.times:8.2f}{self.modules:9}"


class ColdStarts:
    """Measures programs, each beside the same hello-world."""

    def __init__(self, folder: Path, repeats: int) -> None:
        self._folder, self._repeats = folder, repeats
        self._lean = contents("functions.catalogue.list_genres", "list_genres")[REQUIREMENTS]
        self._hello = self.start(FRAMEWORK, "hello", {"main.py": HELLO.encode(), REQUIREMENTS: self._lean})
        first_answer(self._hello, Request("GET", "/"))

    def start(self, command: tuple[str, ...], name: str, files: Mapping[str, bytes], target: str = "") -> Start:
        """How to start the function of a bundle, which is unpacked with its bytecode, beside its packages alone."""
        folder = self._folder / name
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        python = str(environment(folder / REQUIREMENTS))
        compiling = (python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder))
        subprocess.run(compiling, check=True)
        return Start((python, *command), folder, target or name)

    def row(self, name: str, start: Start, prepare: Callable[[], Request]) -> Row:
        """The first start counts modules and leaves bytecode of whatever had none; its time is not kept."""
        modules = modules_imported(start, prepare())
        took, said = [], []
        for _ in range(self._repeats):
            said.append(first_answer(self._hello, Request("GET", "/")).ms)
            took.append(first_answer(start, prepare()).ms)
        times = [one / other for one, other in zip(took, said, strict=True)]
        row = Row(name, statistics.median(took), statistics.median(times), statistics.median(said), modules)
        print(f"  {row}", file=sys.stderr)
        return row

    def hellos(self) -> Iterator[Row]:
        """The other ways to start a hello-world."""
        files = {"main.py": ASYNC_HELLO.encode(), SERVING: (ROOT / SERVING).read_bytes(), REQUIREMENTS: self._lean}
        for name, command in (("ASGI, framework", FRAMEWORK_ASGI), ("as our images start", AS_DEPLOYED)):
            start = self.start(command, "async-hello", files, "hello")
            yield self.row(f"hello ({name})", start, lambda: Request("GET", "/"))

    def functions(self, names: list[str], command: tuple[str, ...]) -> Iterator[Row]:
        """Functions as they are bundled, each with a usual request."""
        manifest = discover()
        specs: dict[str, EndpointSpec | TriggerSpec] = {spec.name: spec for spec in manifest.endpoints}
        specs |= {spec.name: spec for spec in manifest.triggers}
        with Requests() as requests:
            for name in names or sorted(specs):
                bundle = contents(specs[name].module, name)
                start = self.start(command, name, bundle)
                with requests.of(specs[name]) as prepare:
                    yield self.row(name, start, prepare)


@contextlib.contextmanager
def _no_log_lines() -> Iterator[None]:
    """Preparing takes many requests, whose log lines go to standard output."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def goals(rows: list[Row]) -> tuple[Goal, Goal]:
    worst = max(rows, key=lambda row: row.times)
    middle = statistics.median(row.times for row in rows)
    return (
        Goal("hello-worlds that the median function takes", middle, MEDIAN_AT_MOST, at_least=False),
        Goal(f"hello-worlds that the slowest takes, {worst.name}", worst.times, EACH_AT_MOST, at_least=False),
    )


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.cold_start")
    options.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these functions only")
    options.add_argument("--repeats", type=int, default=REPEATS)
    options.add_argument("--framework", action="store_true", help="start the functions with functions-framework --asgi")
    chosen = options.parse_args()
    # Without bytecode every process would compile all imports again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with local_cloud(), tempfile.TemporaryDirectory() as folder, _no_log_lines():
        cold_starts = ColdStarts(Path(folder), chosen.repeats)
        hellos = list(cold_starts.hellos())
        rows = list(cold_starts.functions(chosen.only, FRAMEWORK_ASGI if chosen.framework else AS_DEPLOYED))
    rows.sort(key=lambda row: row.times)
    judged = goals(rows)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps([asdict(row) for row in (*hellos, *rows)], indent=2) + "\n")
    hello_ms = statistics.median(row.hello_ms for row in (*hellos, *rows))
    print(f"{'':40}{'ms':>8}{'hellos':>8}{'modules':>9}", f"{'hello (framework)':40}{hello_ms:8.0f}{1:8.2f}", sep="\n")
    print(*hellos, *rows, *judged, sep="\n")
    return 0 if all(goal.met for goal in judged) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ColdStartFailed as failed:
        sys.exit(f"bench: {failed}")
