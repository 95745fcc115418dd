"""The shapes of accounts: who signs in, on which devices, and what people say of themselves."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field, PlainSerializer, StringConstraints

from common.events.schemas import Genre, WebAddress
from common.wire import EmailAddress, Name, Record, UtcDatetime, Wire

# Devices name themselves; what they send becomes a document id, which may not begin with dots or underscores.
DeviceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$")]
# Firestore knows moments but no days.
StoredDate = Annotated[date, PlainSerializer(date.isoformat, return_type=str)]


class Platform(StrEnum):
    IOS = "ios"
    ANDROID = "android"
    WEB = "web"


class Gender(StrEnum):
    FEMALE = "female"
    MALE = "male"
    NON_BINARY = "non_binary"
    OTHER = "other"
    UNDISCLOSED = "undisclosed"


class ConsentPurpose(StrEnum):
    TERMS = "terms"
    PRIVACY = "privacy"
    MARKETING = "marketing"
    CONTACT_SYNC = "contact_sync"


class DeviceInfo(Wire):
    """The device a person signs in on; without a `pushToken` push goes to its id."""

    id: DeviceId
    platform: Platform
    app_version: Annotated[str, Field(min_length=1, max_length=40)]
    push_token: Annotated[str, Field(min_length=1, max_length=4_096)] | None = None


class SessionRequest(Wire):
    """POST /v1/session."""

    device_info: DeviceInfo | None = None


class NotificationPreferences(Wire):
    """The channels over which a person wants to hear from us."""

    push: bool = True
    sms: bool = True
    email: bool = True
    whatsapp: bool = True


class SocialLinks(Wire):
    """Where else a person can be found."""

    instagram: WebAddress | None = None
    facebook: WebAddress | None = None
    x: WebAddress | None = None
    tiktok: WebAddress | None = None
    spotify: WebAddress | None = None
    soundcloud: WebAddress | None = None
    website: WebAddress | None = None


class ConsentRequest(Wire):
    """What a person agrees to, or no longer agrees to; `version` is that of the text they were shown."""

    purpose: ConsentPurpose
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
    granted: bool


class Consent(ConsentRequest):
    """A consent with the time at which it was given or withdrawn."""

    at: UtcDatetime


class ProfilePatch(Wire):
    """PATCH /v1/me: what is absent stays, null clears, an object or list replaces; a consent replaces its purpose's."""

    display_name: Name | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    email: EmailAddress | None = None
    birth_date: date | None = None
    gender: Gender | None = None
    city: Name | None = None
    avatar_url: WebAddress | None = None
    music_preferences: Annotated[tuple[Genre, ...], Field(max_length=30)] = ()
    notification_preferences: NotificationPreferences = NotificationPreferences()
    social_links: SocialLinks = SocialLinks()
    consents: Annotated[tuple[ConsentRequest, ...], Field(max_length=len(ConsentPurpose))] = ()


class Profile(Record):
    """users/{userId}."""

    user_id: str
    phone: str | None
    email: str | None
    display_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    birth_date: StoredDate | None = None
    gender: Gender | None = None
    city: str | None = None
    avatar_url: str | None = None
    music_preferences: tuple[str, ...] = ()
    notification_preferences: NotificationPreferences = NotificationPreferences()
    social_links: SocialLinks = SocialLinks()
    consents: tuple[Consent, ...] = ()
    created_at: UtcDatetime
    updated_at: UtcDatetime
    signed_in_at: UtcDatetime


class Device(Record):
    """users/{userId}/devices/{deviceId}."""

    device_id: str
    platform: Platform
    app_version: str
    push_token: str | None
    signed_in_at: UtcDatetime

    @property
    def push_address(self) -> str:
        """Where push messages for this device go."""
        return self.push_token or self.device_id


class UserReply(Wire):
    """A person's own profile."""

    user_id: str
    phone: str | None = None
    email: str | None = None
    display_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    birth_date: date | None = None
    gender: Gender | None = None
    city: str | None = None
    avatar_url: str | None = None
    music_preferences: tuple[str, ...]
    notification_preferences: NotificationPreferences
    social_links: SocialLinks
    consents: tuple[Consent, ...]
    created_at: UtcDatetime
    updated_at: UtcDatetime


class SessionReply(Wire):
    """Who signed in; `isNewUser` is true exactly once in a person's life."""

    user: UserReply
    is_new_user: bool
