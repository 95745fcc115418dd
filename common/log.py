"""One JSON object a line, as Cloud Logging reads it, with the request's trace and without its secrets."""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_context: ContextVar[dict[str, object]] = ContextVar("log_context")

SECRET_FIELDS: Final = re.compile(
    r"authorization|token|secret|password|otp|signature|api_?key|phone|email|^qr$|cookie", re.IGNORECASE
)
SECRET_TEXT: Final = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # JSON web tokens
    r"|\b(?:sk|rk|whsec|rzp)_\w{6,}"  # provider keys
    r"|Bearer\s+\S+"
    r"|\bMQ1\.[A-Z2-7]{40,}"  # ticket codes
    r"|\+\d{7,15}\b"  # E.164 phone numbers
    r"|\b[\w.+-]+@[\w-]+\.[\w.]+\b"
)
REDACTED: Final = "[redacted]"
# Who it was, and the request by which that could be looked up in other lines.
ABOUT_SOMEBODY: Final = frozenset({"userId", "requestId", "deliveryId"})
# Error Reporting takes a line of this type for an event of its own, with a stack or without one.
ERROR_EVENT: Final = "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"


def begin(**fields: object) -> None:
    """Start a request's fields anew: what was attached before belongs to another."""
    _context.set(fields)


def bind(**fields: object) -> None:
    """Attach fields to every later line of this request."""
    _context.set(_context.get({}) | fields)


@contextmanager
def within(**fields: object) -> Iterator[None]:
    """Attach fields to the lines of this block only."""
    before = _context.set(_context.get({}) | fields)
    try:
        yield
    finally:
        _context.reset(before)


def redact(value: object, name: str = "") -> object:
    """The value with secrets, tokens and personal contacts replaced."""
    if name and SECRET_FIELDS.search(name):
        return REDACTED
    if isinstance(value, str):
        return SECRET_TEXT.sub(REDACTED, value)
    if isinstance(value, dict):
        return {key: redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    # Anything else is written as its text, which may hold the same.
    return value if value is None or isinstance(value, int | float) else redact(str(value))


def _write(severity: str, message: str, fields: dict[str, object]) -> None:
    entry = {"severity": severity, "message": message} | _context.get({}) | fields
    sys.stdout.write(json.dumps(redact(entry), default=str, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def info(message: str, **fields: object) -> None:
    _write("INFO", message, fields)


def warning(message: str, **fields: object) -> None:
    _write("WARNING", message, fields)


def error(message: str, cause: BaseException | None = None, **fields: object) -> None:
    """A line that Error Reporting groups: by the cause's stack, or by where this was called."""
    _write("ERROR", message, _reported(cause, sys._getframe(1)) | fields)


def alert(message: str, **fields: object) -> None:
    """A line that a person must be paged for."""
    _write("ALERT", message, _reported(None, sys._getframe(1)) | fields)


def of_business(message: str, **fields: object) -> None:
    """A line about what the business did, which does not say who it was."""
    with within():
        _context.set({name: value for name, value in _context.get({}).items() if name not in ABOUT_SOMEBODY})
        info(message, **fields)


def _reported(cause: BaseException | None, caller: FrameType) -> dict[str, object]:
    """What Error Reporting wants of an event: which service and revision, and a stack or else a place to group by."""
    event: dict[str, object] = {
        "@type": ERROR_EVENT,
        "serviceContext": {
            "service": os.environ.get("K_SERVICE", "marquee"),
            "version": os.environ.get("K_REVISION", "local"),
        },
    }
    if cause is not None:
        return event | {"stack_trace": "".join(traceback.format_exception(cause))}
    code = caller.f_code
    place = {"filePath": code.co_filename, "lineNumber": caller.f_lineno, "functionName": code.co_qualname}
    return event | {"context": {"reportLocation": place}}
