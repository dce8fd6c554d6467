"""Engine: decides and does. Knows no screen; may use `storage`, never `tui`."""
