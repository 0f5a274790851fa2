"""Whatever is sent, the answer is one that OpenAPI tells of, and none is a fault of the service."""

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from components.bundle.bundle import Bundle
from components.serving.app import create_app
from tests.serving.conftest import key_for, listening, settings_in

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@schemathesis.serializer("application/x-ndjson")
def lines(_context: object, value: object) -> bytes:
    """A body of lines is sent as it was made up."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.mark.slow
def test_every_answer_is_a_documented_one(bundle_folder: Path, tmp_path: Path) -> None:
    served = settings_in(tmp_path, writes_per_minute=10**9, reads_per_minute=10**9)
    key = key_for(served, "admin")
    with listening(create_app(Bundle.load(bundle_folder), served)) as address:
        contract = schemathesis.openapi.from_url(f"{address}/openapi.json")
        operations = [found.ok() for found in contract.get_all_operations()]
        assert len(operations) >= 12
        for operation in operations:

            @settings(
                max_examples=30,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            )
            @given(case=operation.as_strategy())
            def send(case: schemathesis.Case) -> None:
                case.call_and_validate(headers=key, checks=CHECKS)

            send()
