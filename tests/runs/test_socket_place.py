"""Where the control socket stands: beside the database, or in a folder that is ours alone."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.socket import PATH_LIMIT, socket_path
from storage.errors import UsageError


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """A database whose path is too long for a socket beside it."""
    return tmp_path / ("d" * PATH_LIMIT) / "paceline.db"


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only folder there is, open to everybody as /tmp is, with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="s"))
    folder.chmod(0o1777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / ("r" * PATH_LIMIT)))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


def test_it_stands_beside_the_database() -> None:
    assert socket_path(Path("/d/paceline.db")) == Path("/d/paceline.db.sock")


def test_under_a_long_path_it_moves_to_a_folder_that_only_we_can_enter(far: Path, shared: Path) -> None:
    path = socket_path(far)
    assert path.parent == shared / f"paceline-{os.getuid()}"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert socket_path(far) == path
    assert socket_path(far.with_name("other.db")) != path


def test_a_folder_of_ours_that_was_open_is_closed(far: Path, shared: Path) -> None:
    (shared / f"paceline-{os.getuid()}").mkdir(mode=0o755)
    assert stat.S_IMODE(socket_path(far).parent.stat().st_mode) == 0o700


def test_a_link_in_its_place_is_refused(far: Path, shared: Path, tmp_path: Path) -> None:
    (shared / f"paceline-{os.getuid()}").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="no private folder"):
        socket_path(far)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of somebody else")
def test_a_folder_of_somebody_else_is_refused(far: Path, shared: Path) -> None:
    taken = shared / f"paceline-{os.getuid()}"
    taken.mkdir(mode=0o777)
    os.chown(taken, 65534, 65534)
    with pytest.raises(UsageError, match="no private folder") as refused:
        socket_path(far)
    assert "XDG_RUNTIME_DIR" in refused.value.hint


def test_what_belongs_to_somebody_else_is_refused_for_everybody(
    far: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.getuid()
    (shared / f"paceline-{real + 1}").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: real + 1)
    with pytest.raises(UsageError, match="no private folder"):
        socket_path(far)
