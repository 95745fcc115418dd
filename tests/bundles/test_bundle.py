"""The same sources make the same bundles, wherever and whenever; an edit changes those that reach it, and is named."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

from manifest import bundle, closure
from manifest.bundle import Bundle, build, contents, last_build, main, modules, packed
from manifest.discover import ROOT
from tests.bundles.loaded import loaded

SOURCES: Final = ("common", "functions", "triggers", "manifest", "terraform/build.yaml", "requirements.lock")
RULE: Final = "common/tickets/rules.py"
FEW: Final = ("get_ticket", "list_genres", "suggest_searches")


def copied(folder: Path) -> Path:
    """A fresh copy of what bundles are made of, its files made in another order and at another time."""
    paths = [path for each in SOURCES for path in [ROOT / each, *(ROOT / each).rglob("*")]]
    for path in sorted((path for path in paths if path.is_file() and path.suffix != ".pyc"), reverse=True):
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        os.utime(target, (86_400, 86_400))
    return folder


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tree from which bundles are made here."""
    folder = copied(tmp_path / "copy")
    monkeypatch.setattr(closure, "ROOT", folder)
    monkeypatch.setattr(bundle, "ROOT", folder)
    return folder


@pytest.fixture
def few(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the bundles of three functions."""
    names = {name: module for name, module in modules().items() if name in FEW}
    monkeypatch.setattr(bundle, "modules", lambda: names)
    monkeypatch.setattr(bundle, "BUNDLES", copy / "build" / "bundles")
    return copy / "build" / "bundles"


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What a build says by function, and of everything."""
    main()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {line[0]: " ".join(line[4:] if line[0] in FEW else line[1:]) for line in lines}


def zips(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_sources_make_the_same_bundles(tmp_path: Path) -> None:
    build(tmp_path / "here")
    folder = copied(tmp_path / "there")
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONHASHSEED": "7", "TZ": "Asia/Kolkata", "LC_ALL": "C"}
    subprocess.run([sys.executable, "-m", "manifest.bundle"], cwd="/", env=environment, check=True, umask=0o077)
    assert len(zips(tmp_path / "here")) == len(modules()) + 1
    assert zips(tmp_path / "here") == zips(folder / "build" / "bundles")


def test_the_order_of_files_does_not_matter() -> None:
    assert packed({"a": b"1", "b": b"2"}) == packed({"b": b"2", "a": b"1"})


def test_control_without_sorting_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "sorted", list, raising=False)
    assert packed({"a": b"1", "b": b"2"}) != packed({"b": b"2", "a": b"1"})


def test_an_edit_of_a_rule_changes_only_the_bundles_that_reach_it(copy: Path) -> None:
    def made() -> dict[str, dict[str, bytes]]:
        return {name: contents(module, name) for name, module in modules().items()}

    before = made()
    with (copy / RULE).open("a") as rule:
        rule.write("# One more thought.\n")
    after = made()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {name for name, files in loaded().items() if RULE in files}
    assert 0 < len(changed) < len(before) / 2
    assert all({path for path in after[name] if before[name][path] != after[name][path]} == {RULE} for name in changed)


def test_a_build_says_what_changed_since_the_last(few: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {name: news.split()[0] for name, news in said(capsys).items() if name in FEW} == dict.fromkeys(FEW, "new")
    quiet = said(capsys)
    assert "common" not in quiet["get_ticket"]
    assert quiet["3"] == "bundles in build/bundles, 0 to deploy"
    for path in (RULE, "common/search/names.py", "common/search/query_words.json"):
        with (copy / path).open("a") as edited:
            edited.write("\n")
    news = said(capsys)
    assert news["get_ticket"].startswith(RULE)
    assert news["suggest_searches"].startswith("common/search/names.py +1 more")
    assert "common" not in news["list_genres"]
    assert news["3"] == "bundles in build/bundles, 2 to deploy"
    assert len(list(few.glob("*.zip"))) == len(FEW), "the bundles of before are gone"


def test_a_function_that_is_no_more_is_named(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys)
    bundle.modules().pop("get_ticket")
    assert said(capsys)["get_ticket:"] == "gone"
    assert len(list(few.glob("*.zip"))) == len(FEW) - 1


def of(files: dict[str, str], packages: dict[str, str]) -> Bundle:
    return Bundle("f", "f.zip", "0", 0, files, packages)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (({"a": "1", "b": "1"}, {}), ({"b": "2", "c": "1"}, {}), ["-a", "b", "+c"]),
        # Which package it is says more than that requirements.txt is another.
        (({"requirements.txt": "1"}, {"x": "1", "y": "2"}), ({"requirements.txt": "2"}, {"x": "2", "z": "3"}), ...),
        (({"requirements.txt": "1"}, {"x": "1"}), ({"requirements.txt": "2"}, {"x": "1"}), ["requirements.txt"]),
    ],
)
def test_what_changed_is_named(
    before: tuple[dict[str, str], ...], after: tuple[dict[str, str], ...], named: object
) -> None:
    expected = ["+x==2", "-x==1", "-y==2", "+z==3"] if named is ... else named
    assert sorted(bundle.changes(of(*before), of(*after))) == sorted(expected)  # type: ignore[call-overload]


@pytest.mark.parametrize("index", [b"", b"{", b'{"f": {"files": ["of another time"]}}'])
def test_an_index_that_cannot_be_read_is_no_last_build(tmp_path: Path, index: bytes) -> None:
    (tmp_path / "index.json").write_bytes(index)
    assert last_build(tmp_path) == {}


@pytest.mark.parametrize("dies_at", range(4))
def test_a_build_that_ends_in_between_leaves_no_half_of_a_bundle(
    few: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    replace, left = Path.replace, [dies_at]

    def die_in_time(path: Path, target: Path) -> Path:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return replace(path, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", die_in_time)
        build(few)
    for path in few.glob("*.zip"):
        assert zipfile.ZipFile(path).testzip() is None
    bundles = build(few)
    assert {each.file for each in bundles.values()} == {path.name for path in few.glob("*.zip")}
    assert json.loads((few / "index.json").read_text()).keys() == set(FEW)


def test_a_bundle_serves_its_function_from_main() -> None:
    with zipfile.ZipFile(io.BytesIO(packed(contents(modules()["get_ticket"], "get_ticket")))) as archive:
        assert b"from functions.tickets.get_ticket import get_ticket" in archive.read("main.py")
        assert {info.date_time for info in archive.infolist()} == {bundle.NO_TIME}
        assert {info.external_attr for info in archive.infolist()} == {bundle.READABLE}
