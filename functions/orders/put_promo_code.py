"""PUT /v1/events/{eventId}/promo-codes/{code}."""

from __future__ import annotations

from typing import Final

from common import clock
from common.endpoint import Call, endpoint
from common.errors import Forbidden, ValidationFailed
from common.events.rules import EventCancelled, EventCompleted
from common.orders import promotions, rules
from common.orders.schemas import PromoCodeReply, PromoTerms
from common.organizations.policy import event_role
from common.organizations.schemas import Role

ORGANIZERS: Final = event_role(Role.OWNER, Role.MANAGER)


@endpoint(
    "PUT",
    "/v1/events/{eventId}/promo-codes/{code}",
    access=ORGANIZERS,
    body=PromoTerms,
    returns=PromoCodeReply,
    errors=(Forbidden, EventCancelled, EventCompleted, promotions.MaxUsesBelowUsed),
)
async def put_promo_code(call: Call[PromoTerms]) -> PromoCodeReply:
    """Make a promo code, or change it while it is used.

    A code is 3 to 40 letters, digits, `_` and `-`, in any case. Orders that are held keep the discount that they have.
    """
    seen = await ORGANIZERS.event(call)
    code = rules.promo_code(call.path["code"])
    if code is None:
        message = "must be 3 to 40 letters (A to Z), digits, _ and -, and not begin with _"
        raise ValidationFailed(errors=[{"field": "code", "code": "invalid_promo_code", "message": message}])
    promo = await promotions.put(seen.event.event_id, code, call.body, clock.now())
    return promotions.reply(promo, await promotions.uses_of(seen.event.event_id, promo))
