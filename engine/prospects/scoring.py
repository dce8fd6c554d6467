"""Scores and ranks: pure arithmetic over what a prospect's row says, the same for the same input every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass

from engine.prospects.criteria import Criteria
from engine.prospects.prospect import INDUSTRY, REGION, SIZE, Prospect

CONTACTED = "contacted before"
SUPPRESSED = "must not be contacted"
TWICE = "in the list twice"
OVER_LIMIT = "over the limit of this run"


@dataclass(frozen=True, slots=True)
class Score:
    """`points` (0 to 100) are the sum of `parts` (industry, size, region), with a reason in words for each.
    `qualified`: it reaches `min_score`; `high`: it reaches `high_score`."""

    points: int
    parts: Mapping[str, int]
    reasons: tuple[str, ...]
    qualified: bool
    high: bool


@dataclass(frozen=True, slots=True)
class Scored:
    """A prospect with its score."""

    prospect: Prospect
    score: Score


@dataclass(frozen=True, slots=True)
class Ranking:
    """Who comes first, and what became of everybody else. Each list holds the next one, all in the order of rank.

    `scored` could be scored, `high` are of high priority, `uncontacted` of those were never contacted and may be,
    `selected` of those are within the limit. `dropped` counts the others by reason: with `selected` they are all
    prospects.
    """

    scored: tuple[Scored, ...]
    high: tuple[Scored, ...]
    uncontacted: tuple[Scored, ...]
    selected: tuple[Scored, ...]
    dropped: Mapping[str, int]


def lacks(prospect: Prospect, criteria: Criteria) -> str:
    """Why a prospect cannot be scored: what its row does not tell of what is asked for ("" when it can)."""
    if not prospect.address:
        return "no e-mail address"
    if criteria.industries and not prospect.industry:
        return "no industry"
    if criteria.asks_for_size and prospect.size is None:
        return "no size"
    if criteria.regions and not prospect.region:
        return "no region"
    return ""


def score(prospect: Prospect, criteria: Criteria) -> Score:
    """How well a prospect meets the criteria. What its row does not tell gives no points where it is asked for.

    An industry or region that is listed gives its whole weight, a size within the bounds too, and half of it (rounded
    down) up to twice the upper bound or down to half the lower one. Case and blanks do not count; a region also
    belongs to the listed one that begins its code (`US-CA` to `US`, ISO 3166-2).
    """
    weights = criteria.weights
    parts, reasons = {}, []
    for name, weight, (share, reason) in (
        (INDUSTRY, weights.industry, _industry(prospect.industry, criteria)),
        (SIZE, weights.size, _size(prospect.size, criteria)),
        (REGION, weights.region, _region(prospect.region, criteria)),
    ):
        parts[name] = weight * share // 2
        reasons.append(reason)
    points = sum(parts.values())
    return Score(points, parts, tuple(reasons), points >= criteria.min_score, points >= criteria.high_score)


def rank(
    prospects: Iterable[Prospect],
    criteria: Criteria,
    contacted: Callable[[str], bool] | Set[str],
    limit: int,
    suppressed: Set[str] = frozenset(),
) -> Ranking:
    """Put prospects in order, the highest score first, equal ones by address and row, and select at most `limit`.

    `contacted` tells of an address's key whether that person was ever written to; `suppressed` are the keys of those
    who must not be. A person who stands there twice is selected once, in the row that ranks first.
    """
    known = contacted.__contains__ if isinstance(contacted, Set) else contacted
    dropped: Counter[str] = Counter()
    found: list[Scored] = []
    for prospect in prospects:
        if reason := lacks(prospect, criteria):
            dropped[reason] += 1
        else:
            found.append(Scored(prospect, score(prospect, criteria)))
    found.sort(key=lambda one: (-one.score.points, one.prospect.key, one.prospect.row))
    high: list[Scored] = []
    uncontacted: list[Scored] = []
    seen: set[str] = set()
    for one in found:
        if not one.score.high:
            dropped[_below(one.score, criteria)] += 1
            continue
        high.append(one)
        key = one.prospect.key
        if reason := TWICE if key in seen else SUPPRESSED if key in suppressed else CONTACTED if known(key) else "":
            dropped[reason] += 1
            continue
        seen.add(key)
        uncontacted.append(one)
    selected = uncontacted[: max(0, limit)]
    if over := len(uncontacted) - len(selected):
        dropped[OVER_LIMIT] = over
    return Ranking(tuple(found), tuple(high), tuple(uncontacted), tuple(selected), dict(dropped))


def _below(found: Score, criteria: Criteria) -> str:
    if found.qualified:
        return f"fits, but below {criteria.high_score} points"
    return f"below {criteria.min_score} points"


_Share = tuple[int, str]
"""Halves of a weight (0, 1 or 2), and why."""


def _industry(industry: str, criteria: Criteria) -> _Share:
    if not criteria.industries:
        return 2, "any industry"
    if not industry:
        return 0, "industry not known"
    if _plain(industry) in map(_plain, criteria.industries):
        return 2, f"industry {industry}"
    return 0, f"industry {industry} is not looked for"


def _size(size: int | None, criteria: Criteria) -> _Share:
    if not criteria.asks_for_size:
        return 2, "any size"
    if size is None:
        return 0, "size not known"
    low, high = criteria.min_size, criteria.max_size
    if size >= low and (high is None or size <= high):
        return 2, f"{size:,} employees"
    if size < low:
        return (1, f"{size:,} employees, a little small") if 2 * size >= low else (0, f"{size:,} employees, too small")
    near = high is not None and size <= 2 * high
    return (1, f"{size:,} employees, a little large") if near else (0, f"{size:,} employees, too large")


def _region(region: str, criteria: Criteria) -> _Share:
    if not criteria.regions:
        return 2, "any region"
    if not region:
        return 0, "region not known"
    plain = _plain(region)
    if any(plain == wanted or plain.startswith(f"{wanted}-") for wanted in map(_plain, criteria.regions)):
        return 2, f"region {region}"
    return 0, f"region {region} is not looked for"


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
