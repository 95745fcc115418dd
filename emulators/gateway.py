"""The local gateway: every declared function on one port, as the load balancer's URL map does in the cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from common import http
from common.errors import MethodNotAllowed, NotFound, Problem
from manifest.discover import ROOT, discover

if TYPE_CHECKING:
    from starlette.requests import Request

    from common.endpoint import Endpoint

SWAGGER = ROOT / "emulators" / "node_modules" / "swagger-ui-dist"
DOCS_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Marquee API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({url: "/openapi.json", dom_id: "#reference", deepLinking: true, docExpansion: "list",
                 defaultModelsExpandDepth: 0, validatorUrl: null});
</script>
</body>
</html>"""


class ByMethod:
    """One path with several functions behind it, told apart by method."""

    def __init__(self, functions: list[Endpoint]) -> None:
        self._functions = {method: function for function in functions for method in function.spec.methods}

    async def __call__(self, request: Request) -> Response:
        methods = ", ".join(sorted(self._functions))
        if request.method == "OPTIONS":
            return await _preflight(request)
        function = self._functions.get(request.method)
        if function is None:
            return await _refuse(request, MethodNotAllowed(allow=methods))
        return await function(request)


async def _preflight(request: Request) -> Response:
    async def answer() -> Response:
        return http.preflight()

    return await http.respond(request, "gateway", answer)


async def _refuse(request: Request, problem: Problem) -> Response:
    async def refuse() -> Response:
        raise problem

    return await http.respond(request, "gateway", refuse)


async def _not_found(request: Request) -> Response:
    return await _refuse(request, NotFound("No function has this route."))


async def _refused_by_framework(request: Request, refusal: Exception) -> Response:
    """Methods that no route takes and files that are not there, in the form of every other refusal."""
    if isinstance(refusal, HTTPException) and refusal.status_code == 405:
        return await _refuse(request, MethodNotAllowed(allow=(refusal.headers or {}).get("Allow", "")))
    return await _refuse(request, NotFound())


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _openapi(_: Request) -> Response:
    return FileResponse(ROOT / "openapi.json", media_type="application/json")


async def _docs(_: Request) -> Response:
    return HTMLResponse(DOCS_PAGE)


def create_app() -> Starlette:
    """All endpoints at their paths, all triggers under /triggers/, the reference at /docs."""
    manifest = discover()
    by_path: dict[str, list[Endpoint]] = {}
    for function in manifest.endpoint_functions:
        by_path.setdefault(function.spec.path, []).append(function)
    any_method = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]
    # A fixed segment goes before a parameter: /v1/events/nearby is not an event called "nearby".
    ordered = sorted(by_path, key=lambda path: [part.startswith("{") for part in path.split("/")])
    routes: list[Route | Mount] = [
        Route(path, ByMethod(by_path[path]).__call__, methods=any_method) for path in ordered
    ]
    routes += [
        Route(f"/triggers/{function.spec.name}", function, methods=any_method)
        for function in manifest.trigger_functions
    ]
    routes += [
        Route("/healthz", _health),
        Route("/openapi.json", _openapi),
        Route("/docs", _docs),
        Mount("/docs/assets", StaticFiles(directory=SWAGGER, check_dir=False)),
        Route("/{path:path}", _not_found, methods=any_method),
    ]
    handlers = {404: _refused_by_framework, 405: _refused_by_framework}
    return Starlette(routes=routes, exception_handlers=handlers)


app = create_app()
