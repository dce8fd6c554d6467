"""From a step and one person's fields to the note of an invitation: plain text, short, or none at all."""

from __future__ import annotations

from collections.abc import Mapping

from engine.channels.channel import Message
from engine.compose.errors import ComposeError
from engine.compose.template import Compile, compile_template
from storage.nouns import Step

NAME_FIELDS = ("first_name", "last_name", "name")
"""What the operator's file calls a person, as the name is compared with the profile's."""
_SUPPLIED = "address"
"""A note may use it without a column of that name."""


class NoteFactory:
    """Makes one step's notes for any recipient; immutable, safe to share.

    A note is the step's `text`, filled in; subject, HTML and attachments have no place in an invitation. Blanks around
    it are dropped, and an empty one is sent as an invitation without a note. `limit` counts characters as the service
    does, in UTF-16 units: a character outside the basic plane, such as most emoji, counts two.
    """

    def __init__(self, step: Step, account: str, limit: int, *, compile: Compile = compile_template) -> None:
        """Compile `step` for the service's `account`. Raises TemplateError, or ComposeError for what an invitation
        cannot carry and for a text that is longer than `limit` before any field is filled in."""
        if step.html.strip() or step.attachments:
            raise ComposeError("an invitation has neither HTML nor attachments", hint="Write the note as plain text.")
        self.sender = account
        self.limit = limit
        self._template = compile(step.text.strip(), name="note")
        self.fields = self._template.fields - {_SUPPLIED}
        """Every field name that the note uses and a recipient may bring."""
        self.required = self._template.required - {_SUPPLIED}
        """Field names that every recipient must bring."""
        self.plain = False
        if not self._template.fields:
            self._checked(self._template.render({}))

    def lacks(self, address: str, profile: str) -> str:
        """What this person cannot be invited without: "" or "LinkedIn profile"."""
        return "" if profile else "LinkedIn profile"

    def missing(self, fields: Mapping[str, object], *, address: str = "") -> tuple[str, ...]:
        """Every name that `build` would report for these fields, each once. Raises as `build` does but for these."""
        known = _with_address(fields, address)
        names = self._template.missing(known)
        if not names:
            self._checked(self._template.render(known).strip())
        return names

    def build(
        self, *, address: str, fields: Mapping[str, object], message_id: str, date: int, profile: str = ""
    ) -> Message:
        """The note for one person, whose cleaned `profile` is where it goes. Raises MissingField with all names at
        once, ComposeError without a profile or for a note beyond the limit, RenderError."""
        if not profile:
            raise ComposeError("this person has no LinkedIn profile", hint="Fill in the profile for this recipient.")
        note = self._checked(self._template.render(_with_address(fields, address)).strip())
        return Message(self.sender, profile, message_id, note.encode("utf-8", "replace"), name=person_name(fields))

    def _checked(self, note: str) -> str:
        units = len(note.encode("utf-16-le", "replace")) // 2
        if units > self.limit:
            over = units - self.limit
            raise ComposeError(
                f"the note is {over:,} {'character' if over == 1 else 'characters'} too long: "
                f"{units:,} of at most {self.limit:,}",
                hint="Shorten the text, or the field that makes it so long.",
            )
        return note


def person_name(fields: Mapping[str, object]) -> str:
    """The name as the operator's file has it: "First Last", or its `name`; "" when it has none."""
    first, last, whole = (str(fields.get(name) or "").strip() for name in NAME_FIELDS)
    return f"{first} {last}".strip() or whole


def _with_address(fields: Mapping[str, object], address: str) -> Mapping[str, object]:
    return fields if fields.get(_SUPPLIED) else {**fields, _SUPPLIED: address}
