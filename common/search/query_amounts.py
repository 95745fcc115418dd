"""What somebody wants to pay, and how old the guests are: numbers in a query.

A number is an amount when a bound stands before it ("under 1000", "above 500", "between 500 and 1000"), when it has a
currency ("₹500", "500 rupees": at most that), or as a range of two ("500-1000"). Amounts are whole units of a currency
with two decimals. "under 18" without a currency is an age, as 16 and 21 are; "18+" always is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.money import LARGEST_AMOUNT_MINOR
from common.search.query_words import length, vocabulary

if TYPE_CHECKING:
    from common.search.query_words import Phrase

MINOR_UNITS: Final = 100
SMALLEST_OF_A_RANGE: Final = 50
AGES: Final = {16, 18, 21}
CHILD: Final = 5
ADULT: Final = 18


@dataclass(frozen=True)
class Bounds:
    """Of a price in minor units, or of an event's age restriction."""

    lowest: int | None = None
    highest: int | None = None
    currency: str | None = None


def price(words: Phrase) -> tuple[int, Bounds] | None:
    """The price that the words begin with, and how many of them say it."""
    return _between(words) or _bounded(words) or _with_currency(words)


def age(words: Phrase) -> tuple[int, Bounds] | None:
    """The age that the words begin with, and how many of them say it."""
    known = vocabulary()
    if words[0].endswith("plus") and words[0][:-4].isdigit():
        return 1, Bounds(lowest=int(words[0][:-4]))
    if taken := known.length("adult", words):
        return taken, Bounds(lowest=ADULT)
    if taken := known.length("children", words):
        return taken, Bounds(highest=CHILD)
    under = known.length("under", words)
    if under and len(words) > under and words[under].removesuffix("s").isdigit():
        years, after = int(words[under].removesuffix("s")), words[under + 1 :]
        if years in AGES and not length(known.currencies, after):
            return under + 1, Bounds(highest=years - 1)
    return None


def _between(words: Phrase) -> tuple[int, Bounds] | None:
    known = vocabulary()
    opening = known.length("between", words)
    low = _amount(words[opening:])
    if low is None:
        return None
    joined = opening + low.words
    joining = known.length("to", words[joined:])
    high = _amount(words[joined + joining :]) if joining else None
    if high is None or not (opening or low.currency or high.currency or low.minor >= SMALLEST_OF_A_RANGE * MINOR_UNITS):
        return None
    lowest, highest = sorted((low.minor, high.minor))
    return joined + joining + high.words, Bounds(lowest, highest, low.currency or high.currency)


def _bounded(words: Phrase) -> tuple[int, Bounds] | None:
    known = vocabulary()
    for meaning in ("under", "over"):
        taken = known.length(meaning, words)
        amount = _amount(words[taken:]) if taken else None
        if amount is not None:
            lowest, highest = (None, amount.minor) if meaning == "under" else (amount.minor, None)
            return taken + amount.words, Bounds(lowest, highest, amount.currency)
    return None


def _with_currency(words: Phrase) -> tuple[int, Bounds] | None:
    amount = _amount(words)
    return (
        (amount.words, Bounds(highest=amount.minor, currency=amount.currency)) if amount and amount.currency else None
    )


@dataclass(frozen=True)
class _Amount:
    words: int
    minor: int
    currency: str | None


def _amount(words: Phrase) -> _Amount | None:
    """A number with its currency before or after it, or without one."""
    currencies = vocabulary().currencies
    before = length(currencies, words)
    if len(words) <= before or not words[before].isdigit():
        return None
    minor = int(words[before]) * MINOR_UNITS
    if minor > LARGEST_AMOUNT_MINOR:
        return None
    after = length(currencies, words[before + 1 :])
    named = words[:before] or words[before + 1 : before + 1 + after]
    return _Amount(before + 1 + after, minor, currencies.get(named))
