"""Money and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from common.money import Money
from common.pages import wording


@pytest.mark.parametrize(
    ("amount", "currency", "text", "decimal"),
    [
        (0, "INR", "Free", "0.00"),
        (5, "INR", "₹0.05", "0.05"),
        (99_900, "INR", "₹999", "999.00"),
        (100_000, "INR", "₹1,000", "1000.00"),
        (15_000_000, "INR", "₹1,50,000", "150000.00"),
        (9_999_999_99, "INR", "₹99,99,999.99", "9999999.99"),
        (99_999_999_99, "INR", "₹9,99,99,999.99", "99999999.99"),
        (150_000_050, "NGN", "₦1,500,000.50", "1500000.50"),
        (1_500, "JPY", "JPY 1,500", "1500"),
        (1_250, "KWD", "KWD 1.250", "1.250"),
        (1_050, "CHF", "CHF 10.50", "10.50"),
    ],
)
def test_money(amount: int, currency: str, text: str, decimal: str) -> None:
    price = Money(amount_minor=amount, currency=currency)
    assert (wording.money(price), wording.decimal(price)) == (text, decimal)


@pytest.mark.parametrize(
    ("start", "end", "timezone", "expected"),
    [
        (
            "2031-11-22T12:30",
            "2031-11-22T17:00",
            "Asia/Kolkata",
            ("Saturday 22 November 2031", "6:00 pm – 10:30 pm IST"),
        ),
        (
            "2031-11-22T15:30",
            "2031-11-22T21:30",
            "Asia/Kolkata",
            ("Saturday 22 November 2031", "9:00 pm – 3:00 am IST, into Sunday"),
        ),
        (
            "2031-11-21T12:30",
            "2031-11-23T17:00",
            "Africa/Lagos",
            ("Friday 21 November 2031 – Sunday 23 November 2031", "1:30 pm – 6:00 pm WAT"),
        ),
        (
            "2031-11-22T18:15",
            "2031-11-22T19:00",
            "Asia/Kathmandu",
            ("Sunday 23 November 2031", "12:00 am – 12:45 am UTC+05:45"),
        ),
        # The hour that a clock change repeats or leaves out.
        (
            "2031-10-25T23:30",
            "2031-10-26T03:00",
            "Europe/Berlin",
            ("Sunday 26 October 2031", "1:30 am – 4:00 am CET"),
        ),
    ],
)
def test_when(start: str, end: str, timezone: str, expected: tuple[str, str]) -> None:
    begins, ends = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))
    assert wording.when(begins, ends, timezone) == expected


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [("a  b\n c", 9, "a b c"), ("one two three", 9, "one two…"), ("x" * 9, 5, "xxxx…"), ("", 5, "")],
)
def test_shortened(text: str, most: int, expected: str) -> None:
    assert wording.shortened(text, most) == expected
