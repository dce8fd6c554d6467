"""Recipients come in here: tables (CSV, XLSX, JSONL), address checks, mapping and rejects. Pure: no store."""
