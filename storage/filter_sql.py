"""A filter as SQL over `jobs j`: what the operator wrote travels as parameters only.

The words of this module are constants; text, numbers and times are always `?`. Negations use IS NOT TRUE, so that a
job without a campaign or a person is outside `campaign:x` and inside `-campaign:x`.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.filter_terms import Contains, Filter, Match, Not, Number, States, Term, Time, Word, literal, pieces
from storage.model import JobState

Value = int | str

_RETRY = "j.state = 'pending' AND j.attempts > 0 AND j.error_key <> ''"
_FRESH = "j.state = 'pending' AND (j.attempts = 0 OR j.error_key = '')"
_MATCH = {
    "campaign": "j.campaign_id IN (SELECT id FROM campaigns WHERE {like})",
    "queue": "j.queue_id IN (SELECT id FROM queues WHERE {like})",
    "to": "EXISTS (SELECT 1 FROM recipients r WHERE r.id = j.recipient_id AND {like})",
    "kind": "({like})",
    "error": "({like})",
    "origin": "EXISTS (SELECT 1 FROM tasks t WHERE t.job_id = j.id AND {like})",
    # In the words of the index `tasks_flagged`, so that it applies.
    "flag": "j.id IN (SELECT t.job_id FROM tasks t WHERE t.flag <> '' AND {like})",
}
_COLUMNS = {
    "campaign": "name", "queue": "name", "to": "r.address", "kind": "j.kind", "error": "j.error_key",
    "origin": "t.origin", "flag": "substr(t.flag, 1, instr(t.flag || ':', ':') - 1)",
}  # fmt: skip
_NUMBERS = {
    "try": "j.attempts", "id": "j.id", "batch": "j.batch_id",
    "stage": "(SELECT t.stage FROM tasks t WHERE t.job_id = j.id)",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Where:
    """A condition with its parameters in order."""

    sql: str
    values: tuple[Value, ...] = ()


ALL = Where("1 = 1")


def both(*conditions: Where) -> Where:
    """All of them."""
    real = [condition for condition in conditions if condition is not ALL]
    if not real:
        return ALL
    return Where(
        " AND ".join(condition.sql for condition in real), tuple(v for condition in real for v in condition.values)
    )


def negated(inside: Where) -> Where:
    """Whatever it is not true of: also where it is unknown."""
    return Where(f"({inside.sql}) IS NOT TRUE", inside.values)


def in_campaigns(column: str, patterns: tuple[str, ...]) -> Where:
    """Whether a column holds the id of a campaign whose name is like one of the patterns."""
    named = like("name", patterns)
    return Where(f"{column} IN (SELECT id FROM campaigns WHERE {named.sql})", named.values)


def where(filter: Filter, now: int) -> Where:
    """The condition of a whole filter; times count from `now` (microseconds UTC)."""
    return both(*(term_sql(term, now) for term in filter.terms))


def term_sql(term: Term | Not, now: int) -> Where:
    if isinstance(term, Not):
        return negated(term_sql(term.term, now))
    match term:
        case States(words):
            return either([_state(word, now) for word in words])
        case Match(field, patterns):
            likes = like(_COLUMNS[field], patterns)
            return Where(_MATCH[field].format(like=likes.sql), likes.values)
        case Contains(texts):
            found = [Where(_like("j.last_error"), (_holding(text),)) for text in texts]
            found += [Where(_like("j.error_key"), (_holding(text),)) for text in texts]
            return either(found)
        case Number(field, low, high):
            return _between(_NUMBERS[field], low, high)
        case Time(field, more, duration):
            return _time(field, more, duration, now)
        case Word(text):
            return _word(text)


def like(column: str, patterns: tuple[str, ...]) -> Where:
    """Whether a column is like one of a filter's patterns."""
    return either([Where(_like(column), (_percent(pattern),)) for pattern in patterns])


def either(conditions: list[Where]) -> Where:
    """One of these conditions holds."""
    joined = " OR ".join(condition.sql for condition in conditions)
    return Where(f"({joined})", tuple(value for condition in conditions for value in condition.values))


def _like(column: str) -> str:
    return f"lower({column}) LIKE lower(?) ESCAPE '\\'"


def _percent(pattern: str) -> str:
    return "".join("%" if piece is None else _kept(piece) for piece in pieces(pattern))


def _kept(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _holding(text: str) -> str:
    return f"%{_kept(text)}%"


def _state(word: str, now: int) -> Where:
    if word == "retry":
        return Where(f"({_RETRY})")
    if word == "scheduled":
        return Where(f"({_FRESH} AND j.due_at > ?)", (now,))
    if word == "due":
        return Where(f"({_FRESH} AND j.due_at <= ?)", (now,))
    # Written out, so that the partial indexes apply; a word that is no state never gets here.
    return Where(f"j.state = '{JobState(word)}'")


def _between(column: str, low: int | None, high: int | None) -> Where:
    if low is not None and low == high:
        return Where(f"{column} = ?", (low,))
    bounds = [Where(f"{column} >= ?", (low,))] if low is not None else []
    bounds += [Where(f"{column} <= ?", (high,))] if high is not None else []
    return both(*bounds)


def _time(field: str, more: bool, duration: int, now: int) -> Where:
    if field == "next":
        return Where(f"(j.state = 'pending' AND j.due_at {'>' if more else '<'} ?)", (now + duration,))
    column = "j.created_at" if field == "created" else "j.updated_at"
    return Where(f"{column} {'<' if more else '>'} ?", (now - duration,))


def _word(text: str) -> Where:
    found = [
        Where(_like("j.last_error"), (_holding(text),)),
        Where(f"(j.kind <> 'send' AND {_like('j.kind')})", (_holding(text),)),
        Where(f"EXISTS (SELECT 1 FROM recipients r WHERE r.id = j.recipient_id AND {_like('r.address')})",
              (_holding(text),)),
    ]  # fmt: skip
    if text.isascii() and text.isdigit() and len(text) <= 18:
        found.append(Where("j.id = ?", (int(text),)))
    return either(found)


def exactly(field: str, text: str) -> Match:
    """The term that means this value itself, whatever it is made of."""
    return Match(field, (literal(text),))
