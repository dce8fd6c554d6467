"""Everything an operator touches in a terminal: the command line and the console."""
