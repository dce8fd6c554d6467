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
MAX_WORDS = 2_000
"""Characters of an error, a note or a flag that are kept."""
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
            self._loaded[kind] = self._load(kind)
        return self._loaded[kind]

    def _load(self, kind: str) -> Processor[Any]:
        if kind in self._extra:
            return self._extra[kind]()
        point = _installed().get(kind)
        if point is None:
            raise UsageError(
                f"there is no job kind {kind[:60]!r}", hint=f"there are: {', '.join(self.kinds()) or 'none'}"
            )
        try:
            found = point.load()
            if isinstance(found, type) and issubclass(found, Processor):
                return found()
        except Exception as error:  # another package's code, which may fail in any way
            raise UsageError(
                f"the processor of {kind} cannot be loaded: {type(error).__name__}: {error}",
                hint=f"it is {point.value}: mend or remove the package that installs it",
            ) from error
        raise UsageError(f"the processor of {kind} is no Processor: {point.value}")


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
    except RecursionError:
        raise UsageError(f"{where}: is nested too deeply") from None
    except ValidationError as error:
        raise _wrong(processor, error, where) from None
    text = kept_json(payload, where)
    if len(text.encode()) > MAX_PAYLOAD:
        raise UsageError(
            f"{where}: {len(text):,} characters are too many (at most {MAX_PAYLOAD // 1024} KiB)",
            hint="put the data into a file and name it in the payload",
        )
    return checked, text


def read_payload(processor: Processor[Any], text: str, folder: Path) -> BaseModel:
    """A payload that the store has kept, as its model: checked again, since the processor may be another version by
    now. Raises UsageError naming each field that is wrong."""
    try:
        return processor.payload.model_validate_json(text, context={"folder": folder})
    except ValidationError as error:
        raise _wrong(processor, error, "payload") from None


def _wrong(processor: Processor[Any], error: ValidationError, where: str) -> UsageError:
    found = "; ".join(
        f"{'.'.join((where, *(str(part) for part in one['loc'])))}: {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_url=False, include_input=False)[:5]
    )
    return UsageError(found, hint=f"paceline job types {processor.kind} shows its fields")


def kept_json(value: Any, where: str) -> str:
    """A value as JSON text that any program reads and the store can keep. Raises UsageError for what cannot be written
    so: NaN and infinities, half a surrogate pair, what is nested too deeply or is no JSON at all."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{where}: holds a character that is none (half a surrogate pair)") from None
    except RecursionError:
        raise UsageError(f"{where}: is nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: is no JSON: {error}") from None
    return text


def kept_words(words: str) -> str:
    """Words as the store can keep them: of bounded length, without half a surrogate pair (a file name that is no UTF-8
    has them); one such text would fail the commit that it stands in."""
    return words[:MAX_WORDS].encode("utf-8", "replace").decode()


def words_of(error: BaseException) -> str:
    """What an error says of itself, as the store can keep it; its name when it says nothing, or cannot."""
    try:
        words = kept_words(str(error))
    except Exception:  # code of others
        words = ""
    return words or type(error).__name__
