"""POST /v1/reviews/{reviewId}/helpful."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.events import store as events
from common.organizations.policy import require_visible
from common.social import reviews, rules


@endpoint(
    "POST", "/v1/reviews/{reviewId}/helpful", access=Access.SIGNED_IN, status=204, errors=(NotFound, rules.OwnReview)
)
async def vote_helpful(call: Call) -> None:
    """Find somebody else's review helpful, once."""
    review = await reviews.find(call.path["reviewId"])
    await require_visible(await events.recent(review.event_id), call.caller)
    await reviews.vote(call.user.user_id, review, clock.now())
