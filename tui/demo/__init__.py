"""What `paceline demo` runs against: a believable mail relay on this machine."""
