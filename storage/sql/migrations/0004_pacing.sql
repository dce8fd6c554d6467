-- Pacing that explains itself: what limits a queue now, how campaigns share it, when they may send.

-- limits: what holds now (configuration and live tuning together), as the engine wrote it, so that every reader says
-- the same. tuning: what people set live, over the configuration. throttle: how often the rate is halved.
ALTER TABLE queues ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
ALTER TABLE queues ADD COLUMN tuning TEXT NOT NULL DEFAULT '{}';
ALTER TABLE queues ADD COLUMN throttle INTEGER NOT NULL DEFAULT 0 CHECK (throttle BETWEEN 0 AND 6);
ALTER TABLE queues ADD COLUMN throttled_at INTEGER;
-- The last start of a campaign that keeps its gaps across the whole queue (`human`).
ALTER TABLE queues ADD COLUMN spaced_start INTEGER NOT NULL DEFAULT 0;
-- Warm-up: on how many days something was sent, and when the last of them began.
ALTER TABLE queues ADD COLUMN warm_days INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN warm_on INTEGER NOT NULL DEFAULT 0;

-- hours: the campaign's window as JSON, '' for none. turn: how much of its share of the queue it has had.
-- spacing: whose last start a gap counts from, the campaign's or that of all such campaigns of the queue.
ALTER TABLE campaigns ADD COLUMN hours TEXT NOT NULL DEFAULT '';
ALTER TABLE campaigns ADD COLUMN weight INTEGER NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100);
ALTER TABLE campaigns ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
ALTER TABLE campaigns ADD COLUMN spacing TEXT NOT NULL DEFAULT 'campaign'
    CHECK (spacing = 'campaign' OR spacing = 'queue');
UPDATE campaigns SET spacing = 'queue' WHERE pacing LIKE '%"mode": "human"%';
UPDATE queues SET spaced_start = COALESCE(
    (SELECT max(last_start) FROM campaigns WHERE queue_id = queues.id AND spacing = 'queue'), 0);

-- The gap per recipient domain: the last start, and the last place that a waiting job was given.
CREATE TABLE domain_starts (
    queue_id   INTEGER NOT NULL REFERENCES queues (id),
    domain     TEXT NOT NULL,
    last_start INTEGER NOT NULL DEFAULT 0,
    reserved   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (queue_id, domain)
) STRICT, WITHOUT ROWID;
