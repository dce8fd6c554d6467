"""Who a message comes from, how its reader can leave, and the identifier that all its attempts share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from engine.compose.errors import ComposeError
from engine.compose.headers import MAX_LINE, ascii_domain
from engine.compose.template import Template, compile_template

_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(?::\d+)?[/?#].*", re.DOTALL)
_URI = re.compile(r"[!#-;=?-Z_a-z~%@\[\]]+")
_POST = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
LEAVES_BY = "unsubscribe_token"
"""The name under which an unsubscribe address holds the reader's own token (`engine.inbound.tokens`)."""
_TOKEN = re.compile(r"\{\{ *unsubscribe_token *\}\}|\{unsubscribe_token\}")
_SAMPLE = "{unsubscribe_token}"


@dataclass(frozen=True, slots=True)
class Identity:
    """The sender: shown name, address, where replies go ("": to the sender), and the domain of Message-IDs
    ("": the sender's)."""

    from_name: str
    from_address: str
    reply_to: str = ""
    domain: str = ""

    @property
    def message_id_domain(self) -> str:
        """The domain for `message_id_for`, as A-labels. Raises AddressError."""
        return ascii_domain(self.domain or self.from_address.rpartition("@")[2])


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """How a reader leaves the list: an https address that the operator owns, as a template over the
    recipient's fields, `address`, `message_id` and `unsubscribe_token`; a mail address, which may hold the token
    too (`leave+{unsubscribe_token}@example.org`). At least one of them."""

    https_url_template: str = ""
    mailto: str = ""


class UnsubscribeHeaders:
    """The List-Unsubscribe header (RFC 2369), one-click (RFC 8058) only with an https address."""

    def __init__(self, unsubscribe: Unsubscribe) -> None:
        """Raises ComposeError or TemplateError if neither address can be used."""
        self._mailto = _mailto(unsubscribe.mailto)
        self._url: Template | None = None
        if unsubscribe.https_url_template:
            self._url = compile_template(unsubscribe.https_url_template, name="unsubscribe")
            segments = self._url.segments
            # The host is constant text: no recipient's field may choose where the link leads.
            if not segments or not _HTTPS.fullmatch(segments[0].literal):
                raise ComposeError(
                    "the unsubscribe address is not https://host/... with plain fields behind the host",
                    hint="Write it like https://example.org/leave?m={message_id}.",
                )
        if not self._url and not self._mailto:
            raise ComposeError("no unsubscribe address is given", hint="Give an https or a mailto address.")

    @property
    def fields(self) -> frozenset[str]:
        """Names that the https address uses."""
        return self._url.fields if self._url else frozenset()

    @property
    def required(self) -> frozenset[str]:
        """Names that the https address cannot do without."""
        return self._url.required if self._url else frozenset()

    @property
    def one_click(self) -> bool:
        return self._url is not None

    @property
    def token_by_mail(self) -> bool:
        """Whether the mail address holds the reader's token."""
        return _SAMPLE in self._mailto

    def url(self, fields: Mapping[str, object]) -> str:
        """The https address for one recipient, each value percent-encoded (RFC 3986 section 2.1); "" if none
        is configured. Raises MissingField, and ComposeError for an address that fits in no header line."""
        if self._url is None or self._url.segments is None:
            return ""
        values = self._url.values(fields)
        pieces = [self._url.segments[0].literal]
        for segment, value in zip(self._url.segments[1:], values, strict=True):
            pieces += quote(value, safe="", errors="replace"), segment.literal
        url = "".join(pieces)
        if not _URI.fullmatch(url) or len(url) > MAX_LINE - 22:
            raise ComposeError(
                "the unsubscribe address has a space or other forbidden character, or is too long",
                hint="Percent-encode it and keep it below 976 characters.",
            )
        return url

    def lines(self, url: str, token: str = "") -> str:
        """The header lines with their CRLF, for the `url` and the `token` of this recipient."""
        mailto = self._mailto.replace(_SAMPLE, quote(token, safe=""))
        uris = ",\r\n ".join(f"<{uri}>" for uri in (url, mailto) if uri)
        return f"List-Unsubscribe: {uris}\r\n" + (_POST if url else "")


def _mailto(address: str) -> str:
    if not address:
        return ""
    uri = address if address.lower().startswith("mailto:") else f"mailto:{address}"
    # What remains beside the token is checked: a token is letters and digits.
    bare = _TOKEN.sub("", uri)
    if "@" not in bare or len(uri) > 900 or not _URI.fullmatch(bare) or "," in bare:
        raise ComposeError(f"not a mail address to unsubscribe at: {address[:80]!r}", hint="Write leave@example.org.")
    return _TOKEN.sub(_SAMPLE, uri)


def message_id_for(domain: str, campaign_id: int, recipient_id: int, step_id: int, seed: int) -> str:
    """The Message-ID of one recipient's step: the same for every attempt, 128 bits that only the seed gives.

    The first 16 of them are shared by REGION recipients in a row: the store's index of Message-IDs then grows in one
    place at a time, where one of wholly scattered keys rewrites a page for each (measured: more than half of what a
    start of 100,000 writes). The other 112 are a recipient's own.

    `domain` may be international; `seed` is the campaign's. Raises AddressError for a domain that is none.
    """
    own = _hasher(seed, campaign_id, step_id).copy()
    own.update(b"%d" % recipient_id)
    return f"<{_region(seed, campaign_id, recipient_id // REGION)}{own.hexdigest()}@{_domain(domain)}>"


REGION = 4096


@lru_cache(maxsize=256)
def _hasher(seed: int, campaign_id: int, step_id: int) -> hashlib.blake2b:
    return hashlib.blake2b(f"{campaign_id}:{step_id}:".encode(), key=_key(seed), digest_size=14)


@lru_cache(maxsize=256)
def _region(seed: int, campaign_id: int, region: int) -> str:
    return hashlib.blake2b(f"{campaign_id}:{region}".encode(), key=_key(seed), digest_size=2).hexdigest()


@lru_cache(maxsize=256)
def _key(seed: int) -> bytes:
    return hashlib.blake2b(str(seed).encode(), digest_size=32).digest()


_domain = lru_cache(maxsize=256)(ascii_domain)
