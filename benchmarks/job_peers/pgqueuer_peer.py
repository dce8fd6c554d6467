"""No-op jobs through pgqueuer: `python pgqueuer_peer.py N CONCURRENCY DSN`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import asyncpg
from pgqueuer import AsyncpgPoolDriver, PgQueuer, Queries
from pgqueuer.domain.types import QueueExecutionMode


async def main(n: int, concurrency: int, dsn: str) -> None:
    async with asyncpg.create_pool(dsn, min_size=4, max_size=20) as pool:
        driver = AsyncpgPoolDriver(pool)
        queries = Queries(driver)
        await queries.install()
        queuer = PgQueuer(driver)

        @queuer.entrypoint("noop")
        async def noop(job: Any) -> None:
            return

        began = time.perf_counter()
        for first in range(0, n, 1000):
            some = min(1000, n - first)
            await queries.enqueue(["noop"] * some, [None] * some, [0] * some)
        enqueued = time.perf_counter()
        await queuer.qm.run(
            mode=QueueExecutionMode.drain, batch_size=min(concurrency, 250), max_concurrent_tasks=2 * concurrency
        )
        ran = time.perf_counter()
    print(json.dumps({"enqueue": n / (enqueued - began), "run": n / (ran - enqueued)}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
