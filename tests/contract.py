"""Schemathesis over an OpenAPI document, in process and bounded: whatever is sent, the answer is one that is documented.

Half of the requests follow the schema, half break it. Path parameters are mostly ids of things that exist, so that more
than 404 is met.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

CHECK_NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)
_QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example]


def operations(path: str = "/api/v1/schema/") -> list[Any]:
    """Every operation of the document that the running URLs serve."""
    schema = schemathesis.openapi.from_wsgi(path, get_wsgi_application())
    return [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]


def explore(
    operation: Any,
    *,
    headers: Mapping[str, str],
    ids: Mapping[str, Sequence[str]],
    examples: int,
    before: Callable[[], None] = lambda: None,
) -> set[int]:
    """Send `examples` requests to one operation as the caller with `headers`; the statuses that came back.

    `ids` maps names of path parameters to things that exist. Raises Schemathesis' failure for an answer that the
    document does not promise. `before` runs ahead of every request.
    """
    checks = CHECKS.get_by_names(list(CHECK_NAMES))
    seen: set[int] = set()
    known = {name: st.sampled_from(list(values)) for name, values in ids.items() if values}
    modes = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    strategies = {mode: operation.as_strategy(generation_mode=mode) for mode in GenerationMode}

    @seed(20261116)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=_QUIET,
    )
    @given(data=st.data())
    def send(data: st.DataObject) -> None:
        case = data.draw(strategies[data.draw(modes)])
        for name in list(case.path_parameters or {}):
            if name in known and data.draw(st.integers(0, 3)):
                case.path_parameters[name] = data.draw(known[name])
        before()
        response = case.call(headers=dict(headers))
        seen.add(response.status_code)
        case.validate_response(response, checks=checks)

    send()
    return seen
