"""Accounts in Firestore: users/{userId} and users/{userId}/devices/{deviceId}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from common import clients
from common.accounts import rules
from common.accounts.schemas import Device, Profile
from common.errors import NotFound, TemporarilyUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from google.cloud.firestore import AsyncCollectionReference, AsyncDocumentReference, AsyncWriteBatch

    from common.accounts.schemas import DeviceInfo
    from common.tokens import Caller

USERS: Final = "users"
MOST_ATTEMPTS: Final = 5


def _user(user_id: str) -> AsyncDocumentReference:
    return clients.firestore().collection(USERS).document(user_id)


def _devices(user_id: str) -> AsyncCollectionReference:
    return _user(user_id).collection("devices")


async def profile(user_id: str) -> Profile | None:
    """The profile of this person, None before their first sign-in."""
    snapshot = await _user(user_id).get()
    return Profile.of(snapshot.to_dict()) if snapshot.exists else None


async def user_id_by_phone(phone: str) -> str | None:
    """Who owns this number now: a number may move on to somebody else, so the latest sign-in with it counts."""
    from google.cloud.firestore import FieldFilter

    query = clients.firestore().collection(USERS).where(filter=FieldFilter("phone", "==", phone))
    people = [Profile.of(snapshot.to_dict()) for snapshot in await query.get()]
    return max(people, key=lambda person: person.signed_in_at).user_id if people else None


async def devices_of(user_id: str) -> tuple[Device, ...]:
    """The devices on which this person is signed in."""
    return tuple([Device.of(snapshot.to_dict()) async for snapshot in _devices(user_id).stream()])


async def open_session(caller: Caller, device: DeviceInfo | None, now: datetime) -> tuple[Profile, bool]:
    """The caller's profile, and whether this call created it: of several first calls at once exactly one did."""
    from google.api_core.exceptions import AlreadyExists

    snapshot = await _user(caller.user_id).get()
    if not snapshot.exists:
        created = rules.new_profile(caller, now)
        batch = clients.firestore().batch()
        batch.create(_user(caller.user_id), created.document())
        _keep_device(batch, caller.user_id, device, now)
        try:
            await batch.commit()
        except AlreadyExists:
            snapshot = await _user(caller.user_id).get()
        else:
            return created, True
    known = rules.signed_in_again(Profile.of(snapshot.to_dict()), caller, now)
    batch = clients.firestore().batch()
    said = {"phone": known.phone, "email": known.email, "signedInAt": known.signed_in_at}
    batch.update(_user(caller.user_id), said)
    _keep_device(batch, caller.user_id, device, now)
    await batch.commit()
    return known, False


def _keep_device(batch: AsyncWriteBatch, user_id: str, device: DeviceInfo | None, now: datetime) -> None:
    if device is None:
        return
    kept = Device(
        device_id=device.id,
        platform=device.platform,
        app_version=device.app_version,
        push_token=device.push_token,
        signed_in_at=now,
    )
    batch.set(_devices(user_id).document(device.id), kept.document())


async def forget_devices(user_id: str) -> None:
    """Send no more push messages to the person's devices: nobody is signed in on them any longer."""
    batch = clients.firestore().batch()
    async for device in _devices(user_id).list_documents():
        batch.delete(device)
    await batch.commit()


async def change_profile(user_id: str, change: Callable[[Profile], Profile]) -> Profile:
    """Apply a change to the profile as it is now; it may be applied several times before it holds."""
    from google.api_core.exceptions import FailedPrecondition

    for _ in range(MOST_ATTEMPTS):
        snapshot = await _user(user_id).get()
        if not snapshot.exists:
            raise NotFound("Sign in with POST /v1/session first.")
        changed = change(Profile.of(snapshot.to_dict()))
        seen = clients.firestore().write_option(last_update_time=snapshot.update_time)
        try:
            await _user(user_id).update(changed.document(), option=seen)
        except FailedPrecondition:
            continue
        return changed
    raise TemporarilyUnavailable("The profile is being changed from somewhere else.")
