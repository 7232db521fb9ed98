CREATE TABLE placeholder(x INTEGER) STRICT;

-- One row per vendor bucket: how fast it may be spoken to, shared by all processes.
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
