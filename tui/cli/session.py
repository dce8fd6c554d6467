"""What one command works with: the places it was given, and the doors to reading and changing."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.errors import PacelineError, RefusedError

if TYPE_CHECKING:
    from engine.config import Config
    from storage.reader import Reader
    from tui.client import Control


@dataclass(slots=True)
class Session:
    """One command's surroundings. `database` and `config_path` fall back to those of `engine.places`."""

    database: Path | None = None
    config_path: Path | None = None
    read_only: bool = False
    mouse: bool = False
    json: bool = False
    yes: bool = False
    _config: Config | None = field(default=None, repr=False)

    @property
    def db(self) -> Path:
        if self.database is None:
            from engine.places import default_db_path

            self.database = default_db_path()
        return self.database

    @property
    def config_file(self) -> Path:
        if self.config_path is None:
            from engine.places import default_config_path

            self.config_path = default_config_path()
        return self.config_path

    def config(self) -> Config:
        """The configuration, read once. Raises UsageError."""
        if self._config is None:
            self._config = self.load_config()
        return self._config

    def load_config(self) -> Config:
        """The configuration as it stands in the file now. Raises UsageError."""
        from engine.config import load_config

        return load_config(self.config_file)

    @property
    def zone(self) -> tzinfo:
        """Where times are shown; UTC when the configuration cannot say."""
        try:
            return self.config().tz
        except PacelineError:
            return UTC

    def reader(self) -> Reader:
        """A read-only view of the store, to be closed. Raises StoreError."""
        from storage.reader import Reader

        return Reader(self.db)

    def control(self) -> AbstractContextManager[Control]:
        """The door to changes: a running engine's socket, or the lock itself."""
        from tui.client import open_control

        return open_control(self.db, self.config, read_only=self.read_only)

    def call(self, action: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        """One change."""
        with self.control() as control:
            return control.call(action, args)

    def refuse_read_only(self) -> None:
        """For changes that need no control: files, accounts, a new store."""
        if self.read_only:
            raise RefusedError("this command was started with --read-only: changes are refused", hint="leave it out")

    def confirm(self, question: str, *, always: bool = False) -> None:
        """Ask on a terminal, unless `--yes`. Without a terminal nobody is asked; what asks `always` is refused then."""
        if self.yes:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            if always:
                raise RefusedError("this needs a person's word", hint="say it with --yes")
            return
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise RefusedError("nothing was changed")
