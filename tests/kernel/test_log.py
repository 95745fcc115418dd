"""A log line is one JSON object, and never a place where a secret or a contact can be read."""

from __future__ import annotations

import contextvars
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import log
from common.log import ERROR_EVENT

if TYPE_CHECKING:
    from collections.abc import Callable

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhc2hhIn0.c2lnbmF0dXJl"
CODE = "MQ1." + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 5


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    return dict(json.loads(text))


@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "Authorization", "idToken", "access_token", "clientSecret", "password", "otp"),
        *("signature", "apiKey", "api_key", "apikey", "qr", "set-cookie"),
        *("phone", "recipientPhone", "phone_number", "email", "buyerEmail"),
    ],
)
def test_a_secret_field_is_redacted_wherever_it_stands(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.info("m", **{name: "hunter2"}, nested={"list": [{name: "hunter2", "kept": 1}]})
    written = line(capsys)
    assert written[name] == log.REDACTED
    assert written["nested"] == {"list": [{name: log.REDACTED, "kept": 1}]}


@pytest.mark.parametrize(
    "secret",
    [
        *(JWT, "Bearer abc.def", CODE, "+919811111111", "asha.k+tickets@example.co.in"),
        *("sk_test_51H8abcdef", "rk_live_abcdefgh", "whsec_abcdefgh", "rzp_test_abcdefgh"),
    ],
)
def test_a_secret_inside_a_text_is_redacted(secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.warning(f"before {secret} after", note=f"before {secret} after", deep=[{"a": (secret,)}])
    text = capsys.readouterr().out
    assert secret not in text
    written = json.loads(text)
    assert written["message"] == written["note"] == f"before {log.REDACTED} after"


@dataclass(frozen=True)
class Contact:
    address: str


def test_a_secret_inside_any_object_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    log.info("m", contact=Contact("asha@example.com"), many={"asha@example.com"}, raw=b"asha@example.com")
    text = capsys.readouterr().out
    assert "asha@example.com" not in text
    assert log.REDACTED in text


@pytest.mark.parametrize("kept", ["ord_6zqabc", "TKT-7F3K-9QXT", "2026-03-14T18:00:00Z", "12345678", "projects/p/x"])
def test_what_is_no_secret_stays(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    log.info(kept, orderId=kept, status=200, ok=True, nothing=None, ratio=0.5)
    written = line(capsys)
    assert written["message"] == written["orderId"] == kept
    assert (written["status"], written["ok"], written["nothing"], written["ratio"]) == (200, True, None, 0.5)


def test_moments_are_written_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    log.info("m", at=datetime(2026, 3, 14, 18, 0, tzinfo=UTC))
    assert line(capsys)["at"].startswith("2026-03-14")


def test_a_line_break_does_not_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.info('end"}\n{"severity": "ALERT"', note="a\r\nb\u2028c")
    assert line(capsys)["severity"] == "INFO"


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_redaction_keeps_the_shape(value: object) -> None:
    assert json.dumps(log.redact(value), default=str) is not None
    assert type(log.redact(value)) is type(value)


def test_severities_are_cloud_loggings(capsys: pytest.CaptureFixture[str]) -> None:
    for write in (log.info, log.warning, log.error, log.alert):
        write("m")
    severities = [json.loads(text)["severity"] for text in capsys.readouterr().out.splitlines()]
    assert severities == ["INFO", "WARNING", "ERROR", "ALERT"]


def test_an_error_carries_its_stack_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("could not reach asha@example.com with sk_test_51H8abcdef")
    except ValueError as cause:
        log.error("failed", cause=cause)
    written = line(capsys)
    assert "Traceback" in written["stack_trace"]
    assert "ValueError" in written["stack_trace"]
    assert "asha@example.com" not in written["stack_trace"]
    assert "sk_test" not in written["stack_trace"]


def test_bound_fields_stay_within_their_context(capsys: pytest.CaptureFixture[str]) -> None:
    def request(name: str) -> None:
        log.begin(requestId=name)
        log.bind(userId="asha")
        log.info("m")

    for name in ("first", "second"):
        contextvars.Context().run(request, name)
    contextvars.Context().run(log.info, "m")
    first, second, third = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert (first["requestId"], second["requestId"], first["userId"]) == ("first", "second", "asha")
    assert "requestId" not in third


def test_a_new_request_starts_without_the_last_ones_fields(capsys: pytest.CaptureFixture[str]) -> None:
    def two_requests() -> None:
        log.begin(requestId="first")
        log.bind(userId="asha")
        log.begin(requestId="second")
        log.info("m")

    contextvars.Context().run(two_requests)
    written = line(capsys)
    assert written["requestId"] == "second"
    assert "userId" not in written


def test_an_error_with_a_stack_is_an_event_of_its_service(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K_SERVICE", "settle-payment")
    monkeypatch.setenv("K_REVISION", "settle-payment-00041-abc")
    try:
        raise ValueError("asha@example.com")
    except ValueError as cause:
        log.error("failed", cause=cause)
    written = line(capsys)
    assert written["@type"] == ERROR_EVENT
    assert written["serviceContext"] == {"service": "settle-payment", "version": "settle-payment-00041-abc"}
    # Python's own form is what the groups are made from: the frames, and the kind of exception in the last line.
    first, *_, last = written["stack_trace"].strip().splitlines()
    assert first == "Traceback (most recent call last):"
    assert last == f"ValueError: {log.REDACTED}"


@pytest.mark.parametrize("write", [log.error, log.alert])
def test_without_a_stack_it_is_grouped_by_where_it_was_said(
    write: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    write("the account is not ours")
    written = line(capsys)
    assert written["@type"] == ERROR_EVENT
    assert written["serviceContext"]["service"]
    place = written["context"]["reportLocation"]
    assert place["filePath"] == __file__
    assert place["functionName"] == "test_without_a_stack_it_is_grouped_by_where_it_was_said"
    assert isinstance(place["lineNumber"], int)


@pytest.mark.parametrize("write", [log.info, log.warning])
def test_what_is_no_error_is_no_event(write: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    write("m")
    assert line(capsys).keys() == {"severity", "message"}


def test_a_line_of_business_does_not_say_who_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    def request() -> None:
        log.begin(requestId="r", function="create_session", deliveryId="d")
        log.bind(userId="asha")
        log.of_business("kpi log_in", kpi="log_in")
        log.info("m")

    contextvars.Context().run(request)
    told, own = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert told == {"severity": "INFO", "message": "kpi log_in", "kpi": "log_in", "function": "create_session"}
    assert (own["userId"], own["requestId"]) == ("asha", "r")
