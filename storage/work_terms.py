"""What writers and readers of background jobs both name: their channel, their priorities, their place before a stage.

A module of its own, so that a reader does not load the writers: making their nouns is a tenth of a console's start.
"""

from __future__ import annotations

CHANNEL = "jobs"
"""The channel of a queue that holds background jobs."""
HIGHEST = 10
LOWEST = 1
STAGED = 3
"""`jobs.ready` of a job that waits for an earlier stage of its batch."""
