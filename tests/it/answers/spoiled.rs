//! A job that ran well, and whatever people, vendors and machines do to it then.

use std::fs;

use ghl_sync::sandbox::{
    Fault, FaultKind, HIGHLEVEL_TOKEN, Holder, LOCATION_ID, TWITCH_CLIENT_ID, TWITCH_TOKEN, Token,
};

use super::{MAIN_FILE, edit};
use crate::program::{now, program, together};
use crate::rig::Rig;

/// A token that a person made with something missing.
fn token(rig: &Rig, file: &str, text: &str, holder: Holder, scopes: &[&str]) {
    let scopes = scopes.iter().map(ToString::to_string).collect();
    rig.sandbox.set_token(
        text,
        Token {
            holder,
            scopes,
            expires_at_ms: None,
        },
    );
    fs::write(rig.folder.join(file), text).unwrap();
}

fn viewer(client: &str) -> Holder {
    Holder::TwitchUser {
        client_id: client.to_owned(),
        user_id: "4242".to_owned(),
    }
}

/// Something that a person, a vendor or the machine did to a job that ran well.
struct Spoiled {
    what: &'static str,
    by: fn(&Rig),
    code: i32,
    said: &'static [&'static str],
}

const READS: &[&str] = &["contacts.readonly", "locations/customFields.readonly"];
const FOLLOWERS: &str = "moderator:read:followers";

fn spoiled() -> Vec<Spoiled> {
    let case = |what, by, code, said| Spoiled {
        what,
        by,
        code,
        said,
    };
    vec![
        case(
            "a secret file is gone",
            |rig| fs::remove_file(rig.folder.join("highlevel.token")).unwrap(),
            4,
            &[
                "account main",
                "highlevel.token",
                "make it, readable by this user alone",
                "hint: ",
            ],
        ),
        case(
            "a secret cannot be read",
            |rig| {
                fs::remove_file(rig.folder.join("twitch.token")).unwrap();
                fs::create_dir(rig.folder.join("twitch.token")).unwrap();
            },
            4,
            &["account channel", "cannot read the secret file"],
        ),
        case(
            "a secret is empty",
            |rig| fs::write(rig.folder.join("twitch.token"), "\n").unwrap(),
            4,
            &["account channel", "twitch.token is empty"],
        ),
        case(
            "a variable is not set",
            |rig| {
                edit(
                    rig,
                    MAIN_FILE,
                    "file:highlevel.token",
                    "env:GHL_SYNC_NEVER_SET",
                )
            },
            4,
            &["account main", "GHL_SYNC_NEVER_SET is not set"],
        ),
        case(
            "the Twitch token has no scope",
            |rig| {
                token(
                    rig,
                    "twitch.token",
                    "scopeless",
                    viewer(TWITCH_CLIENT_ID),
                    &[],
                )
            },
            4,
            &["account channel", FOLLOWERS, "make a new token"],
        ),
        case(
            "the Twitch token is another client's",
            |rig| {
                token(
                    rig,
                    "twitch.token",
                    "foreign",
                    viewer("another"),
                    &[FOLLOWERS],
                )
            },
            4,
            &["account channel", "client id another", "belong together"],
        ),
        case(
            "the Twitch token is an app's",
            |rig| {
                let client_id = TWITCH_CLIENT_ID.to_owned();
                token(
                    rig,
                    "twitch.token",
                    "app",
                    Holder::TwitchApp { client_id },
                    &[FOLLOWERS],
                );
            },
            4,
            &["account channel", "use a user token"],
        ),
        case(
            "the Twitch token is dead",
            |rig| fs::write(rig.folder.join("twitch.token"), "unknown-token").unwrap(),
            4,
            &["account channel", "put a new one where `token`"],
        ),
        case(
            "the HighLevel token may not write",
            |rig| token(rig, "highlevel.token", "reader", Holder::Location, READS),
            4,
            &[
                "account main",
                "scope",
                "POST /contacts/ (",
                "add the scope contacts.write",
            ],
        ),
        case(
            "the HighLevel token may not read",
            |rig| token(rig, "highlevel.token", "blind", Holder::Location, &[]),
            4,
            &[
                "account main",
                "scope",
                "POST /contacts/search",
                "add the scope contacts.readonly",
            ],
        ),
        case(
            "the HighLevel token is dead",
            |rig| fs::write(rig.folder.join("highlevel.token"), "pit-unknown").unwrap(),
            4,
            &[
                "account main",
                "expired or revoked",
                "put a new one where `token`",
            ],
        ),
        case(
            "the location is another one",
            |rig| edit(rig, MAIN_FILE, LOCATION_ID, "anotherLocation00001"),
            4,
            &[
                "account main",
                "does not belong to this location",
                "check `location` and `token`",
            ],
        ),
        case(
            "the state is a text",
            |rig| {
                let state = rig.state().join("ghl-sync.db");
                fs::rename(&state, rig.folder.join("kept.db")).unwrap();
                fs::write(state, "somebody's notes\n".repeat(400)).unwrap();
            },
            1,
            &["ghl-sync.db is not a ghl-sync state file", "move it away"],
        ),
        case(
            "the state is a newer program's",
            |rig| {
                let state = rig.state().join("ghl-sync.db");
                fs::copy(&state, rig.folder.join("kept.db")).unwrap();
                let db = rusqlite::Connection::open(state).unwrap();
                db.pragma_update(None, "user_version", 99).unwrap();
            },
            1,
            &["written by a newer ghl-sync", "update ghl-sync"],
        ),
        case(
            "HighLevel answers with web pages",
            |rig| for_long(rig, FaultKind::Html502, "POST /contacts/search"),
            6,
            &["account main", "web page", "run it again later"],
        ),
        case(
            "HighLevel answers in another shape",
            |rig| for_long(rig, FaultKind::WrongShape, "POST /contacts/search"),
            6,
            &["account main", "cannot be used", "run it again later"],
        ),
        case(
            "HighLevel's answers are cut in half",
            |rig| for_long(rig, FaultKind::Truncated, "POST /contacts/search"),
            6,
            &["account main", "cannot be used", "run it again later"],
        ),
        case(
            "HighLevel is not there",
            |rig| for_long(rig, FaultKind::ResetBefore, "POST /contacts/search"),
            6,
            &["account main", "no answer", "run it again later"],
        ),
    ]
}

