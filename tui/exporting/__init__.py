"""Tables as files for other programs: which tables there are, and the one writer of CSV, JSONL and XLSX."""
