"""HTML from the templates beside this file: every value escaped, nothing loaded but pictures, no script run."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from common.errors import NotFound
from common.pages import structured_data

if TYPE_CHECKING:
    from jinja2 import Environment

    from common.errors import Problem
    from common.pages.view import EventView

TEMPLATES: Final = Path(__file__).parent / "templates"
MEDIA_TYPE: Final = "text/html"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@cache
def _style() -> tuple[str, str]:
    """The style sheet, and the policy that lets a browser take it and no other."""
    text = (TEMPLATES / "page.css").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src https:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text, policy


def _page(template: str, status: int, **values: Any) -> Response:
    from markupsafe import Markup

    style, policy = _style()
    body = _environment().get_template(template).render(style=Markup(style), **values)  # noqa: S704  # our own file
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "strict-origin-when-cross-origin"}
    return Response(body, status, headers, MEDIA_TYPE)


def event_page(view: EventView) -> Response:
    """The page of an event."""
    from markupsafe import Markup

    described = Markup(structured_data.as_json(view))  # noqa: S704  # it escapes what could end its element
    return _page("event.html", 200, view=view, described=described)


def refusal(problem: Problem, request_id: str) -> Response:
    """A page in place of a problem document, for endpoints that people open."""
    title = "This event is not here" if isinstance(problem, NotFound) else problem.title
    return _page("refusal.html", problem.status, problem=problem, title=title, request_id=request_id)
