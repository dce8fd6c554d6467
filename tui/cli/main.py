"""The `paceline` program: `--version` answers before anything heavy is imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run one command and end the process with its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from storage import __version__

        try:
            print(f"paceline {__version__}", flush=True)
            return
        except OSError:
            pass  # said again below, where an output that cannot be written has its sentence
    from tui.terminal import prepare_streams

    prepare_streams()
    from tui.cli.root import run

    sys.exit(run(sys.argv[1:]))
