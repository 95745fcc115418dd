"""Money is a whole number of minor units and an ISO 4217 code, never a float."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from common.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

# Stripe and Razorpay refuse more; it also keeps every sum far inside Firestore's 64-bit integers.
LARGEST_AMOUNT_MINOR = 99_999_999_99
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
BASIS_POINTS = 10_000


class Money(Wire):
    """An amount that is zero or more, such as 49900 INR (paise)."""

    amount_minor: Annotated[int, Field(ge=0, le=LARGEST_AMOUNT_MINOR, strict=True)]
    currency: Currency


def share(amount_minor: int, basis_points: int) -> int:
    """`basis_points` hundredths of a percent of an amount, rounded half up to a minor unit."""
    return (amount_minor * basis_points + BASIS_POINTS // 2) // BASIS_POINTS


def allocate(amount: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Whole parts of `amount` in proportion to `weights`; the largest remainders get what rounding leaves.

    The parts add up exactly, and none exceeds its weight while the amount does not exceed their sum.
    """
    if not amount:
        return (0,) * len(weights)
    whole = sum(weights)
    parts = [amount * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -(amount * weights[place] % whole))
    for place in by_remainder[: amount - sum(parts)]:
        parts[place] += 1
    return tuple(parts)
