"""Each minute one line says how long the oldest payment event has been waiting, and the alert reads that line."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from common import clients, clock
from common.operations.audit import IN_FLIGHT
from common.payments.gateways import GatewayName
from common.payments.schemas import Webhook, WebhookStatus

if TYPE_CHECKING:
    from tests.operations.jobs import Jobs
    from tests.support.server import GatewayThread

MESSAGE = "oldest unsettled webhook"
OBSERVABILITY = Path(__file__).resolve().parents[2] / "terraform" / "modules" / "observability"


def keep(gateway: GatewayThread, name: str, status: WebhookStatus, age: timedelta) -> None:
    received = clock.now() - age
    webhook = Webhook(
        webhook_id=name, gateway=GatewayName.STRIPE, body="{}", headers={}, received_at=received, status=status
    )

    async def write() -> None:
        await clients.firestore().document(f"webhooks/{name}").set(webhook.document())

    gateway.run(write())


def said(jobs: Jobs, capfd: pytest.CaptureFixture[str]) -> float:
    capfd.readouterr()
    assert jobs.call("watch_settlement").status_code == 204
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    [seconds] = [line["seconds"] for line in lines if line["message"] == MESSAGE]
    return float(seconds)


@pytest.mark.usefixtures("project")
def test_it_says_how_long_the_oldest_waits(
    jobs: Jobs, gateway: GatewayThread, capfd: pytest.CaptureFixture[str]
) -> None:
    assert said(jobs, capfd) == 0
    keep(gateway, "settled", WebhookStatus.SETTLED, timedelta(days=1))
    assert said(jobs, capfd) == 0
    keep(gateway, "young", WebhookStatus.STORED, timedelta(seconds=20))
    keep(gateway, "old", WebhookStatus.STORED, timedelta(seconds=400))
    assert 400 <= said(jobs, capfd) < 460


def test_the_alert_reads_this_line_and_allows_as_long_as_the_audit() -> None:
    assert f'jsonPayload.message=\\"{MESSAGE}\\"' in (OBSERVABILITY / "logs.tf").read_text()
    assert "EXTRACT(jsonPayload.seconds)" in (OBSERVABILITY / "logs.tf").read_text()
    alert = (OBSERVABILITY / "alerts.tf").read_text().partition("unsettled-payments = {")[2].partition("]")[0]
    assert f"above = {IN_FLIGHT.total_seconds():.0f}," in alert
