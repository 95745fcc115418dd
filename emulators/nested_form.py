"""Form bodies with nested keys, as Stripe takes them: metadata[orderId]=x, expand[0]=a, expand[]=a."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

KEY = re.compile(r"[^\[\]]+|\[\]")


def parse(text: str) -> dict[str, Any]:
    """The nested values of a query string or form body; numbers stay text."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        at, parts = root, KEY.findall(name) or [name]
        for part in parts[:-1]:
            inner = at.setdefault(_place(at, part), {})
            # A later a[b] replaces an earlier plain a, instead of failing on it.
            at = inner if isinstance(inner, dict) else at.setdefault(part, {})
        at[_place(at, parts[-1])] = value
    return {name: _lists(value) for name, value in root.items()}


def _place(at: dict[str, Any], part: str) -> str:
    return str(len(at)) if part == "[]" else part


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(item) for name, item in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
