"""`python -m infra.canary STEP`: a release reaches few requests first, and everybody only when those went well.

Steps, in the order in which the pipeline takes them: `pin` before terraform apply keeps all traffic where it is;
`split PERCENT` gives new revisions a part; `watch MINUTES` fails on errors of those; `promote` gives them all,
or `back` none. What was pinned is kept in .local/canary.json.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from infra.gcloud import gcloud
from infra.images import INDEX
from infra.offline import ROOT
from infra.plan import service_of

PINNED: Final = ROOT / ".local" / "canary.json"
# One error may be anybody's; this many within one watch are the release's.
TOO_MANY: Final = 3
LOOK_EVERY_S: Final = 30
AT_ONCE: Final = 8

Json = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """A service with a new revision beside the one that serves."""

    service: str
    before: str
    new: str


class ReleaseFailed(Exception):
    """The new revisions fail."""


def pin() -> None:
    """Fix all traffic of our services to the revision that serves now."""
    ours = {service_of(name) for name in json.loads(INDEX.read_text())}
    services = {service["metadata"]["name"]: service for service in _services()}
    serving = {name: _serving(services[name]) for name in sorted(ours & services.keys())}
    # Kept first: whoever dies between the two still knows the way back.
    PINNED.parent.mkdir(exist_ok=True)
    PINNED.write_text(json.dumps(serving, indent=2))
    _move({name: f"--to-revisions={revision}=100" for name, revision in serving.items()})
    print(f"{len(serving)} services stay where they are until the release is promoted")


def split(percent: int) -> None:
    """Give the new revisions this part of the requests."""
    rest = 100 - percent
    _move({each.service: f"--to-revisions={each.before}={rest},{each.new}={percent}" for each in _changes()})


def promote() -> None:
    """Everybody gets the new revisions, and later ones at once unless they are pinned again."""
    _move(dict.fromkeys(_pinned(), "--to-latest"))


def back() -> None:
    """Nobody gets the new revisions."""
    _move({name: f"--to-revisions={revision}=100" for name, revision in _pinned().items()})


def watch(minutes: float) -> None:
    """ReleaseFailed as soon as a new revision has had too many errors."""
    began = time.time()
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
    new = {change.new for change in _changes()}
    while new:
        for revision in sorted(new):
            errors = _errors(revision, since)
            if errors >= TOO_MANY:
                raise ReleaseFailed(f"{revision} has {errors} or more errors")
        if time.time() - began >= minutes * 60:
            break
        time.sleep(LOOK_EVERY_S)
    print(f"{len(new)} new revisions went well for {minutes:g} minutes")


def _serving(service: Json) -> str:
    """The revision that gets most requests."""
    status = service["status"]
    most = max(status["traffic"], key=lambda part: part.get("percent", 0))
    return str(most.get("revisionName") or status["latestReadyRevisionName"])


def _errors(revision: str, since: str) -> int:
    conditions = (
        'resource.type="cloud_run_revision"',
        f'resource.labels.revision_name="{revision}"',
        # What went wrong unforeseen, in our code or before it; a provider that is down makes 503 without.
        "severity>=ERROR",
        f'timestamp>="{since}"',
    )
    found = gcloud("logging", "read", " AND ".join(conditions), f"--limit={TOO_MANY}", "--format=json")
    return len(json.loads(found))


def _pinned() -> dict[str, str]:
    return dict(json.loads(PINNED.read_text()))


def _changes() -> list[Change]:
    """The services that have another revision than the pinned one."""
    pinned = _pinned()
    latest = {each["metadata"]["name"]: each["status"]["latestReadyRevisionName"] for each in _services()}
    return [Change(name, before, latest[name]) for name, before in pinned.items() if latest.get(name, before) != before]


def _services() -> list[Json]:
    return list(json.loads(gcloud("run", "services", "list", f"--region={_region()}", "--format=json")))


def _move(targets: dict[str, str]) -> None:
    """Change the traffic of each service, several at a time; the first failure is raised after all had their turn."""
    command = ("run", "services", "update-traffic")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        moves = [
            pool.submit(gcloud, *command, service, to, f"--region={_region()}", "--quiet")
            for service, to in targets.items()
        ]
    for move in moves:
        move.result()


def _region() -> str:
    return os.environ.get("REGION", "asia-south1")


def main(arguments: list[str]) -> int:
    match arguments:
        case ["pin"]:
            pin()
        case ["split", percent] if percent.isdigit() and 0 < int(percent) < 100:
            split(int(percent))
        case ["watch", minutes]:
            watch(float(minutes))
        case ["promote"]:
            promote()
        case ["back"]:
            back()
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
