"""A moment on the wire is written out; a bare number is no date in anybody's mind."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from common.wire import UtcDatetime, Wire


class At(Wire):
    moment: UtcDatetime


def both(text: str) -> tuple[At, At]:
    """As a body and as a query string."""
    return (
        At.model_validate_json(json.dumps({"moment": text}), strict=True),
        At.model_validate_strings({"moment": text}),
    )


@pytest.mark.parametrize(
    "text", ["2030-01-31T18:30:00Z", "2030-02-01T00:00:00+05:30", "2030-01-31t18:30:00.000Z", "2030-01-31 18:30:00Z"]
)
def test_one_moment_in_many_ways(text: str) -> None:
    assert [at.moment for at in both(text)] == [datetime(2030, 1, 31, 18, 30, tzinfo=UTC)] * 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("9", "value_error"),
        ("1893456000", "value_error"),
        ("-1e9", "value_error"),
        ("2030-01-31", "value_error"),
        ("", "value_error"),
        ("tomorrow", "value_error"),
        ("2030-01-31T18:30:00", "timezone_aware"),
        ("2030-02-30T18:30:00Z", "datetime_from_date_parsing"),
        ("0001-01-01T00:00:00+05:30", "value_error"),
    ],
)
def test_what_is_no_moment(text: str, code: str) -> None:
    for read in (
        lambda: At.model_validate_json(json.dumps({"moment": text}), strict=True),
        lambda: At.model_validate_strings({"moment": text}),
    ):
        with pytest.raises(ValidationError) as refused:
            read()
        assert [error["type"] for error in refused.value.errors()] == [code]


def test_a_number_in_a_body_is_no_moment() -> None:
    with pytest.raises(ValidationError):
        At.model_validate_json('{"moment": 9}', strict=True)
