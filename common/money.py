"""Money is a whole number of minor units and an ISO 4217 code, never a float."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from common.wire import Wire

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
