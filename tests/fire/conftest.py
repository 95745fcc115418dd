"""The harness at work for one module of tests, and the summary of the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import settings

from common import clock
from common.config import config
from emulators.gateway import create_app
from tests.fire.interception import intercepted
from tests.fire.summary import FULL, cells_of, table
from tests.fire.world import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.people import SigningKeys
    from tests.support.server import AnswerThread

settings.register_profile("fire", settings.get_profile("marquee"), max_examples=1_000)
if FULL:
    settings.load_profile("fire")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was enumerated and what held."""
    cells = cells_of(terminalreporter)
    if cells:
        terminalreporter.section("crash and fault matrix: passed/points")
        for line in table(cells):
            terminalreporter.line(line)


@pytest.fixture(scope="module")
def site(signing_keys: SigningKeys, keys_server: AnswerThread) -> Iterator[Site]:
    """The functions, between which and everything remote the harness stands."""
    app = create_app()
    with pytest.MonkeyPatch.context() as patch, intercepted(), httpx.Client(trust_env=False, timeout=30) as outside:
        patch.setenv("TRIGGER_URL_TEMPLATE", "http://marquee/triggers/{name}")
        patch.setenv("FIREBASE_KEYS_URL", keys_server.url)
        patch.setenv("OIDC_KEYS_URL", keys_server.url)
        patch.delenv("FIREBASE_AUTH_EMULATOR_HOST", raising=False)
        for name in ("GOOGLE_CLOUD_PROJECT", "STRIPE_SECRET_KEY", "RAZORPAY_KEY_ID"):
            patch.setenv(name, "set by each world")
        patch.setattr(clock, "now", clock.now)
        yield Site(app, signing_keys, outside)
    config.cache_clear()
