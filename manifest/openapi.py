"""openapi.json (3.1), written from the declarations alone."""

from __future__ import annotations

from collections import ChainMap
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from common import errors
from common.access import SignIn
from common.endpoint import PATH_PARAMETER, PATH_VALUE, EndpointSpec, Idempotency
from common.http import PROBLEM_JSON, problem_json

if TYPE_CHECKING:
    from common.errors import Problem
    from common.wire import Wire
    from manifest.discover import Manifest

Schema = dict[str, Any]
JSON = "application/json"
REFERENCE = "#/components/schemas/{model}"
PROBLEM_SCHEMA: Schema = {
    "title": "Problem",
    "description": "An error as RFC 9457 describes it; `code` is stable.",
    "type": "object",
    "required": ["type", "title", "status", "code", "requestId"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "requestId": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {key: {"type": "string"} for key in ("field", "code", "message")},
            },
        },
    },
}


def openapi(manifest: Manifest, version: str) -> Schema:
    """The whole document."""
    specs = sorted(manifest.endpoints, key=lambda spec: (spec.path, spec.method))
    requests = [(spec.body, "validation") for spec in specs if spec.body]
    replies = [(spec.returns, "serialization") for spec in specs if spec.returns]
    references, definitions = models_json_schema(
        list(dict.fromkeys(requests + replies)),  # type: ignore[arg-type]  # the modes are its two literals
        ref_template=REFERENCE,
    )
    # A query is described parameter by parameter, but what these refer to is described here.
    shared = [spec.query.model_json_schema(ref_template=REFERENCE).get("$defs", {}) for spec in specs if spec.query]
    paths: Schema = {}
    for spec in specs:
        paths.setdefault(spec.path, {})[spec.method.lower()] = _operation(spec, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Marquee",
            "version": version,
            "description": "Discover events, buy tickets that are never oversold, walk in.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(ChainMap(definitions.get("$defs", {}), *shared, {"Problem": PROBLEM_SCHEMA})),
            "securitySchemes": {
                "firebase": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Firebase ID token",
                }
            },
        },
    }


def _operation(spec: EndpointSpec, references: Any) -> Schema:
    operation: Schema = {
        "operationId": spec.name,
        "summary": spec.summary,
        "tags": [spec.module.split(".")[1]],
        "parameters": _parameters(spec),
        "responses": _responses(spec, references),
    }
    if spec.description:
        operation["description"] = spec.description
    if spec.body:
        schema = references[(spec.body, "validation")]
        operation["requestBody"] = {
            "required": any(field.is_required() for field in spec.body.model_fields.values()),
            "content": {JSON: {"schema": schema}},
        }
    if spec.access.sign_in is SignIn.REQUIRED:
        operation["security"] = [{"firebase": []}]
    elif spec.access.sign_in is SignIn.OPTIONAL:
        operation["security"] = [{}, {"firebase": []}]
    operation["x-access"] = spec.access.name
    return operation


def _parameters(spec: EndpointSpec) -> list[Schema]:
    parameters: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^{PATH_VALUE}$"}}
        for name in PATH_PARAMETER.findall(spec.path)
    ]
    if spec.query:
        parameters += _query_parameters(spec.query)
    if spec.idempotency is not Idempotency.NONE:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "A repeat with the same key and body gets the first reply.",
                "schema": {"type": "string", "maxLength": 255},
            }
        )
    return parameters


def _query_parameters(model: type[Wire]) -> list[Schema]:
    schema = model.model_json_schema(ref_template=REFERENCE)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(shape)}
        for name, shape in schema["properties"].items()
    ]


def _without_null(shape: Schema) -> Schema:
    """A query string has no null: what may be absent is not required, which is said already."""
    kinds = [kind for kind in shape.get("anyOf", ()) if kind != {"type": "null"}]
    if not kinds:
        return shape
    rest = {key: value for key, value in shape.items() if key != "anyOf" and (key, value) != ("default", None)}
    return rest | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})


def _responses(spec: EndpointSpec, references: Any) -> Schema:
    success: Schema = {"description": spec.returns.__doc__ or "Done" if spec.returns else "Done"}
    if spec.returns:
        success["content"] = {spec.media_type: {"schema": references[(spec.returns, "serialization")]}}
    elif spec.media_type != JSON:
        success["content"] = {spec.media_type: {"schema": {"type": "string"}}}
    responses: Schema = {str(spec.status): success}
    if spec.moves:
        responses["301"] = {"description": "This is now at the address in `Location`"}
    if spec.cache:
        responses["304"] = {"description": "What the caller has, by its `ETag` in `If-None-Match`, still holds"}
    by_status: dict[int, list[type[Problem]]] = {}
    for problem in (*_wrapper_errors(spec), *spec.errors):
        by_status.setdefault(problem.status, []).append(problem)
    for status, problems in sorted(by_status.items()):
        codes = " · ".join(f"`{problem.code}` {problem.title}" for problem in dict.fromkeys(problems))
        responses[str(status)] = {"description": codes, "content": _refusal(spec)}
    return responses


def _refusal(spec: EndpointSpec) -> Schema:
    if spec.refusal is problem_json:
        return {PROBLEM_JSON: {"schema": {"$ref": REFERENCE.format(model="Problem")}}}
    return {spec.media_type: {"schema": {"type": "string"}}}


def _wrapper_errors(spec: EndpointSpec) -> list[type[Problem]]:
    """What the wrapper itself may answer, beside the endpoint's own errors."""
    found: list[type[Problem]] = [errors.TemporarilyUnavailable]
    if spec.access.sign_in is not SignIn.NONE:
        found += [errors.Unauthenticated, errors.TokenExpired, errors.ValidationFailed]
    if spec.access.authorize is not None and spec.access.sign_in is SignIn.REQUIRED:
        found.append(errors.Forbidden)
    if "{" in spec.path:
        found.append(errors.NotFound)
    # Where nobody signs in, the body is a provider's.
    if spec.access.sign_in is not SignIn.NONE or spec.body:
        found += [errors.MalformedJson, errors.BodyTooLarge, errors.UnsupportedMediaType]
    if spec.idempotency is not Idempotency.NONE:
        found += [errors.IdempotencyKeyReused, errors.InvalidIdempotencyKey]
    if spec.idempotency is Idempotency.RECORDED:
        found.append(errors.RequestInProgress)
    return found
