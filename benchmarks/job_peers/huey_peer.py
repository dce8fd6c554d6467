"""No-op jobs through huey: `python huey_peer.py N WORKERS sqlite|file FOLDER`. Run by the interpreter that has huey.

Huey takes a job off its list before it runs and keeps nothing of one that returned nothing: a crash loses what ran.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from huey import FileHuey, SqliteHuey


def main(n: int, workers: int, kind: str, folder: Path) -> None:
    made = SqliteHuey if kind == "sqlite" else FileHuey
    huey = made("bench", filename=str(folder / "huey.db"), fsync=True) if kind == "sqlite" else made(
        "bench", path=str(folder / "huey")
    )  # fmt: skip
    done, ended = 0, threading.Event()
    lock = threading.Lock()

    @huey.task()  # type: ignore[untyped-decorator]
    def noop() -> None:
        nonlocal done
        with lock:
            done += 1
            if done == n:
                ended.set()

    began = time.perf_counter()
    for _ in range(n):
        noop()
    enqueued = time.perf_counter()
    consumer = huey.create_consumer(workers=workers, periodic=False, initial_delay=0.001, max_delay=0.01)
    consumer.start()
    ended.wait(600)
    ran = time.perf_counter()
    print(json.dumps({"enqueue": n / (enqueued - began), "run": done / (ran - enqueued)}))
    sys.stdout.flush()
    consumer.stop_flag.set()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
