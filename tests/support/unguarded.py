"""A pytest plugin that takes one guard out before any test is read: the tests that stand for it must then fail.

python -m pytest -n 0 -p tests.support.unguarded --unguarded "cap" tests/storage/test_store_gate.py
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.support.guards import switch_off


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--unguarded", default="", help="the guard of tests/support/guards.py that is taken out")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    if guard := early_config.known_args_namespace.unguarded:
        switch_off(guard)


class _End:
    """Ends the process itself: what a failing test left open would keep it from ending."""

    def __init__(self) -> None:
        self.code = pytest.ExitCode.INTERNAL_ERROR

    def pytest_sessionfinish(self, exitstatus: pytest.ExitCode) -> None:
        self.code = exitstatus

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_End())
