"""The real program in the foreground, told to end while all its connections are busy."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.crash.crash_world import Receiver, World, wait_for
from tests.support.child import ROOT
from tests.support.proxy import running_proxy


def drained(
    folder: Path, receiver: Receiver, number: signal.Signals, *, n: int = 60, again: bool = False
) -> tuple[World, int, str]:
    """`engine run` gets `number` with every reply to a content held back for a while; with `again` it gets it once
    more before those replies come. Returns the world, the exit code and what was said on stderr."""
    world = World(folder, receiver, n)
    with running_proxy(receiver.port, hold_reply=2.0 if again else 0.3) as proxy:
        world.connect(proxy.port)
        engine = subprocess.Popen(
            world.program("engine", "run"), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert engine.stderr is not None
        try:
            wait_for(lambda: len(world.accepted()) >= world.concurrency)
            engine.send_signal(number)
            said = ""
            if again:
                while "draining" not in said:
                    said += engine.stderr.readline()
                engine.send_signal(number)
            engine.wait(20)
            said += engine.stderr.read()
        finally:
            engine.stderr.close()
            if engine.poll() is None:
                engine.kill()
                engine.wait()
    world.connect(receiver.port)
    return world, engine.returncode, said
