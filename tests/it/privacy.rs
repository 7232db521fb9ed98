//! Law 9: no secret and no personal data in logs and errors; no e-mail address and no phone number unasked in reports.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use ghl_sync::report::{self, Options, ReportRow};
use ghl_sync::run::Ask;
use ghl_sync::sandbox::{Fault, FaultKind, HIGHLEVEL_TOKEN, TWITCH_TOKEN};
use tracing::level_filters::LevelFilter;

use crate::rig::{JOB, Rig, Told, ask_all, minutes, settings};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn job() -> String {
    JOB.replace(
        "twitch_user_id = ",
        "email = \"{{ user_login }}@example.org\"\nphone = \"+1555{{ user_id }}\"\ntwitch_user_id = ",
    )
}

/// Everything about people that the rig knows and nobody else should: e-mail addresses and phone numbers first, then names.
fn about_people(rig: &Rig) -> (Vec<String>, Vec<String>) {
    let (mut reach, mut names) = (Vec::new(), Vec::new());
    for contact in rig.sandbox.contacts() {
        for key in ["email", "phone"] {
            reach.extend(contact[key].as_str().map(str::to_owned));
        }
        for key in ["firstName", "lastName"] {
            names.extend(contact[key].as_str().map(str::to_owned));
        }
    }
    for follower in rig.sandbox.followers() {
        reach.push(format!("{}@example.org", follower.login));
        reach.push(format!("+1555{}", follower.id));
        names.extend([follower.name, follower.login]);
    }
    // Shorter ones are parts of ordinary words.
    names.retain(|name| name.chars().count() > 4);
    reach.sort();
    names.sort();
    (reach, names)
}

fn assert_lacks(text: &str, secrets: &[String], what: &str) {
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "{what} shows {secret}");
    }
}

#[tokio::test]
async fn logs_and_errors_show_no_secret_and_nobody() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut rig = Rig::with_job(settings(12, 30), &job()).await;
    // The vendor names the e-mail address and the phone number of another contact in its refusal.
    let taken = rig.sandbox.followers()[3].clone();
    let email = format!("{}@example.org", taken.login);
    rig.sandbox
        .add_contact("Somebody", "Else", &email, &[], &[]);
    let (reach, names) = about_people(&rig);
    let mut said = Vec::new();
    let kinds = [
        FaultKind::Unprocessable422,
        FaultKind::Status500After,
        FaultKind::Html502,
        FaultKind::Truncated,
        FaultKind::WrongShape,
        FaultKind::NotJson,
        FaultKind::ResetAfter,
        FaultKind::ExpiredToken,
        FaultKind::MissingPermission,
    ];
    for (skip, kind) in kinds.into_iter().enumerate() {
        for route in [
            "POST /contacts/",
            "PUT /contacts/{id}",
            "POST /contacts/search",
            "GET /contacts/",
            "GET /channels/followers",
            "GET /oauth2/validate",
        ] {
            let fault = Fault::new(kind.clone()).on(route).skip(skip as u64 % 2);
            rig.sandbox.fault(fault.times(6));
        }
        for _ in 0..2 {
            match rig
                .run(Ask {
                    full: true,
                    ..ask_all()
                })
                .await
            {
                Ok(told) => said.push(format!(
                    "{:?} {:?}",
                    told.report.outcome, told.report.remarks
                )),
                Err(error) => said.push(format!("{error} {error:?}")),
            }
            rig.advance(minutes(20));
        }
        rig.sandbox.clear_faults();
        rig.advance(minutes(70));
    }
    assert!(
        said.iter().any(|said| said.contains("out of touch")),
        "{said:#?}"
    );
    let logged = log.text();
    assert!(
        logged.contains("POST /contacts/"),
        "nothing was logged: {logged}"
    );
    let secrets = [HIGHLEVEL_TOKEN.to_owned(), TWITCH_TOKEN.to_owned()];
    for (text, what) in [(logged, "the log"), (said.join("\n"), "an error")] {
        assert_lacks(&text, &secrets, what);
        assert_lacks(&text, &reach, what);
        assert_lacks(&text, &names, what);
    }
}

fn rendered(told: &Told, show_personal: bool) -> Vec<String> {
    let options = Options {
        gone: 0,
        show_personal,
        max_rows: None,
        width: None,
    };
    let rows = || -> Vec<io::Result<ReportRow>> { told.rows.iter().cloned().map(Ok).collect() };
    let mut all = Vec::new();
    for render in [report::text, report::json, report::markdown] {
        let mut out = Vec::new();
        render(&told.report, &mut rows().into_iter(), &mut out, &options).unwrap();
        all.push(String::from_utf8(out).unwrap());
    }
    all
}

#[tokio::test]
async fn reports_mask_addresses_and_numbers_unless_asked() {
    let mut rig = Rig::with_job(settings(12, 30), &job()).await;
    let taken = rig.sandbox.followers()[3].clone();
    let email = format!("{}@example.org", taken.login);
    rig.sandbox
        .add_contact("Somebody", "Else", &email, &[], &[]);
    let mut all = vec![rig.plan().await];
    all.push(rig.apply_all().await);
    rig.advance(minutes(16));
    // A conflict shows both values, and both are somebody's.
    for follower in rig.sandbox.followers() {
        for contact in rig
            .sandbox
            .contacts_by_field("twitch_user_id", &follower.id)
        {
            let id = contact["id"].as_str().unwrap();
            rig.sandbox
                .edit_contact(id, "email", format!("typed.{id}@example.net"));
        }
        rig.sandbox
            .rename(&follower.id, &format!("renamed_{}", follower.id), "Name");
    }
    rig.advance(minutes(1));
    all.push(rig.plan().await);
    all.push(rig.apply_all().await);
    assert!(!all[3].report.news.is_empty());
    let (reach, _) = about_people(&rig);
    for told in &all {
        for text in rendered(told, false) {
            assert!(!text.contains("@example."), "{text}");
            assert_lacks(&text, &reach, "a report");
        }
    }
    let shown = rendered(&all[0], true);
    assert!(shown.iter().all(|text| text.contains("@example.org")));
}
