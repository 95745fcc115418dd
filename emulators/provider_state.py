"""What a fake payment provider remembers of one account, whoever the provider is: events, keys, faults."""

from __future__ import annotations

import secrets
import string
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
FaultMode = Literal["before", "after", "timeout", "delay"]
ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int) -> str:
    """An id of the provider's look: a prefix and letters and digits."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))


@dataclass(frozen=True)
class Attempt:
    """One try to deliver an event: the receiver's status, or why there was none."""

    at: float
    status: int | None
    error: str | None = None

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass
class Event:
    """One webhook event. The body is fixed when it happens, so every copy and every retry is the same bytes."""

    id: str
    type: str
    payload: Json
    body: bytes
    created_at: float = field(default_factory=time.time)
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(frozen=True)
class Webhook:
    """Where an account's events go; `types` None means all of them."""

    url: str
    secret: str
    types: frozenset[str] | None = None

    def wants(self, event_type: str) -> bool:
        return self.types is None or event_type in self.types


@dataclass(frozen=True)
class DeliveryRule:
    """How webhooks are sent: how many copies at once, in which order, held back for now, or not at all."""

    copies: int = 1
    reversed: bool = False
    paused: bool = False
    lost: bool = False


@dataclass
class Fault:
    """A failure that the next matching API calls meet."""

    method: str
    path: str
    mode: FaultMode
    times: int
    seconds: float


@dataclass(frozen=True)
class Answer:
    """What an API call gives back. `keep` tells whether its idempotency key remembers it."""

    status: int
    body: Json
    keep: bool = True


class KeyReused(Exception):
    """The idempotency key came with another request before; `path` is where."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class KeyInUse(Exception):
    """The first request with this idempotency key has not been answered yet."""


@dataclass(frozen=True)
class _Claim:
    path: str
    fingerprint: str
    answer: Answer | None


class IdempotencyKeys:
    """Which requests an account's idempotency keys stand for."""

    def __init__(self) -> None:
        self._claims: dict[str, _Claim] = {}

    def claim(self, key: str, path: str, fingerprint: str) -> Answer | None:
        """The remembered answer, or None when the caller is the first and must `settle` the key."""
        known = self._claims.get(key)
        if known is None:
            self._claims[key] = _Claim(path, fingerprint, None)
            return None
        if (known.path, known.fingerprint) != (path, fingerprint):
            raise KeyReused(known.path)
        if known.answer is None:
            raise KeyInUse(key)
        return known.answer

    def settle(self, key: str, answer: Answer | None) -> None:
        """Remember the answer, or forget the key where the provider would not keep it."""
        if answer is None or not answer.keep:
            self._claims.pop(key, None)
        else:
            claim = self._claims[key]
            self._claims[key] = _Claim(claim.path, claim.fingerprint, answer)


@dataclass
class Account:
    """The part of an account that no provider's objects are in."""

    key: str
    announce: Callable[[Account, Event], None]
    webhook: Webhook | None = None
    rule: DeliveryRule = field(default_factory=DeliveryRule)
    events: dict[str, Event] = field(default_factory=dict)
    held: list[Event] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    keys: IdempotencyKeys = field(default_factory=IdempotencyKeys)
    # How the next refunds go; all after them succeed.
    refund_outcomes: list[str] = field(default_factory=list)

    def next_refund_outcome(self) -> str:
        """How this refund goes: succeeded, pending or failed."""
        return self.refund_outcomes.pop(0) if self.refund_outcomes else "succeeded"

    def happened(self, event: Event) -> None:
        """Record an event and have it sent."""
        self.events[event.id] = event
        self.announce(self, event)

    def take_fault(self, method: str, path: str) -> Fault | None:
        """The fault this call meets, used up by meeting it. Paths may have wildcards."""
        for fault in self.faults:
            if fault.method in ("*", method) and fnmatchcase(path, fault.path):
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None
