"""The servers that peers of the job benchmark need: throw-away ones in a folder of the run, on loopback ports, ended by
the process that began them."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


class MissingError(Exception):
    """Something that a peer needs is not on this machine; the words say what."""


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, *folders: Path) -> str:
    """Where a program is. Raises MissingError."""
    for folder in folders:
        if (folder / name).exists():
            return str(folder / name)
    if found := shutil.which(name):
        return found
    raise MissingError(f"{name} is not installed")


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL cluster with its defaults (fsync and synchronous_commit on); its connection string."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    initdb, server = program("initdb", *homes), program("postgres", *homes)
    user = None
    if os.geteuid() == 0:
        # It does not run as root.
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            raise MissingError("there is no user postgres, and it does not run as root") from None
        os.chown(folder, user.pw_uid, user.pw_gid)
    whose = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    data, port = folder / "data", free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **whose}
    subprocess.run([initdb, "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C"], check=True, **quiet)  # type: ignore[call-overload]
    with _ended(subprocess.Popen([server, "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1"], **quiet)):  # type: ignore[call-overload]
        _wait(port)
        yield f"postgresql://bench@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def redis(folder: Path, appendfsync: str) -> Iterator[int]:
    """A Redis with its append-only file, synced `always` or `everysec`; its port."""
    port = free_port()
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", appendfsync, "--save", "", "--maxmemory-policy", "noeviction"]
    with _ended(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)):
        _wait(port)
        yield port


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    raise MissingError("its server did not start")
