//! Every key a file may hold; `schedules/README.md` names each of them.

/// The keys of `ghl-sync.toml`.
pub(super) const MAIN: &[&str] = &[
    "schedules",
    "state",
    "accounts",
    "token_key",
    "old_token_key",
    "proxy",
    "notify",
    "metrics",
    "upkeep",
];

/// The keys of `[notify.NAME]`.
pub(super) const NOTIFY: &[&str] = &["kind", "url", "command", "on", "at_most"];

/// The keys of `[metrics]`.
pub(super) const METRICS: &[&str] = &["textfile"];

/// The keys of `[upkeep]`.
pub(super) const UPKEEP: &[&str] = &[
    "schedule",
    "timezone",
    "keep",
    "keep_runs",
    "backups",
    "backup_folder",
];

/// The keys of `[accounts.NAME]` with `service = "highlevel"`.
pub(super) const HIGHLEVEL: &[&str] = &[
    "service",
    "location",
    "token",
    "client_id",
    "client_secret",
    "redirect_uri",
    "authorize_url",
    "agency",
    "reserve",
    "base_url",
];

/// The keys of `[accounts.NAME]` with `service = "highlevel.agency"`.
pub(super) const AGENCY: &[&str] = &[
    "service",
    "client_id",
    "client_secret",
    "redirect_uri",
    "authorize_url",
    "base_url",
];

/// The keys of `[accounts.NAME]` with `service = "twitch"`.
pub(super) const TWITCH: &[&str] = &[
    "service",
    "client_id",
    "client_secret",
    "token",
    "channel",
    "channel_id",
    "redirect_uri",
    "base_url",
    "auth_url",
];

/// The keys of a job file above its first table, then its tables.
pub(super) const JOB: &[&str] = &[
    "name",
    "schedule",
    "timezone",
    "jitter",
    "time_budget",
    "quiet",
    "ping",
    "full",
    "full_at_most_every",
    "recheck",
    "create_fields",
    "strict",
    "contacts_reader",
    "backfill",
    "from",
    "to",
    "scope",
    "match",
    "fields",
    "on",
    "limits",
];

/// The keys of `[from]`.
pub(super) const FROM: &[&str] = &["source", "account", "accounts", "channels", "period"];

/// The keys of `[to]`.
pub(super) const TO: &[&str] = &["destination", "account", "business"];

/// The keys of `[scope]`.
pub(super) const SCOPE: &[&str] = &["tag", "business"];

/// The keys of `[match]`.
pub(super) const MATCH: &[&str] = &["by", "missing", "recreate_deleted"];

/// The keys of a line of `[fields]` that is a table.
pub(super) const FIELD: &[&str] = &["value", "own"];

/// The tables of `[on]`.
pub(super) const ON: &[&str] = &["join", "leave", "return", "gone", "change", "milestone"];

/// The keys of `[on.join]`, `[on.leave]` and `[on.gone]`.
pub(super) const MOMENT: &[&str] = &["add_tags", "remove_tags", "note", "task", "complete_task"];

/// The keys of `[on.return]`, which only adds tags.
pub(super) const RETURN: &[&str] = &["add_tags", "note", "task", "complete_task"];

/// The keys of `[[on.change]]`.
pub(super) const CHANGE: &[&str] = &["of", "note", "task", "complete_task"];

/// The keys of `[[on.milestone]]`.
pub(super) const MILESTONE: &[&str] = &["of", "at", "note", "task", "complete_task"];

/// The keys of a note that is a table.
pub(super) const NOTE: &[&str] = &["body", "to", "when"];

/// The keys of a task.
pub(super) const TASK: &[&str] = &["title", "body", "due", "assigned", "to", "when"];

/// The keys of `complete_task` when it is a table.
pub(super) const COMPLETE: &[&str] = &["to", "when"];

/// The keys of `[limits]`.
pub(super) const LIMITS: &[&str] = &[
    "create", "update", "tag", "leave", "return", "note", "task", "drift",
];

/// The keys of one limit that is a table.
pub(super) const LIMIT: &[&str] = &["run", "day", "percent", "atleast"];

/// The keys of `run` and `day` when they are tables.
pub(super) const SHARE: &[&str] = &["percent", "atleast"];

/// All tables of keys, for the test that the documentation is whole.
#[cfg(test)]
pub(super) const ALL: &[&[&str]] = &[
    MAIN, NOTIFY, METRICS, UPKEEP, HIGHLEVEL, AGENCY, TWITCH, JOB, FROM, TO, SCOPE, MATCH, FIELD,
    ON, MOMENT, RETURN, CHANGE, MILESTONE, NOTE, TASK, COMPLETE, LIMITS, LIMIT, SHARE,
];
