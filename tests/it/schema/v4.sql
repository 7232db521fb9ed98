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
CREATE TABLE bucket(
    -- For example `highlevel:<location>:<fingerprint of the token>`.
    name          TEXT    NOT NULL PRIMARY KEY,
    -- The calls allowed in one window, as last heard from the vendor.
    window_max    INTEGER NOT NULL CHECK (window_max >= 1),
    window_ms     INTEGER NOT NULL CHECK (window_ms >= 1),
    -- GCRA's theoretical arrival time, in nanoseconds since the Unix epoch; believed at most one window ahead.
    next_free_ns  INTEGER NOT NULL,
    -- Nobody calls before this moment: the vendor answered 429.
    hold_until_ms INTEGER NOT NULL,
    -- The day is the vendor's 24 hours from the first call, not a date. NULL: the vendor has no daily limit.
    day_limit     INTEGER CHECK (day_limit >= 1),
    day_used      INTEGER NOT NULL CHECK (day_used >= 0),
    day_ends_ms   INTEGER,
    -- When the vendor last told us of the day; an older word does not replace a newer one.
    heard_ms      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE claim (
  contact_no INTEGER NOT NULL REFERENCES mirror (no),
  tag TEXT NOT NULL,
  job_no INTEGER NOT NULL REFERENCES job (no),
  state TEXT NOT NULL CHECK (state IN ('sent', 'ours')), -- 'sent': the answer is still out
  transition INTEGER NOT NULL,          -- the record's transition at which it was added
  PRIMARY KEY (contact_no, tag, job_no)
) STRICT, WITHOUT ROWID;
CREATE TABLE condition (
  subject TEXT NOT NULL,                -- 'job:NAME', 'account:NAME', 'state' or 'upkeep'
  kind TEXT NOT NULL CHECK (kind IN ('failure', 'held', 'conflict', 'login')),
  what TEXT NOT NULL,
  hash TEXT NOT NULL,                   -- of what makes it another one; the same hash is no news
  since_ms INTEGER NOT NULL,
  PRIMARY KEY (subject, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE counter (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  tick INTEGER NOT NULL
) STRICT;
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
CREATE TABLE finding (
  job_no INTEGER NOT NULL REFERENCES job (no),
  key TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('conflict', 'refused', 'ambiguous', 'asks', 'bad-row')),
  field TEXT NOT NULL DEFAULT '',       -- of a conflict
  hash TEXT NOT NULL,                   -- of what it depends on; another hash is news again
  what TEXT NOT NULL,                   -- the reason; for a conflict JSON {wanted, seen}
  run_no INTEGER NOT NULL,              -- the run that told it
  PRIMARY KEY (job_no, key, kind, field)
) STRICT, WITHOUT ROWID;
CREATE TABLE job (
  no INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  approved TEXT,                        -- digest of the mapping that a person let through guard first
  channel TEXT,                         -- whose listing it was then
  mapping TEXT,                         -- digest of the mapping that was last planned and journaled
  planned_tick INTEGER NOT NULL DEFAULT 0,
  generation INTEGER NOT NULL DEFAULT 0, -- rows of walks up to this one are the roster
  last_walk_no INTEGER,                 -- the last walk that ended
  last_walk_began_ms INTEGER,
  complete_walk_no INTEGER,             -- the last Complete full walk
  complete_began_ms INTEGER,
  complete_total INTEGER,               -- the vendor's total on that walk's first page
  complete_gap INTEGER,                 -- listed minus total at its end
  gap_cuts INTEGER NOT NULL DEFAULT 0,  -- full walks cut for the gap alone, in a row
  gap_cut_ms INTEGER,                   -- when the last of them began; NULL: the last full walk added up
  added_since INTEGER NOT NULL DEFAULT 0, -- keys first seen in passes begun after it
  roster_size INTEGER NOT NULL DEFAULT 0, -- records that are in, counting what the last walks found
  debt INTEGER NOT NULL DEFAULT 0,
  debt_passes INTEGER NOT NULL DEFAULT 0, -- passes in a row that saw a debt
  last_full_due_ms INTEGER              -- the last moment of `full` that was served
, namespace TEXT, first_walk_no INTEGER) STRICT;
CREATE TABLE kept (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  kept_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE link (
  location_no INTEGER NOT NULL REFERENCES location (no),
  namespace TEXT NOT NULL,
  key TEXT NOT NULL,
  contact_no INTEGER REFERENCES mirror (no), -- NULL while a create is under way
  state TEXT NOT NULL CHECK (state IN ('claimed', 'linked', 'tombstone')),
  claimed_by INTEGER REFERENCES job (no), -- the job whose create is under way
  PRIMARY KEY (location_no, namespace, key),
  CHECK ((state = 'claimed') = (contact_no IS NULL))
) STRICT, WITHOUT ROWID;
CREATE TABLE location (
  no INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  watermark_ms INTEGER,                 -- the vendor's Date at which the last ended walk began; NULL: never walked
  complete_ms INTEGER,                  -- when the last full contacts walk ended Complete; NULL: never
  complete_gap INTEGER,                 -- listed minus total at its end
  gap_cuts INTEGER NOT NULL DEFAULT 0,  -- full contacts walks cut for the gap alone, in a row
  gap_cut_ms INTEGER,                   -- when the last of them ended; NULL: the last one added up
  complete_keys TEXT NOT NULL DEFAULT '[]', -- the match keys that walk already read, JSON list
  batch_size INTEGER NOT NULL DEFAULT 100 CHECK (batch_size BETWEEN 1 AND 500), -- contacts per bulk tag call, learned
  clean_calls INTEGER NOT NULL DEFAULT 0,
  refreshed_ms INTEGER,                 -- when the mirror was last refreshed, for sharing between jobs
  refreshed_job INTEGER,                -- the job that did
  refreshed_keys TEXT NOT NULL DEFAULT '[]' -- the managed keys at that refresh, JSON list
) STRICT;
CREATE TABLE mirror (
  no INTEGER PRIMARY KEY,
  location_no INTEGER NOT NULL REFERENCES location (no),
  id TEXT NOT NULL,
  seen TEXT NOT NULL,                   -- JSON object: key → text or null (empty); a missing key is unknown
  tags TEXT,                            -- JSON list, sorted; NULL: unknown
  written TEXT,                         -- JSON: what we wrote and what the answers showed; NULL: nothing
  added_ms INTEGER,                     -- the vendor's dateAdded
  gone_ms INTEGER,                      -- when the vendor said that it does not exist; NULL: it does
  tick INTEGER NOT NULL
) STRICT;
CREATE TABLE mirror_key (
  location_no INTEGER NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  contact_no INTEGER NOT NULL REFERENCES mirror (no),
  PRIMARY KEY (location_no, field, value, contact_no)
) STRICT, WITHOUT ROWID;
CREATE TABLE notice (
  no INTEGER PRIMARY KEY,
  target TEXT NOT NULL,
  made_ms INTEGER NOT NULL,
  sent_ms INTEGER,                      -- NULL: it waits
  tries INTEGER NOT NULL DEFAULT 0,
  body TEXT NOT NULL                    -- JSON
) STRICT;
CREATE TABLE plan (
  no INTEGER PRIMARY KEY,
  run_no INTEGER NOT NULL UNIQUE REFERENCES run (no),
  job_no INTEGER NOT NULL REFERENCES job (no),
  state TEXT NOT NULL CHECK (state IN ('draft', 'stored', 'journaled', 'ended', 'swept', 'served')),
  digest TEXT,
  mapping TEXT NOT NULL,
  shown TEXT NOT NULL DEFAULT '[]',     -- guards that the report showed, JSON list of words
  made_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE progress (
  run_no INTEGER PRIMARY KEY REFERENCES run (no),
  what TEXT NOT NULL,
  done INTEGER NOT NULL,
  total INTEGER,                        -- NULL: unknown
  since_ms INTEGER NOT NULL,            -- when this part of the run began, for the rate
  at_ms INTEGER NOT NULL                -- when this was written; a living run writes every few seconds
) STRICT;
CREATE TABLE roster (
  no INTEGER PRIMARY KEY,
  job_no INTEGER NOT NULL REFERENCES job (no),
  key TEXT NOT NULL,
  attributes TEXT NOT NULL,             -- JSON object of texts
  state TEXT NOT NULL CHECK (state IN ('in', 'out', 'gone')),
  pending TEXT CHECK (pending IN ('in', 'out', 'gone')), -- what walks since the last journaled plan found; NULL: no change
  transition INTEGER NOT NULL DEFAULT 0, -- how often the state changed
  walk_no INTEGER NOT NULL,             -- the walk that first listed it (or listed it again)
  missing_walk INTEGER,                 -- the Complete walk in which it was first absent; NULL: it was there
  tick INTEGER NOT NULL,
  open INTEGER NOT NULL DEFAULT 0 CHECK (open IN (0, 1)) -- 1: the last plan left something to do
) STRICT;
CREATE TABLE run (
  no INTEGER PRIMARY KEY,
  job_no INTEGER NOT NULL REFERENCES job (no),
  mode TEXT NOT NULL CHECK (mode IN ('plan', 'apply')),
  pass TEXT CHECK (pass IN ('normal', 'full')),
  holder TEXT NOT NULL,                 -- command and process id
  began_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  exit INTEGER,                         -- exit code; NULL: running or killed
  digest TEXT,
  summary TEXT                          -- the report without its rows, JSON
, why TEXT) STRICT;
CREATE TABLE staging (
  no INTEGER PRIMARY KEY,
  walk_no INTEGER NOT NULL REFERENCES walk (no),
  key TEXT NOT NULL,
  attributes TEXT NOT NULL              -- JSON object of texts
) STRICT;
CREATE TABLE step (
  plan_no INTEGER NOT NULL REFERENCES plan (no),
  seq INTEGER NOT NULL,                 -- in key order
  key TEXT NOT NULL,
  hash TEXT NOT NULL,                   -- of kind, key, before, after and mapping
  phase INTEGER NOT NULL,               -- the order of kinds
  kind TEXT NOT NULL,
  parcel TEXT NOT NULL,                 -- steps of one parcel name may share a call
  guard TEXT,
  reason TEXT NOT NULL,
  name TEXT NOT NULL,                   -- what a report calls the record
  change TEXT NOT NULL,                 -- JSON
  contact_no INTEGER,
  transition INTEGER NOT NULL,
  basis TEXT NOT NULL,                  -- hash of record, mapping and contact, for refused rows
  mark TEXT NOT NULL CHECK (mark IN ('planned', 'held', 'sent', 'unknown', 'asks', 'done', 'refused', 'dropped')),
  why TEXT,
  tries INTEGER NOT NULL DEFAULT 0,
  refusal INTEGER NOT NULL DEFAULT 0 CHECK (refusal IN (0, 1)), -- 1: unknown because of a 422, never sent again
  sent_ms INTEGER,
  marked_ms INTEGER,
  looks INTEGER NOT NULL DEFAULT 0,     -- how often it was looked for and not found
  looked_ms INTEGER,
  PRIMARY KEY (plan_no, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE token (
  account TEXT PRIMARY KEY,             -- the account's name in ghl-sync.toml
  vendor TEXT NOT NULL CHECK (vendor IN ('highlevel', 'twitch')),
  kind TEXT NOT NULL CHECK (kind IN ('integration', 'user', 'location', 'agency', 'minted')),
  client_id TEXT,                       -- the application it was granted to; NULL: a private integration token
  owner TEXT,                           -- whose it is: a location, an agency, a Twitch user id; NULL: the vendor did not say
  owner_name TEXT,                      -- the Twitch user's login at that time
  scopes TEXT NOT NULL,                 -- as granted, JSON list; empty: the vendor did not say
  key_id TEXT,                          -- which key encrypted `secret`; NULL: not encrypted
  secret BLOB NOT NULL,                 -- access and refresh token as JSON, encrypted when there is a key
  expires_ms INTEGER,                   -- when the access token ends; NULL: never, or unknown
  made_ms INTEGER NOT NULL,             -- when a person logged in
  obtained_ms INTEGER NOT NULL,         -- when this pair came
  renewing_ms INTEGER,                  -- a renewal was sent then and its answer is not known; NULL: none is
  lost TEXT                             -- why it cannot be renewed any more; NULL: it can
) STRICT, WITHOUT ROWID;
CREATE TABLE told (
  subject TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('failure', 'held', 'conflict', 'login')),
  hash TEXT,                            -- the condition's hash that was last told; NULL: nothing that is not over
  times INTEGER NOT NULL,               -- how often in a row it was seen to stand
  changes TEXT NOT NULL,                -- when it changed within the last hour, JSON list of ms
  flaps INTEGER NOT NULL CHECK (flaps IN (0, 1)), -- 1: nothing is told until it stood still for an hour
  PRIMARY KEY (subject, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE upkeep (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  began_ms INTEGER,
  ended_ms INTEGER,                     -- NULL while it is under way, or when it was killed
  what TEXT,                            -- in words
  backup_ms INTEGER,                    -- when the newest copy was made
  checked_ms INTEGER,                   -- when all of the file was last checked
  vacuumed_ms INTEGER                   -- when freed pages were last given back
) STRICT;
CREATE TABLE waiting (
  job_no INTEGER NOT NULL REFERENCES job (no),
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (job_no, field, value, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE walk (
  no INTEGER PRIMARY KEY,
  job_no INTEGER REFERENCES job (no),
  location_no INTEGER REFERENCES location (no),
  pass TEXT NOT NULL CHECK (pass IN ('normal', 'full')),
  reader TEXT NOT NULL,
  began_ms INTEGER NOT NULL,            -- by the vendor's Date where it gave one
  page_ms INTEGER NOT NULL,             -- when the last page was committed
  cursor TEXT,                          -- where to go on; NULL at the start and after the end
  total INTEGER,                        -- the vendor's total on the first page
  pages INTEGER NOT NULL DEFAULT 0,
  listed INTEGER NOT NULL DEFAULT 0,
  resumed INTEGER NOT NULL DEFAULT 0 CHECK (resumed IN (0, 1)),
  ended TEXT                            -- NULL: running or killed; 'complete', 'caught-up', or the word of a cut
) STRICT;
CREATE TABLE watched (
  job_no INTEGER NOT NULL REFERENCES job (no),
  key TEXT NOT NULL,
  attributes TEXT NOT NULL,             -- JSON object of texts
  PRIMARY KEY (job_no, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX broadcast_channel ON broadcast (channel, started_ms);
CREATE UNIQUE INDEX broadcast_stream ON broadcast (job_no, channel, stream_id);
CREATE INDEX event_due ON event (job_no, key) WHERE state = 'due';
CREATE UNIQUE INDEX event_key ON event (job_no, key, moment, occurrence, place);
CREATE INDEX event_vendor ON event (contact_no, kind) WHERE contact_no IS NOT NULL;
CREATE UNIQUE INDEX link_contact ON link (contact_no, namespace) WHERE contact_no IS NOT NULL;
CREATE INDEX mirror_gone ON mirror (location_no, no) WHERE gone_ms IS NOT NULL;
CREATE UNIQUE INDEX mirror_id ON mirror (location_no, id);
CREATE INDEX mirror_key_contact ON mirror_key (contact_no);
CREATE INDEX mirror_tick ON mirror (location_no, tick);
CREATE INDEX notice_target ON notice (target, no);
CREATE INDEX plan_digest ON plan (job_no, digest) WHERE digest IS NOT NULL;
CREATE INDEX plan_job ON plan (job_no, no);
CREATE UNIQUE INDEX roster_key ON roster (job_no, key);
CREATE INDEX roster_missing ON roster (job_no, key) WHERE missing_walk IS NOT NULL;
CREATE INDEX roster_open ON roster (job_no, key) WHERE open = 1;
CREATE INDEX roster_pending ON roster (job_no, key) WHERE pending IS NOT NULL;
CREATE INDEX roster_tick ON roster (job_no, tick);
CREATE INDEX run_job ON run (job_no, no);
CREATE INDEX staging_walk ON staging (walk_no, no);
CREATE INDEX step_day ON step (guard, sent_ms) WHERE sent_ms IS NOT NULL AND guard IS NOT NULL;
CREATE INDEX step_open ON step (key) WHERE mark IN ('sent', 'unknown', 'asks');
CREATE INDEX step_todo ON step (plan_no, phase, parcel, seq) WHERE mark = 'planned';
CREATE INDEX walk_job ON walk (job_no, no) WHERE job_no IS NOT NULL;
CREATE INDEX walk_location ON walk (location_no, no) WHERE location_no IS NOT NULL;
