"""An inbox of the test's own, so that its faults and messages are nobody else's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from common.config import config
from emulators import message_inbox
from tests.emulators.served import served
from tests.operations.jobs import Jobs
from tests.support.people import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulators.message_inbox import Message
    from tests.support.people import SigningKeys


@dataclass(frozen=True)
class OwnInbox:
    """What the providers took, and their outages to come."""

    url: str
    kept: message_inbox.Inbox

    def fail(self, channel: str, times: int) -> None:
        fault = {"channel": channel, "times": times}
        httpx.post(f"{self.url}/_control/faults", json=fault, trust_env=False).raise_for_status()

    def all(self) -> list[tuple[str, str]]:
        """Channel and address of each message, in no order."""
        return sorted((message.channel, message.to) for message in list(self.kept.messages))

    def expect(self, *messages: tuple[str, str]) -> None:
        """Return once exactly these have come."""
        eventually(lambda: len(self.kept.messages) >= len(messages))
        assert self.all() == sorted(messages)

    def one(self, channel: str, to: str) -> Message:
        [message] = [each for each in list(self.kept.messages) if (each.channel, each.to) == (channel, to)]
        return message


@pytest.fixture
def inbox(project: str, auth_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnInbox]:
    app = message_inbox.create_app()
    with served(app) as url:
        for provider in ("FCM", "SENDGRID", "TWILIO"):
            monkeypatch.setenv(f"{provider}_API_BASE", url)
        # With an emulator there are no Google credentials to find for the push.
        monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", auth_emulator)
        config.cache_clear()
        yield OwnInbox(url, app.state.inbox)


@pytest.fixture
def jobs(anonymous: httpx.Client, signing_keys: SigningKeys) -> Jobs:
    return Jobs(anonymous, signing_keys)
