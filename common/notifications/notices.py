"""Who is told what about a domain event, and over which channels."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from common.accounts import store as accounts
from common.accounts.schemas import NotificationPreferences
from common.events import store as events
from common.money import Money
from common.notifications import messages
from common.notifications.fcm_push import send_push
from common.notifications.sendgrid_mail import send_mail
from common.notifications.store import once
from common.notifications.twilio_text import send_sms
from common.orders import store as orders
from common.organizations import store as organizations
from common.tickets import store as tickets

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from common.accounts.schemas import Profile
    from common.notifications.messages import Message
    from common.orders.schemas import Order
    from common.outbox import DomainEvent


async def deliver(event: DomainEvent) -> None:
    """Send everything that this event asks for; raises when something must be tried again."""
    if event.type == "ticket.transferred":
        await _tell_recipient(event)
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


async def all_of(*sendings: Awaitable[None]) -> None:
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
    email = (profile.email if profile else None) or order.buyer_email
    phone = (profile.phone if profile else None) or order.buyer_phone
    sendings = [_push(event_id, order.buyer_id, message)] if wanted.push else []
    if email and wanted.email:
        mail = partial(send_mail, email, message.title, message.long)
        sendings.append(once(event_id, order.buyer_id, "mail", email, mail))
    elif phone and wanted.sms:
        sms = partial(send_sms, phone, f"{message.short} {order.order_number}")
        sendings.append(once(event_id, order.buyer_id, "sms", phone, sms))
    await all_of(*sendings)


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
    sendings = [once(event.id, phone, "sms", phone, sms)]
    if ticket.holder_id is not None and _wanted(await accounts.profile(ticket.holder_id)).push:
        sendings.append(_push(event.id, ticket.holder_id, message))
    await all_of(*sendings)


async def _push(event_id: str, user_id: str, message: Message) -> None:
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
