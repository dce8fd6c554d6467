-- One counter per batch and queue instead of one each for all, the campaign, the batch and the queue: a message
-- changes a quarter of the rows, and every other sum is a sum of these.
DROP TABLE counters;

-- Jobs by state, changed by deltas in the same transaction as the state itself. campaign_id 0: of no campaign.
-- error_key is kept for states that carry a reason. The indexes hold no sum, so counting never touches them.
CREATE TABLE counters (
    campaign_id INTEGER NOT NULL,
    batch_id    INTEGER NOT NULL,
    queue_id    INTEGER NOT NULL,
    state       TEXT NOT NULL,
    error_key   TEXT NOT NULL DEFAULT '',
    n           INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, batch_id, queue_id, state, error_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_batch ON counters (batch_id);
CREATE INDEX counters_queue ON counters (queue_id);

INSERT INTO counters (campaign_id, batch_id, queue_id, state, error_key, n)
SELECT COALESCE(campaign_id, 0), batch_id, queue_id, state,
       CASE WHEN state IN ('processing', 'completed') THEN '' ELSE error_key END, count(*)
FROM jobs GROUP BY 1, 2, 3, 4, 5;
