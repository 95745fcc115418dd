"""`make dead-letters`: see, explain, replay or drop the events that a function refused until Pub/Sub gave up."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from common.log import redact
from infra.dead_letters.delivery_log import LogUnreadable
from infra.dead_letters.letters import DeadLetters, SourceGone
from infra.dead_letters.place import NowhereToLook, place
from infra.plan import service_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.dead_letters.delivery_log import Line
    from infra.dead_letters.letters import DeadLetter
    from infra.dead_letters.place import Place

# How long a replay is followed; instances that start and logs that arrive late need some of it.
HEARD_WITHIN_S: Final = 20.0
LISTEN_EVERY_S: Final = 0.5
SILENT: Final = (
    "{function} wrote nothing about it: it was not reached, or ended before it could (memory, time), or its lines are\n"
    "               older than the log. What the platform says of it:\n"
    "               gcloud logging read 'resource.labels.service_name=\"{service}\" severity>=WARNING' --freshness=14d"
)


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    try:
        where = place(asked.project)
        with contextlib.closing(DeadLetters(where.project)) as letters:
            match asked.do:
                case "explain":
                    return explain(where, letters, asked.ids)
                case "replay":
                    return replay(where, letters, None if asked.all else asked.ids)
                case "drop":
                    return drop(letters, asked.ids)
                case _:
                    return show(where, letters)
    except NowhereToLook as nowhere:
        print(f"error: {nowhere}", file=sys.stderr)
    except Exception as failure:
        if not _is_googles(failure):
            raise
        print(f"error: {failure}", file=sys.stderr)
    return 1


def show(where: Place, letters: DeadLetters) -> int:
    """One line each."""
    with letters.leased() as found:
        print(f"{_counted(len(found))} in {where.project}")
        if not found:
            return 0
        head = ("EVENT", "TYPE", "REFUSED BY", "ATTEMPTS", "GIVEN UP (UTC)", "")
        rows = [head, *((e.id, e.type, e.function, str(e.attempts), _at(e.refused_at), _remark(e)) for e in found)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        print()
        for row in rows:
            print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    print('\nWhy: make dead-letters DO="explain EVENT". Again, once it is mended: make dead-letters DO="replay EVENT".')
    return 0


def explain(where: Place, letters: DeadLetters, ids: list[str]) -> int:
    """Why each was refused; all of them where none is named."""
    with letters.leased() as found:
        chosen, unknown = _chosen(found, ids or [each.id for each in found])
        for letter in chosen:
            print(f"{letter.id}  {letter.type}")
            print(f"  refused by   {letter.function}, {letter.attempts} times, given up {_at(letter.refused_at)}")
            print(f"  published    {_at(letter.published_at)}")
            about = redact(letter.event.data) if letter.event else f"{len(letter.data)} bytes"
            print(f"  about        {json.dumps(about, ensure_ascii=False)}")
            print(f"  why          {_why(where, letter)}\n")
    return 1 if unknown else 0


def replay(where: Place, letters: DeadLetters, ids: list[str] | None) -> int:
    """Hand them to their functions again, and tell what came of it. None: all."""
    handed: list[tuple[DeadLetter, int, int]] = []
    with letters.leased() as found:
        chosen, failed = _chosen(found, [each.id for each in found] if ids is None else ids)
        for letter in chosen:
            heard = len(_lines(where, letter))
            try:
                attempts = letters.replay(letter)
            except SourceGone as gone:
                print(f"{letter.id}  stays: {gone}")
                failed += 1
                continue
            print(f"{letter.id}  handed to {letter.function}", flush=True)
            handed.append((letter, attempts, heard))
    until = time.monotonic() + HEARD_WITHIN_S + where.log.seconds_behind
    failed += sum(not _took(where, *each, until) for each in handed)
    return 1 if failed else 0


def drop(letters: DeadLetters, ids: list[str]) -> int:
    """Take them away unread; only those that are named."""
    with letters.leased() as found:
        chosen, unknown = _chosen(found, ids)
        for letter in chosen:
            letters.drop(letter)
            print(f"{letter.id}  dropped: {letter.function} will never have it")
    return 1 if unknown else 0


def _took(where: Place, letter: DeadLetter, attempts: int, heard: int, until: float) -> bool:
    """Whether the function took it, as far as its log says in time."""
    while True:
        new = _lines(where, letter)[heard:]
        answer = next((line for line in new if line.status is not None), None)
        if answer is not None or time.monotonic() > until:
            break
        time.sleep(LISTEN_EVERY_S)
    if answer is None:
        print(f"{letter.id}  nothing heard of it yet: if it is refused {attempts} times, it is listed again")
        return False
    if answer.status is not None and answer.status < 300:
        print(f"{letter.id}  {letter.function} took it")
        return True
    why = next((line.reason for line in new if line.is_refusal), f"status {answer.status}")
    print(f"{letter.id}  {letter.function} refused it again: {why}")
    print(f"             After {attempts - 1} more attempts it is a dead letter again.")
    return False


def _why(where: Place, letter: DeadLetter) -> str:
    """What the function wrote: each reason with its number, and where the latest failure was."""
    if letter.flaw:
        return f"it cannot be read ({letter.flaw}): unchanged, it is refused again"
    try:
        lines = where.log.lines(letter.function, letter.id, letter.published_at)
    except LogUnreadable as unreadable:
        return str(unreadable)
    refusals = [line for line in lines if line.is_refusal]
    if not refusals:
        return SILENT.format(function=letter.function, service=service_of(letter.function))
    counts = Counter(line.reason for line in refusals)
    last = refusals[-1]
    told = [f"{count} times {reason}" for reason, count in counts.most_common()]
    told += [frame.strip() for frame in last.innermost()]
    told += [f"trace {last.trace_page}"] if last.trace_page else []
    return "\n               ".join(told)


def _lines(where: Place, letter: DeadLetter) -> list[Line]:
    try:
        return where.log.lines(letter.function, letter.id, letter.published_at)
    except LogUnreadable:  # a replay does not depend on being followed
        return []


def _chosen(found: list[DeadLetter], ids: list[str]) -> tuple[list[DeadLetter], int]:
    """Those of these ids, and how many ids nothing has. An event that two functions refused is two."""
    unknown = [each for each in ids if each not in {letter.id for letter in found}]
    for each in unknown:
        print(f"{each}  is no dead letter here; one that somebody else looks at is back within a minute")
    return [letter for letter in found if letter.id in ids], len(unknown)


def _remark(letter: DeadLetter) -> str:
    return "malformed" if letter.flaw else "replayed before" if letter.was_replayed else ""


def _counted(number: int) -> str:
    return "1 dead letter" if number == 1 else f"{number} dead letters"


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _is_googles(failure: Exception) -> bool:
    """Whether Google refused or did not answer; anything else is ours."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    return isinstance(failure, GoogleAPIError | GoogleAuthError)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make dead-letters", description=__doc__)
    parser.add_argument("--project", help="a Google Cloud project, as whoever is signed in; else the local cloud")
    steps = parser.add_subparsers(dest="do", metavar="list | explain | replay | drop")
    steps.add_parser("list", help="one line each (what is done without a word)")
    steps.add_parser("explain", help="why it was refused").add_argument("ids", nargs="*", metavar="EVENT")
    again = steps.add_parser("replay", help="hand it to the function that refused it").add_mutually_exclusive_group(
        required=True
    )
    again.add_argument("ids", nargs="*", metavar="EVENT", default=[])
    again.add_argument("--all", action="store_true", help="every one")
    steps.add_parser("drop", help="take it away for good").add_argument("ids", nargs="+", metavar="EVENT")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
