"""What a sign-in and a profile change make of a profile: pure decisions over plain values."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from common.accounts.schemas import Consent, Profile, UserReply
from common.errors import Problem, ValidationFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from common.accounts.schemas import ConsentRequest, ProfilePatch
    from common.tokens import Caller

EARLIEST_BIRTH: Final = date(1900, 1, 1)


class EmailFromSignIn(Problem):
    status, code, title = 409, "email_from_sign_in", "The email address comes from the sign-in provider"


def new_profile(caller: Caller, now: datetime) -> Profile:
    """The profile of somebody who signs in for the first time."""
    return Profile(
        user_id=caller.user_id,
        phone=caller.phone,
        email=caller.email,
        display_name=caller.name,
        created_at=now,
        updated_at=now,
        signed_in_at=now,
    )


def signed_in_again(profile: Profile, caller: Caller, now: datetime) -> Profile:
    """The profile with what the token says of its owner now.

    A number that is no longer theirs must go, or the tickets sent to it would reach them. An email address may be
    their own entry, so it stays where the token has none.
    """
    return profile.model_copy(
        update={"phone": caller.phone, "email": caller.email or profile.email, "signed_in_at": now}
    )


def changed(profile: Profile, patch: ProfilePatch, caller: Caller, now: datetime) -> Profile:
    """The profile after the person's own change."""
    given: dict[str, Any] = {name: getattr(patch, name) for name in patch.model_fields_set}
    if "email" in given and caller.email is not None and given["email"] != caller.email:
        raise EmailFromSignIn
    if patch.birth_date is not None and not EARLIEST_BIRTH <= patch.birth_date < now.date():
        raise ValidationFailed(
            errors=[{"field": "birthDate", "code": "birth_date_impossible", "message": "must lie in the past"}]
        )
    if "music_preferences" in given:
        given["music_preferences"] = tuple(dict.fromkeys(patch.music_preferences))
    if "consents" in given:
        given["consents"] = _consents(profile.consents, patch.consents, now)
    return profile.model_copy(update=given | {"updated_at": now})


def _consents(kept: tuple[Consent, ...], said: Iterable[ConsentRequest], now: datetime) -> tuple[Consent, ...]:
    """One consent a purpose. Saying the same again keeps the time at which it was first said."""
    by_purpose = {consent.purpose: consent for consent in kept}
    for consent in said:
        before = by_purpose.get(consent.purpose)
        if before is None or (before.version, before.granted) != (consent.version, consent.granted):
            by_purpose[consent.purpose] = Consent(**consent.model_dump(), at=now)
    return tuple(by_purpose.values())


def user_reply(profile: Profile) -> UserReply:
    """The profile as its owner sees it."""
    return UserReply(**{name: getattr(profile, name) for name in UserReply.model_fields})
