-- The main job: campaigns, their people, the jobs that carry messages, and what became of each.
-- Times are integer microseconds UTC. JSON is opaque text. Booleans are 0/1.

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per process that ever held the lock. The largest id is the epoch that every write checks.
CREATE TABLE engines (
    id           INTEGER PRIMARY KEY,
    role         TEXT NOT NULL CHECK (role IN ('engine', 'console', 'command')),
    host         TEXT NOT NULL,
    pid          INTEGER NOT NULL,
    version      TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('running', 'draining', 'stopped')),
    note         TEXT NOT NULL DEFAULT '',
    started_at   INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    stopped_at   INTEGER
) STRICT;

CREATE TABLE queues (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    channel      TEXT NOT NULL,
    state        TEXT NOT NULL DEFAULT 'ready'
                 CHECK (state IN ('ready', 'cooling', 'probing', 'paused', 'needs_attention', 'restricted')),
    reason       TEXT NOT NULL DEFAULT '',
    until_at     INTEGER,
    cooling_step INTEGER NOT NULL DEFAULT 0,
    last_start   INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL DEFAULT 1,
    CHECK (state <> 'cooling' OR until_at IS NOT NULL)
) STRICT;

CREATE TABLE campaigns (
    id            INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    state         TEXT NOT NULL DEFAULT 'draft'
                  CHECK (state IN ('draft', 'active', 'paused', 'completed', 'cancelled')),
    pause_reason  TEXT NOT NULL DEFAULT ''
                  CHECK (pause_reason IN ('', 'operator', 'errors', 'bounces', 'account', 'approval')),
    pause_detail  TEXT NOT NULL DEFAULT '',
    before_cancel TEXT NOT NULL DEFAULT '',
    queue_id      INTEGER NOT NULL REFERENCES queues (id),
    priority      INTEGER NOT NULL DEFAULT 5 CHECK (priority BETWEEN 1 AND 10),
    concurrency   INTEGER NOT NULL DEFAULT 5 CHECK (concurrency >= 1),
    pacing        TEXT NOT NULL,
    settings      TEXT NOT NULL DEFAULT '{}',
    live          INTEGER NOT NULL DEFAULT 0 CHECK (live IN (0, 1)),
    replanning    INTEGER NOT NULL DEFAULT 0 CHECK (replanning IN (0, 1)),
    seed          INTEGER NOT NULL,
    last_start    INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    started_at    INTEGER,
    completed_at  INTEGER,
    cancelled_at  INTEGER,
    version       INTEGER NOT NULL DEFAULT 1,
    CHECK ((state = 'paused') = (pause_reason <> '') OR state = 'cancelled'),
    CHECK ((state = 'cancelled') = (cancelled_at IS NOT NULL))
) STRICT;
CREATE INDEX campaigns_active ON campaigns (queue_id) WHERE state = 'active';
CREATE INDEX campaigns_cancelled ON campaigns (cancelled_at) WHERE state = 'cancelled' AND before_cancel <> '';

CREATE TABLE steps (
    id          INTEGER PRIMARY KEY,
    campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
    position    INTEGER NOT NULL CHECK (position >= 1),
    subject     TEXT NOT NULL DEFAULT '',
    text        TEXT NOT NULL DEFAULT '',
    html        TEXT NOT NULL DEFAULT '',
    headers     TEXT NOT NULL DEFAULT '{}',
    attachments TEXT NOT NULL DEFAULT '[]',
    updated_at  INTEGER NOT NULL,
    UNIQUE (campaign_id, position)
) STRICT;

-- One import of a recipient file: name and hash of the operator's copy, and how its rows ended.
CREATE TABLE imports (
    id          INTEGER PRIMARY KEY,
    campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
    state       TEXT NOT NULL CHECK (state IN ('loading', 'done')),
    source      TEXT NOT NULL,
    sha256      TEXT NOT NULL DEFAULT '',
    rows        INTEGER NOT NULL DEFAULT 0,
    imported    INTEGER NOT NULL DEFAULT 0,
    rejected    INTEGER NOT NULL DEFAULT 0,
    duplicates  INTEGER NOT NULL DEFAULT 0,
    grouped     INTEGER NOT NULL DEFAULT 0,
    created_by  TEXT NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL,
    finished_at INTEGER,
    CHECK (state = 'loading' OR rows = imported + rejected + duplicates + grouped)
) STRICT;
CREATE INDEX imports_loading ON imports (id) WHERE state = 'loading';

CREATE TABLE recipients (
    id          INTEGER PRIMARY KEY,
    campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
    import_id   INTEGER NOT NULL REFERENCES imports (id),
    row_number  INTEGER NOT NULL,
    address     TEXT NOT NULL CHECK (address <> ''),
    address_key TEXT NOT NULL,
    fields      TEXT NOT NULL DEFAULT '{}',
    stopped     TEXT NOT NULL DEFAULT ''
                CHECK (stopped IN ('', 'replied', 'bounced', 'unsubscribed', 'suppressed')),
    created_at  INTEGER NOT NULL,
    UNIQUE (campaign_id, address_key)
) STRICT;
CREATE INDEX recipients_campaign ON recipients (campaign_id, id);

