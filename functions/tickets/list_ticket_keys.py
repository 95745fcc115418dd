"""GET /v1/ticket-keys."""

from __future__ import annotations

import base64

from common.access import Access
from common.caching import Cache
from common.endpoint import Call, endpoint
from common.tickets import qr
from common.tickets.schemas import TicketKey, TicketKeys


@endpoint(
    "GET",
    "/v1/ticket-keys",
    access=Access.PUBLIC,
    returns=TicketKeys,
    cache=Cache(3600, browser_s=3600),
    secrets=("TICKET_SIGNING_KEY",),
)
async def list_ticket_keys(call: Call) -> TicketKeys:
    """Publish the keys that ticket codes are verified with, as a JWK set.

    A code is `MQ1.` and base32 of 100 bytes: key id (4, `kid` in hex), ticket id (15, base32 of `tkt_`), event id
    (15, base32 of `evt_`), version (2), Ed25519 signature (64) over `MQ1.` and the 36 bytes before it.
    """
    keys = tuple(
        TicketKey(kid=key.key_id, x=base64.urlsafe_b64encode(key.raw).decode().rstrip("=")) for key in qr.public_keys()
    )
    return TicketKeys(keys=keys)
