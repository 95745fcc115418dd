"""Fails a run whose queries need an index that firestore.indexes.json lacks, or a full run that leaves one unused."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.index_check import IndexFile, missing_indexes, unused_indexes
from tests.support.index_recorder import QueryLog, read_queries, record_queries

ROOT = Path(__file__).resolve().parent.parent.parent
INDEXES = ROOT / "firestore.indexes.json"
FOLDER_VARIABLE = "MARQUEE_QUERY_LOG"
COMPLAINTS = pytest.StashKey[list[str]]()
RECORDING = pytest.StashKey[pytest.MonkeyPatch]()
OWN_FOLDER = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Record in every process; workers find the folder that the controller made in their environment."""
    if FOLDER_VARIABLE not in os.environ:
        config.stash[OWN_FOLDER] = os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="marquee-queries-")
    folder = Path(os.environ[FOLDER_VARIABLE])
    folder.mkdir(parents=True, exist_ok=True)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "controller")
    config.stash[RECORDING] = record_queries(QueryLog(folder, worker))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Compare once, where all workers' queries are known."""
    if hasattr(session.config, "workerinput"):
        return
    queries = read_queries(Path(os.environ[FOLDER_VARIABLE]))
    index_file = IndexFile.read(INDEXES)
    complaints = [f"missing: {index}" for index in missing_indexes(queries, index_file)]
    if _ran_everything(session.config) and exitstatus == pytest.ExitCode.OK:
        complaints += [f"needed by no query: {index}" for index in unused_indexes(queries, index_file)]
    session.config.stash[COMPLAINTS] = complaints
    if complaints and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what to add or remove."""
    complaints = config.stash.get(COMPLAINTS, [])
    if complaints:
        terminalreporter.section(f"{INDEXES.name} does not fit the queries that were made", red=True)
        for complaint in complaints:
            terminalreporter.line(complaint)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the process and the machine as they were."""
    if RECORDING in config.stash:
        config.stash[RECORDING].undo()
    if OWN_FOLDER in config.stash:
        os.environ.pop(FOLDER_VARIABLE, None)
        shutil.rmtree(config.stash[OWN_FOLDER])


def _ran_everything(config: pytest.Config) -> bool:
    narrowed = ("keyword", "markexpr", "deselect", "lf", "failedfirst", "stepwise", "maxfail")
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return whole and not any(config.getoption(option, default=None) for option in narrowed)
