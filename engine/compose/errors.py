"""What can be wrong with a template, a recipient's data or an address: such a message is held."""

from __future__ import annotations

from collections.abc import Iterable

from storage.errors import UsageError


class ComposeError(UsageError):
    """A message cannot be made from this step and these fields; nothing has left."""

    code = "compose"


class TemplateError(ComposeError):
    """A template uses what templates may not use. `template` is its name, `line` counts from 1."""

    code = "template"

    def __init__(self, message: str, line: int, name: str, *, hint: str = "") -> None:
        super().__init__(f"{name}, line {line}: {message}", hint=hint)
        self.line = line
        self.template = name


class MissingField(ComposeError):  # noqa: N818 - the operator's word for it
    """Fields that the template prints are missing or empty for this recipient. `names` are all of them."""

    code = "field"

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        plural = "fields are" if len(self.names) > 1 else "field is"
        example = self.names[0] if self.names else "first_name"
        super().__init__(
            f"{plural} missing or empty: {', '.join(self.names)}",
            hint=f'Fill it in for this recipient, or write {{{{ {example} | default("there") }}}}.',
        )


class OutputTooLarge(ComposeError):  # noqa: N818
    """A template's output passed the limit, in bytes of UTF-8."""

    code = "content"

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(
            f"{name}: the text grows beyond {limit:,} bytes", hint="Shorten the template or group fewer rows."
        )


class RenderError(ComposeError):
    """A field has a value that the template cannot print or compare."""

    code = "field"


class AddressError(ComposeError):
    """An address is not exactly one mailbox, or an identifier does not fit in a header."""

    code = "address"
