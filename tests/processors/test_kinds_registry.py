"""What is installed as a processor and cannot be one is told when it is asked for, with the package to mend."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from engine.processors import registry
from engine.processors.context import RunContext
from engine.processors.processor import Outcome, Payload, Processor
from engine.processors.registry import GROUP, Registry
from storage.errors import UsageError


class Unfinished(Processor[Payload]):
    kind = "unfinished"
    about = "has no code to run"


class Broken(Processor[Payload]):
    kind = "broken"
    about = "cannot be made"

    def __init__(self) -> None:
        raise RuntimeError("no licence")

    async def run(self, context: RunContext, payload: Payload) -> Outcome:
        return {}


NoProcessor = Payload


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Unfinished", "cannot be loaded: TypeError: .*abstract"),
        ("Broken", "cannot be loaded: RuntimeError: no licence"),
        ("NoProcessor", "is no Processor"),
        ("Nowhere", "cannot be loaded: AttributeError"),
    ],
)
def test_what_is_no_processor_is_told_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    point = EntryPoint("odd", f"{__name__}:{name}", GROUP)
    monkeypatch.setattr(registry, "_installed", lambda: {"odd": point})
    with pytest.raises(UsageError, match=said):
        Registry().get("odd")
