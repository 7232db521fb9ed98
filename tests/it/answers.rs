//! Law 12 through the program: for bad input one clear message, the right exit code, and nothing lost.

use std::fs;

use ghl_sync::sandbox::{
    Fault, FaultKind, HIGHLEVEL_TOKEN, Holder, LOCATION_ID, TWITCH_CLIENT_ID, TWITCH_TOKEN, Token,
};

use crate::program::{now, program, together};
use crate::rig::{JOB, Rig, minutes};

/// Writes the configuration with one text replaced.
fn edit(rig: &Rig, file: &str, from: &str, to: &str) {
    let path = rig.folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

const JOB_FILE: &str = "schedules/followers.toml";
const MAIN_FILE: &str = "ghl-sync.toml";

#[tokio::test]
async fn a_wrong_file_says_where_what_and_what_was_expected_before_any_call() {
    // File, what is replaced, by what, what is said.
    let cases = [
        (
            JOB_FILE,
            "timezone =",
            "timezome =",
            &["followers.toml:3:1", "timezome", "did you mean `timezone`?"][..],
        ),
        (
            JOB_FILE,
            "[on.join]",
            "[on.joins]",
            &["joins", "did you mean `join`?"],
        ),
        (
            JOB_FILE,
            "timezone = \"UTC\"",
            "schedule = \"*/15 * * *\"",
            &["followers.toml:3:12", "schedule", "*/15 * * *", "five"],
        ),
        (
            JOB_FILE,
            "timezone = \"UTC\"",
            "schedule = \"61 * * * *\"",
            &["followers.toml:3:12", "schedule", "61 * * * *"],
        ),
        (
            JOB_FILE,
            "\"UTC\"",
            "\"America/New_Yorck\"",
            &["followers.toml:3:12", "America/New_York"],
        ),
        (
            JOB_FILE,
            "{{ user_login }}",
            "{{ user_logni }}",
            &[
                "fields.twitch_username",
                "user_logni",
                "did you mean `user_login`?",
            ],
        ),
        (
            JOB_FILE,
            "account = \"channel\"",
            "account = \"chanel\"",
            &["followers.toml:7:11", "chanel", "channel"],
        ),
        (
            JOB_FILE,
            "twitch_user_id = \"{{ user_id }}\"",
            "",
            &["match.by", "`twitch_user_id` is not in [fields]"],
        ),
        (
            MAIN_FILE,
            "service = \"highlevel\"",
            "service = \"hubspot\"",
            &["ghl-sync.toml:2:11", "hubspot", "highlevel"],
        ),
        (
            MAIN_FILE,
            "file:highlevel.token",
            "pit-1234-very-secret",
            &["ghl-sync.toml:4:9", "env:NAME", "file:PATH"],
        ),
        (
            MAIN_FILE,
            "[accounts.main]",
            "[accounts.main",
            &["ghl-sync.toml:1"],
        ),
    ];
    for (file, from, to, said) in cases {
        let rig = Rig::new(now(2, 2)).await;
        edit(&rig, file, from, to);
        for args in [&["check"][..], &["plan"], &["apply"], &["status"]] {
            let ended = program(&rig, args).await.exits(4).complains(said);
            assert_eq!(ended.out, "", "{ended}");
            assert!(!ended.err.contains("very-secret"), "{ended}");
            // One problem, one message.
            assert!(ended.err.contains("1 problem in"), "{ended}");
        }
        assert_eq!(rig.sandbox.calls().len(), 0);
        assert!(!rig.state().exists());
    }
}

#[tokio::test]
async fn all_problems_of_all_files_are_told_at_once() {
    let rig = Rig::new(now(2, 2)).await;
    edit(&rig, MAIN_FILE, "reserve = 0", "reserv = 0");
    edit(&rig, JOB_FILE, "\"UTC\"", "\"Mars/Olympus\"");
    edit(&rig, JOB_FILE, "{{ user_login }}", "{{ nothing }}");
    // Another job gives the same field another value.
    let other = JOB
        .replace("name = \"followers\"", "name = \"other\"")
        .replace(
            "twitch_username = \"{{ user_login }}\"",
            "twitch_username = \"{{ user_name }}\"",
        );
    fs::write(rig.folder.join("schedules/other.toml"), other).unwrap();
    let ended = program(&rig, &["plan"]).await.exits(4);
    let ended = ended.complains(&[
        "ghl-sync.toml:6:1",
        "did you mean `reserve`?",
        "Mars/Olympus",
        "unknown name `nothing`",
    ]);
    assert!(ended.err.contains("problems in the configuration"));
    // Once the files can be read, the two jobs are compared.
    rig.write_config();
    program(&rig, &["plan"])
        .await
        .exits(4)
        .complains(&["twitch_username", "followers", "other"]);
}

#[tokio::test]
async fn a_configuration_that_is_not_there_points_to_the_demo() {
    let rig = Rig::new(now(2, 2)).await;
    fs::remove_file(rig.config_path()).unwrap();
    program(&rig, &["apply"]).await.exits(4).complains(&[
        "ghl-sync.toml",
        "hint: ",
        "ghl-sync demo",
    ]);
    rig.write_config();
    fs::remove_dir_all(rig.folder.join("schedules")).unwrap();
    program(&rig, &["apply"])
        .await
        .exits(4)
        .complains(&["schedules"]);
}

#[tokio::test]
async fn an_unknown_custom_field_is_told_by_plan_and_refused_by_apply_until_it_is_there() {
    let mut settings = now(2, 2);
    settings.fields = false;
    let rig = Rig::new(settings).await;
    edit(&rig, JOB_FILE, "create_fields = true\n", "");
    let plan = ["plan"];
    program(&rig, &plan).await.exits(0).says(&[
        "missing field twitch_user_id",
        "missing field twitch_username",
    ]);
    let apply = ["apply", "--allow", "first"];
    program(&rig, &apply).await.exits(4).complains(&[
        "no custom field `twitch_",
        "single line text",
        "create_fields = true",
    ]);
    assert_eq!(rig.sandbox.writes().len(), 0);
    for key in ["twitch_user_id", "twitch_username", "twitch_followed_at"] {
        rig.sandbox.add_field(key, key, "TEXT");
    }
    program(&rig, &apply).await.exits(0);
    assert_eq!(rig.sandbox.contact_count(), 4);
}

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

#[tokio::test]
async fn a_vendor_that_fails_in_the_middle_of_the_followers_reports_what_it_read() {
    let rig = Rig::new(now(150, 2)).await;
    // Twitch advises one more try for a 503, so this one is soon over.
    let fault = Fault::new(FaultKind::Status503).on("GET /channels/followers");
    rig.sandbox.fault(fault.skip(1).times(100));
    let first = ["apply", "--allow", "first"];
    let ended = program(&rig, &first).await.exits(6);
    assert!(ended.out.contains("a service did not answer"), "{ended}");
    rig.sandbox.clear_faults();
    program(&rig, &first).await.exits(0);
    assert_eq!(rig.sandbox.contact_count(), 152);
}

#[tokio::test]
async fn a_vendor_that_fails_in_the_middle_of_the_contacts_is_no_success() {
    let rig = Rig::new(now(3, 250)).await;
    let fault = Fault::new(FaultKind::Status500).on("GET /contacts/");
    rig.sandbox.fault(fault.skip(1).times(100));
    let first = ["apply", "--allow", "first"];
    let ended = program(&rig, &first).await.exits(6);
    assert!(
        ended.out.contains("the contacts were not read to the end"),
        "{ended}"
    );
    assert_eq!(rig.sandbox.writes().len(), 0, "{ended}");
    rig.sandbox.clear_faults();
    program(&rig, &first).await.exits(0);
    assert_eq!(rig.sandbox.contact_count(), 253);
}

#[tokio::test]
async fn a_page_that_repeats_for_ever_is_told_and_the_next_pass_is_whole() {
    for (route, followers, contacts) in [
        ("GET /channels/followers", 250, 3),
        ("GET /contacts/", 3, 250),
    ] {
        let rig = Rig::new(now(followers, contacts)).await;
        let fault = Fault::new(FaultKind::RepeatedCursor).on(route).skip(1);
        rig.sandbox.fault(fault.times(10_000));
        let first = ["apply", "--allow", "first"];
        let ended = program(&rig, &first).await.exits(6).says(&[
            "were not read to the end",
            "the vendor gave the same cursor twice",
            "ghl-sync apply followers",
        ]);
        assert!(rig.sandbox.count(route) < 10, "{ended}");
        if route == "GET /contacts/" {
            // Half a mirror creates nobody.
            assert_eq!(rig.sandbox.writes().len(), 0, "{ended}");
        }
        rig.sandbox.clear_faults();
        program(&rig, &["apply", "--allow", "first", "--full"])
            .await
            .exits(0);
        assert_eq!(rig.sandbox.contact_count(), followers + contacts);
    }
}

#[tokio::test]
async fn a_clock_that_is_far_off_is_a_remark_in_plan_and_stops_apply() {
    let mut settings = now(3, 2);
    settings.start -= chrono::TimeDelta::days(3);
    let rig = Rig::new(settings).await;
    let parts = ["ahead of HighLevel's", "set-ntp"];
    program(&rig, &["plan"])
        .await
        .exits(0)
        .says(&parts)
        .says(&["`apply` would refuse"]);
    program(&rig, &["apply", "--allow", "first"])
        .await
        .exits(4)
        .complains(&parts);
    assert_eq!(rig.sandbox.writes().len(), 0);
    // The clock is set.
    rig.advance(minutes(3 * 24 * 60));
    program(&rig, &["apply", "--allow", "first"]).await.exits(0);
    assert_eq!(rig.sandbox.contact_count(), 5);
}

#[tokio::test]
#[expect(
    clippy::print_stdout,
    reason = "a test that skips its point says so where its reader looks"
)]
async fn a_state_that_cannot_be_written_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let rig = Rig::new(now(3, 2)).await;
    // A file where the folder should be.
    fs::write(rig.state(), "").unwrap();
    for args in [&["check"][..], &["plan"], &["apply"]] {
        let ended = program(&rig, args).await.exits(1);
        let said = format!("{}{}", ended.out, ended.err);
        assert!(said.contains("/state"), "{ended}");
    }
    fs::remove_file(rig.state()).unwrap();
    fs::create_dir(rig.state()).unwrap();
    let modes = |mode| fs::set_permissions(rig.state(), fs::Permissions::from_mode(mode)).unwrap();
    modes(0o500);
    if fs::write(rig.state().join("probe"), "").is_ok() {
        // Root may write anywhere; `store::open` tests the same answer with a connection that only reads.
        println!("skipped: this user writes into read-only folders");
    } else {
        program(&rig, &["plan"])
            .await
            .exits(1)
            .complains(&["cannot be written", "write permission"]);
    }
    modes(0o700);
}
