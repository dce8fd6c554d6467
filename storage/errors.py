"""Errors an operator can meet. Each message says what happened; `hint` says what to do next."""

from __future__ import annotations


class PacelineError(Exception):
    """Base of every error that is shown to a person as one sentence.

    `code` is stable for scripts and JSON; `exit_code` is the command line's contract
    (1 failed, 2 usage, 3 no engine or store, 4 refused, 5 bad filter).
    """

    code = "error"
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PacelineError):
    """The request itself is wrong: a missing file, an unknown name, a field that does not parse."""

    code = "usage"
    exit_code = 2


class NotFoundError(UsageError):
    code = "not_found"


class StoreError(PacelineError):
    """The store is missing, damaged, newer than this program, or cannot be written."""

    code = "store"
    exit_code = 3


class DamagedStoreError(StoreError):
    """The store turned out damaged while it was in use: nothing more may be built on it; the engine ends."""

    code = "damaged"


class EngineUnavailableError(PacelineError):
    """No engine answers although one holds the lock, or it went away."""

    code = "no_engine"
    exit_code = 3


class LockHeldError(PacelineError):
    """Another engine owns this database."""

    code = "locked"
    exit_code = 3


class RefusedError(PacelineError):
    """A rule of the house refuses: not live, read-only, illegal transition, nothing to do."""

    code = "refused"
    exit_code = 4


class FilterError(PacelineError):
    code = "filter"
    exit_code = 5


class StaleEpochError(PacelineError):
    """A newer engine has written to this store: this one must stop at once."""

    code = "stale_epoch"
    exit_code = 3
