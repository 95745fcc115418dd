"""A message goes out once, however often its event is delivered, and never zero times."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from common import clients, clock
from common.ids import derived_id
from common.notifications.delivery import MessageNotSent, RecipientRefused
from common.notifications.store import CLAIM_LASTS, once
from common.trigger import RetryLater

if TYPE_CHECKING:
    from tests.support.people import Json
    from tests.support.server import GatewayThread

ADDRESS = "asha@example.com"


@dataclass
class Provider:
    """Sends, or fails as it is told to, and counts."""

    failures: list[Exception] = field(default_factory=list)
    sent: int = 0
    slow_s: float = 0.0

    async def __call__(self) -> str:
        await asyncio.sleep(self.slow_s)
        if self.failures:
            raise self.failures.pop(0)
        self.sent += 1
        return f"message-{self.sent}"


@dataclass(frozen=True)
class Outgoing:
    """One message of one event."""

    gateway: GatewayThread
    provider: Provider = field(default_factory=Provider)

    def send(self, *, event_id: str = "evn_1", user: str = "asha", address: str = ADDRESS) -> None:
        self.gateway.run(once(event_id, user, "mail", address, self.provider))

    def at_once(self, times: int) -> list[BaseException | None]:
        async def send() -> list[BaseException | None]:
            sendings = [once("evn_1", "asha", "mail", ADDRESS, self.provider) for _ in range(times)]
            return await asyncio.gather(*sendings, return_exceptions=True)

        return self.gateway.run(send())

    def record(self) -> Json | None:
        async def read() -> Json | None:
            message_id = derived_id("msg", "evn_1", "asha", "mail", ADDRESS)
            return (await clients.firestore().document(f"messages/{message_id}").get()).to_dict()

        return self.gateway.run(read())

    def die_while_sending(self) -> None:
        """What a process leaves that was killed between its claim and its note."""

        async def killed() -> None:
            sending = asyncio.ensure_future(once("evn_1", "asha", "mail", ADDRESS, Provider(slow_s=60)))
            while not [each async for each in clients.firestore().collection("messages").stream()]:
                await asyncio.sleep(0.01)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

        self.gateway.run(killed())


@pytest.fixture
def outgoing(gateway: GatewayThread, project: str) -> Outgoing:
    return Outgoing(gateway)


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + by)


def test_a_second_delivery_sends_nothing(outgoing: Outgoing) -> None:
    for _ in range(3):
        outgoing.send()
    assert outgoing.provider.sent == 1
    record = outgoing.record()
    assert record is not None
    assert (record["status"], record["providerId"], record["channel"]) == ("sent", "message-1", "mail")
    # Neither the address nor the text is kept.
    assert ADDRESS not in str(record)


def test_other_events_people_and_addresses_are_other_messages(outgoing: Outgoing) -> None:
    outgoing.send()
    outgoing.send(event_id="evn_2")
    outgoing.send(user="ravi")
    outgoing.send(address="other@example.com")
    assert outgoing.provider.sent == 4


def test_a_provider_that_fails_is_asked_again(outgoing: Outgoing) -> None:
    outgoing.provider.failures += [MessageNotSent("down"), RuntimeError("a defect of ours")]
    for failure in (MessageNotSent, RuntimeError):
        with pytest.raises(failure):
            outgoing.send()
        assert outgoing.record() is None
    outgoing.send()
    assert outgoing.provider.sent == 1


def test_a_recipient_who_is_gone_is_not_asked_again(outgoing: Outgoing) -> None:
    outgoing.provider.failures.append(RecipientRefused("unsubscribed"))
    outgoing.send()
    record = outgoing.record()
    assert record is not None
    assert (record["status"], record["failure"]) == ("refused", "unsubscribed")
    outgoing.send()
    assert outgoing.provider.sent == 0


def test_two_deliveries_at_once_send_one_and_the_other_comes_again(outgoing: Outgoing) -> None:
    outgoing.provider.slow_s = 0.3
    results = outgoing.at_once(4)
    assert outgoing.provider.sent == 1
    assert sorted(type(result).__name__ for result in results) == ["NoneType", *["RetryLater"] * 3]
    outgoing.send()
    assert outgoing.provider.sent == 1


def test_the_claim_of_a_process_that_died_is_taken_over_in_the_end(
    outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    outgoing.die_while_sending()
    with pytest.raises(RetryLater):
        outgoing.send()
    later(monkeypatch, CLAIM_LASTS + timedelta(seconds=1))
    outgoing.send()
    outgoing.send()
    assert outgoing.provider.sent == 1


def test_a_dead_claim_is_taken_over_by_one(outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch) -> None:
    outgoing.die_while_sending()
    later(monkeypatch, CLAIM_LASTS + timedelta(seconds=1))
    outgoing.provider.slow_s = 0.3
    results = outgoing.at_once(5)
    assert outgoing.provider.sent == 1
    assert sorted(type(result).__name__ for result in results) == ["NoneType", *["RetryLater"] * 4]
