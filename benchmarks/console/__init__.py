"""What the console costs, measured from outside: the real program in a real pseudo-terminal."""
