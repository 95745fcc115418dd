"""Every route of openapi.json under generated calls, good and bad: `make fuzz` makes many, `make test` a few.

No answer is a 5xx, each is documented and fits its schema, and what the schema forbids is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.reference import FULL, REFERENCE, is_public

if TYPE_CHECKING:
    from schemathesis import APIOperation, Case

    from tests.conftest import SignIn
    from tests.support.server import GatewayThread

ALWAYS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
CHECKS: Final = [*ALWAYS, negative_data_rejection]
# Its identity service is not there in a test's own project: it says 503, as documented.
WITHOUT_ITS_SERVICE: Final = "DELETE /v1/session"
OPERATIONS: Final = [
    found.ok() for found in schemathesis.openapi.from_dict(REFERENCE).get_all_operations() if isinstance(found, Ok)
]
PUBLIC_CALLS, SIGNED_IN_CALLS = (1_000, 300) if FULL else (12, 3)


def _definition(operation: APIOperation[Any, Any, Any, Any]) -> dict[str, Any]:
    definition: dict[str, Any] = REFERENCE["paths"][operation.path][operation.method]
    return definition


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_generated_calls(
    gateway: GatewayThread, project: str, sign_in: SignIn, operation: APIOperation[Any, Any, Any, Any]
) -> None:
    public = is_public(_definition(operation))
    headers = {} if public else {"Authorization": f"Bearer {sign_in('fuzz').token}"}
    checks = CHECKS if operation.label != WITHOUT_ITS_SERVICE else CHECKS[1:]
    calls = [operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]

    with requests.Session() as session:
        session.trust_env = False

        # The same calls in every run: what fails once fails again.
        @settings(
            max_examples=PUBLIC_CALLS if public else SIGNED_IN_CALLS,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=st.one_of(calls))
        def each(case: Case) -> None:
            answer = case.call(base_url=gateway.url, session=session, headers=headers)
            sent = parse_qs(urlsplit(str(answer.request.url)).query, keep_blank_values=True)
            # A parameter without any value leaves no trace in the address: nothing forbidden was sent.
            lost = set(case.query or ()) - sent.keys()
            case.validate_response(answer, checks=[each for each in checks if each in ALWAYS or not lost])

        each()
