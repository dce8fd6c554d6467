"""The `paceline` program: `--version` answers before anything heavy is imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run one command and end the process with its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from storage import __version__

        sys.stdout.write(f"paceline {__version__}\n")
        return
    from tui.cli.root import run

    sys.exit(run(sys.argv[1:]))
