"""One refund is made by one call at a time, at providers that would take two calls for two refunds."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from common import clients, clock
from common.payments.gateways import GatewayRefused, GatewayUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CLAIMS: Final = "refundClaims"
# Longer than all calls of a holder together may take: whoever comes after it sees what the holder made.
LEASE: Final = timedelta(seconds=90)


@asynccontextmanager
async def claimed(claim_id: str) -> AsyncIterator[None]:
    """Hold the claim meanwhile; GatewayUnavailable when another call holds it. A task that runs twice meets it.

    After any other end than success or a refusal the claim is kept: what was given up may still take effect.
    """
    from google.api_core.exceptions import AlreadyExists, FailedPrecondition, NotFound

    client, now = clients.firestore(), clock.now()
    document = client.collection(CLAIMS).document(claim_id)
    found = await document.get()
    try:
        if not found.exists:
            await document.create({"claimedAt": now})
        elif (found.to_dict() or {})["claimedAt"] < now - LEASE:
            await document.update({"claimedAt": now}, option=client.write_option(last_update_time=found.update_time))
        else:
            raise GatewayUnavailable("This refund is being made by another call.")
    except (AlreadyExists, FailedPrecondition, NotFound):
        raise GatewayUnavailable("This refund is being made by another call.") from None
    try:
        yield
    except GatewayRefused:
        await document.delete()
        raise
    await document.delete()
