"""`python -m manifest` writes openapi.json, manifest.json and docs/roles.md; `--check` fails where they are stale."""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import asdict
from typing import Any

from common.kpi import KPIS
from manifest.discover import ROOT, Manifest, discover
from manifest.openapi import openapi
from manifest.roles import grants, table


def documents() -> dict[str, str]:
    """The generated files, by their path from the repository's root."""
    manifest = discover()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return {
        "openapi.json": json.dumps(openapi(manifest, version), indent=2, ensure_ascii=False) + "\n",
        "manifest.json": json.dumps(_deployment(manifest), indent=2) + "\n",
        "docs/roles.md": table(manifest),
    }


def _deployment(manifest: Manifest) -> dict[str, Any]:
    """What a deployment needs of each function, by name, and of what the business counts."""
    functions: dict[str, Any] = {}
    for endpoint in manifest.endpoints:
        functions[endpoint.name] = {
            "source": f"{endpoint.module.replace('.', '/')}.py",
            "route": {"method": endpoint.method, "path": endpoint.path},
            "access": endpoint.access.name,
            # Whether a CDN may keep replies: the function says for how long.
            "cached": endpoint.cache is not None,
            "invoker": "public",
            "secrets": list(endpoint.secrets),
            "grants": [asdict(grant) for grant in grants(endpoint)],
            **asdict(endpoint.resources),
        }
    for trigger in manifest.triggers:
        functions[trigger.name] = {
            "source": f"{trigger.module.replace('.', '/')}.py",
            "trigger": {"kind": type(trigger.source).__name__} | asdict(trigger.source),
            "access": trigger.access,
            "invoker": "service_account",
            "secrets": list(trigger.secrets),
            "grants": [asdict(grant) for grant in grants(trigger)],
            **asdict(trigger.resources),
        }
    kpis = {kpi.name: {"meaning": kpi.meaning, "label": kpi.label, "has_amount": kpi.has_amount} for kpi in KPIS}
    return {"functions": dict(sorted(functions.items())), "kpis": kpis}


def main() -> int:
    stale = [name for name, text in documents().items() if not _is_current(name, text)]
    if "--check" in sys.argv:
        for name in stale:
            print(f"{name} is stale: run `make openapi` and commit it")
        return 1 if stale else 0
    for name, text in documents().items():
        (ROOT / name).write_text(text)
        print(f"{name}: {'written' if name in stale else 'unchanged'}")
    return 0


def _is_current(name: str, text: str) -> bool:
    path = ROOT / name
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
