"""A repeat of an Idempotency-Key gets the first reply; the work itself runs once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from common import clients, clock
from common.errors import IdempotencyKeyReused, RequestInProgress
from common.ids import derived_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.cloud.firestore import AsyncDocumentReference

    from common.endpoint import Call

# Longer than any endpoint may run: a claim this old belongs to a process that died.
CLAIM_LASTS: Final = timedelta(seconds=60)
REPLY_KEPT: Final = timedelta(hours=24)


async def once(name: str, call: Call[Any, Any], run: Callable[[], Awaitable[Response]]) -> Response:
    """The kept reply of (caller, endpoint, key), or a fresh one that is kept from now on.

    The claim is written before the work begins. Work that a dead process left half done is run again: the ids
    it creates derive from the key, so it meets its own documents. A refusal (4xx, 5xx) is not kept: the caller
    may mend the cause and repeat the key.
    """
    record = clients.firestore().document(
        f"idempotency/{derived_id('idk', name, call.user.user_id, call.idempotency_key or '')}"
    )
    kept = await _claim(record, call.fingerprint)
    if kept is not None:
        return kept
    try:
        response = await run()
    except Exception:
        await record.delete()
        raise
    await record.update({"status": response.status_code, "body": bytes(response.body).decode()})
    return response


async def _claim(record: AsyncDocumentReference, fingerprint: str) -> Response | None:
    from google.api_core.exceptions import AlreadyExists, FailedPrecondition

    now = clock.now()
    claim = {"fingerprint": fingerprint, "claimedAt": now, "expireAt": now + REPLY_KEPT}
    try:
        await record.create(claim)
    except AlreadyExists:
        snapshot = await record.get()
        kept = snapshot.to_dict()
        if kept is None:  # the first request was refused between the two calls
            raise RequestInProgress from None
        if kept["fingerprint"] != fingerprint:
            raise IdempotencyKeyReused from None
        if "status" in kept:
            headers = {"Idempotent-Replayed": "true"}
            return Response(kept["body"], kept["status"], headers, "application/json")
        if now - kept["claimedAt"] < CLAIM_LASTS:
            raise RequestInProgress from None
        option = clients.firestore().write_option(last_update_time=snapshot.update_time)
        try:
            await record.update({"claimedAt": now}, option=option)
        except FailedPrecondition:
            raise RequestInProgress from None
    return None
