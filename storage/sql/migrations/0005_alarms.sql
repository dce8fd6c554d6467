-- What asks for a person: raised by the engine with its reason, open until it is over, quiet once acknowledged.
CREATE TABLE alarms (
    id              INTEGER PRIMARY KEY,
    kind            TEXT NOT NULL,
    campaign_id     INTEGER REFERENCES campaigns (id),
    queue_id        INTEGER REFERENCES queues (id),
    text            TEXT NOT NULL,
    raised_at       INTEGER NOT NULL,
    cleared_at      INTEGER,
    acknowledged_at INTEGER,
    acknowledged_by TEXT NOT NULL DEFAULT '',
    CHECK ((campaign_id IS NULL) <> (queue_id IS NULL)),
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by = ''))
) STRICT;
CREATE UNIQUE INDEX alarms_open ON alarms (kind, COALESCE(campaign_id, 0), COALESCE(queue_id, 0))
    WHERE cleared_at IS NULL;

-- What receivers hold against a sender, by the hour: of so many tried (accepted, or refused for good) so many came
-- back and so many complained. It is counted for the campaign and for the queue, since a person's word about one of
-- them (resume) lets its own count begin anew.
CREATE TABLE reputation_hours (
    scope      TEXT NOT NULL CHECK (scope = 'campaign' OR scope = 'queue'),
    scope_id   INTEGER NOT NULL,
    hour       INTEGER NOT NULL,
    tried      INTEGER NOT NULL DEFAULT 0,
    bounced    INTEGER NOT NULL DEFAULT 0,
    complained INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, scope_id, hour)
) STRICT, WITHOUT ROWID;

INSERT INTO reputation_hours (scope, scope_id, hour, tried)
SELECT 'campaign', campaign_id, minute / 60, SUM(n) FROM outcome_minutes
WHERE outcome IN ('accepted', 'permanent') AND campaign_id <> 0 GROUP BY 2, 3
UNION ALL
SELECT 'queue', queue_id, minute / 60, SUM(n) FROM outcome_minutes
WHERE outcome IN ('accepted', 'permanent') GROUP BY 2, 3;

-- The reasons that say that an address is dead (storage/reputation.py).
CREATE TEMP TABLE dead AS
SELECT campaign_id, queue_id, hour, n FROM failure_hours WHERE outcome = 'permanent' AND (
    error_key LIKE '%user unknown' OR error_key LIKE '%user not local' OR error_key LIKE '%mailbox moved'
    OR error_key LIKE '%mailbox disabled' OR error_key LIKE '%bad address syntax' OR error_key LIKE '%domain unknown'
    OR error_key LIKE '%domain accepts no mail' OR error_key LIKE '%no route to domain');
INSERT INTO reputation_hours (scope, scope_id, hour, bounced)
SELECT 'campaign', campaign_id, hour, SUM(n) FROM dead WHERE campaign_id <> 0 GROUP BY 2, 3
ON CONFLICT (scope, scope_id, hour) DO UPDATE SET bounced = excluded.bounced;
INSERT INTO reputation_hours (scope, scope_id, hour, bounced)
SELECT 'queue', queue_id, hour, SUM(n) FROM dead WHERE 1 GROUP BY 2, 3
ON CONFLICT (scope, scope_id, hour) DO UPDATE SET bounced = excluded.bounced;
DROP TABLE dead;
