"""What can happen to one remote call of a function, and how the calls of a run are told apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Mode(StrEnum):
    """What happens at a point."""

    DIE_BEFORE = "die before"
    DIE_AFTER = "die after"
    FAIL_BEFORE = "fail before"  # the call fails and had no effect
    FAIL_AFTER = "fail after"  # the call fails although it took effect
    DELAY = "delay"  # the call takes effect after everybody gave it up: retries and sweepers ran before
    TWICE = "twice"  # the call is made twice, and all deliveries behind it are


class Kind(StrEnum):
    """What sort of call a point is."""

    COMMIT = "commit"
    TASK = "task"
    PUBLISH = "publish"
    PROVIDER = "provider"
    READ = "read"  # changes nothing: it can only fail


EFFECTS: Final = frozenset(Kind) - {Kind.READ}
READS_FAIL: Final = frozenset({Mode.FAIL_BEFORE})


@dataclass(frozen=True)
class Point:
    """One remote call of a run: the `nth` with this label. Ids differ between runs, so labels have none."""

    kind: Kind
    label: str
    nth: int

    def __str__(self) -> str:
        return f"{self.kind} {self.label}" + (f" #{self.nth}" if self.nth > 1 else "")

    @property
    def modes(self) -> frozenset[Mode]:
        """What can happen here."""
        return frozenset(Mode) if self.kind in EFFECTS else READS_FAIL


@dataclass(frozen=True)
class Fault:
    """What is to happen, and where."""

    point: Point
    mode: Mode


@dataclass(frozen=True)
class RemoteCall:
    """A call that is about to be made, and the errors by which its client library says that it failed."""

    kind: Kind
    label: str
    unavailable: Callable[[], Exception]
    lost: Callable[[], Exception]
    transaction: bytes = b""


class Death(BaseException):
    """The process is gone. No product code may catch this: after it no remote call has an effect."""


class Numbering:
    """Gives each call of a run its point."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[Kind, str]] = Counter()

    def point(self, call: RemoteCall) -> Point:
        self._seen[call.kind, call.label] += 1
        return Point(call.kind, call.label, self._seen[call.kind, call.label])


def label_of_writes(writes: Iterable[Any]) -> str:
    """What a commit writes, without ids: `create outbox, create units x2, update shards`."""
    counted = Counter(described(write) for write in writes)
    return ", ".join(name + (f" x{count}" if count > 1 else "") for name, count in sorted(counted.items())) or "nothing"


def created_by(writes: Iterable[Any]) -> list[str]:
    """The paths of the documents that a commit creates."""
    return [write.update.name.partition("/documents/")[2] for write in writes if _is_create(write)]


def collection_of(write: Any) -> str:
    """Where a write goes."""
    return str((write.delete or write.update.name or write.transform.document).rsplit("/", 2)[-2])


def described(write: Any) -> str:
    """What a write does, without ids: `create orders`."""
    verb = "delete" if write.delete else "create" if _is_create(write) else "update"
    return f"{verb} {collection_of(write)}"


def _is_create(write: Any) -> bool:
    return "exists" in write.current_document and not write.current_document.exists
