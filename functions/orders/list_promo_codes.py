"""GET /v1/events/{eventId}/promo-codes."""

from __future__ import annotations

from typing import Final

from common.endpoint import Call, endpoint
from common.errors import Forbidden, InvalidCursor
from common.orders import promotions
from common.orders.schemas import PromoCodePage, PromoCodesQuery
from common.organizations.policy import event_role
from common.organizations.schemas import Role
from common.wire import Empty

ORGANIZERS: Final = event_role(Role.OWNER, Role.MANAGER)


@endpoint(
    "GET",
    "/v1/events/{eventId}/promo-codes",
    access=ORGANIZERS,
    query=PromoCodesQuery,
    returns=PromoCodePage,
    errors=(Forbidden, InvalidCursor),
)
async def list_promo_codes(call: Call[Empty, PromoCodesQuery]) -> PromoCodePage:
    """An event's promo codes in alphabetical order, with how often each is used."""
    seen = await ORGANIZERS.event(call)
    codes, cursor = await promotions.page(seen.event.event_id, call.query.limit, call.query.cursor)
    return PromoCodePage(items=tuple(codes), next_cursor=cursor)
