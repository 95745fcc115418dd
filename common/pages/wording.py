"""Money and times as people read them, in English and in the event's own time zone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from datetime import datetime

    from common.money import Money

SYMBOLS: Final = {"INR": "₹", "NGN": "₦", "USD": "$", "EUR": "€", "GBP": "£", "GHS": "GH₵", "KES": "KSh ", "ZAR": "R"}
# ISO 4217: how many of a currency's digits are minor units, where it is not two.
NO_MINOR_UNITS: Final = set("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
THREE_DIGITS: Final = set("BHD IQD JOD KWD LYD OMR TND".split())
# A night: it ends before people have slept, on a date that nobody calls the event's.
NIGHT: Final = timedelta(hours=18)
TO: Final = " – "


def decimal(price: Money) -> str:
    """`499.00`, as machines read an amount."""
    digits = 0 if price.currency in NO_MINOR_UNITS else 3 if price.currency in THREE_DIGITS else 2
    if not digits:
        return str(price.amount_minor)
    whole, rest = divmod(price.amount_minor, 10**digits)
    return f"{whole}.{rest:0{digits}d}"


def money(price: Money) -> str:
    """`Free`, `₹1,50,000` or `₦2,500.50`: without minor units where there are none."""
    if price.amount_minor == 0:
        return "Free"
    whole, _, rest = decimal(price).partition(".")
    symbol = SYMBOLS.get(price.currency, f"{price.currency} ")
    return symbol + _grouped(whole, price.currency) + (f".{rest}" if rest.strip("0") else "")


def _grouped(digits: str, currency: str) -> str:
    if currency != "INR" or len(digits) <= 3:
        return f"{int(digits):,}"
    crores, last = digits[:-3], digits[-3:]
    lakhs = [crores[max(0, end - 2) : end] for end in range(len(crores), 0, -2)]
    return ",".join([*reversed(lakhs), last])


def clock_time(moment: datetime) -> str:
    """`9:00 pm`."""
    return f"{moment.hour % 12 or 12}:{moment:%M} {'am' if moment.hour < 12 else 'pm'}"


def day(moment: datetime) -> str:
    """`Saturday 22 November 2025`."""
    return f"{moment:%A} {moment.day} {moment:%B %Y}"


def zone(moment: datetime) -> str:
    """`IST`, or `UTC+05:45` where a zone has no letters."""
    name = moment.tzname() or ""
    offset = f"{moment:%z}"
    return name if name.isalpha() else f"UTC{offset[:3]}:{offset[3:5]}"


def when(starts_at: datetime, ends_at: datetime, timezone: str) -> tuple[str, str]:
    """The day and the hours: a night belongs to the day it starts on, a longer event names both days."""
    start, end = (moment.astimezone(ZoneInfo(timezone)) for moment in (starts_at, ends_at))
    hours = f"{clock_time(start)}{TO}{clock_time(end)} {zone(end)}"
    if start.date() == end.date():
        return day(start), hours
    if ends_at - starts_at <= NIGHT:
        return day(start), f"{hours}, into {end:%A}"
    return f"{day(start)}{TO}{day(end)}", hours


def moment(at: datetime, timezone: str) -> str:
    """`Saturday 22 November, 9:00 pm`."""
    local = at.astimezone(ZoneInfo(timezone))
    return f"{local:%A} {local.day} {local:%B}, {clock_time(local)}"


def shortened(text: str, most: int) -> str:
    """One line of at most so many characters, cut between words."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    return (line[:most].rpartition(" ")[0] or line[: most - 1]) + "…"
