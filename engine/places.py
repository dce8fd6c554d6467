"""Where configuration and database stand when nobody names them. Checks nothing, so that asking loads little."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def default_config_path() -> Path:
    """`PACELINE_CONFIG`, or `paceline.toml` in the platform's configuration folder."""
    named = os.environ.get("PACELINE_CONFIG")
    return Path(named).expanduser() if named else platformdirs.user_config_path("paceline", False) / "paceline.toml"


def default_db_path() -> Path:
    """`PACELINE_DB`, or `paceline.db` in the platform's data folder."""
    named = os.environ.get("PACELINE_DB")
    return Path(named).expanduser() if named else platformdirs.user_data_path("paceline", False) / "paceline.db"
