"""Who is told what about a domain event, and over which channels."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from common import clock
from common.accounts import store as accounts
from common.accounts.schemas import NotificationPreferences
from common.events import store as events
from common.events.rules import status_at
from common.events.schemas import EventStatus
from common.guests import store as guests
from common.guests.schemas import GuestStatus
from common.money import Money
from common.notifications import messages
from common.notifications.fcm_push import send_push
from common.notifications.sendgrid_mail import send_mail
from common.notifications.store import once
from common.notifications.twilio_text import send_sms
from common.orders import store as orders
from common.organizations import store as organizations
from common.tickets import store as tickets
from common.updates import store as updates

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from common.accounts.schemas import Profile
    from common.notifications.messages import Message
    from common.orders.schemas import Order
    from common.outbox import DomainEvent


async def deliver(event: DomainEvent) -> None:
    """Send everything that this event asks for; raises when something must be tried again."""
    tell = OTHERS.get(event.type)
    if tell is not None:
        await tell(event)
        return
    seen = await orders.find(event.data["orderId"])
    if seen is None:
        return
    order = seen.order
    if event.type == "order.ticketed":
        sold = await events.find(order.event_id)
        message = messages.tickets_for_buyer(order, sold.timezone if sold else "UTC")
        await all_of(_tell_buyer(event.id, order, message), _tell_hosts(event.id, order))
    else:
        amount = Money.model_validate(event.data["amount"])
        await _tell_buyer(event.id, order, messages.refund_for_buyer(order, amount))


async def all_of(*sendings: Awaitable[object]) -> None:
    """Let each sending end before the first failure is raised: one dead channel silences no other."""
    results = await asyncio.gather(*sendings, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _tell_buyer(event_id: str, order: Order, message: Message) -> None:
    """Push to every device; mail to the address of the profile or order, an SMS where there is none.

    Channels that the buyer has turned off stay silent.
    """
    profile = await accounts.profile(order.buyer_id)
    wanted = _wanted(profile)
    email, phone = _addresses(profile, order)
    sendings: list[Awaitable[object]] = [_push(event_id, order.buyer_id, message)] if wanted.push else []
    if email and wanted.email:
        mail = partial(send_mail, email, message.title, message.long)
        sendings.append(once(event_id, order.buyer_id, "mail", email, mail))
    elif phone and wanted.sms:
        sms = partial(send_sms, phone, f"{message.short} {order.order_number}")
        sendings.append(once(event_id, order.buyer_id, "sms", phone, sms))
    await all_of(*sendings)


def _addresses(profile: Profile | None, order: Order | None) -> tuple[str | None, str | None]:
    """The mail address and the phone number of whoever bought this order."""
    email = (profile.email if profile else None) or (order.buyer_email if order else None)
    return email, (profile.phone if profile else None) or (order.buyer_phone if order else None)


async def _tell_hosts(event_id: str, order: Order) -> None:
    message = messages.sale_for_host(order)
    owners = await organizations.owners_of(order.org_id)
    await all_of(*(tell_by_push(event_id, owner, message) for owner in owners))


async def tell_by_push(event_id: str, user_id: str, message: Message) -> None:
    """Push to every device of somebody who wants that; once for each event."""
    if _wanted(await accounts.profile(user_id)).push:
        await _push(event_id, user_id, message)


def _wanted(profile: Profile | None) -> NotificationPreferences:
    """The channels this person wants; whoever never said wants all."""
    return profile.notification_preferences if profile else NotificationPreferences()


async def _tell_recipient(event: DomainEvent) -> None:
    ticket = await tickets.find(event.data["ticketId"])
    if ticket is None:
        return
    message = messages.ticket_for_recipient(ticket)
    phone = event.data["recipientPhone"]
    sms = partial(send_sms, phone, message.long)
    sendings: list[Awaitable[object]] = [once(event.id, phone, "sms", phone, sms)]
    if ticket.holder_id is not None and _wanted(await accounts.profile(ticket.holder_id)).push:
        sendings.append(_push(event.id, ticket.holder_id, message))
    await all_of(*sendings)


async def _tell_guest(event: DomainEvent) -> None:
    """Push to somebody who is invited; an SMS where no device is known, or no push wanted. Mail is the last resort."""
    guest = await guests.find(event.data["eventId"], event.data["guestId"])
    invited_to = await events.find(event.data["eventId"])
    if guest is None or guest.status is not GuestStatus.INVITED or invited_to is None:
        return
    if status_at(invited_to, clock.now()) is not EventStatus.PUBLISHED:
        return
    message = messages.invitation_for_guest(invited_to)
    user_id = guest.user_id or await _user_of(guest.phone)
    profile = await accounts.profile(user_id) if user_id else None
    wanted = _wanted(profile)
    if user_id and wanted.push and await _push(event.id, user_id, message):
        return
    phone = guest.phone or (profile.phone if profile else None)
    if phone and wanted.sms:
        await once(event.id, phone, "sms", phone, partial(send_sms, phone, message.long))
    elif profile and profile.email and wanted.email:
        mail = partial(send_mail, profile.email, message.title, message.long)
        await once(event.id, profile.user_id, "mail", profile.email, mail)


async def _tell_holder(event: DomainEvent) -> None:
    """Push and mail to somebody who holds a ticket; an SMS where there is no mail, or where it must not be missed.

    The update's own id says what was sent: who is found by user id and by number, or twice, is told once.
    """
    update = await updates.find(event.data["eventId"], event.data["updateId"])
    if update is None:
        return
    message = messages.update_for_holder(update)
    key, number = update.update_id, event.data["phone"]
    user_id = event.data["userId"] or await _user_of(number)
    profile = await accounts.profile(user_id) if user_id else None
    seen = await orders.find(event.data["orderId"]) if event.data["orderId"] else None
    email, phone = _addresses(profile, seen.order if seen else None)
    phone = phone or number
    wanted = _wanted(profile)
    sendings: list[Awaitable[object]] = [_push(key, user_id, message)] if user_id and wanted.push else []
    if email and wanted.email:
        mail = partial(send_mail, email, f"{update.event_title}: {message.title}", message.long)
        sendings.append(once(key, user_id or email, "mail", email, mail))
    if phone and wanted.sms and (update.urgent or not (email and wanted.email)):
        sendings.append(once(key, phone, "sms", phone, partial(send_sms, phone, message.short)))
    await all_of(*sendings)


async def _user_of(phone: str | None) -> str | None:
    """Who signs in with this number, None before their first sign-in."""
    return await accounts.user_id_by_phone(phone) if phone else None


async def _push(event_id: str, user_id: str, message: Message) -> int:
    """Push to every device; how many there are."""
    devices = await accounts.devices_of(user_id)
    await all_of(
        *(
            once(
                event_id,
                user_id,
                "push",
                device.push_address,
                partial(send_push, device.push_address, message.title, message.short, message.data),
            )
            for device in devices
        )
    )
    return len(devices)


OTHERS: Final[dict[str, Callable[[DomainEvent], Awaitable[None]]]] = {
    "ticket.transferred": _tell_recipient,
    "guest.invited": _tell_guest,
    "update.addressed": _tell_holder,
}
