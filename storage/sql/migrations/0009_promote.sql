-- What becomes due is asked for lane by lane: one that may begin nothing asks for no look.
DROP INDEX jobs_promote;
CREATE INDEX jobs_promote ON jobs (queue_id, campaign_id, due_at) WHERE state = 'pending' AND ready = 0;
