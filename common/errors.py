"""Every error a caller can meet is a Problem: a status, a stable code and a title (RFC 9457)."""

from __future__ import annotations

from typing import ClassVar


class Problem(Exception):
    """A fact that stops a request. Subclasses are named as facts and fix status, code and title.

    `detail` says what happened this time; `extensions` become members of the problem document;
    `retry_after` (seconds) becomes the Retry-After header.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"
    retry_after: ClassVar[int | None] = None

    def __init__(self, detail: str | None = None, **extensions: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.extensions = extensions

    def document(self, request_id: str) -> dict[str, object]:
        """The application/problem+json body."""
        members: dict[str, object] = {
            "type": f"urn:marquee:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "requestId": request_id,
        }
        if self.detail:
            members["detail"] = self.detail
        return members | self.extensions


class MalformedJson(Problem):
    status, code, title = 400, "malformed_json", "The body is not valid JSON"


class InvalidCursor(Problem):
    status, code, title = 400, "invalid_cursor", "The cursor does not belong to this query"


class Unauthenticated(Problem):
    status, code, title = 401, "unauthenticated", "A valid sign-in token is needed"


class TokenExpired(Unauthenticated):
    code, title = "token_expired", "The sign-in token has expired"


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "You may not do this"


class NotFound(Problem):
    status, code, title = 404, "not_found", "There is nothing here"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "This method is not supported here"


class BodyTooLarge(Problem):
    status, code, title = 413, "body_too_large", "The body is too large"


class UnsupportedMediaType(Problem):
    status, code, title = 415, "unsupported_media_type", "The body must be application/json"


class ValidationFailed(Problem):
    status, code, title = 422, "validation_failed", "Some fields are not valid"


class IdempotencyKeyReused(Problem):
    status, code, title = 422, "idempotency_key_reused", "This Idempotency-Key came with another body before"


class InvalidIdempotencyKey(Problem):
    status, code, title = (
        422,
        "invalid_idempotency_key",
        "Idempotency-Key must be 1 to 255 visible characters",
    )


class RequestInProgress(Problem):
    status, code, title = 409, "request_in_progress", "The first request with this key is still running"
    retry_after = 1


class TemporarilyUnavailable(Problem):
    status, code, title = 503, "temporarily_unavailable", "Try again shortly"
    retry_after = 1


def problem_of(failure: Exception) -> Problem:
    """What a failure is to whoever asked: a remote service that gave up is worth a retry, the rest is our defect."""
    from google.api_core.exceptions import Aborted, DeadlineExceeded, ServiceUnavailable, TooManyRequests

    if isinstance(failure, Problem):
        return failure
    if isinstance(failure, Aborted | DeadlineExceeded | ServiceUnavailable | TooManyRequests):
        return TemporarilyUnavailable()
    return Problem()
