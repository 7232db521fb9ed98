//! The fingerprint of jobs that say nothing of what came later: a person who updated the program is not asked to approve them again.

use super::*;
use crate::plan::wanted::mapping_hash;

/// A job file as people had them before there were notes, tasks and several channels.
const OLD: &str = r#"
name = "twitch-followers"
timezone = "America/New_York"
[from]
source  = "twitch.followers"
account = "my-channel"
[to]
destination = "highlevel.contacts"
account = "main"
[match]
by = ["link", "field:twitch_user_id"]
missing = "create"
[fields]
firstName          = { value = "{{ user_name or user_login or 'twitch ' ~ user_id }}", own = "fill" }
twitch_user_id     = "{{ user_id }}"
twitch_followed_at = { value = "{{ followed_at | date }}", own = "create" }
[on.join]
add_tags = ["twitch follower", "twitch cohort {{ followed_at | date('%Y-%m') }}"]
[on.leave]
remove_tags = ["twitch follower"]
add_tags    = ["twitch unfollowed"]
[on.return]
add_tags = ["back"]
"#;

fn digest(text: &str) -> String {
    let folder = Folder::new(MAIN, &[("a.toml", text)]);
    let config = folder
        .load()
        .unwrap_or_else(|problems| panic!("{problems}"));
    mapping_hash(config.jobs.values().next().unwrap())
        .as_str()
        .to_owned()
}

#[test]
fn a_job_without_anything_new_keeps_the_digest_that_it_always_had() {
    // As the program computed it before job files knew anything of what follows.
    let before = "708b083bb00368460c2ebe404d00b8224ef8fac49163b66bfd223573a70e2528";
    assert_eq!(digest(OLD), before);
}

#[test]
fn whatever_a_job_newly_says_changes_its_digest() {
    let with = |at: &str, more: &str| OLD.replacen(at, &format!("{at}\n{more}"), 1);
    let mut seen = vec![digest(OLD)];
    for text in [
        with("name = \"twitch-followers\"", "backfill = true"),
        with("[to]", "business = \"b1\""),
        with("[to]", "business = \"b2\""),
        with(
            "[to]\ndestination = \"highlevel.contacts\"\naccount = \"main\"",
            "[scope]\ntag = \"twitch follower\"",
        ),
        with("[on.join]", "note = \"x\""),
        with("[on.join]", "note = \"y\""),
        with("[on.join]", "note = { body = \"x\", to = \"channel\" }"),
        with("[on.leave]", "note = \"x\""),
        with("[on.return]", "task = { title = \"x\", due = \"1d\" }"),
        with("[on.return]", "task = { title = \"x\", due = \"2d\" }"),
        with(
            "[on.return]\nadd_tags = [\"back\"]",
            "[[on.change]]\nof = \"user_login\"\nnote = \"x\"",
        ),
        with("source  = \"twitch.followers\"", "channels = [\"one\"]"),
    ] {
        let digest = digest(&text);
        assert!(!seen.contains(&digest), "{text}");
        seen.push(digest);
    }
}
