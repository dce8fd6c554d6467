-- Channels and people: sequences of steps, several accounts for one campaign, who must not be contacted, what came back.

-- One row per campaign and queue that it may use. last_start and turn belong to the pair: what the campaign has had of
-- this queue. position: the order in which accounts of one channel were named.
CREATE TABLE lanes (
    queue_id    INTEGER NOT NULL REFERENCES queues (id),
    campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
    position    INTEGER NOT NULL DEFAULT 1,
    last_start  INTEGER NOT NULL DEFAULT 0,
    turn        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (queue_id, campaign_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX lanes_campaign ON lanes (campaign_id, position, queue_id);
INSERT INTO lanes (queue_id, campaign_id, last_start, turn) SELECT queue_id, id, last_start, turn FROM campaigns;
ALTER TABLE campaigns DROP COLUMN turn;
-- By id and no longer by queue: which queues a campaign uses stands in its lanes.
DROP INDEX campaigns_active;
CREATE INDEX campaigns_active ON campaigns (id) WHERE state = 'active';

-- channel: '' is that of the campaign's first account. wait, pacing: JSON, '' for the default. conditions: words.
ALTER TABLE steps ADD COLUMN channel TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN wait TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN conditions TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN pacing TEXT NOT NULL DEFAULT '';
-- What a reader leaves when they unsubscribe from one list only; '': the campaign's name.
ALTER TABLE campaigns ADD COLUMN list TEXT NOT NULL DEFAULT '';

-- profile: the cleaned name of a social profile. accepted_at: when this person accepted an invitation of the campaign.
ALTER TABLE recipients ADD COLUMN profile TEXT NOT NULL DEFAULT '';
ALTER TABLE recipients ADD COLUMN accepted_at INTEGER;
ALTER TABLE recipients ADD COLUMN replied_at INTEGER;
ALTER TABLE recipients ADD COLUMN stopped_at INTEGER;
-- By address over all campaigns: what comes back names a person, not a campaign.
CREATE INDEX recipients_key ON recipients (address_key);
CREATE INDEX recipients_profile ON recipients (profile) WHERE profile <> '';
CREATE UNIQUE INDEX recipients_profile_once ON recipients (campaign_id, profile) WHERE profile <> '';
CREATE INDEX recipients_stopped ON recipients (campaign_id, stopped) WHERE stopped <> '';

-- follow: 0 no step comes after this one, or it was dealt with; 1 the next step is to be planned when this one ends;
-- 2 it waits for the invitation to be accepted. Campaigns of one step never touch the index.
ALTER TABLE jobs ADD COLUMN follow INTEGER NOT NULL DEFAULT 0 CHECK (follow BETWEEN 0 AND 2);
CREATE INDEX jobs_follow ON jobs (campaign_id, follow, state, id) WHERE follow > 0;
-- Asked for when something comes back; never touched after the insert.
CREATE INDEX jobs_message ON jobs (message_id) WHERE message_id <> '';

-- An outcome more: nothing had to be sent. As in 0003, the text of a CHECK holds nothing on disk.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'OR outcome = ''uncertain'')', 'OR outcome = ''uncertain'' OR outcome = ''needless'')')
WHERE type = 'table' AND name = 'attempts';
PRAGMA writable_schema = RESET;

-- Who must not be contacted. value: an address key, a domain or a profile. scope: '' everything, else a list.
CREATE TABLE suppressions (
    id          INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind = 'address' OR kind = 'domain' OR kind = 'profile'),
    value       TEXT NOT NULL CHECK (value <> ''),
    scope       TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL CHECK (reason IN ('manual', 'unsubscribed', 'bounced', 'complained', 'dead', 'disabled',
                                                'full', 'withdrawn')),
    note        TEXT NOT NULL DEFAULT '',
    source      TEXT NOT NULL DEFAULT '',
    campaign_id INTEGER REFERENCES campaigns (id),
    job_id      INTEGER,
    created_by  TEXT NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    UNIQUE (kind, value, scope)
) STRICT;
CREATE INDEX suppressions_expiring ON suppressions (expires_at) WHERE expires_at IS NOT NULL;

-- What an account learnt of a profile, and how often it looked.
CREATE TABLE profiles (
    queue_id          INTEGER NOT NULL REFERENCES queues (id),
    profile           TEXT NOT NULL,
    provider_id       TEXT NOT NULL DEFAULT '',
    name              TEXT NOT NULL DEFAULT '',
    distance          TEXT NOT NULL DEFAULT '',
    invitation        TEXT NOT NULL DEFAULT '',
    invitation_status TEXT NOT NULL DEFAULT '',
    checked_at        INTEGER NOT NULL,
    PRIMARY KEY (queue_id, profile)
) STRICT, WITHOUT ROWID;
CREATE INDEX profiles_provider ON profiles (provider_id) WHERE provider_id <> '';
CREATE TABLE look_ups (
    id       INTEGER PRIMARY KEY,
    queue_id INTEGER NOT NULL REFERENCES queues (id),
    at       INTEGER NOT NULL
) STRICT;
CREATE INDEX look_ups_queue ON look_ups (queue_id, at);

-- What came back: bounces, complaints, replies. digest: of the bytes, so that reading a mailbox twice counts once.
-- raw: kept of what could not be understood or belongs to nobody here.
CREATE TABLE inbox (
    id           INTEGER PRIMARY KEY,
    digest       TEXT NOT NULL UNIQUE,
    source       TEXT NOT NULL DEFAULT '',
    kind         TEXT NOT NULL,
    at           INTEGER NOT NULL,
    read_at      INTEGER NOT NULL,
    matched_by   TEXT NOT NULL DEFAULT '',
    effect       TEXT NOT NULL DEFAULT '',
    job_id       INTEGER,
    recipient_id INTEGER,
    campaign_id  INTEGER,
    address      TEXT NOT NULL DEFAULT '',
    code         INTEGER NOT NULL DEFAULT 0,
    enhanced     TEXT NOT NULL DEFAULT '',
    diagnostic   TEXT NOT NULL DEFAULT '',
    subject      TEXT NOT NULL DEFAULT '',
    text         TEXT NOT NULL DEFAULT '',
    raw          BLOB
) STRICT;
CREATE INDEX inbox_campaign ON inbox (campaign_id, id) WHERE campaign_id IS NOT NULL;
CREATE INDEX inbox_job ON inbox (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX inbox_kind ON inbox (kind, id);
-- How far a mailbox was read.
CREATE TABLE inbox_cursors (
    source  TEXT PRIMARY KEY,
    cursor  TEXT NOT NULL,
    read_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Signs the tokens of unsubscribe links and return addresses. No password: it opens nothing, it only tells our own
-- tokens from invented ones, and must survive a move together with the messages that carry them.
INSERT INTO settings (key, value) VALUES ('token_secret', lower(hex(randomblob(32))));
