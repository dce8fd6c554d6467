"""The console's log beside the database: one line a record, whatever the words in it try."""

from __future__ import annotations

import logging
from pathlib import Path

from tests.support.escapes import foreign
from tui.app import _log_to_file


def test_words_of_others_neither_act_nor_begin_a_line(tmp_path: Path) -> None:
    handler = _log_to_file(tmp_path / "paceline.db")
    log = logging.getLogger("paceline.linkedin")
    try:
        log.warning("could not be asked: %s", "no\x1b[2J\x9b31m\n2026-11-22 ERROR paceline: forged")
        try:
            raise ValueError("bad\x1b]0;title\x07\nERROR paceline: forged too")
        except ValueError:
            log.exception("mailbox %s", "one")
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
    written = (tmp_path / "paceline.db.console.log").read_bytes()
    lines = written.decode().splitlines()
    assert foreign(written, plain=True) == []
    assert len([line for line in lines if "paceline.linkedin: " in line]) == 2
    assert lines[0].endswith("no?[2J?31m 2026-11-22 ERROR paceline: forged")
    assert "  ValueError: bad?]0;title?" in lines
    assert "  ERROR paceline: forged too" in lines
