"""Kinds of background jobs that do as they are told, for the command line's tests."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pydantic import Field

from engine.processors.context import RunContext
from engine.processors.processor import Doubtful, Empty, Outcome, Payload, Permanent, Processor
from storage.model import Effect


class Letter(Payload):
    """What one job is given."""

    text: str = Field(default="hello", description="what it says", max_length=100)
    times: int = Field(default=1, ge=0, le=1_000)
    end: Literal["done", "nothing", "failed", "doubtful", "waits"] = "done"
    data: dict[str, Any] = Field(default_factory=dict)


class Echo(Processor[Letter]):
    kind = "echo"
    about = "says what it is given"
    payload = Letter
    retries = 0

    async def run(self, context: RunContext, payload: Letter) -> Outcome:
        match payload.end:
            case "nothing":
                return Empty("nothing to say")
            case "failed":
                raise Permanent("no voice")
            case "doubtful":
                raise Doubtful("nobody heard it")
            case "waits":
                while True:
                    context.check()
                    await asyncio.sleep(0.02)

        async def say(item: int) -> str:
            if item == 3:
                raise ValueError("not three")
            return payload.text

        said = await context.map(list(range(payload.times)), say, name="words") if payload.times > 1 else None
        return {"said": payload.text, "failed": said.failed if said else 0}


class Pay(Echo):
    kind = "pay"
    about = "must not run twice"
    effect = Effect.UNREPEATABLE
