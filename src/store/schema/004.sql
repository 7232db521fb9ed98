-- Version 4: the life of a fan.

-- The namespace of the job's records, so that what one listing tells of a person reaches the rosters of all.
ALTER TABLE job ADD COLUMN namespace TEXT;
-- The first walk that ended: rows of walks up to it are the first listing, which fires no notes and tasks. NULL: none has.
ALTER TABLE job ADD COLUMN first_walk_no INTEGER;
UPDATE job SET namespace = 'twitch.user';
UPDATE job SET first_walk_no = max(generation, coalesce(last_walk_no, 0)) WHERE last_walk_no IS NOT NULL;

-- Notes and tasks: what a transition called for, once by its key, and what became of it. A row stays, so that it never comes twice.
CREATE TABLE event (
  no INTEGER PRIMARY KEY,
  job_no INTEGER NOT NULL REFERENCES job (no),
  key TEXT NOT NULL,                    -- the record
  moment TEXT NOT NULL,                 -- 'join', 'leave', 'return', 'gone', 'change NAME', 'milestone NAME'
  occurrence TEXT NOT NULL,             -- which of them: followed_at, the stream's id, or the number of the transition
  place INTEGER NOT NULL,               -- of its rule among those of the moment
  kind TEXT NOT NULL CHECK (kind IN ('note', 'task', 'complete-task')),
  change TEXT NOT NULL,                 -- JSON, as it was rendered when it came up
  transition INTEGER NOT NULL,          -- the record's, when it came up
  not_before_ms INTEGER,                -- nothing is sent before; NULL: at once
  state TEXT NOT NULL CHECK (state IN ('due', 'sent', 'done', 'refused', 'dropped')),
  contact_no INTEGER REFERENCES mirror (no), -- whose it became
  vendor_id TEXT,                       -- of the note or task
  due_ms INTEGER,                       -- when the task is due, as it was sent
  made_ms INTEGER NOT NULL,
  done_ms INTEGER,
  completed_ms INTEGER,                 -- when the task was marked as done by us
  why TEXT                              -- of refused and dropped ones
) STRICT;
CREATE UNIQUE INDEX event_key ON event (job_no, key, moment, occurrence, place);
CREATE INDEX event_due ON event (job_no, key) WHERE state = 'due';
CREATE INDEX event_vendor ON event (contact_no, kind) WHERE contact_no IS NOT NULL;

-- The attributes that [[on.change]] and [[on.milestone]] of a job watch, as they were when it last looked.
CREATE TABLE watched (
  job_no INTEGER NOT NULL REFERENCES job (no),
  key TEXT NOT NULL,
  attributes TEXT NOT NULL,             -- JSON object of texts
  PRIMARY KEY (job_no, key)
) STRICT, WITHOUT ROWID;

-- Broadcasts of Twitch channels: one row a broadcast, which may be several streams with less than ten minutes between them.
CREATE TABLE broadcast (
  no INTEGER PRIMARY KEY,
  job_no INTEGER NOT NULL REFERENCES job (no), -- the job over streams that watches it
  channel TEXT NOT NULL,                -- the user id of the broadcaster
  stream_id TEXT NOT NULL,              -- of its first stream
  ids TEXT NOT NULL,                    -- of all its streams, JSON list
  title TEXT,
  game TEXT,
  started_ms INTEGER NOT NULL,          -- by Twitch
  seen_ms INTEGER NOT NULL,             -- when a poll last saw it live
  absent_ms INTEGER,                    -- the first poll since then that did not
  polls INTEGER NOT NULL DEFAULT 0,
  viewers_sum INTEGER NOT NULL DEFAULT 0,
  viewers_peak INTEGER NOT NULL DEFAULT 0,
  followers_before INTEGER,             -- the channel's followers when it was first seen
  followers_after INTEGER,              -- and when it had ended
  new_followers INTEGER,
  ended_ms INTEGER                      -- NULL while it goes on
) STRICT;
CREATE UNIQUE INDEX broadcast_stream ON broadcast (job_no, channel, stream_id);
CREATE INDEX broadcast_channel ON broadcast (channel, started_ms);
