"""One JSON object a line, as Cloud Logging reads it, with the request's trace and without its secrets."""

from __future__ import annotations

import json
import re
import sys
import traceback
from contextvars import ContextVar
from typing import Final

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


def begin(**fields: object) -> None:
    """Start a request's fields anew: what was attached before belongs to another."""
    _context.set(fields)


def bind(**fields: object) -> None:
    """Attach fields to every later line of this request."""
    _context.set(_context.get({}) | fields)


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
    """A line that Error Reporting groups by its stack."""
    if cause is not None:
        fields["stack_trace"] = "".join(traceback.format_exception(cause))
    _write("ERROR", message, fields)


def alert(message: str, **fields: object) -> None:
    """A line that a person must be paged for."""
    _write("ALERT", message, fields)
