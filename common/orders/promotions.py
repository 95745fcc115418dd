"""Promo codes in Firestore. A code's uses are a tier of their own: what keeps tiers from being oversold keeps them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from common import clients
from common.errors import NotFound, ValidationFailed
from common.events import rules as event_rules
from common.events.schemas import Event
from common.ids import derived_id
from common.memory import Memory
from common.orders.capacity import CapacityBelowSold, resize
from common.orders.schemas import PromoCode, PromoCodeReply, PromoTerms
from common.orders.shards import shard, shard_count, shard_documents, shard_path
from common.paging import decode_cursor, encode_cursor
from common.transaction import in_transaction, read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from datetime import datetime

    from google.cloud.firestore import AsyncTransaction

memory: Final = Memory[PromoCode]()


class MaxUsesBelowUsed(CapacityBelowSold):
    code, title = "max_uses_below_used", "The code is used more often than that"


def promo_id(event_id: str, code: str) -> str:
    """What the code is called where tiers are: known before the code is read, so that both are read at once."""
    return derived_id("promo", event_id, code)


def codes_path(event_id: str) -> str:
    return f"events/{event_id}/promoCodes"


def _path(event_id: str, code: str) -> str:
    return f"{codes_path(event_id)}/{code}"


def remembered(event_id: str, code: str) -> PromoCode | None:
    """The code as this process read it seconds ago. Costs nothing."""
    return memory.recall(_path(event_id, code))


async def recent(event_id: str, code: str | None) -> PromoCode | None:
    """The code, at most a few seconds old; None if there is none."""
    if code is None:
        return None
    promo = remembered(event_id, code)
    if promo is None:
        snapshot = await clients.firestore().document(_path(event_id, code)).get()
        if not snapshot.exists:
            return None
        promo = PromoCode.of(snapshot.to_dict())
        memory.keep(_path(event_id, code), promo)
    return promo


async def put(event_id: str, code: str, terms: PromoTerms, now: datetime) -> PromoCode:
    """Make the code, or change it while it is used: its number of uses changes as a tier's capacity does."""

    async def work(transaction: AsyncTransaction) -> PromoCode:
        event, known = await read(transaction, f"events/{event_id}", _path(event_id, code))
        _check(Event.of(event), terms, now)
        before = PromoCode.of(known) if known else None
        after = PromoCode(
            code=code,
            promo_id=promo_id(event_id, code),
            terms=terms,
            shards=0,
            created_at=before.created_at if before else now,
            updated_at=now,
        )
        return await _write(transaction, event_id, before, after)

    return await _changing(event_id, code, work)


async def end(event_id: str, code: str, now: datetime) -> None:
    """Let nobody use the code any more. Orders that have it keep it."""

    async def work(transaction: AsyncTransaction) -> PromoCode:
        [known] = await read(transaction, _path(event_id, code))
        if known is None:
            raise NotFound("The event has no such promo code.")
        before = PromoCode.of(known)
        ended = before.terms.model_copy(update={"active": False})
        after = before.model_copy(update={"terms": ended, "updated_at": now})
        return await _write(transaction, event_id, before, after)

    await _changing(event_id, code, work)


async def _write(transaction: AsyncTransaction, event_id: str, before: PromoCode | None, after: PromoCode) -> PromoCode:
    """The code and its shards, open while it is active, in one commit."""
    client = clients.firestore()
    is_open = after.terms.active
    if before is None:
        count = shard_count(after.capacity)
        for path, fields in shard_documents(event_id, after.promo_id, after.capacity):
            transaction.create(client.document(path), fields | {"open": is_open})
    else:
        try:
            count = await resize(transaction, event_id, after.promo_id, before.shards, after.capacity, is_open=is_open)
        except CapacityBelowSold as low:
            raise MaxUsesBelowUsed(low.detail, **low.extensions) from None
    written = after.model_copy(update={"shards": count})
    transaction.set(client.document(_path(event_id, after.code)), written.document())
    return written


async def _changing(event_id: str, code: str, work: Callable[[AsyncTransaction], Awaitable[PromoCode]]) -> PromoCode:
    try:
        return await in_transaction(work)
    finally:
        memory.forget(_path(event_id, code))


def _check(event: Event, terms: PromoTerms, now: datetime) -> None:
    event_rules.require_open(event, now)
    errors = [*_errors(event, terms)]
    if errors:
        raise ValidationFailed(errors=errors)


def _errors(event: Event, terms: PromoTerms) -> Iterator[dict[str, str]]:
    if terms.amount is not None and terms.amount.currency != event.currency:
        message = f"must be {event.currency}"
        yield {"field": "amount.currency", "code": "currency_mismatch", "message": message}
    for place, tier_id in enumerate(terms.tier_ids or ()):
        if event.tier(tier_id) is None:
            yield {"field": f"tierIds.{place}", "code": "unknown_tier", "message": "the event has no such tier"}


async def page(event_id: str, limit: int, cursor: str | None) -> tuple[list[PromoCodeReply], str | None]:
    """The event's codes in alphabetical order, with their uses, and the cursor of the next page."""
    query = clients.firestore().collection(codes_path(event_id)).order_by("code").limit(limit + 1)
    if cursor is not None:
        [code] = decode_cursor(cursor, f"promo codes of {event_id}", str)
        query = query.start_after({"code": code})
    found = [PromoCode.of(snapshot.to_dict()) for snapshot in await query.get()]
    shown = found[:limit]
    uses = await _uses(event_id, shown)
    more = encode_cursor(f"promo codes of {event_id}", shown[-1].code) if len(found) > limit else None
    return [reply(promo, uses[promo.promo_id]) for promo in shown], more


async def uses_of(event_id: str, promo: PromoCode) -> int:
    """How often the code is used."""
    return (await _uses(event_id, [promo]))[promo.promo_id]


async def _uses(event_id: str, promos: list[PromoCode]) -> Counter[str]:
    client = clients.firestore()
    paths = [shard_path(event_id, promo.promo_id, index) for promo in promos for index in range(promo.shards)]
    uses = Counter[str]()
    async for found in client.get_all([client.document(path) for path in paths]):
        item = shard(found.reference.path, found.to_dict() or {})
        uses[item.tier_id] += item.taken
    return uses


def reply(promo: PromoCode, uses: int) -> PromoCodeReply:
    """The code as its organizer sees it."""
    terms = promo.terms.model_dump()
    return PromoCodeReply(**terms, code=promo.code, uses=uses, created_at=promo.created_at, updated_at=promo.updated_at)
