"""indexes/{generation}/parts/{n} in Firestore: the listing index as it was, for processes that start.

`indexes/current` names the generation that holds. It is written last and only over the pointer that was read before:
whatever dies or happens twice in between leaves parts that nobody reads, and a later run deletes them.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from common import clients, log
from common.ids import new_id
from common.listings.tables import version
from common.transaction import committed
from common.wire import Record, UtcDatetime

if TYPE_CHECKING:
    from datetime import datetime

    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot

INDEXES: Final = "indexes"
# A document holds 1 MiB, its names and overhead included.
PART_BYTES: Final = 900_000
# Level 1 packs little faster and 5 % worse; level 6 takes four times as long for 10 %.
LEVEL: Final = 3
AT_ONCE: Final = 8
# Far longer than anybody takes from reading the pointer to reading the last part.
KEPT: Final = timedelta(hours=1)


class Pointer(Record):
    """indexes/current."""

    generation: str
    parts: int
    sha256: str
    version: str
    # What was written later is asked of the listings themselves.
    complete_to: UtcDatetime
    changed_to: UtcDatetime
    # When it was last made from the listings rather than from the snapshot before it.
    rebuilt_at: UtcDatetime


@dataclass(frozen=True)
class Snapshot:
    """The tables as SQLite's own image of them."""

    generation: str
    image: bytes
    complete_to: datetime
    changed_to: datetime


@dataclass(frozen=True)
class Known:
    """The pointer as it was read, None where there is none that can be read, and the document's guard."""

    pointer: Pointer | None
    guard: Any


async def known() -> Known:
    """Where the snapshot is, in one read."""
    found = await _current().get()
    if not found.exists:
        return Known(None, None)
    try:
        return Known(Pointer.of(found.to_dict()), found.update_time)
    except ValidationError as damaged:
        log.error("the pointer of the listing index is damaged", cause=damaged)
        return Known(None, found.update_time)


async def load() -> Snapshot | None:
    """The snapshot that holds; None where there is none, it is damaged, or it is of another release's tables."""
    pointer = (await known()).pointer
    if pointer is None or pointer.version != version():
        return None
    wanted = _parts(pointer)
    groups = [wanted[first : first + AT_ONCE] for first in range(0, len(wanted), AT_ONCE)]
    parts = [part for group in await asyncio.gather(*map(_read, groups)) for part in group]
    try:
        image = await asyncio.to_thread(_image, parts, pointer.sha256)
    except (DamagedSnapshot, zlib.error) as damaged:
        log.error("the snapshot of the listing index is damaged", cause=damaged, generation=pointer.generation)
        return None
    return Snapshot(pointer.generation, image, pointer.complete_to, pointer.changed_to)


async def save(
    image: bytes, complete_to: datetime, changed_to: datetime, rebuilt_at: datetime, over: Known, now: datetime
) -> str | None:
    """Write a generation and point to it; its id, or None when another run was first."""
    packed = await asyncio.to_thread(zlib.compress, image, LEVEL)
    pieces = [packed[first : first + PART_BYTES] for first in range(0, len(packed), PART_BYTES)]
    pointer = Pointer(
        generation=new_id("idx"),
        parts=len(pieces),
        sha256=hashlib.sha256(packed).hexdigest(),
        version=version(),
        complete_to=complete_to,
        changed_to=changed_to,
        rebuilt_at=rebuilt_at,
    )
    # Before its parts, so that whoever tidies up knows of them.
    await _generation(pointer.generation).set({"createdAt": now, "parts": len(pieces)})
    for first in range(0, len(pieces), AT_ONCE):
        written = zip(_parts(pointer)[first : first + AT_ONCE], pieces[first : first + AT_ONCE], strict=True)
        await asyncio.gather(*(part.set({"blob": piece}) for part, piece in written))
    client = clients.firestore()
    batch = client.batch()
    if over.guard is None:
        batch.create(_current(), pointer.document())
    else:
        batch.update(_current(), pointer.document(), client.write_option(last_update_time=over.guard))
    return pointer.generation if await committed(batch) else None


async def tidy(in_force: str, now: datetime) -> None:
    """Delete the generations that nobody may be reading any more. One that replaced ours meanwhile is too young."""
    from google.cloud.firestore import FieldFilter

    old = clients.firestore().collection(INDEXES).where(filter=FieldFilter("createdAt", "<", now - KEPT))
    for generation in await old.get():
        if generation.id != in_force:
            await _delete(generation)


async def _delete(generation: DocumentSnapshot) -> None:
    """The parts first: as long as the generation is there, a later run finds them."""
    parts = [generation.reference.collection("parts").document(str(n)) for n in range(generation.get("parts"))]
    for document in (*parts, generation.reference):
        await document.delete()


class DamagedSnapshot(Exception):
    """A part is missing, or they are not what was written."""


async def _read(wanted: list[AsyncDocumentReference]) -> list[DocumentSnapshot]:
    """These documents, in this order; a few at a time, for they are large."""
    found = {part.reference.path: part async for part in clients.firestore().get_all(wanted)}
    return [found[each.path] for each in wanted]


def _image(parts: list[DocumentSnapshot], sha256: str) -> bytes:
    if not all(part.exists for part in parts):
        raise DamagedSnapshot("a part is missing")
    packed = b"".join(part.get("blob") for part in parts)
    if hashlib.sha256(packed).hexdigest() != sha256:
        raise DamagedSnapshot("the parts are not what was written")
    return zlib.decompress(packed)


def _current() -> AsyncDocumentReference:
    return clients.firestore().document(f"{INDEXES}/current")


def _generation(generation: str) -> AsyncDocumentReference:
    return clients.firestore().document(f"{INDEXES}/{generation}")


def _parts(pointer: Pointer) -> list[AsyncDocumentReference]:
    return [_generation(pointer.generation).collection("parts").document(str(n)) for n in range(pointer.parts)]
