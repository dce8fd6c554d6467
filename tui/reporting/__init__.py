"""The report of a campaign: what became of it, in figures that say what they are parts of."""
