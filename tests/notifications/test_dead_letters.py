"""An event that was refused until Pub/Sub gave up is seen, explained, replayed and then had its effect once."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import ServiceUnavailable
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1 import PublisherClient as PlainPublisher
from google.pubsub_v1 import PubsubMessage

from common import clock, outbox
from common.outbox import TOPIC
from common.trigger import DEAD_LETTERS, PubSub
from infra.dead_letters import __main__ as command
from infra.dead_letters import letters as dead_letters
from infra.dead_letters.letters import DeadLetters
from manifest.discover import discover
from tests.notifications.test_notify import MAIL, asha, buy, event, owner
from tests.support.people import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.notifications.conftest import OwnInbox
    from tests.support.people import Json, Person

__all__ = ["asha", "event", "owner"]


class Desk:
    """Whoever runs `make dead-letters` beside a local cloud."""

    def __init__(self, project: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.project = project
        self._capsys = capsys
        self._publisher, self._subscriber = PublisherClient(), SubscriberClient()

    def run(self, *words: str) -> tuple[int, str]:
        """The exit code, and what was said."""
        self._capsys.readouterr()
        code = command.main(words)
        return code, self._capsys.readouterr().out

    def listed(self) -> list[str]:
        """The ids."""
        return re.findall(r"^(?:evn_|message-)\S+", self.run()[1], re.MULTILINE)

    def bury(self, data: bytes, attributes: dict[str, str], source: str | None = "notify") -> None:
        """A dead letter as Pub/Sub makes it."""
        added = {"SubscriptionProject": self.project, "Subscription": source, "DeliveryCount": "10"} if source else {}
        added |= {"TopicPublishTime": "2026-11-21T13:38:41.116Z"} if source else {}
        about = attributes | {f"CloudPubSubDeadLetterSource{name}": str(value) for name, value in added.items()}
        topic = f"projects/{self.project}/topics/{DEAD_LETTERS}"
        PlainPublisher.publish(
            self._publisher, topic=topic, messages=[PubsubMessage(data=data, attributes=about)], timeout=10
        )

    def bury_event(self, event: outbox.DomainEvent) -> str:
        self.bury(event.model_dump_json(by_alias=True).encode(), {"type": event.type})
        return event.id

    def impatient(self) -> None:
        """notify gets the fewest attempts that Pub/Sub allows, without a pause between them."""
        name = f"projects/{self.project}/subscriptions/notify"
        wanted = self._subscriber.get_subscription(subscription=name)
        self._subscriber.delete_subscription(subscription=name)
        wanted.dead_letter_policy.max_delivery_attempts = 5
        del wanted.retry_policy
        self._subscriber.create_subscription(request=wanted)

    def close(self) -> None:
        self._publisher.transport.close()
        self._subscriber.close()


@pytest.fixture
def desk(
    deployed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Desk]:
    """The state of a local cloud in which the gateway's log is kept."""
    names = ("PUBSUB_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT")
    (tmp_path / "env").write_text("".join(f"{name}={os.environ[name]}\n" for name in names))
    (tmp_path / "logs").mkdir()
    monkeypatch.setenv("MARQUEE_STATE", str(tmp_path))
    monkeypatch.setattr(dead_letters, "QUIET_S", 0.3)
    monkeypatch.setattr(command, "HEARD_WITHIN_S", 5)
    with (tmp_path / "logs" / "gateway.log").open("w") as kept:
        monkeypatch.setattr("common.log.sys", SimpleNamespace(stdout=kept))
        desk = Desk(deployed, capsys)
        yield desk
        desk.close()


@pytest.fixture
def sold(inbox: OwnInbox, desk: Desk, asha: Person, event: Json) -> Json:
    """A free order of which everybody was told."""
    order = buy(asha, event, quantity=1, tier=1)
    inbox.expect(("mail", MAIL), ("push", "asha-push"), ("push", "host-push"))
    inbox.kept.messages.clear()
    return order


def ticketed(order: Json) -> outbox.DomainEvent:
    return outbox.event("order.ticketed", clock.now(), orderId=order["orderId"])


TOLD = (("mail", MAIL), ("push", "asha-push"), ("push", "host-push"))


def test_from_the_first_refusal_to_the_effect(inbox: OwnInbox, desk: Desk, asha: Person, event: Json) -> None:
    desk.impatient()
    inbox.fail("mail", 6)
    order = buy(asha, event, quantity=1, tier=1)
    eventually(lambda: len(desk.listed()) == 1, within_s=40)
    code, shown = desk.run("list")
    assert code == 0
    assert re.search(r"^evn_\S+ +order.ticketed +notify +5 +\d{4}-", shown, re.MULTILINE), shown
    [letter] = desk.listed()
    inbox.expect(("push", "asha-push"), ("push", "host-push"))

    code, told = desk.run("explain", letter)
    assert code == 0
    assert "5 times message_not_sent: 127.0.0.1 answered 503" in told
    assert order["orderId"] in told

    # Not mended yet: it is refused once more, which is said, and then goes through.
    code, told = desk.run("replay", letter)
    assert code == 1
    assert f"{letter}  notify refused it again: message_not_sent: 127.0.0.1 answered 503" in told
    assert "After 4 more attempts it is a dead letter again." in told
    eventually(lambda: len(inbox.all()) == 3)
    inbox.expect(*TOLD)
    assert desk.listed() == []


