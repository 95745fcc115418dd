"""The gateway's JSON log as a person reads it: one line a request, and what went wrong in full."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import threading
    from typing import BinaryIO

RED, YELLOW, DIM, PLAIN = "\033[31m", "\033[33m", "\033[2m", "\033[0m"
# Already in the line, or of no use to a reader.
SAID: Final = frozenset({"severity", "message", "httpRequest", "requestId", "function", "stack_trace", "uid"})
FOR_GOOGLE: Final = ("logging.googleapis.com/", "@type", "serviceContext", "context")


def follow(source: BinaryIO, log: BinaryIO, shown: threading.Event, *, colour: bool) -> None:
    """Keep each line as it was in `log`, and print it too once `shown` is set, until the source ends."""
    for raw in source:
        log.write(raw)
        log.flush()
        if shown.is_set():
            print(readable(raw.decode(errors="replace").rstrip("\n"), colour=colour), flush=True)


def readable(line: str, *, colour: bool = False) -> str:
    """One log line for the terminal; what is no JSON object stays as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    request = entry.get("httpRequest")
    text = _request(entry, request) if isinstance(request, dict) else _message(entry)
    paint = _paint(str(entry.get("severity", "")), request) if colour else ""
    text = f"{paint}{text}{PLAIN}" if paint else text
    stack = entry.get("stack_trace")
    stamp = datetime.now().astimezone().strftime("%H:%M:%S")
    return f"{stamp} {text}" + (f"\n{stack}" if stack else "")


def _request(entry: dict[str, Any], request: dict[str, Any]) -> str:
    latency = str(request.get("latency", "")).removesuffix("s")
    try:
        took = f"{float(latency) * 1000:.0f} ms"
    except ValueError:
        took = ""
    method, path, status = (request.get(name, "") for name in ("requestMethod", "requestUrl", "status"))
    return f"{status} {method:<6} {path}  {took}  {entry.get('function', '')}{_rest(entry)}"


def _message(entry: dict[str, Any]) -> str:
    return f"{entry.get('severity', '')} {entry.get('message', '')}  {entry.get('function', '')}{_rest(entry)}"


def _rest(entry: dict[str, Any]) -> str:
    rest = [f"{name}={value}" for name, value in entry.items() if name not in SAID and not name.startswith(FOR_GOOGLE)]
    return "  " + " ".join(rest) if rest else ""


def _paint(severity: str, request: object) -> str:
    if isinstance(request, dict):
        status = int(request.get("status") or 0)
        background = str(request.get("requestUrl", "")).startswith("/triggers/")
        return RED if status >= 500 else YELLOW if status >= 400 else DIM if background else ""
    return {"ERROR": RED, "ALERT": RED, "WARNING": YELLOW}.get(severity, "")
