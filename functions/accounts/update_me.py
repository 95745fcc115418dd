"""PATCH /v1/me."""

from __future__ import annotations

from common import clock
from common.access import Access
from common.accounts import rules, store
from common.accounts.schemas import ProfilePatch, UserReply
from common.endpoint import Call, endpoint
from common.errors import NotFound


@endpoint(
    "PATCH",
    "/v1/me",
    access=Access.SIGNED_IN,
    body=ProfilePatch,
    returns=UserReply,
    errors=(NotFound, rules.EmailFromSignIn),
)
async def update_me(call: Call[ProfilePatch]) -> UserReply:
    """Change the caller's profile.

    What is absent stays, null clears, an object or list replaces what was there; a consent replaces the one of the
    same purpose.
    """
    now = clock.now()
    profile = await store.change_profile(
        call.user.user_id, lambda profile: rules.changed(profile, call.body, call.user, now)
    )
    return rules.user_reply(profile)