CREATE TABLE batches (
    id          INTEGER PRIMARY KEY,
    campaign_id INTEGER REFERENCES campaigns (id),
    kind        TEXT NOT NULL CHECK (kind IN ('start', 'import', 'enqueue')),
    name        TEXT NOT NULL DEFAULT '',
    state       TEXT NOT NULL CHECK (state IN ('loading', 'ready', 'done')),
    total       INTEGER NOT NULL DEFAULT 0,
    created_by  TEXT NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER
) STRICT;
CREATE INDEX batches_campaign ON batches (campaign_id, id);
CREATE INDEX batches_open ON batches (id) WHERE state IN ('loading', 'ready');

-- ready: 0 not yet due, 1 due (the claim's index covers only these), 2 its batch is still loading.
CREATE TABLE jobs (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL,
    queue_id     INTEGER NOT NULL REFERENCES queues (id),
    campaign_id  INTEGER REFERENCES campaigns (id),
    step_id      INTEGER REFERENCES steps (id),
    recipient_id INTEGER REFERENCES recipients (id),
    batch_id     INTEGER NOT NULL REFERENCES batches (id),
    state        TEXT NOT NULL CHECK (state IN
                 ('held', 'pending', 'processing', 'completed', 'failed', 'uncertain', 'skipped', 'bounced')),
    reason       TEXT NOT NULL DEFAULT '',
    ready        INTEGER NOT NULL DEFAULT 0 CHECK (ready IN (0, 1, 2)),
    priority     INTEGER NOT NULL DEFAULT 5 CHECK (priority BETWEEN 1 AND 10),
    due_at       INTEGER NOT NULL,
    gap          INTEGER NOT NULL DEFAULT 0 CHECK (gap >= 0),
    lease        INTEGER NOT NULL DEFAULT 0,
    lease_until  INTEGER,
    attempts     INTEGER NOT NULL DEFAULT 0,
    tries        INTEGER NOT NULL DEFAULT 0,
    budget_at    INTEGER,
    outcome      TEXT NOT NULL DEFAULT '',
    error_key    TEXT NOT NULL DEFAULT '',
    last_error   TEXT NOT NULL DEFAULT '',
    message_id   TEXT NOT NULL DEFAULT '',
    sent_at      INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    UNIQUE (recipient_id, step_id),
    CHECK ((state = 'processing') = (lease_until IS NOT NULL)),
    CHECK (state NOT IN ('held', 'skipped') OR reason <> ''),
    CHECK (state <> 'completed' OR sent_at IS NOT NULL OR kind <> 'send')
) STRICT;
-- One partial index per question: who is next, what becomes due, whose lease ran out, what failed and why.
CREATE INDEX jobs_claim ON jobs (queue_id, campaign_id, priority DESC, due_at, id)
    WHERE state = 'pending' AND ready = 1;
CREATE INDEX jobs_promote ON jobs (due_at) WHERE state = 'pending' AND ready = 0;
CREATE INDEX jobs_lease ON jobs (lease_until) WHERE state = 'processing';
CREATE INDEX jobs_waiting ON jobs (campaign_id, due_at, id) WHERE state = 'pending';
CREATE INDEX jobs_stopped ON jobs (campaign_id, state, id) WHERE state IN ('failed', 'held', 'uncertain');
-- Never touched again after the insert, unlike any index that holds the state: that one cost a third of a send.
CREATE INDEX jobs_campaign ON jobs (campaign_id, id);
CREATE INDEX jobs_batch ON jobs (batch_id, id);
CREATE INDEX jobs_error ON jobs (error_key, state, id) WHERE error_key <> '';

CREATE TABLE job_transitions (
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (from_state, to_state)
) STRICT, WITHOUT ROWID;
CREATE TABLE campaign_transitions (
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (from_state, to_state)
) STRICT, WITHOUT ROWID;
INSERT INTO job_transitions VALUES
    ('held', 'pending'), ('held', 'skipped'),
    ('pending', 'processing'), ('pending', 'held'), ('pending', 'skipped'),
    ('processing', 'pending'), ('processing', 'held'), ('processing', 'completed'), ('processing', 'failed'),
    ('processing', 'uncertain'), ('processing', 'skipped'),
    ('completed', 'bounced'),
    ('failed', 'pending'), ('failed', 'skipped'),
    ('uncertain', 'completed'), ('uncertain', 'pending'), ('uncertain', 'bounced');
INSERT INTO campaign_transitions VALUES
    ('draft', 'active'), ('draft', 'cancelled'),
    ('active', 'paused'), ('active', 'completed'), ('active', 'cancelled'),
    ('paused', 'active'), ('paused', 'completed'), ('paused', 'cancelled'),
    ('completed', 'active'),
    ('cancelled', 'draft'), ('cancelled', 'active'), ('cancelled', 'paused');
CREATE TRIGGER jobs_transition BEFORE UPDATE OF state ON jobs
WHEN OLD.state <> NEW.state AND NOT EXISTS
    (SELECT 1 FROM job_transitions WHERE from_state = OLD.state AND to_state = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'illegal job transition');
END;
CREATE TRIGGER campaigns_transition BEFORE UPDATE OF state ON campaigns
WHEN OLD.state <> NEW.state AND NOT EXISTS
    (SELECT 1 FROM campaign_transitions WHERE from_state = OLD.state AND to_state = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'illegal campaign transition');
END;

-- Append-only. A row without outcome is an intent: its message may have left. counted_at is the start's time as caps
-- count it: NULL once the outcome says that no content was handed over; a time in the future (the clock stepped back)
-- is brought to now, which intent_at never is.
CREATE TABLE attempts (
    id          INTEGER PRIMARY KEY,
    job_id      INTEGER NOT NULL REFERENCES jobs (id),
    lease       INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    queue_id    INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    intent_at   INTEGER NOT NULL,
    counted_at  INTEGER,
    finished_at INTEGER,
    outcome     TEXT CHECK (outcome IN ('accepted', 'transient', 'permanent', 'account', 'route', 'content',
                                        'configuration', 'uncertain')),
    phase       TEXT NOT NULL DEFAULT '',
    code        INTEGER NOT NULL DEFAULT 0,
    enhanced    TEXT NOT NULL DEFAULT '',
    reply       TEXT NOT NULL DEFAULT '',
    error_key   TEXT NOT NULL DEFAULT '',
    server      TEXT NOT NULL DEFAULT '',
    duration    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (job_id, lease),
    CHECK ((outcome IS NULL) = (finished_at IS NULL))
) STRICT;
CREATE INDEX attempts_caps ON attempts (queue_id, counted_at) WHERE counted_at IS NOT NULL;
-- Invariant 1, held by the database itself: at most one accepted attempt per message.
CREATE UNIQUE INDEX attempts_accepted ON attempts (job_id) WHERE outcome = 'accepted';

CREATE TABLE executions (
    id          INTEGER PRIMARY KEY,
    campaign_id INTEGER REFERENCES campaigns (id),
    kind        TEXT NOT NULL CHECK (kind IN ('start', 'resume', 'retry', 'pass')),
    state       TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'empty')),
    actor       TEXT NOT NULL DEFAULT '',
    queued      INTEGER NOT NULL DEFAULT 0,
    sent        INTEGER NOT NULL DEFAULT 0,
    failed      INTEGER NOT NULL DEFAULT 0,
    base_sent   INTEGER NOT NULL DEFAULT 0,
    base_failed INTEGER NOT NULL DEFAULT 0,
    message     TEXT NOT NULL DEFAULT '',
    started_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
