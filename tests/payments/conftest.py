"""What holds for every test of hours and money."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import documented


@pytest.fixture(autouse=True)
def _answers_are_as_documented() -> Iterator[None]:
    """Whatever a test asks the API for, the answer fits the schema that clients are generated from."""
    with documented.held():
        yield
