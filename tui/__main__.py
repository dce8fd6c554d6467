"""`python -m tui` is the `paceline` command."""

from tui.cli.main import main

main()
