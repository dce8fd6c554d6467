"""What the configuration says of a kind, and where its files stand."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from engine.config_errors import sentences
from engine.processors.context import RunContext
from engine.processors.processor import Held, Permanent

O = TypeVar("O", bound=BaseModel)  # noqa: E741 - options


def options_of(context: RunContext, model: type[O], kind: str = "") -> O:
    """`[jobs.kinds.KIND] options` (of the job's own kind unless another is named), checked; relative paths count from
    the configuration's folder. Raises Held with each mistake: when the file is mended, the job can be freed."""
    kind = kind or context.kind
    try:
        written = context.config.jobs.kind(kind).options
        return model.model_validate(written, context={"folder": context.config.path.parent})
    except ValidationError as error:
        found = "; ".join(sentences(error, {}, tables=(model,)))
        raise Held(f"[jobs.kinds.{kind}] options: {found}") from None


def output(context: RunContext, name: str) -> Path:
    """Where a job writes a file: below `[jobs] folder` and nowhere else, in a folder that is made where it is missing.
    Raises Permanent for a path that leads out of it or is none, Held when the folder cannot be made."""
    folder = context.config.jobs.folder.absolute()
    if "\0" in name:
        raise Permanent("a file's name cannot hold a zero character")
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()) or target == folder.resolve():
        raise Permanent(f"{name[:200]} leads out of [jobs] folder: a job writes nowhere else")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise Held(f"the folder {target.parent} cannot be made: {reason}") from None
    return target
