"""The pages people see in the local cloud: templates from emulators/pages/, every value escaped."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from string import Template

PAGES = Path(__file__).parent / "pages"
SYMBOLS = {"INR": "₹", "NGN": "₦", "USD": "$", "EUR": "€", "GBP": "£"}
WITHOUT_MINOR_UNITS = {"BIF", "CLP", "JPY", "KRW", "UGX", "VND", "XAF", "XOF"}


class Html(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


@cache
def _template(name: str) -> Template:
    return Template((PAGES / f"{name}.html").read_text(encoding="utf-8"))


def fragment(template: str, **values: str) -> Html:
    """A template with its $placeholders filled in."""
    filled = {key: value if isinstance(value, Html) else escape(value) for key, value in values.items()}
    return Html(_template(template).substitute(filled))


def page(title: str, body: Html, *, refresh_seconds: int | None = None) -> str:
    """A whole page around a body."""
    refresh = Html(f'<meta http-equiv="refresh" content="{refresh_seconds}">' if refresh_seconds else "")
    return fragment("layout", title=title, refresh=refresh, body=body)


def money_text(amount_minor: int, currency: str) -> str:
    """₹1,234.50, as a person reads it."""
    code = currency.upper()
    symbol = SYMBOLS.get(code, f"{code} ")
    if code in WITHOUT_MINOR_UNITS:
        return f"{symbol}{amount_minor:,}"
    whole, rest = divmod(amount_minor, 100)
    return f"{symbol}{whole:,}.{rest:02d}"
