"""A cursor leads back to its place in its own list, and nowhere else."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidCursor
from common.ids import fingerprint
from common.paging import decode_cursor, encode_cursor

QUERY = "orders:asha"
finite = st.floats(allow_nan=False, allow_infinity=False)


def forged(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


@given(st.text(max_size=50), st.text(max_size=50), finite, st.integers(-(2**63), 2**63 - 1))
def test_a_cursor_gives_its_position_back(query: str, text: str, distance: float, count: int) -> None:
    cursor = encode_cursor(query, text, distance, count)
    assert decode_cursor(cursor, query, str, float, int) == (text, distance, count)
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&? "), "it stands in a query string as it is"


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_cursor_of_another_list_is_refused(one: str, other: str) -> None:
    if one != other:
        with pytest.raises(InvalidCursor):
            decode_cursor(encode_cursor(one, "a"), other, str)


@given(st.text(max_size=200))
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, QUERY, str)


@pytest.mark.parametrize(
    "position",
    [[], ["a", "b"], [1], [1.5], [None], [True], [["a"]], [{"a": 1}]],
    ids=str,
)
def test_a_position_of_another_shape_is_refused(position: list[object]) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(forged([fingerprint(QUERY.encode())[:12], *position]), QUERY, str)


@pytest.mark.parametrize("document", [None, 7, "text", {}, [], {"0": "a"}, [None, "a"]], ids=str)
def test_another_document_is_refused(document: object) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(forged(document), QUERY, str)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_sorts_nowhere_is_refused(number: float) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(forged([fingerprint(QUERY.encode())[:12], number]), QUERY, float)


def test_a_number_beyond_all_bounds_is_refused() -> None:
    document = f'["{fingerprint(QUERY.encode())[:12]}", 1e999]'
    with pytest.raises(InvalidCursor):
        decode_cursor(base64.urlsafe_b64encode(document.encode()).decode(), QUERY, float)


def test_a_truth_value_is_no_number() -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(forged([fingerprint(QUERY.encode())[:12], True]), QUERY, int)


def test_the_longest_nesting_that_fits_is_refused() -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(base64.urlsafe_b64encode(b"[" * 768).decode(), QUERY, str)
