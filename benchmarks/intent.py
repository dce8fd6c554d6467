"""What the durable intent costs: the same pipeline with it and without it, in one run.

    python -m benchmarks.intent [--messages 3000] [--rounds 3]

Without it the gate answers at once and the attempt is written together with its outcome: what a job queue that is
at-least-once does. Each pair runs with 0, 1 and 5 ms added to every commit (a slower disk); the last pair puts the
server 20 ms away.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Awaitable
from pathlib import Path

from benchmarks.pipeline import free_port, pipeline, start_sink
from engine.head_start import HeadStart
from engine.service import Engine
from storage.dispatch_nouns import Finish, Intent, IntentRequest
from storage.endings import finish_attempts
from storage.tx import Tx

_OFFER = HeadStart.offer
DELAYS = (0.0, 0.001, 0.005)
FAR = 0.020


def without_intent(engine: Engine) -> None:
    """Let the gate answer at once; the attempt row is made in the transaction of its outcome."""
    store = engine.store
    asked: dict[int, IntentRequest] = {}

    def begin(request: IntentRequest) -> Awaitable[Intent]:
        asked[request.job_id] = request
        answer: asyncio.Future[Intent] = asyncio.get_running_loop().create_future()
        answer.set_result(Intent(-1))
        return answer

    def record(tx: Tx, ends: list[Finish]) -> list[bool]:
        made = []
        for end in ends:
            request = asked.pop(end.job_id)
            attempt = tx.insert(
                "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at, counted_at) "
                "VALUES (?, ?, 1, 1, ?, ?, ?)",
                (end.job_id, end.lease, store.epoch, request.now, request.now),
            )
            made.append(
                Finish(**{name: getattr(end, name) for name in end.__slots__} | {"attempt_id": attempt})  # type: ignore[arg-type]
            )
        return finish_attempts(tx, made)

    store.begin_attempt = begin  # type: ignore[method-assign]
    store.finish_attempt = lambda end: store.writer.submit_many(record, end)  # type: ignore[method-assign]


class Distance:
    """A relay on loopback that delays every byte by half a round trip each way."""

    def __init__(self, port: int, round_trip: float) -> None:
        self._port = port
        self._half = round_trip / 2

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(65_536):
            loop.call_later(self._half, writer.write, data)
        await asyncio.sleep(self._half * 2)
        writer.close()


async def run_once(folder: Path, port: int, messages: int, delay: float, far: bool, intent: bool) -> float:
    def prepare(engine: Engine) -> None:
        if not intent:
            without_intent(engine)

    # Without an intent there is none to write within the claim.
    HeadStart.offer = _OFFER if intent else (lambda self, sessions: None)  # type: ignore[method-assign]

    if not far:
        return messages / await pipeline(folder, port, messages, 10, delay, prepare)
    async with Distance(port, FAR) as distant:
        return messages / await pipeline(folder, distant, messages, 10, delay, prepare)


def main() -> None:
    import uvloop

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print("commit   server      with intent   without   cost")
    with tempfile.TemporaryDirectory(prefix="paceline-bench-") as name:
        port = free_port()
        sink = start_sink(port)
        try:
            for delay, far in [*((delay, False) for delay in DELAYS), (0.001, True)]:
                messages = given.messages // 4 if far or delay > 0.001 else given.messages
                rates: dict[bool, list[float]] = {True: [], False: []}
                for _ in range(given.rounds):
                    for intent in (True, False):
                        rates[intent].append(uvloop.run(run_once(Path(name), port, messages, delay, far, intent)))
                ours, bare = statistics.median(rates[True]), statistics.median(rates[False])
                where = "20 ms away" if far else "loopback"
                print(f"+{delay * 1000:.0f} ms    {where:<10} {ours:8.0f}/s   {bare:8.0f}/s   {1 - ours / bare:6.0%}")
        finally:
            sink.terminate()
            sink.wait()


if __name__ == "__main__":
    main()
