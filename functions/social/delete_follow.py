"""DELETE /v1/follows/{kind}/{targetId}."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.endpoint import Call, endpoint
from common.errors import NotFound
from common.social import rules, store


@endpoint("DELETE", "/v1/follows/{kind}/{targetId}", access=Access.SIGNED_IN, status=204, errors=(NotFound,))
async def delete_follow(call: Call) -> None:
    """Follow somebody no longer; also done where they were not followed."""
    kind = rules.follow_kind(call.path["kind"])
    await store.unfollow(call.user.user_id, kind, call.path["targetId"], clock.now())
