"""The stand-in for Cloud Scheduler: at each minute, UTC, the jobs that are due are called once."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulators.cron import Cron

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from emulators.private_call import PrivateCaller

log = logging.getLogger(__name__)

MINUTE: Final = timedelta(minutes=1)


class Job(BaseModel):
    """What to call when."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    cron: str
    url: str

    @field_validator("cron")
    @classmethod
    def _readable(cls, expression: str) -> str:
        Cron.parse(expression)
        return expression


class Jobs(BaseModel):
    """All jobs of a project."""

    model_config = ConfigDict(extra="forbid")
    jobs: tuple[Job, ...]


class Scheduler:
    """The jobs of every project, and the clock that calls them."""

    def __init__(self, caller: PrivateCaller, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._caller = caller
        self._now = now
        self._jobs: dict[str, tuple[Job, ...]] = {}
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}

    def put(self, project: str, jobs: tuple[Job, ...]) -> None:
        self._jobs[project] = jobs

    def remove(self, project: str) -> None:
        self._jobs.pop(project, None)

    async def run(self) -> None:
        """Tick until cancelled. A minute that the process slept through is not made up for, as in the cloud."""
        try:
            minute = self._now().replace(second=0, microsecond=0)
            while True:
                minute = max(minute + MINUTE, self._now().replace(second=0, microsecond=0))
                while (wait := (minute - self._now()).total_seconds()) > 0:
                    await asyncio.sleep(wait)
                self.tick(minute)
        finally:
            for call in self._running.values():
                call.cancel()

    def tick(self, minute: datetime) -> None:
        """Call what is due, except what still runs from an earlier minute."""
        for project, jobs in self._jobs.items():
            for job in jobs:
                key = (project, job.name)
                if not Cron.parse(job.cron).due(minute):
                    continue
                if key in self._running:
                    log.warning("%s of %s still runs: this minute is skipped", job.name, project)
                    continue
                call = asyncio.create_task(self._call(project, job, minute))
                self._running[key] = call
                call.add_done_callback(partial(self._ended, key))

    def _ended(self, key: tuple[str, str], _: asyncio.Task[None]) -> None:
        self._running.pop(key, None)

    async def _call(self, project: str, job: Job, minute: datetime) -> None:
        headers = {
            "content-type": "application/json",
            "x-cloudscheduler": "true",
            "x-cloudscheduler-jobname": f"{project}/{job.name}",
            "x-cloudscheduler-scheduletime": minute.isoformat().replace("+00:00", "Z"),
            "user-agent": "Google-Cloud-Scheduler",
        }
        await self._caller.post(job.url, b"{}", headers)

    def routes(self) -> list[Route]:
        """The control API: PUT and DELETE /scheduler/{project}."""

        async def control(request: Request) -> Response:
            project = request.path_params["project"]
            if request.method == "DELETE":
                self.remove(project)
                return Response(status_code=204)
            try:
                body = Jobs.model_validate_json(await request.body())
            except ValidationError as refused:
                return JSONResponse({"error": str(refused)}, status_code=422)
            self.put(project, body.jobs)
            return JSONResponse({"scheduled": [job.name for job in body.jobs]})

        return [Route("/scheduler/{project}", control, methods=["PUT", "DELETE"])]
