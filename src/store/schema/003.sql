-- Version 3: the service.

-- What the schedule remembers of a job; written by the daemon and by `apply --scheduled`.
CREATE TABLE agenda (
  job_no INTEGER PRIMARY KEY REFERENCES job (no),
  line TEXT NOT NULL,                   -- the schedule and its zone; another line is watched anew
  seen_ms INTEGER NOT NULL,             -- since when this line is watched; earlier moments are nobody's
  served_ms INTEGER,                    -- every due moment up to this one was served
  begun_ms INTEGER,                     -- a run by schedule began then and has not ended; after a kill it still stands
  failures INTEGER NOT NULL DEFAULT 0,  -- runs by schedule that failed, in a row
  failed_ms INTEGER,                    -- when the last of them ended
  why TEXT,                             -- what it said
  not_before_ms INTEGER                 -- not tried again before: back-off, or the end of a spent day
) STRICT;

-- How far a run under way has come; the row goes when the run ends.
CREATE TABLE progress (
  run_no INTEGER PRIMARY KEY REFERENCES run (no),
  what TEXT NOT NULL,
  done INTEGER NOT NULL,
  total INTEGER,                        -- NULL: unknown
  since_ms INTEGER NOT NULL,            -- when this part of the run began, for the rate
  at_ms INTEGER NOT NULL                -- when this was written; a living run writes every few seconds
) STRICT;

-- What is not as it should be, while it stands; notifications tell its changes.
CREATE TABLE condition (
  subject TEXT NOT NULL,                -- 'job:NAME', 'account:NAME', 'state' or 'upkeep'
  kind TEXT NOT NULL CHECK (kind IN ('failure', 'held', 'conflict', 'login')),
  what TEXT NOT NULL,
  hash TEXT NOT NULL,                   -- of what makes it another one; the same hash is no news
  since_ms INTEGER NOT NULL,
  PRIMARY KEY (subject, kind)
) STRICT, WITHOUT ROWID;

-- What messages said of a condition, and how restless it is. Whoever was told that something stands is told when it is over.
CREATE TABLE told (
  subject TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('failure', 'held', 'conflict', 'login')),
  hash TEXT,                            -- the condition's hash that was last told; NULL: nothing that is not over
  times INTEGER NOT NULL,               -- how often in a row it was seen to stand
  changes TEXT NOT NULL,                -- when it changed within the last hour, JSON list of ms
  flaps INTEGER NOT NULL CHECK (flaps IN (0, 1)), -- 1: nothing is told until it stood still for an hour
  PRIMARY KEY (subject, kind)
) STRICT, WITHOUT ROWID;

-- Messages to a target of [notify]: those that wait, and those sent within the last day, which `at_most` counts.
CREATE TABLE notice (
  no INTEGER PRIMARY KEY,
  target TEXT NOT NULL,
  made_ms INTEGER NOT NULL,
  sent_ms INTEGER,                      -- NULL: it waits
  tries INTEGER NOT NULL DEFAULT 0,
  body TEXT NOT NULL                    -- JSON
) STRICT;
CREATE INDEX notice_target ON notice (target, no);

-- What upkeep of this file last did.
CREATE TABLE upkeep (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  began_ms INTEGER,
  ended_ms INTEGER,                     -- NULL while it is under way, or when it was killed
  what TEXT,                            -- in words
  backup_ms INTEGER,                    -- when the newest copy was made
  checked_ms INTEGER,                   -- when all of the file was last checked
  vacuumed_ms INTEGER                   -- when freed pages were last given back
) STRICT;

-- Why a run ended without a report; NULL for one with a report, one under way and one that was killed.
ALTER TABLE run ADD COLUMN why TEXT;
