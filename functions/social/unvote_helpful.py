"""DELETE /v1/reviews/{reviewId}/helpful."""

from __future__ import annotations

from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.social import reviews


@endpoint("DELETE", "/v1/reviews/{reviewId}/helpful", access=Access.SIGNED_IN, status=204, errors=(NotFound,))
async def unvote_helpful(call: Call) -> None:
    """Take a vote back; also done where there is none."""
    await reviews.unvote(call.user.user_id, call.path["reviewId"])
