"""What the tables of the configuration have in common: frozen, no unknown key, figures and durations in bounds."""

from __future__ import annotations

import ipaddress
from typing import TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from engine.planning.durations import parse_duration
from storage.errors import UsageError


class Table(BaseModel):
    """A table: what it holds cannot be changed, and a key that it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


AnyTable = TypeVar("AnyTable", bound=Table)


def whole(low: int, high: int) -> BeforeValidator:
    """Takes a whole number from `low` to `high`, no text and no truth value."""

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("must be a whole number without quotes")
        if not low <= value <= high:
            raise ValueError(f"must be between {low} and {high}")
        return value

    return BeforeValidator(check)


def duration(low: str, high: str) -> BeforeValidator:
    """Takes a duration as text, from `low` to `high` ("1s", "1h"), and gives microseconds."""
    bounds = parse_duration(low), parse_duration(high)

    def check(value: object) -> int:
        if not isinstance(value, str):
            raise ValueError('must be a duration with its unit in quotes, such as "30s" or "5m"')
        try:
            found = parse_duration(value)
        except UsageError:
            raise ValueError('must be a duration such as "30s", "5m" or "1h30m"') from None
        if not bounds[0] <= found <= bounds[1]:
            raise ValueError(f"must be between {low} and {high}")
        return found

    return BeforeValidator(check)


def over(base: AnyTable, override: AnyTable | None) -> AnyTable:
    """`base` with the keys that `override` sets."""
    if override is None:
        return base
    return base.model_copy(update={key: getattr(override, key) for key in override.model_fields_set})


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
