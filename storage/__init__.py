"""Storage: what Paceline remembers. Imports neither `engine` nor `tui`."""

__version__ = "0.1.0"
