"""One relay process for all tests of a worker: each world has recipients of its own, so one ledger judges them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.crash_world import RelayProcess, relay_process


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """Takes 10 ms before each acceptance, so that a kill finds every phase occupied."""
    with relay_process(tmp_path_factory.mktemp("relay"), latency=0.01) as process:
        yield process
