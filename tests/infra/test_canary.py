"""A release moves traffic in steps, always knows the way back, and stops at server errors of its own revisions."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from infra import canary

if TYPE_CHECKING:
    from pathlib import Path

# A Cloud Run with as much of a memory as the release needs.
PROGRAM = """#!{python}
import json, sys
from pathlib import Path
folder = Path({folder!r})
arguments = sys.argv[1:]
state = json.loads((folder / "cloud.json").read_text())
if "list" in arguments:
    print(json.dumps(list(state["services"].values())))
elif arguments[:2] == ["logging", "read"]:
    revision = next(each for each in state["errors"] if each in arguments[2]) if any(
        each in arguments[2] for each in state["errors"]) else None
    assert "severity>=ERROR" in arguments[2]
    print(json.dumps([{{}}] * state["errors"].get(revision, 0)))
else:
    with (folder / "moves").open("a") as moves:
        moves.write(" ".join(arguments[3:5]) + "\\n")
    if arguments[3] in state["stuck"]:
        sys.exit("permission denied")
"""


class Cloud:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state: dict[str, Any] = {"services": {}, "errors": {}, "stuck": []}

    def service(self, name: str, serving: str, latest: str) -> None:
        self.state["services"][name] = {
            "metadata": {"name": name},
            "status": {
                "latestReadyRevisionName": latest,
                "traffic": [{"revisionName": serving, "percent": 95}, {"revisionName": "x", "percent": 5}],
            },
        }
        self.write()

    def write(self) -> None:
        (self.folder / "cloud.json").write_text(json.dumps(self.state))

    def moves(self) -> list[str]:
        path = self.folder / "moves"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Two services of ours, one of another project's, and one function that is new."""
    program = tmp_path / "gcloud"
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "index.json").write_text(json.dumps({"get_event": {}, "create_order": {}, "brand_new": {}}))
    monkeypatch.setattr(canary, "INDEX", tmp_path / "index.json")
    monkeypatch.setattr(canary, "PINNED", tmp_path / "state" / "canary.json")
    monkeypatch.setattr(canary, "LOOK_EVERY_S", 0.01)
    cloud = Cloud(tmp_path)
    cloud.service("get-event", "get-event-1", "get-event-1")
    cloud.service("create-order", "create-order-7", "create-order-7")
    cloud.service("somebody-elses", "somebody-elses-1", "somebody-elses-1")
    return cloud


def test_ours_are_pinned_to_what_serves_now(cloud: Cloud) -> None:
    assert canary.main(["pin"]) == 0
    assert sorted(cloud.moves()) == [
        "create-order --to-revisions=create-order-7=100",
        "get-event --to-revisions=get-event-1=100",
    ]


def test_a_release_that_goes_well_is_promoted_step_by_step(cloud: Cloud) -> None:
    canary.main(["pin"])
    cloud.service("get-event", "get-event-1", "get-event-2")
    cloud.moves()
    assert canary.main(["split", "5"]) == 0
    assert canary.main(["watch", "0"]) == 0
    assert canary.main(["promote"]) == 0
    first, *rest = cloud.moves()
    assert first == "get-event --to-revisions=get-event-1=95,get-event-2=5"
    assert sorted(rest) == ["create-order --to-latest", "get-event --to-latest"]


def test_server_errors_of_the_new_revision_stop_it_and_the_way_back_is_known(cloud: Cloud) -> None:
    canary.main(["pin"])
    cloud.service("get-event", "get-event-1", "get-event-2")
    cloud.state["errors"] = {"get-event-2": canary.TOO_MANY}
    cloud.write()
    with pytest.raises(canary.ReleaseFailed, match="get-event-2"):
        canary.main(["watch", "5"])
    cloud.moves()
    assert canary.main(["back"]) == 0
    assert "get-event --to-revisions=get-event-1=100" in cloud.moves()


def test_errors_of_the_old_revision_are_not_the_releases(cloud: Cloud) -> None:
    canary.main(["pin"])
    cloud.service("get-event", "get-event-1", "get-event-2")
    cloud.state["errors"] = {"get-event-1": 50, "get-event-2": canary.TOO_MANY - 1}
    cloud.write()
    assert canary.main(["watch", "0"]) == 0


def test_the_way_back_is_kept_before_anything_moves(cloud: Cloud) -> None:
    cloud.state["stuck"] = ["get-event"]
    cloud.write()
    with pytest.raises(RuntimeError, match="permission denied"):
        canary.main(["pin"])
    assert json.loads(canary.PINNED.read_text()) == {"create-order": "create-order-7", "get-event": "get-event-1"}
    assert len(cloud.moves()) == 2  # one that is stuck holds no other up


@pytest.mark.parametrize("arguments", [[], ["split"], ["split", "0"], ["split", "100"], ["split", "x"], ["jump"]])
def test_what_is_no_step_is_explained(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert canary.main(arguments) == 2
    assert "Steps, in the order" in capsys.readouterr().err
