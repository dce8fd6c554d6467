"""How the people of a campaign are told apart: by e-mail address, or where they have none by their LinkedIn profile."""

from __future__ import annotations

from engine.intake.addresses import parse_address
from engine.intake.profiles import parse_profile

PROFILES = "linkedin.com/in/"


def profile_as_address(profile: str) -> str:
    """What stands for the address of somebody who has none; `profile` cleaned."""
    return f"{PROFILES}{profile}"


def key_of(text: str) -> str:
    """How a person's address is compared, an e-mail address or a LinkedIn one. Raises AddressError, ProfileError."""
    if "@" not in text and PROFILES in text.lower():
        return profile_as_address(parse_profile(text))
    return parse_address(text).key
