"""Public holidays of countries and regions, from the package `holidays`, which is imported when first asked for.

The package takes a tenth of a second to import, and most windows name no region.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from storage.errors import UsageError

FIRST_YEAR, LAST_YEAR = 1970, 2100
"""Years that are asked for: no calendar of the package is maintained beyond."""


def region_of(text: str, *, field: str = "holidays") -> str:
    """The region in its own spelling: "de-by" is "DE-BY". Raises UsageError naming `field` for an unknown one."""
    import holidays

    country, _, part = text.strip().partition("-")
    country = country.upper()
    countries = holidays.list_supported_countries(include_aliases=False)
    if country not in countries:
        raise UsageError(
            f"{field}: no holidays are known of {text[:40]!r}",
            hint="A country such as DE or US, or a part: DE-BY, US-CA.",
        )
    parts = {known.upper(): known for known in countries[country]}
    if not part and not text.strip().endswith("-"):
        return country
    if part.upper() not in parts:
        known = ", ".join(sorted(parts.values())[:60])
        hint = f"{country} has {known}." if parts else f"Write {country}: it has no parts."
        raise UsageError(f"{field}: no part {part[:40]!r} of {country} is known", hint=hint)
    return f"{country}-{parts[part.upper()]}"


@lru_cache(maxsize=2_048)
def days_off(region: str, year: int) -> frozenset[date]:
    """The public holidays of a region (as `region_of` spells it) in one year, with the days on which they are kept
    instead (a Friday for a Saturday) where the region does so. Empty outside 1970-2100."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return frozenset()
    import holidays

    country, _, part = region.partition("-")
    # A calendar of one year also holds the days that are kept in it for a holiday of the next one.
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=[year]))
