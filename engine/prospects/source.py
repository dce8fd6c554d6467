"""Where prospects come from: a table on this machine, or an HTTP service that answers with JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.channels.webhook.guard import Lookup, system_lookup
from engine.intake.tables import open_table
from engine.prospects.http_source import HttpSource, read_pages
from engine.prospects.rows import Bounds, Found, Gathering


@dataclass(frozen=True, slots=True)
class FileSource:
    """A CSV, XLSX or JSONL file; `sheet` names a worksheet ("": the first visible one)."""

    path: Path
    sheet: str = ""


Source = FileSource | HttpSource


async def read_prospects(
    source: Source,
    *,
    columns: Mapping[str, str] | None = None,
    bounds: Bounds | None = None,
    lookup: Lookup = system_lookup,
) -> Found:
    """Every prospect of `source`, in its order, within `bounds`; each address once.

    `columns` (column -> field) says which column is `email`, `industry`, `size`, `region`, ... where titles do not;
    `lookup` finds the addresses of an HTTP source's host. Safe to repeat: nothing is changed anywhere.

    Raises TableError or UsageError for a file that cannot be read and columns that do not fit, SourceError for a
    service that gives no usable answer.
    """
    columns, bounds = columns or {}, bounds or Bounds()
    if isinstance(source, FileSource):
        return await asyncio.to_thread(_read_file, source, columns, bounds)
    return await read_pages(source, columns, bounds, lookup)


def _read_file(source: FileSource, columns: Mapping[str, str], bounds: Bounds) -> Found:
    with open_table(source.path, sheet=source.sheet or None) as table:
        gathering = Gathering(table.columns, columns, bounds)
        for row in table.rows():
            if not gathering.take(row):
                break
        return gathering.found()