fn for_long(rig: &Rig, kind: FaultKind, route: &str) {
    rig.sandbox.fault(Fault::new(kind).on(route).times(1_000));
}

/// Undoes whatever was done.
fn mend(rig: &Rig) {
    let secret = rig.folder.join("twitch.token");
    if secret.is_dir() {
        fs::remove_dir(secret).unwrap();
    }
    rig.write_config();
    rig.sandbox.clear_faults();
    let kept = rig.folder.join("kept.db");
    if kept.exists() {
        fs::rename(kept, rig.state().join("ghl-sync.db")).unwrap();
    }
}

async fn one_message_and_nothing_lost(case: Spoiled) {
    let Spoiled {
        what,
        by,
        code,
        said,
    } = case;
    let rig = Rig::new(now(3, 2)).await;
    let first = ["apply", "--allow", "first"];
    program(&rig, &first).await.exits(0);
    rig.sandbox.follow("777", "newcomer", "Newcomer");
    let before = rig.sandbox.contacts();
    by(&rig);
    let ended = program(&rig, &["apply"]).await;
    assert_eq!(ended.code, Some(code), "{what}: {ended}");
    let missing: Vec<_> = said
        .iter()
        .filter(|part| !ended.err.contains(**part))
        .collect();
    assert!(
        missing.is_empty(),
        "{what}: {missing:?} is not said: {ended}"
    );
    let errors = ended.err.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{what}: {ended}");
    for secret in [
        TWITCH_TOKEN,
        HIGHLEVEL_TOKEN,
        "scopeless",
        "pit-unknown",
        "reader",
    ] {
        assert!(!ended.err.contains(secret), "{what}: {ended}");
    }
    assert_eq!(rig.sandbox.contacts(), before, "{what}");
    mend(&rig);
    program(&rig, &["apply"]).await.exits(0);
    let newcomer = rig.sandbox.contacts_by_field("twitch_user_id", "777");
    assert_eq!(newcomer.len(), 1, "{what}");
    assert_eq!(rig.sandbox.contact_count(), 6, "{what}");
    program(&rig, &["apply"])
        .await
        .exits(0)
        .says(&["nothing to do"]);
}

#[tokio::test]
async fn whatever_is_wrong_has_one_message_an_exit_code_and_costs_nothing() {
    together(spoiled().into_iter().map(one_message_and_nothing_lost)).await;
}
