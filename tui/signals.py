"""The signals that end an engine, and which of them insists."""

from __future__ import annotations

import signal

ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Asked:
    """How often an end was asked for. The first signal drains; a second one of a person or a supervisor cuts.

    SIGHUP never insists: one dropped line sends it two or three times (the kernel, the shell to its jobs, the session
    manager after its SIGTERM), and nobody is there any more to mean it.
    """

    def __init__(self) -> None:
        self.first: signal.Signals | None = None
        self._insistent = 0

    def again(self, number: int) -> bool:
        """Count one signal; true when it cuts what a former one began to drain."""
        self._insistent += number != signal.SIGHUP
        self.first = self.first or signal.Signals(number)
        return self._insistent > 1
