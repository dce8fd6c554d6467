"""Which kinds of background jobs there are: what is installed under the entry point group `paceline.processors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from engine.processors.processor import Processor
from storage.errors import UsageError
from storage.model import SEND

GROUP = "paceline.processors"
MAX_PAYLOAD = 256 * 1024
"""Bytes of a payload: what is larger belongs into a file that the payload names."""


class Registry:
    """Processors by kind, each loaded when it is first needed. `extra`: more of them, for tests and embedders."""

    def __init__(self, extra: Mapping[str, type[Processor[Any]]] | None = None) -> None:
        self._extra = dict(extra or {})
        self._loaded: dict[str, Processor[Any]] = {}

    def kinds(self) -> list[str]:
        """Every kind, by name."""
        return sorted({*_installed(), *self._extra})

    def get(self, kind: str) -> Processor[Any]:
        """The processor of a kind. Raises UsageError when none is installed, or what is installed cannot be loaded."""
        if kind not in self._loaded:
            self._loaded[kind] = self._load(kind)()
        return self._loaded[kind]

    def _load(self, kind: str) -> type[Processor[Any]]:
        if kind in self._extra:
            return self._extra[kind]
        point = _installed().get(kind)
        if point is None:
            raise UsageError(
                f"there is no job kind {kind[:60]!r}", hint=f"there are: {', '.join(self.kinds()) or 'none'}"
            )
        try:
            found = point.load()
        except Exception as error:  # another package's code, which may fail in any way
            raise UsageError(
                f"the processor of {kind} cannot be loaded: {type(error).__name__}: {error}",
                hint=f"it is {point.value}: mend or remove the package that installs it",
            ) from error
        if not (isinstance(found, type) and issubclass(found, Processor)):
            raise UsageError(f"the processor of {kind} is no Processor: {point.value}")
        return found


@lru_cache(maxsize=1)
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP) if point.name != SEND}


def check_payload(
    processor: Processor[Any], payload: Any, folder: Path, *, where: str = "payload"
) -> tuple[BaseModel, str]:
    """A payload as its model, whose relative paths count from `folder`, and as JSON text. Raises UsageError naming each
    field that is wrong, and how."""
    try:
        checked = processor.payload.model_validate(payload, context={"folder": folder})
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join((where, *(str(part) for part in one['loc'])))}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors(include_url=False, include_input=False)[:5]
        )
        raise UsageError(found, hint=f"paceline job types {processor.kind} shows its fields") from None
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > MAX_PAYLOAD:
        raise UsageError(
            f"{where}: {len(text):,} characters are too many (at most {MAX_PAYLOAD // 1024} KiB)",
            hint="put the data into a file and name it in the payload",
        )
    return checked, text
