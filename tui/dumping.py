"""`:dump`: what stands on the screen, as text and as a picture, in files."""

from __future__ import annotations

import time
from pathlib import Path

from engine.whole_files import whole_file
from storage.errors import PacelineError, RefusedError
from tui.base import ConsoleBase


def screen_text(rows: list[str]) -> str:
    """Rows of cells as lines: what fills a row to its end is left out."""
    return "\n".join(row.rstrip() for row in rows).rstrip() + "\n"


class Dumping(ConsoleBase):
    """The part of the console that writes its screen to files."""

    def action_dump(self, name: str = "") -> None:
        """Write NAME.txt and NAME.svg (0600, in the folder that the console was started in, never over a file) and say
        where they are."""
        stem = Path(name).expanduser() if name else Path(f"paceline-{self._stamp()}")
        stem = stem.with_suffix("") if stem.suffix in (".txt", ".svg") else stem
        text, picture = stem.with_name(stem.name + ".txt"), stem.with_name(stem.name + ".svg")
        try:
            for target in (text, picture):
                if target.exists():
                    raise RefusedError(f"{target} exists and stays as it is", hint=":dump NAME names another")
            with whole_file(text) as file:
                file.write(screen_text(self.screen_rows()))
            with whole_file(picture) as file:
                file.write(self.export_screenshot(title="Paceline"))
        except PacelineError as error:
            self.tell(error)
        else:
            self.say(f"written: {text.absolute()} and {picture.name}", "good")

    def screen_rows(self) -> list[str]:
        """The cells of the screen, a string a row."""
        # The toolkit gives its screen as a picture only; tests hold this against what that picture says.
        return [strip.text for strip in self.screen._compositor.render_strips()]

    def _stamp(self) -> str:
        return time.strftime("%Y%m%d-%H%M%S", time.gmtime(self.now() / 1_000_000))
