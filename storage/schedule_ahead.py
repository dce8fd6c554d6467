"""Which schedules have dealt with times that are still to come, as conditions on `schedules s`: the clock was ahead.

Readers tell of those and `storage.set_back` puts them right; apart, so that a reader loads no writer.
"""

from __future__ import annotations

FEW = 100
"""A schedule with fewer rows than this has lost none: pruning leaves it more, whatever their age."""
# A row from before now, or hardly any rows: then every time after now that has fired is still known by its row.
KNOWN = (
    "(EXISTS (SELECT 1 FROM firings k WHERE k.schedule_id = s.id AND k.at <= ?) "
    f"OR (SELECT count(*) FROM (SELECT 1 FROM firings k WHERE k.schedule_id = s.id LIMIT {FEW})) < {FEW})"
)
AHEAD = "s.enabled = 1 AND s.decided_at > ?"
