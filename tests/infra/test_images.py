"""`make images` builds what has no image yet, once, and says which build failed."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from infra import images

if TYPE_CHECKING:
    from pathlib import Path

PLACE = {
    "bucket": "p-bundles",
    "images": "asia-south1-docker.pkg.dev/p/functions",
    "service_account": "projects/p/serviceAccounts/builder@p.iam.gserviceaccount.com",
}
PROGRAM = """#!{python}
import json, sys
from pathlib import Path
folder = Path({folder!r})
arguments = sys.argv[1:]
if "output" in arguments:
    print({place!r})
elif "list" in arguments:
    print((folder / "listing.json").read_text())
else:
    with (folder / "builds").open("a") as builds:
        builds.write(json.dumps(arguments) + "\\n")
    if "fails" in arguments[2]:
        sys.exit("the build failed")
"""


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs named gcloud and terraform that note what they were asked for; two bundles."""
    for name in ("gcloud", "terraform"):
        program = tmp_path / name
        program.write_text(PROGRAM.format(python=sys.executable, folder=str(tmp_path), place=json.dumps(PLACE)))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    index = tmp_path / "index.json"
    monkeypatch.setattr(images, "INDEX", index)
    bundles(index, "get_event", "create_order")
    (tmp_path / "listing.json").write_text("[]")
    return tmp_path


def bundles(index: Path, *names: str) -> None:
    index.write_text(json.dumps({name: {"file": f"{name}-{'a' * 16}.zip", "sha256": "a" * 64} for name in names}))


def asked(cloud: Path) -> list[list[str]]:
    path = cloud / "builds"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_bundle_becomes_an_image_named_by_its_digest(cloud: Path) -> None:
    assert images.main() == 0
    builds = {each[2]: each for each in asked(cloud)}
    assert builds.keys() == {f"gs://p-bundles/{name}-{'a' * 16}.zip" for name in ("get_event", "create_order")}
    [event] = [each for source, each in builds.items() if "get_event" in source]
    assert "--region=asia-south1" in event
    image = f"{PLACE['images']}/get-event:{'a' * 16}"
    assert f"--substitutions=_IMAGE={image},_TARGET=get_event,_BUILDER={PLACE['service_account']}" in event


@pytest.mark.parametrize("tags", [["a" * 16, "other"], f"other,{'a' * 16}"], ids=["list", "joined"])
def test_what_has_an_image_is_not_built_again(cloud: Path, tags: object) -> None:
    listing = [
        {"package": f"{PLACE['images']}/get-event", "tags": tags},
        {"package": f"{PLACE['images']}/create-order"},
    ]
    (cloud / "listing.json").write_text(json.dumps(listing))
    assert images.main() == 0
    assert [each[2] for each in asked(cloud)] == [f"gs://p-bundles/create_order-{'a' * 16}.zip"]


def test_a_build_that_fails_is_named_and_stops_no_other(cloud: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundles(cloud / "index.json", "fails", "get_event")
    assert images.main() == 1
    assert len(asked(cloud)) == 2
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("fails") and "the build failed" in line for line in lines)
    assert any(line.split() == ["get_event", "built"] for line in lines)


def test_without_bundles_it_says_what_to_do(cloud: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cloud / "index.json").unlink()
    assert images.main() == 1
    assert "make bundle" in capsys.readouterr().err


def test_the_recipe_uses_exactly_what_it_is_given() -> None:
    text = images.RECIPE.read_text()
    assert {name for name in ("_IMAGE", "_TARGET", "_BUILDER") if f"${{{name}}}" in text} == {
        "_IMAGE",
        "_TARGET",
        "_BUILDER",
    }
