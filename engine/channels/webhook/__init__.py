"""The webhook channel: one JSON request a message, signed, to one receiver that a person has chosen."""
