"""The relay as a child: it ends with whoever started it, however that ends.

Standard input is a pipe that nobody writes to; its end means that the other side is gone.
"""

from __future__ import annotations

import os
import signal
import threading

from tui.demo import relay


def _end_with_parent() -> None:
    # Not through sys.stdin: a thread inside its lock would spoil the interpreter's end.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    relay.main()
