"""Messages per second through the whole pipeline, as a ratio to a bare aiosmtplib loop in the same run.

    python -m benchmarks.pipeline [--messages 5000] [--rounds 3] [--concurrency 10]

Both sides talk to Debian's `smtp-sink` on a loopback port. The bare side sends pre-rendered bytes over persistent
connections with `sendmail` and records nothing. The pipeline claims, composes, writes a durable intent and a durable
outcome for every message. Rounds alternate, the medians are compared: the machine is shared and noisy.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiosmtplib

from engine.config import load_config
from engine.control import actions
from engine.service import Engine
from storage.model import Actor
from storage.reader import Reader

BODY = "Hello {first_name},\n\n" + "a line of ordinary text that people write to each other\n" * 15
ME = Actor("benchmark", via="benchmark")


def fsync_ms(folder: Path) -> float:
    """Median latency of fdatasync for one 4 KiB page, in milliseconds."""
    path = folder / "fsync"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(times) * 1000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_sink(port: int) -> subprocess.Popen[bytes]:
    program = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
    if not Path(program).exists():
        sys.exit("benchmarks need smtp-sink: apt-get install postfix")
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    sink = subprocess.Popen([program, *user, f"127.0.0.1:{port}", "1000"])
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 0.1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return sink
    sink.terminate()
    sys.exit("smtp-sink did not start")


async def bare(port: int, messages: int, concurrency: int) -> float:
    """Seconds that aiosmtplib alone takes for pre-rendered bytes over persistent connections."""
    text = BODY.replace("\n", "\r\n").encode()
    content = b"From: <me@example.org>\r\nTo: <you@example.org>\r\nSubject: hello\r\n\r\n" + text
    left = messages

    async def worker() -> None:
        nonlocal left
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await client.connect()
        while left > 0:
            left -= 1
            await client.sendmail("me@example.org", ["you@example.org"], content)
        await client.quit()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return time.perf_counter() - began


async def pipeline(
    folder: Path,
    port: int,
    messages: int,
    concurrency: int,
    commit_delay: float,
    prepare: Callable[[Engine], None] = lambda engine: None,
) -> float:
    """Seconds from the start of the campaign to its last durable outcome. `prepare` may change the engine first."""
    config = folder / "paceline.toml"
    config.write_text(
        f'[accounts.sink]\nchannel = "smtp"\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n'
        f'from_address = "me@example.org"\nconcurrency = {concurrency}\nmessages_per_connection = 10000\n'
    )
    database = folder / f"{time.time_ns()}.db"
    engine = Engine(database, lambda: load_config(config), create=True)
    await engine.start()
    engine.store.writer.commit_delay = commit_delay
    prepare(engine)

    async def call(action: str, **args: object) -> dict[str, object]:
        return await actions.call(engine.context, action, args, ME)

    pacing = {"mode": "blast", "concurrency": concurrency, "batch_delay": "0s"}
    await call("campaign.new", name="run", account="sink", subject="hello {first_name}", text=BODY, pacing=pacing)
    begun = await call("recipients.begin", campaign="run", source="benchmark")
    for at in range(0, messages, 500):
        people = [
            (n, f"p{n}@example.org", f"p{n}@example.org", {"first_name": f"N{n}"})
            for n in range(at, min(messages, at + 500))
        ]
        await call("recipients.rows", import_id=begun["import_id"], rows=people)
    sums = {"rows": messages, "imported": messages, "rejected": 0, "duplicates": 0}
    await call("recipients.commit", import_id=begun["import_id"], campaign="run", **sums)
    await call("campaign.live", name="run")
    await call("engine.pause")
    await call("campaign.start", name="run")
    began = time.perf_counter()
    await call("engine.resume")
    await engine.run(until_idle=True)
    took = time.perf_counter() - began
    with Reader(database) as reader:
        if reader.counts()["completed"] != messages:
            sys.exit(f"not everything was sent: {reader.counts()}")
    return took


def measure(messages: int, rounds: int, concurrency: int, commit_delay: float) -> None:
    import uvloop

    with tempfile.TemporaryDirectory(prefix="paceline-bench-") as name:
        folder = Path(name)
        port = free_port()
        sink = start_sink(port)
        try:
            ours, theirs = [], []
            for _ in range(rounds):
                theirs.append(messages / uvloop.run(bare(port, messages, concurrency)))
                ours.append(messages / uvloop.run(pipeline(folder, port, messages, concurrency, commit_delay)))
        finally:
            sink.terminate()
            sink.wait()
        ratio = statistics.median(ours) / statistics.median(theirs)
        print(f"fdatasync, median         {fsync_ms(folder):8.2f} ms")
        print(f"bare aiosmtplib           {statistics.median(theirs):8.0f} messages/s")
        print(f"pipeline, all durable     {statistics.median(ours):8.0f} messages/s")
        print(f"ratio                     {ratio:8.2f}   (goal 0.50, aim 0.75)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=10)
    parser.add_argument("--commit-delay", type=float, default=0.0, help="milliseconds added to each commit")
    given = parser.parse_args()
    measure(given.messages, given.rounds, given.concurrency, given.commit_delay / 1000)


if __name__ == "__main__":
    main()