def test_a_replay_that_goes_well_says_so(inbox: OwnInbox, desk: Desk, sold: Json) -> None:
    letters = sorted(desk.bury_event(ticketed(sold)) for _ in range(2))
    assert sorted(desk.listed()) == letters
    code, told = desk.run("replay", "--all")
    assert code == 0, told
    assert all(f"{letter}  notify took it" in told for letter in letters)
    inbox.expect(*TOLD, *TOLD)
    assert desk.listed() == []


def test_seeing_takes_nothing_away_and_keeps_it_to_oneself(desk: Desk) -> None:
    letter = desk.bury_event(outbox.event("order.ticketed", clock.now(), orderId="ord_none"))
    assert desk.listed() == desk.listed() == [letter]
    mine, theirs = DeadLetters(desk.project), DeadLetters(desk.project)
    with mine.leased() as found:
        assert [each.id for each in found] == [letter]
        with theirs.leased() as others:
            assert others == []
        assert desk.run("drop", letter)[0] == 1
    assert desk.listed() == [letter]
    mine.close()
    theirs.close()


def test_what_is_malformed_is_shown_and_goes_only_by_its_name(desk: Desk) -> None:
    desk.bury(b"\xff\x00 no JSON", {"type": "order.ticketed", "topic": "t", "data": "d", "ordering_key": "o"})
    desk.bury(b"{}", {}, source=None)
    desk.bury(b"[]", {"type": "x" * 200}, source="gone")
    code, shown = desk.run("list")
    assert code == 0
    assert shown.count("malformed") == 3
    assert len(desk.listed()) == 3
    code, told = desk.run("explain")
    assert code == 0
    assert told.count("it cannot be read (") == 3
    code, told = desk.run("replay", "--all")
    assert code == 1
    assert told.count("is no longer there: no function takes it") == 2
    # The one that has a function is refused again, without a word: nothing in its log names what cannot be read.
    assert told.count("nothing heard of it yet: if it is refused 10 times, it is listed again") == 1
    left = desk.listed()
    assert len(left) == 2
    with pytest.raises(SystemExit):
        desk.run("drop")
    assert desk.run("drop", left[0])[0] == 0
    assert desk.listed() == left[1:]


def test_an_id_that_is_not_there_is_said(desk: Desk) -> None:
    letter = desk.bury_event(outbox.event("order.ticketed", clock.now(), orderId="ord_none"))
    for step in ("explain", "replay", "drop"):
        code, told = desk.run(step, "evn_unknown")
        assert code == 1
        assert "evn_unknown  is no dead letter here" in told
    assert desk.listed() == [letter]


def test_a_function_that_wrote_nothing_is_said(desk: Desk) -> None:
    letter = desk.bury_event(outbox.event("order.ticketed", clock.now(), orderId="ord_none"))
    told = desk.run("explain", letter)[1]
    assert "notify wrote nothing about it" in told


def _fails(*_: object, **__: object) -> None:
    raise ServiceUnavailable("as if")


def test_a_replay_that_is_not_accepted_leaves_it_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = desk.bury_event(outbox.event("order.ticketed", clock.now(), orderId="ord_none"))
    with monkeypatch.context() as outage:
        outage.setattr(PlainPublisher, "publish", _fails)
        assert desk.run("replay", letter)[0] == 1
    assert desk.listed() == [letter]


def test_control_taken_away_first_it_would_be_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = desk.bury_event(outbox.event("order.ticketed", clock.now(), orderId="ord_none"))
    replay = DeadLetters.replay

    def hasty(self: DeadLetters, each: Any) -> int:
        self.drop(each)
        return replay(self, each)

    with monkeypatch.context() as outage:
        outage.setattr(DeadLetters, "replay", hasty)
        outage.setattr(PlainPublisher, "publish", _fails)
        assert desk.run("replay", letter)[0] == 1
    assert desk.listed() == []


def replay_and_die_before_it_is_taken_away(desk: Desk, letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as death:
        death.setattr(DeadLetters, "drop", _fails)
        assert desk.run("replay", letter)[0] == 1
    assert desk.listed() == [letter]


def test_a_replay_that_dies_half_way_is_repeated_and_tells_once(
    inbox: OwnInbox, desk: Desk, sold: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = desk.bury_event(ticketed(sold))
    replay_and_die_before_it_is_taken_away(desk, letter, monkeypatch)
    inbox.expect(*TOLD)
    assert desk.run("replay", letter)[0] == 0
    assert desk.listed() == []
    inbox.expect(*TOLD)


def test_control_without_what_was_sent_written_down_it_tells_twice(
    inbox: OwnInbox, desk: Desk, sold: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send_anyway(_event: str, _user: str, _channel: str, _address: str, send: Any) -> None:
        await send()

    monkeypatch.setattr("common.notifications.notices.once", send_anyway)
    letter = desk.bury_event(ticketed(sold))
    replay_and_die_before_it_is_taken_away(desk, letter, monkeypatch)
    inbox.expect(*TOLD)
    assert desk.run("replay", letter)[0] == 0
    inbox.expect(*TOLD, *TOLD)


def test_every_function_that_takes_events_is_known_to_bear_a_repeat() -> None:
    """A new one needs a test like the two above before it stands here."""
    takers = {each.name for each in discover().triggers if isinstance(each.source, PubSub)}
    assert takers == {"notify"}
    assert all(each.source.topic == TOPIC for each in discover().triggers if isinstance(each.source, PubSub))
