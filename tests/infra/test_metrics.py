"""Each number of the business has its metric, and no metric is of none: on plans made up here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from infra import offline
from infra.agreement import metrics
from infra.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

MANIFEST: dict[str, Any] = json.loads((offline.ROOT / "manifest.json").read_text())
Metrics = dict[str, dict[str, Any]]


def as_declared() -> Metrics:
    planned: Metrics = {}
    for name, kpi in MANIFEST["kpis"].items():
        label = "currency" if kpi["has_amount"] else kpi["label"]
        for of in ("", "_amount") if kpi["has_amount"] else ("",):
            planned[f"marquee/kpi_{name}{of}"] = {
                "filter": f'jsonPayload.kpi="{name}"',
                "label_extractors": {label: f"EXTRACT(jsonPayload.{label})"} if label else None,
            }
    return planned


def differences(planned: Metrics) -> list[str]:
    resources = [
        {"type": "google_logging_metric", "values": {"name": name} | values} for name, values in planned.items()
    ]
    return list(metrics(Plan(resources, **MANIFEST, indexes={}, rules="")))


def test_what_is_declared_agrees() -> None:
    others = {"marquee/alert_lines": {"filter": "severity>=ALERT", "label_extractors": {"message": "…"}}}
    assert differences(as_declared() | others) == []


@pytest.mark.parametrize(
    ("mistake", "found"),
    [
        (lambda planned: planned.pop("marquee/kpi_sign_up"), "missing"),
        (lambda planned: planned.pop("marquee/kpi_purchase_amount"), "missing"),
        (lambda planned: planned.update({"marquee/kpi_stream": planned["marquee/kpi_event"]}), "nobody declared"),
        (lambda planned: planned["marquee/kpi_purchase"].update(label_extractors=None), "missing"),
        (lambda planned: planned["marquee/kpi_event"].update(filter='jsonPayload.kpi="booking"'), "counts"),
    ],
    ids=["no metric", "no amount", "of nothing", "no currency", "of another"],
)
def test_control_a_mistake_is_found(mistake: Callable[[Metrics], object], found: str) -> None:
    planned = as_declared()
    mistake(planned)
    assert any(found in each for each in differences(planned))
