"""A repeat of an Idempotency-Key gets the first reply; the work itself runs once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from common import clients, clock, log
from common.errors import IdempotencyKeyReused, RequestInProgress
from common.ids import derived_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

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
    claim = await _claim(record, call.fingerprint)
    if isinstance(claim, Response):
        return claim
    # Only the present owner may write: a claim that looked dead may have been taken over meanwhile.
    still_ours = clients.firestore().write_option(last_update_time=claim)
    try:
        response = await run()
    except Exception:
        await _unless_taken_over(record.delete(option=still_ours))
        raise
    reply = {"status": response.status_code, "body": bytes(response.body).decode()}
    await _unless_taken_over(record.update(reply, option=still_ours))
    return response


async def _unless_taken_over(write: Awaitable[object]) -> None:
    from google.api_core.exceptions import FailedPrecondition, NotFound

    try:
        await write
    except (FailedPrecondition, NotFound):
        log.warning("an idempotency claim was taken over by a repeat")


async def _claim(record: AsyncDocumentReference, fingerprint: str) -> Response | datetime:
    """The kept reply, or the update_time of the claim that is now ours."""
    from google.api_core.exceptions import AlreadyExists, FailedPrecondition

    now = clock.now()
    claim = {"fingerprint": fingerprint, "claimedAt": now, "expireAt": now + REPLY_KEPT}
    try:
        return (await record.create(claim)).update_time
    except AlreadyExists:
        snapshot = await record.get()
    kept = snapshot.to_dict()
    if kept is None:  # the first request was refused between the two calls
        raise RequestInProgress
    if kept["fingerprint"] != fingerprint:
        raise IdempotencyKeyReused
    if "status" in kept:
        return Response(kept["body"], kept["status"], {"Idempotent-Replayed": "true"}, "application/json")
    if now - kept["claimedAt"] < CLAIM_LASTS:
        raise RequestInProgress
    option = clients.firestore().write_option(last_update_time=snapshot.update_time)
    try:
        return (await record.update({"claimedAt": now}, option=option)).update_time
    except FailedPrecondition:
        raise RequestInProgress from None
