"""No-op jobs through procrastinate: `python procrastinate_peer.py N CONCURRENCY DSN`."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import procrastinate


async def main(n: int, concurrency: int, dsn: str) -> None:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=dsn, min_size=4, max_size=20))

    @app.task(name="noop")
    async def noop() -> None:
        return

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        began = time.perf_counter()
        for first in range(0, n, 1000):
            await noop.batch_defer_async(*({} for _ in range(min(1000, n - first))))
        enqueued = time.perf_counter()
        await app.run_worker_async(wait=False, concurrency=concurrency, install_signal_handlers=False)
        ran = time.perf_counter()
    print(json.dumps({"enqueue": n / (enqueued - began), "run": n / (ran - enqueued)}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
