-- Background jobs, the stages of pipelines, schedules, approvals. A background job is a row of jobs like a message; what
-- only it has stands beside it.

-- effect: what a second run would do. stage: of its batch, 0 for none. rescues: how often its engine died with it.
-- cancel: who asked a running one to end. When it ran stands in its attempts.
CREATE TABLE tasks (
    job_id      INTEGER PRIMARY KEY REFERENCES jobs (id),
    payload     TEXT NOT NULL DEFAULT '{}',
    effect      TEXT NOT NULL CHECK (effect = 'repeatable' OR effect = 'keyed' OR effect = 'unrepeatable'),
    retries     INTEGER NOT NULL CHECK (retries BETWEEN 0 AND 1000),
    timeout     INTEGER NOT NULL CHECK (timeout > 0),
    stage       INTEGER NOT NULL DEFAULT 0 CHECK (stage >= 0),
    unique_key  TEXT NOT NULL DEFAULT '',
    origin      TEXT NOT NULL DEFAULT 'manual',
    rescues     INTEGER NOT NULL DEFAULT 0,
    cancel      TEXT NOT NULL DEFAULT '',
    done        INTEGER NOT NULL DEFAULT 0,
    total       INTEGER NOT NULL DEFAULT 0,
    note        TEXT NOT NULL DEFAULT '',
    result      TEXT NOT NULL DEFAULT '',
    flag        TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX tasks_unique ON tasks (unique_key, job_id) WHERE unique_key <> '';
CREATE INDEX tasks_flagged ON tasks (job_id) WHERE flag <> '';
-- Never touched after the insert: jobs of one kind, the newest first.
CREATE INDEX jobs_kind ON jobs (kind, id) WHERE kind <> 'send';

-- What of a job's items is done: a run that begins again goes on with the others.
CREATE TABLE task_items (
    job_id INTEGER NOT NULL REFERENCES jobs (id),
    list   TEXT NOT NULL,
    key    TEXT NOT NULL,
    done   INTEGER NOT NULL CHECK (done IN (0, 1)),
    value  TEXT NOT NULL DEFAULT '',
    at     INTEGER NOT NULL,
    PRIMARY KEY (job_id, list, key)
) STRICT, WITHOUT ROWID;

-- The stages of one run of a pipeline. counters, output: JSON; output is what later stages are given.
CREATE TABLE stages (
    job_id      INTEGER NOT NULL REFERENCES jobs (id),
    position    INTEGER NOT NULL CHECK (position >= 1),
    name        TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'running', 'done', 'failed', 'skipped')),
    counters    TEXT NOT NULL DEFAULT '{}',
    output      TEXT NOT NULL DEFAULT '{}',
    note        TEXT NOT NULL DEFAULT '',
    flag        TEXT NOT NULL DEFAULT '',
    started_at  INTEGER,
    finished_at INTEGER,
    PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE stage_transitions (
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (from_state, to_state)
) STRICT, WITHOUT ROWID;
INSERT INTO stage_transitions VALUES
    ('waiting', 'running'), ('waiting', 'skipped'),
    ('running', 'done'), ('running', 'failed'), ('running', 'waiting'), ('running', 'skipped'),
    ('failed', 'waiting'), ('failed', 'running'), ('skipped', 'waiting');
CREATE TRIGGER stages_transition BEFORE UPDATE OF state ON stages
WHEN OLD.state <> NEW.state AND NOT EXISTS
    (SELECT 1 FROM stage_transitions WHERE from_state = OLD.state AND to_state = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'illegal stage transition');
END;

-- ready 3: it waits for an earlier stage of its batch. As in 0003, the text of a CHECK holds nothing on disk.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (ready BETWEEN 0 AND 2)', 'CHECK (ready BETWEEN 0 AND 3)')
WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema = RESET;
CREATE INDEX jobs_staged ON jobs (batch_id, id) WHERE ready = 3;
-- stage: the one that runs, 0 when the batch has none. go_on: whether later stages run although something failed.
ALTER TABLE batches ADD COLUMN stage INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN go_on INTEGER NOT NULL DEFAULT 0 CHECK (go_on IN (0, 1));
CREATE INDEX batches_staged ON batches (id) WHERE stage > 0 AND state = 'ready';

