"""What was typed at a prompt, newest last: kept between runs, at most so many lines."""

from __future__ import annotations

from pathlib import Path

from tui.files import write_private

KEPT = 100


class History:
    """Lines of one prompt. With a `path` they are read from and written to that file (0600); a file that cannot be
    read or written costs the memory of old lines, nothing else."""

    def __init__(self, path: Path | None = None, kept: int = KEPT) -> None:
        self._path = path
        self._kept = kept
        self.lines: list[str] = self._read()

    def add(self, line: str) -> None:
        """Remember a line; one that is typed again moves to the end."""
        line = line.strip()
        if not line:
            return
        others = [old for old in self.lines if old != line]
        self.lines = [*others[-(self._kept - 1) :], line]
        self._write()

    def _read(self) -> list[str]:
        if self._path is None:
            return []
        try:
            text = self._path.read_text("utf-8", "replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.isprintable() and line.strip()][-self._kept :]

    def _write(self) -> None:
        if self._path is None:
            return
        write_private(self._path, "".join(f"{line}\n" for line in self.lines))
