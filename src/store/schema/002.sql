-- Version 2: logins. One row is what `ghl-sync auth` was granted for one account of ghl-sync.toml.
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
