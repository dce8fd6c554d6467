"""When a background job `j` last ran, as SQL: its attempts say it, so a run that ends well need not write it twice."""

STARTED = "(SELECT a.intent_at FROM attempts a WHERE a.job_id = j.id ORDER BY a.lease DESC LIMIT 1)"
FINISHED = "(SELECT a.finished_at FROM attempts a WHERE a.job_id = j.id ORDER BY a.lease DESC LIMIT 1)"
"""Times in microseconds; NULL when it never ran, the latter also while it runs."""
