//! The starter jobs as they are shipped, with a few more notes and tasks.

use std::fs;
use std::path::Path;

/// What is put in place of something in a file, so that more of it is written down.
type Instead = (&'static str, &'static str);

/// The jobs in the order in which a person lets each go for the first time.
pub(super) const JOBS: [(&str, &[Instead]); 6] = [
    ("twitch-followers", FOLLOWERS),
    ("twitch-subscribers", SUBSCRIBERS),
    ("twitch-vips", &[]),
    ("twitch-moderators", MODERATORS),
    ("twitch-bits", &[]),
    ("twitch-streams", STREAMS),
];

const FOLLOWERS: &[Instead] = &[
    (
        "[on.join]\nadd_tags = [",
        r#"[on.join]
note = "{{ user_name }} follows since {{ followed_at | date }}{% if stream_title %}, from the stream {{ stream_title }}{% endif %}"
add_tags = ["{% if stream_game %}twitch came for {{ stream_game }}{% endif %}", "#,
    ),
    (
        "[on.leave]\n",
        r#"[on.return]
note = "{{ user_name }} follows again"
[on.gone]
note = "The account of {{ user_name }} is suspended or deleted"
[on.leave]
note = "{{ user_name }} unfollowed"
"#,
    ),
    // As many as a purge takes: what is asked is whether they left.
    ("[limits]\n", "[limits]\nnote = 500\n"),
];

const SUBSCRIBERS: &[Instead] = &[(
    "[on.join]\n",
    r#"[on.join]
note = "Subscribed at tier {{ tier }}{% if is_gift %}, a gift of {{ gifter_name or 'nobody knows whom' }}{% endif %}"
"#,
)];

/// The team's tasks are on the contact of the channel.
const MODERATORS: &[Instead] = &[
    (
        "[on.join]\n",
        r#"[on.join]
task = { title = "Welcome {{ user_name }} to the team", due = "1d", to = "channel" }
"#,
    ),
    (
        "[on.leave]\n",
        "[on.leave]\ncomplete_task = { to = \"channel\" }\n",
    ),
];

const STREAMS: &[Instead] = &[(
    "[[on.milestone]]\n",
    r#"[[on.change]]
of = "game"
note = "From {{ before }} to {{ game }}"

[[on.milestone]]
"#,
)];

/// Writes the jobs into the folder of a configuration.
pub(super) fn write(folder: &Path) {
    let starters = Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules");
    for (name, more) in JOBS {
        let file = format!("{name}.toml");
        let mut job = fs::read_to_string(starters.join(&file)).unwrap();
        for (place, instead) in more {
            assert_eq!(job.matches(place).count(), 1, "{place:?} in {file}");
            job = job.replace(place, instead);
        }
        fs::write(folder.join("schedules").join(file), job).unwrap();
    }
}