-- Background jobs by kind and state, whoever moves them. What every job goes through is counted by those who do it, once
-- a commit (storage.tasks): its making and removal, a claim, which takes the flag of being due, and a run that succeeded,
-- which is one more attempt. Two statements a row were a third of what a job costs; and a trigger behind an INSERT that
-- writes makes SQLite keep a journal for each row: a start of 100,000 messages took four times as long.
CREATE TABLE kind_counters (
    kind  TEXT NOT NULL,
    state TEXT NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (kind, state)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER jobs_kind_moved AFTER UPDATE OF state ON jobs
WHEN NEW.kind <> 'send' AND OLD.state <> NEW.state
    AND NOT (NEW.state = 'processing' AND NEW.ready = 0 AND OLD.ready = 1)
    AND NOT (NEW.state = 'completed' AND NEW.attempts > OLD.attempts)
BEGIN
    UPDATE kind_counters SET n = n - 1 WHERE kind = OLD.kind AND state = OLD.state;
    INSERT INTO kind_counters VALUES (NEW.kind, NEW.state, 1) ON CONFLICT (kind, state) DO UPDATE SET n = n + 1;
END;
-- How runs ended, by the hour; bucket: the power of 2^(1/8) us that their time lies at, for quantiles that outlive rows.
CREATE TABLE kind_hours (
    kind     TEXT NOT NULL,
    hour     INTEGER NOT NULL,
    outcome  TEXT NOT NULL CHECK (outcome IN ('completed', 'failed', 'retried', 'skipped', 'held', 'uncertain')),
    bucket   INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    shortest INTEGER NOT NULL,
    longest  INTEGER NOT NULL,
    PRIMARY KEY (kind, hour, outcome, bucket)
) STRICT, WITHOUT ROWID;

-- next_at: when it fires next; decided_at: up to which time its firings were decided, whatever the clock does.
-- queue '', priority 0: that of its kind. trouble: why its last firing made no job, until one does.
CREATE TABLE schedules (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    payload    TEXT NOT NULL DEFAULT '{}',
    queue      TEXT NOT NULL DEFAULT '',
    priority   INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 10),
    cron       TEXT NOT NULL,
    zone       TEXT NOT NULL,
    missed     TEXT NOT NULL DEFAULT 'run_once' CHECK (missed IN ('skip', 'run_once', 'catch_up')),
    grace      INTEGER NOT NULL CHECK (grace >= 0),
    most       INTEGER NOT NULL CHECK (most >= 1),
    overlap    TEXT NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'wait', 'allow')),
    enabled    INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    decided_at INTEGER NOT NULL,
    next_at    INTEGER,
    trouble    TEXT NOT NULL DEFAULT '',
    created_by TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version    INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX schedules_troubled ON schedules (id) WHERE trouble <> '';
