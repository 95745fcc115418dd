"""Every outbox document that was created."""

from __future__ import annotations

from common import clients
from common.relay import relay
from common.trigger import CreatedDocument, DocumentCreated, Job, trigger


@trigger(DocumentCreated("outbox/{entryId}"), payload=CreatedDocument)
async def relay_outbox(job: Job[CreatedDocument]) -> None:
    """Publish the event and create the tasks that a commit set off.

    Retried by Eventarc; what it never delivers is found by sweep_outbox.
    """
    await relay(clients.firestore().document(job.payload.path))
