"""Why a job, a campaign or a queue does not run now, and when it will: every gate in order, and the one that holds."""