CREATE INDEX schedules_next ON schedules (next_at) WHERE enabled = 1 AND next_at IS NOT NULL;
-- One row per schedule and time, so that no time fires twice. waiting: its predecessor still runs.
CREATE TABLE firings (
    schedule_id INTEGER NOT NULL REFERENCES schedules (id),
    at          INTEGER NOT NULL,
    fired_at    INTEGER NOT NULL,
    manual      INTEGER NOT NULL DEFAULT 0 CHECK (manual IN (0, 1)),
    outcome     TEXT NOT NULL CHECK (outcome IN ('started', 'waiting', 'missed', 'overlapped', 'refused')),
    job_id      INTEGER,
    note        TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (schedule_id, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX firings_waiting ON firings (schedule_id, at) WHERE outcome = 'waiting';
CREATE INDEX firings_started ON firings (schedule_id, at) WHERE job_id IS NOT NULL;
CREATE INDEX firings_job ON firings (job_id) WHERE job_id IS NOT NULL;

-- approval: who must say yes before anything of it leaves: '' nobody, else once for each message or for the campaign.
-- approval_time: how long a message waits for it (us; 0: for ever). letters: some of its messages have their own text.
ALTER TABLE campaigns ADD COLUMN approval TEXT NOT NULL DEFAULT ''
    CHECK (approval = '' OR approval = 'message' OR approval = 'campaign');
ALTER TABLE campaigns ADD COLUMN approval_time INTEGER NOT NULL DEFAULT 0;
ALTER TABLE campaigns ADD COLUMN approved_at INTEGER;
ALTER TABLE campaigns ADD COLUMN approved_by TEXT NOT NULL DEFAULT '';
ALTER TABLE campaigns ADD COLUMN letters INTEGER NOT NULL DEFAULT 0 CHECK (letters IN (0, 1));
-- What was asked about a message, and who said what when. digest: of the message that was approved; what leaves must
-- have it too.
CREATE TABLE approvals (
    job_id     INTEGER PRIMARY KEY REFERENCES jobs (id),
    asked_at   INTEGER NOT NULL,
    expires_at INTEGER,
    decision   TEXT NOT NULL DEFAULT '' CHECK (decision IN ('', 'approved', 'rejected', 'expired')),
    decided_at INTEGER,
    decided_by TEXT NOT NULL DEFAULT '',
    note       TEXT NOT NULL DEFAULT '',
    digest     TEXT NOT NULL DEFAULT '',
    CHECK ((decision = '') = (decided_at IS NULL)),
    CHECK ((decision = 'approved') = (digest <> ''))
) STRICT;
CREATE INDEX approvals_open ON approvals (job_id) WHERE decision = '';
CREATE INDEX approvals_expiring ON approvals (expires_at) WHERE decision = '' AND expires_at IS NOT NULL;
-- The text of one message instead of its step's: drafted for that person, or edited before it was approved.
CREATE TABLE letters (
    job_id     INTEGER PRIMARY KEY REFERENCES jobs (id),
    subject    TEXT NOT NULL DEFAULT '',
    text       TEXT NOT NULL DEFAULT '',
    html       TEXT NOT NULL DEFAULT '',
    written_by TEXT NOT NULL DEFAULT '',
    updated_at INTEGER NOT NULL
) STRICT;
-- Whoever changes what a campaign says, or whom it reaches, takes its approval back, by whatever way the change comes.
CREATE TRIGGER steps_unapprove_new AFTER INSERT ON steps
BEGIN
    UPDATE campaigns SET approved_at = NULL, approved_by = '' WHERE id = NEW.campaign_id AND approved_at IS NOT NULL;
END;
CREATE TRIGGER steps_unapprove_changed AFTER UPDATE ON steps
BEGIN
    UPDATE campaigns SET approved_at = NULL, approved_by = '' WHERE id = NEW.campaign_id AND approved_at IS NOT NULL;
END;
CREATE TRIGGER steps_unapprove_gone AFTER DELETE ON steps
BEGIN
    UPDATE campaigns SET approved_at = NULL, approved_by = '' WHERE id = OLD.campaign_id AND approved_at IS NOT NULL;
END;
-- People belong to a campaign from the end of their import on: a trigger on each of them made an import take twice as long.
CREATE TRIGGER imports_unapprove_done AFTER UPDATE OF state ON imports
WHEN NEW.state = 'done' AND OLD.state <> 'done' AND NEW.imported > 0
BEGIN
    UPDATE campaigns SET approved_at = NULL, approved_by = '' WHERE id = NEW.campaign_id AND approved_at IS NOT NULL;
END;
CREATE TRIGGER recipients_unapprove_changed AFTER UPDATE OF address, fields, profile ON recipients
WHEN (OLD.address <> NEW.address OR OLD.fields <> NEW.fields OR OLD.profile <> NEW.profile)
    AND EXISTS (SELECT 1 FROM campaigns WHERE id = NEW.campaign_id AND approved_at IS NOT NULL)
BEGIN
    UPDATE campaigns SET approved_at = NULL, approved_by = '' WHERE id = NEW.campaign_id;
END;
CREATE TRIGGER campaigns_unapprove AFTER UPDATE OF settings, queue_id, list ON campaigns
WHEN NEW.approved_at IS NOT NULL
    AND (OLD.settings <> NEW.settings OR OLD.queue_id <> NEW.queue_id OR OLD.list <> NEW.list)
BEGIN
    UPDATE campaigns SET approved_at = NULL, approved_by = '' WHERE id = NEW.id;
END;
CREATE TRIGGER lanes_unapprove_new AFTER INSERT ON lanes
BEGIN
    UPDATE campaigns SET approved_at = NULL, approved_by = '' WHERE id = NEW.campaign_id AND approved_at IS NOT NULL;
END;
