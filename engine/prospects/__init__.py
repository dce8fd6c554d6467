"""Prospects: people who may become customers: found in a source, scored by criteria, written to from a template."""
