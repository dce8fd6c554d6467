"""`channel = "unipile"`: a LinkedIn account that is connected at the Unipile service and sends invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from engine.account_base import AccountBase, Gap, Seconds, Text
from engine.planning.caps import Cap, parse_cap
from engine.secrets import Secret, SecretRef
from engine.tables import whole
from storage.errors import UsageError
from storage.model import MINUTE, SECOND

if TYPE_CHECKING:
    from engine.channels.unipile.client import UnipileSettings

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "linkedin-free": {"plan": "free", "daily_cap": 10, "caps": ["80/week"], "min_gap": "15m"},
    "linkedin": {"plan": "paid", "daily_cap": 20, "caps": ["100/week"], "min_gap": "15m"},
}
"""What LinkedIn tolerates, well below what it allows (docs/linkedin.md); a key that the account sets itself wins."""
NOTE_LIMITS: Final = {"free": 200, "paid": 300}
"""Characters of a note."""
WARNING: Final = (
    "LinkedIn's user agreement forbids automation: an account that invites by a program can be restricted or closed. "
    "Low limits make that less likely, not impossible."
)
"""Told once, when the first such account is added."""


def usual_preset(table: dict[str, Any]) -> str:
    """The preset of an account that names none: nobody sends at another channel's pace by leaving a line out."""
    return "linkedin-free" if table.get("plan") == "free" else "linkedin"


def _base_url(value: str) -> str:
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    try:
        url = urlsplit(value)
        host, port = url.hostname or "", url.port
    except ValueError:
        raise ValueError("must be an address such as https://api1.unipile.com:13111") from None
    if url.scheme not in ("http", "https") or not host or url.query or url.fragment:
        raise ValueError("must be an address such as https://api1.unipile.com:13111")
    if url.username or url.password:
        raise ValueError("must hold no user and no password: the access key stands in api_key")
    if url.path.strip("/") not in ("", "api/v1"):
        raise ValueError("must end after the host and its port, as in https://api1.unipile.com:13111")
    if url.scheme == "http":
        try:
            local = ip_address(host).is_loopback
        except ValueError:
            local = host == "localhost"
        if not local:
            raise ValueError("must begin with https://: the access key would travel in clear")
    shown = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{shown}" + (f":{port}" if port else "")


def _one_at_a_time(value: object) -> int:
    if value != 1 or isinstance(value, bool):
        raise ValueError("must be 1: invitations leave one at a time")
    return 1


def _look_ups(value: str) -> str:
    try:
        cap = parse_cap(value)
    except UsageError:
        raise ValueError('must be a cap such as "80/day"') from None
    if cap.calendar:
        raise ValueError('must be a rolling cap such as "80/day"')
    return value


class UnipileAccount(AccountBase):
    """One LinkedIn account. `url` is the service's address, `account_id` what the service calls the account, `api_key`
    its access key by reference; timeouts in microseconds. `plan` chooses the preset and the length of a note, which
    `note_limit` overrides; `look_ups` is the cap of its own that looking a profile up counts against."""

    channel: Literal["unipile"]
    preset: Literal["linkedin-free", "linkedin"] | None = None
    url: Annotated[str, AfterValidator(_base_url)]
    account_id: Annotated[Text, Field(min_length=1, max_length=200)]
    api_key: SecretRef
    plan: Literal["free", "paid"] = "paid"
    note_limit: Annotated[int, whole(1, 300)] | None = None
    look_ups: Annotated[str, AfterValidator(_look_ups)] = "80/day"
    concurrency: Annotated[int, BeforeValidator(_one_at_a_time)] = 1
    min_gap: Gap = 15 * MINUTE
    connect_timeout: Seconds = 30 * SECOND
    reply_timeout: Seconds = 120 * SECOND

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        return (self.api_key,)

    @property
    def target(self) -> str:
        """Where invitations go, for people."""
        return "LinkedIn"

    @property
    def usual_pacing(self) -> dict[str, Any]:
        return {"preset": "linkedin_free" if self.plan == "free" else "linkedin_paid"}

    @property
    def most_characters(self) -> int:
        """Of a note, after its fields are filled in."""
        return self.note_limit or NOTE_LIMITS[self.plan]

    @property
    def look_up_cap(self) -> Cap:
        """How many profiles may be looked up in which time."""
        return parse_cap(self.look_ups)

    def settings(self) -> UnipileSettings:
        """What the channel needs; the key stays a reference, read for every session."""
        from engine.channels.unipile.client import UnipileSettings  # brings httpx, which takes a tenth of a second

        return UnipileSettings(
            base_url=self.url,
            account_id=self.account_id,
            api_key=Secret(self.api_key, self.name),
            connect_timeout=self.connect_timeout / SECOND,
            reply_timeout=self.reply_timeout / SECOND,
            look_ups=self.look_up_cap.n,
            look_up_period=self.look_up_cap.period,
        )
