"""Dead letters: events that a function refused until Pub/Sub gave up, kept for two weeks in one subscription.

Seeing takes a lease and gives it back, so that nothing is consumed. A replay publishes the event again for the one
function that refused it, and only then takes the dead letter away: whoever dies between the two leaves it to be
replayed twice, and consumers know an event by its id.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from common.outbox import DomainEvent
from common.trigger import DEAD_LETTERS, REPLAYED_TO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.pubsub_v1 import ReceivedMessage

# What Pub/Sub adds to a message that it gives up.
ADDED: Final = "CloudPubSubDeadLetterSource"
LEASE_S: Final = 60
# A pull that brings nothing for so long has brought everything.
QUIET_S: Final = 3
AT_ONCE: Final = 100
MOST: Final = 1000
CALL_TIMEOUT_S: Final = 20


class SourceGone(Exception):
    """The subscription that refused it is no longer there: no function takes it."""


@dataclass(frozen=True)
class DeadLetter:
    """One event that one function refused. Where it cannot be read, `flaw` says why and its message's id is its own."""

    ack_id: str
    id: str
    type: str
    subscription: str
    attempts: int
    published_at: datetime
    refused_at: datetime
    data: bytes
    attributes: Mapping[str, str]
    event: DomainEvent | None
    flaw: str | None = None

    @property
    def function(self) -> str:
        """Who refused it. A subscription is named like its function, in the cloud with hyphens."""
        return self.subscription.rpartition("/")[2].replace("-", "_")

    @property
    def was_replayed(self) -> bool:
        """Whether it was refused again after a replay."""
        return REPLAYED_TO in self.attributes

    @classmethod
    def of(cls, received: ReceivedMessage, project: str) -> DeadLetter:
        """Read it; whatever it is, it can be shown."""
        message = received.message
        about = dict(message.attributes)
        event, flaw = _read(message.data)
        refused_at = message.publish_time.replace(tzinfo=UTC)
        source = about.get(f"{ADDED}Subscription", "")
        return cls(
            ack_id=received.ack_id,
            id=event.id if event else f"message-{message.message_id}",
            type=about.get("type", event.type if event else "?"),
            subscription=f"projects/{about.get(f'{ADDED}SubscriptionProject', project)}/subscriptions/{source}",
            attempts=_number(about.get(f"{ADDED}DeliveryCount", "")),
            published_at=_moment(about.get(f"{ADDED}TopicPublishTime", "")) or refused_at,
            refused_at=refused_at,
            data=message.data,
            attributes={name: value for name, value in about.items() if not name.startswith(ADDED)},
            event=event,
            flaw=flaw,
        )


def _read(data: bytes) -> tuple[DomainEvent | None, str | None]:
    try:
        return DomainEvent.model_validate_json(data), None
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False, include_context=False)
        return None, "; ".join(f"{'.'.join(map(str, each['loc'])) or 'data'}: {each['msg']}" for each in errors)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


class DeadLetters:
    """Those of one project."""

    def __init__(self, project: str) -> None:
        from google.api_core.retry import Retry
        from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

        self._project = project
        self._publisher, self._subscriber = PublisherClient(), SubscriberClient()
        self._subscription = f"projects/{project}/subscriptions/{DEAD_LETTERS}"
        # For an outage of a moment; nobody waits for minutes to learn that nothing listens.
        self._patience: dict[str, Any] = {"timeout": CALL_TIMEOUT_S, "retry": Retry(timeout=CALL_TIMEOUT_S)}

    def close(self) -> None:
        self._publisher.transport.close()
        self._subscriber.close()

    @contextlib.contextmanager
    def leased(self) -> Iterator[list[DeadLetter]]:
        """All there are, oldest first, kept from others meanwhile; what was not taken away is there again then."""
        found: dict[str, DeadLetter] = {}
        try:
            while len(found) < MOST and (received := self._pull()):
                found |= {each.message.message_id: DeadLetter.of(each, self._project) for each in received}
            yield sorted(found.values(), key=lambda each: each.refused_at)
        finally:
            # One that was taken away meanwhile does not mind.
            self._lease([each.ack_id for each in found.values()], 0)

    def _pull(self) -> list[ReceivedMessage]:
        from google.api_core.exceptions import DeadlineExceeded

        try:
            reply = self._subscriber.pull(
                subscription=self._subscription,
                max_messages=AT_ONCE,
                timeout=QUIET_S,
                retry=self._patience["retry"],
            )
        except DeadlineExceeded:
            return []
        received = list(reply.received_messages)
        self._lease([each.ack_id for each in received], LEASE_S)
        return received

    def _lease(self, ack_ids: list[str], seconds: int) -> None:
        for first in range(0, len(ack_ids), AT_ONCE):
            self._subscriber.modify_ack_deadline(
                subscription=self._subscription,
                ack_ids=ack_ids[first : first + AT_ONCE],
                ack_deadline_seconds=seconds,
                **self._patience,
            )

    def replay(self, letter: DeadLetter) -> int:
        """Have its function called with it again; how many attempts it gets. Gone from here once that is certain."""
        from google.pubsub_v1 import PublisherClient, PubsubMessage

        topic, attempts = self._source(letter)
        again = PubsubMessage(data=letter.data, attributes={**letter.attributes, REPLAYED_TO: letter.function})
        # The plain call, which returns when it is kept: the client's own collects messages and sends them later.
        PublisherClient.publish(self._publisher, topic=topic, messages=[again], **self._patience)
        self.drop(letter)
        return attempts

    def drop(self, letter: DeadLetter) -> None:
        """Take it away for good."""
        self._subscriber.acknowledge(subscription=self._subscription, ack_ids=[letter.ack_id], **self._patience)

    def _source(self, letter: DeadLetter) -> tuple[str, int]:
        """Where it came from: the topic, and how often its subscription tries."""
        from google.api_core.exceptions import InvalidArgument, NotFound

        try:
            source = self._subscriber.get_subscription(subscription=letter.subscription, **self._patience)
        except (NotFound, InvalidArgument) as gone:
            raise SourceGone(f"{letter.subscription} is no longer there: no function takes it") from gone
        return source.topic, source.dead_letter_policy.max_delivery_attempts