CREATE INDEX executions_campaign ON executions (campaign_id, id);
CREATE INDEX executions_running ON executions (campaign_id) WHERE state = 'running';

-- Sums over states, changed by deltas in the same transaction as the state itself.
-- scope: all (id 0), campaign, batch, queue. error_key is kept for states that carry a reason.
CREATE TABLE counters (
    scope     TEXT NOT NULL CHECK (scope IN ('all', 'campaign', 'batch', 'queue')),
    scope_id  INTEGER NOT NULL,
    state     TEXT NOT NULL,
    error_key TEXT NOT NULL DEFAULT '',
    n         INTEGER NOT NULL,
    PRIMARY KEY (scope, scope_id, state, error_key)
) STRICT, WITHOUT ROWID;

-- What happened per minute, for rates and trends; what failed per hour, for the spread of a reason in time.
CREATE TABLE outcome_minutes (
    minute      INTEGER NOT NULL,
    campaign_id INTEGER NOT NULL,
    queue_id    INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    n           INTEGER NOT NULL,
    duration    INTEGER NOT NULL,
    PRIMARY KEY (minute, campaign_id, queue_id, outcome)
) STRICT, WITHOUT ROWID;
CREATE TABLE failure_hours (
    error_key   TEXT NOT NULL,
    campaign_id INTEGER NOT NULL,
    queue_id    INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    hour        INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    sample      TEXT NOT NULL,
    PRIMARY KEY (error_key, campaign_id, queue_id, outcome, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    id          INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    level       TEXT NOT NULL CHECK (level IN ('info', 'warning', 'error')),
    kind        TEXT NOT NULL,
    actor       TEXT NOT NULL DEFAULT '',
    host        TEXT NOT NULL DEFAULT '',
    via         TEXT NOT NULL DEFAULT '',
    campaign_id INTEGER,
    queue_id    INTEGER,
    job_id      INTEGER,
    n           INTEGER NOT NULL DEFAULT 0,
    text        TEXT NOT NULL,
    data        TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX events_campaign ON events (campaign_id, id) WHERE campaign_id IS NOT NULL;
