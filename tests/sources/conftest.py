from __future__ import annotations

from collections.abc import Iterator

import pytest

from scanner.workers import Workers
from tests.hub import Hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        yield server


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """One pool for all tests of the process: starting one takes a while."""
    with Workers(2) as pool:
        yield pool
