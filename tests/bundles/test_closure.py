"""A bundle has every file that Python loads for its function, the data that those read, and nothing else of ours."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

import pytest

from manifest import closure as module
from manifest.bundle import RECIPE, SERVING, contents, modules
from manifest.closure import OURS, MissingModule, closure
from manifest.discover import ROOT
from manifest.requirements import UnknownPackage, requirements
from tests.bundles.loaded import loaded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Every file of ours that is no module, with the module that reads it.
DATA: Final = {
    "common/catalogue/genres.json": "common/catalogue/genres.py",
    "common/pages/templates/event.html": "common/pages/html.py",
    "common/pages/templates/page.css": "common/pages/html.py",
    "common/pages/templates/refusal.html": "common/pages/html.py",
    "common/search/query_words.json": "common/search/query_words.py",
}
EVERYWHERE: Final = {"main.py", "requirements.txt", RECIPE, SERVING}


def bundled() -> dict[str, set[str]]:
    """The paths in each bundle, but for what every bundle has."""
    return {name: contents(module, name).keys() - EVERYWHERE for name, module in modules().items()}


def surprises(bundles: dict[str, set[str]]) -> dict[str, set[str]]:
    """What a bundle lacks or has too much of, by function."""
    needed = {name: files | {data for data, by in DATA.items() if by in files} for name, files in loaded().items()}
    return {name: files ^ needed[name] for name, files in bundles.items() if files != needed[name]}


def test_a_bundle_is_what_python_loads_and_what_that_reads() -> None:
    assert surprises(bundled()) == {}


def test_control_a_file_without_its_late_imports_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    imports = module._imports

    def at_the_top(tree: ast.AST) -> Iterator[str]:
        lines = (line for line in ast.iter_child_nodes(tree) if isinstance(line, ast.Import | ast.ImportFrom))
        return (name for line in lines for name in imports(line))

    monkeypatch.setattr(module, "_imports", at_the_top)
    module._imported.cache_clear()
    found = surprises(bundled())
    module._imported.cache_clear()
    assert "common/idempotency.py" in found["create_organization"]


def test_every_file_that_is_no_module_is_known_here() -> None:
    here = (path for folder in OURS for path in (ROOT / folder).rglob("*") if path.is_file())
    assert {str(path.relative_to(ROOT)) for path in here if path.suffix not in {".py", ".pyc"}} == set(DATA)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another place for our files."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "functions").mkdir()
    (tmp_path / "common").mkdir()
    return tmp_path


def test_what_only_a_type_checker_sees_is_left_out(tree: Path) -> None:
    (tree / "common" / "seen.py").touch()
    (tree / "common" / "unseen.py").touch()
    (tree / "functions" / "f.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from common import unseen\nelse:\n    import common.seen\n"
    )
    assert closure("functions/f.py") == module.Closure(("common/seen.py", "functions/f.py"), ("typing.TYPE_CHECKING",))


def test_an_import_that_leads_nowhere_is_an_error(tree: Path) -> None:
    (tree / "functions" / "f.py").write_text("from common.gone import rules\n")
    with pytest.raises(MissingModule, match=r"f\.py imports common\.gone\.rules"):
        closure("functions/f.py")


def test_a_package_that_is_not_deployed_is_an_error() -> None:
    # It is in the lock, for development.
    with pytest.raises(UnknownPackage, match=r"hypothesis\.strategies"):
        requirements(["hypothesis.strategies"])
