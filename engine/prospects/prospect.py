"""A prospect: somebody at a company who may become a customer, as a source tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.intake.mapping import EMAIL

COMPANY, INDUSTRY, SIZE, REGION = "company", "industry", "size", "region"
FIRST_NAME, LAST_NAME = "first_name", "last_name"
LARGEST = 100_000_000
"""Employees: more than any employer has; a larger figure is a slip of its column."""

_GROUPED = re.compile(r"\d{1,3}(?:[,.' \u00a0\u202f\u2019]\d{3})+|\d{1,12}")
_NUMBER = rf"({_GROUPED.pattern})"
_RANGE = re.compile(rf"{_NUMBER}\s*(?:-|\u2013|\u2014|to)\s*{_NUMBER}", re.ASCII)
_OPEN = re.compile(rf"{_NUMBER}\s*\+", re.ASCII)
_PLAIN = re.compile(_NUMBER, re.ASCII)


@dataclass(frozen=True, slots=True)
class Prospect:
    """One row of a source. `size` is the company's employees (None: not told), `key` how the address is compared,
    `fields` every other column as text; what the source does not tell is empty."""

    row: int
    address: str = ""
    key: str = ""
    company: str = ""
    industry: str = ""
    size: int | None = None
    region: str = ""
    first_name: str = ""
    last_name: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    def values(self) -> dict[str, str]:
        """Everything by field name, as templates and recipients have it; the address is `email`."""
        return {
            **self.fields,
            EMAIL: self.address,
            FIRST_NAME: self.first_name,
            LAST_NAME: self.last_name,
            COMPANY: self.company,
            INDUSTRY: self.industry,
            SIZE: "" if self.size is None else str(self.size),
            REGION: self.region,
        }


def parse_size(text: str) -> int | None:
    """Employees out of a cell: "120", "1,200", a range ("51-200": its middle, rounded down) or "10,000+" (its lower
    end); None for an empty one. Raises ValueError, a sentence, for anything else."""
    text = text.strip()
    if not text:
        return None
    if found := _RANGE.fullmatch(text):
        low, high = _number(found[1]), _number(found[2])
        if low > high:
            raise ValueError("The range of employees begins above its end.")
        size = (low + high) // 2
    elif found := _OPEN.fullmatch(text) or _PLAIN.fullmatch(text):
        size = _number(found[1])
    else:
        raise ValueError('The number of employees must be a figure such as 120, or a range such as "51-200".')
    if size > LARGEST:
        raise ValueError(f"No company has more than {LARGEST:,} employees.")
    return size


def _number(text: str) -> int:
    return int(re.sub(r"\D", "", text))
