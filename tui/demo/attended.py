"""A server of the demo as a child: it ends with whoever started it, however that ends.

Standard input is a pipe that nobody writes to; its end means that the other side is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

from tui.demo import relay, unipile_server

SERVERS: dict[str, Callable[[], None]] = {"relay": relay.main, "linkedin": unipile_server.main}


def _end_with_parent() -> None:
    # Not through sys.stdin: a thread inside its lock would spoil the interpreter's end.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    SERVERS[sys.argv.pop(1)]()
