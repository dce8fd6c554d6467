"""One LinkedIn profile from a cell: an address or a public name, reduced to the one form it is compared by."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote, urlsplit

from storage.errors import UsageError

MOST = 200
"""Characters of a public name; LinkedIn's own limit is 100."""
_LEAST = 3
_INTERNAL = re.compile(r"A[A-Z][a-z]AA[A-Za-z0-9_-]{30,}")
"""LinkedIn's internal identifier, which stands in some addresses in place of the public name. Its case counts."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_BARE_HOST = re.compile(r"(?:[a-z0-9-]+\.)*linkedin\.com(?=[:/?#]|$)", re.IGNORECASE)
_OUTER_SPACE = " \t\u00a0"
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MARKS = "-_'\u2019&"
_OTHER_PAGES = {
    "company": "a company's page",
    "school": "a school's page",
    "showcase": "a company's page",
    "groups": "a group",
    "jobs": "a job",
    "posts": "a post",
    "feed": "a post",
    "pub": "an old address, which LinkedIn has given up",
    "sales": "an address of Sales Navigator: open the profile there and copy its public address",
    "talent": "an address of Recruiter: open the profile there and copy its public address",
    "recruiter": "an address of Recruiter: open the profile there and copy its public address",
}


class ProfileError(UsageError):
    """The text names no person's profile; `reason` is a sentence that says why, free of hostile characters."""

    code = "profile"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, hint="Write the profile's address, such as https://www.linkedin.com/in/ana-lopez")
        self.reason = reason


def parse_profile(text: str) -> str:
    """The public name of a person's profile: without scheme, host, query and trailing slash, percent-decoded, in
    lower case and NFC. `text` is an address (`https://de.linkedin.com/in/Ana-L%C3%B3pez/?x=1`), `in/NAME`, or NAME.

    Another language or page of the same person (`/in/ana/de`, `/in/ana/details/skills`) is that person. An internal
    identifier keeps its case. Raises ProfileError.
    """
    text = text.strip(_OUTER_SPACE)
    if not text:
        raise ProfileError("no profile is given")
    if "@" in text and "/" not in text:
        raise ProfileError("an e-mail address is no profile")
    if any(character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in text):
        raise ProfileError("a profile holds no blanks and no invisible characters")
    return _checked(_decoded(_slug(text)))


def profile_address(profile: str) -> str:
    """The address of a cleaned profile, for people."""
    return f"https://www.linkedin.com/in/{profile}"


def _slug(text: str) -> str:
    """The public name as it was written."""
    if _SCHEME.match(text) or _BARE_HOST.match(text):
        parts = _path(text)
    elif "/" in text:
        parts = [part for part in re.split(r"[?#]", text, maxsplit=1)[0].split("/") if part]
        if not parts or parts[0].lower() != "in":
            raise ProfileError("not an address at linkedin.com")
    else:
        return re.split(r"[?#]", text, maxsplit=1)[0]
    page = parts[0].lower() if parts else ""
    if page != "in":
        raise ProfileError(f"not a person's profile but {_OTHER_PAGES.get(page, 'another page of LinkedIn')}")
    if len(parts) < 2:
        raise ProfileError("the address ends before the person's name")
    return parts[1]


def _path(text: str) -> list[str]:
    if not _SCHEME.match(text):
        text = f"https://{text}"
    try:
        address = urlsplit(text)
        host = (address.hostname or "").rstrip(".")
    except ValueError:
        raise ProfileError("the address cannot be read") from None
    if address.scheme.lower() not in ("http", "https") or not (
        host == "linkedin.com" or host.endswith(".linkedin.com")
    ):
        raise ProfileError("not an address at linkedin.com")
    return [part for part in address.path.split("/") if part]


def _decoded(slug: str) -> str:
    if _BROKEN_ESCAPE.search(slug):
        raise ProfileError("a % in the name is followed by no two digits")
    try:
        return unquote(slug, errors="strict")
    except UnicodeDecodeError:
        raise ProfileError("the name is not UTF-8 behind its percent signs") from None


def _checked(slug: str) -> str:
    if _INTERNAL.fullmatch(slug):
        return slug
    # Lower case may take a letter apart again: "\u0130" becomes an i and a dot above it.
    slug = unicodedata.normalize("NFC", unicodedata.normalize("NFC", slug).lower())
    if not _LEAST <= len(slug) <= MOST:
        raise ProfileError(f"a profile's name has {_LEAST} to {MOST} characters")
    if "." in slug:
        raise ProfileError("not an address at linkedin.com")
    if not all(character in _MARKS or unicodedata.category(character)[0] in "LMNS" for character in slug):
        raise ProfileError("a profile's name has letters, digits and hyphens")
    if not any(unicodedata.category(character)[0] in "LN" for character in slug):
        raise ProfileError("a profile's name has letters, digits and hyphens")
    return slug
