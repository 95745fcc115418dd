"""Which of our files Python itself loads for each function: every import is executed, and noted who asked for what."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Final

from manifest.bundle import modules
from manifest.discover import ROOT

# Prints which modules of ours each one asked for, at its top and inside its functions.
PROGRAM: Final = """
import ast, builtins, collections, importlib, json, os, sys

sys.path.insert(0, os.getcwd())
OURS = ("common", "functions", "triggers")
asked, imported = collections.defaultdict(set), builtins.__import__


def is_ours(name):
    return name.partition(".")[0] in OURS


def noted(name, globals=None, locals=None, fromlist=(), level=0):
    module = imported(name, globals, locals, fromlist, level)
    if is_ours(name):
        # What is imported from a package may be a module or only a name in one.
        found = {f"{name}.{each}" for each in fromlist or ()} & sys.modules.keys()
        asked[globals["__name__"]] |= found or {name}
    return module


def import_late(name):
    with open(sys.modules[name].__file__) as source:
        tree = ast.parse(source.read())
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    for node in (node for function in functions for node in ast.walk(function)):
        if isinstance(node, ast.ImportFrom) and is_ours(node.module):
            exec(compile(ast.Module([node], []), name, "exec"), {"__name__": name})


builtins.__import__ = noted
done = set()
for function in json.load(sys.stdin):
    importlib.import_module(function)
while new := {name for name, module in sys.modules.items() if is_ours(name) and module.__file__} - done:
    for name in new:
        import_late(name)
    done |= new
json.dump({name: sorted(asked[name]) for name in done}, sys.stdout)
"""


@cache
def loaded() -> dict[str, frozenset[str]]:
    """The paths of all files of ours that are loaded for a function, by its name."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        cwd=ROOT,
        input=json.dumps(list(modules().values())),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    asked: dict[str, list[str]] = json.loads(done.stdout)

    def reached(module: str) -> frozenset[str]:
        found, pending = set[str](), [module]
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                pending += asked[name]
        return frozenset(f"{name.replace('.', '/')}.py" for name in found)

    return {name: reached(module) for name, module in modules().items()}
