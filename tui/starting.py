"""The rest of a start, behind the first picture: the configuration's whole check, and the engine of this console."""

from __future__ import annotations

import gc
import threading
from collections.abc import Sequence
from dataclasses import replace

from tui.leaving import Leaving


class Starting(Leaving):
    """The part of the console that begins what the first picture did not wait for.

    It is two thirds of what there is to load, and loading modules holds the interpreter: begun any sooner, it would
    delay the picture.
    """

    unable: BaseException | None = None
    """What kept the start from going on, for whoever runs the console: it ends by this."""
    _begun = False

    def begin_rest(self) -> None:
        """Once, when the first data stands on the screen; in a thread that no end waits for."""
        if not self._begun:
            self._begun = True
            rest = threading.Thread(target=self._follow, name="paceline-start", daemon=True)
            self.call_after_refresh(rest.start)

    def _follow(self) -> None:
        try:
            warnings = self.rest()
        except BaseException as error:
            self._outside(self._give_up, error)
        else:
            self._outside(self._started, warnings)
        finally:
            # Disabled by the command that opened this console. What stands now lasts as long as it: to look through it
            # again and again was a fifteenth of what changing rows cost.
            gc.freeze()
            gc.enable()

    def _started(self, warnings: Sequence[str]) -> None:
        if warnings:
            self.preferences = replace(self.preferences, notices=(*self.preferences.notices, *warnings))
            self.tell_notices()
        self.feed.again()

    def _give_up(self, error: BaseException) -> None:
        self.unable = error
        self.exit(1)
