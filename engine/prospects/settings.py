"""The payload of a prospect pipeline: where prospects come from, who is looked for, how many, and what is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from engine.account_base import LocalPath, Seconds, Text
from engine.config_errors import sentences
from engine.prospects.criteria import Criteria, Weights
from engine.prospects.expectations import Expectations
from engine.secrets import Secret, SecretRef
from engine.tables import Table, whole
from engine.webhook_account import EndpointUrl, TokenHeader
from storage.errors import UsageError
from storage.model import MINUTE, SECOND

if TYPE_CHECKING:
    from engine.prospects.drafts import DraftOptions
    from engine.prospects.rows import Bounds
    from engine.prospects.source import Source

TEMPLATE: Final = "template"
"""The generator that every installation has: it fills the operator's template."""

# What only a run needs (an HTTP client, the template engine, a reader of workbooks) is imported where it is used:
# commands that run nothing check settings too.


def _path_or_url(value: object) -> object:
    """A path or an address alone is a source's whole table."""
    if isinstance(value, str):
        return {"url" if value.lower().startswith(("http://", "https://")) else "file": value}
    return value


Flag = Annotated[bool, Field(strict=True)]
Some = Annotated[int, whole(1, 100_000)]
Messages = Annotated[int, whole(1, 10_000)]
"""As many as one run may lay before people: their events are written in one transaction, with the end of its stage."""


class SourceTable(Table):
    """A `file` (with the `sheet` of a workbook), or a `url` that answers with JSON. Timeouts in microseconds.

    `token` by reference, sent in `token_header`; `allow_private` opens addresses that are not public, and plain http to
    them. `max_rows` and `max_pages` bound one reading.
    """

    file: LocalPath | None = None
    sheet: Text = ""
    url: Annotated[EndpointUrl | None, Field(repr=False)] = None
    token: SecretRef | None = None
    token_header: TokenHeader = "Authorization"  # noqa: S105 - a header's name
    allow_private: Flag = False
    ca_file: LocalPath | None = None
    connect_timeout: Seconds = 30 * SECOND
    reply_timeout: Seconds = 30 * SECOND
    timeout: Seconds = 2 * MINUTE
    max_rows: Some = 10_000
    max_pages: Annotated[int, whole(1, 10_000)] = 100

    @model_validator(mode="after")
    def _one_place(self) -> SourceTable:
        if (self.file is None) == (self.url is None):
            raise ValueError("must have either a file or a url")
        if self.url is None:
            if self.token is not None:
                raise ValueError("a token is for a url: a file needs none")
            return self
        if self.sheet:
            raise ValueError("a sheet is for a file: a url has none")
        self._may_be_asked(self.url)
        return self

    def _may_be_asked(self, url: str) -> None:
        from engine.channels.webhook.endpoint import parse_endpoint
        from engine.channels.webhook.guard import check_url

        endpoint = parse_endpoint(url)
        with_token = self.token is not None
        check_url(endpoint, allow_private=self.allow_private, token=with_token, instead="leave it out")

    @property
    def shown(self) -> str:
        """Where prospects come from, for people: the file's name, or the address without its secrets."""
        from engine.channels.webhook.endpoint import parse_endpoint

        if self.file is not None:
            return self.file.name
        return parse_endpoint(self.url or "").shown

    def source(self) -> Source:
        """What a reading needs; the token stays a reference, read for each."""
        from engine.channels.webhook.endpoint import parse_endpoint
        from engine.prospects.http_source import HttpSource
        from engine.prospects.source import FileSource

        if self.file is not None:
            return FileSource(self.file, self.sheet)
        return HttpSource(
            parse_endpoint(self.url or ""),
            token=Secret(self.token) if self.token is not None else None,
            token_header=self.token_header,
            allow_private=self.allow_private,
            ca_file=str(self.ca_file or ""),
            connect_timeout=self.connect_timeout / SECOND,
            reply_timeout=self.reply_timeout / SECOND,
            timeout=self.timeout / SECOND,
            most_pages=self.max_pages,
        )


class ProspectSettings(Table):
    """One pipeline. Prospects of `source` (its `columns` as column -> field where titles do not say it) are measured by
    `criteria`; at most `per_run` at once and `per_day` on one day get a message in `campaign`.

    `generator` writes the drafts: `template` from the files `template` and `html`, another by its own `options`.
    """

    campaign: Annotated[Text, Field(min_length=1, max_length=200)]
    source: Annotated[SourceTable, BeforeValidator(_path_or_url)]
    columns: dict[str, Text] = Field(default_factory=dict)
    criteria: Criteria = Criteria()
    per_day: Messages = 50
    per_run: Messages = 50
    generator: Annotated[Text, Field(min_length=1, max_length=100)] = TEMPLATE
    template: LocalPath | None = None
    html: LocalPath | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    expect: Expectations = Expectations()

    @model_validator(mode="after")
    def _has_a_template(self) -> ProspectSettings:
        if self.generator == TEMPLATE and self.template is None and self.html is None:
            raise ValueError('needs template = "FILE" (or html = "FILE"), from which drafts are written')
        return self

    @property
    def bounds(self) -> Bounds:
        """How much of the source one run reads."""
        from engine.prospects.rows import Bounds

        return Bounds(rows=self.source.max_rows)

    @property
    def draft_options(self) -> DraftOptions:
        """What `engine.prospects.drafts.make_generator` makes the generator from."""
        from engine.prospects.drafts import DraftOptions

        return DraftOptions(self.template, self.html, self.options)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], folder: Path) -> ProspectSettings:
        """The settings that a payload holds (as in TOML or JSON: durations as "30s"); relative paths count from
        `folder`. Raises UsageError with a line for each mistake."""
        try:
            return cls.model_validate(dict(payload), context={"folder": folder})
        except ValidationError as error:
            found = sentences(error, {}, tables=_TABLES)
        raise UsageError("\n".join(found), hint="docs/prospects.md lists every key")


_TABLES = (ProspectSettings, SourceTable, Criteria, Weights, Expectations, SecretRef)
"""Whose keys are offered where one is misspelt."""
