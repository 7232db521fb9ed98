use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use super::*;
use crate::config;
use crate::model::{Change, Contact, Digest, Reading, Tag};
use crate::plan::{Linked, Mark, Presence, Row};
use crate::run::keeping_of;
use crate::store::findings::{self, Finding, FindingKind};
use crate::store::plans::{self, Step};
use crate::store::rows::{self, Listing, Look, Scope};
use crate::store::runs;
use crate::store::walks::WalkOf;
use crate::store::{jobs, links, mirror, walks};

const MAIN: &str = "[accounts.main]\nservice = \"highlevel\"\nlocation = \"L0c\"\ntoken = \"env:A\"\n\
    [accounts.channel]\nservice = \"twitch\"\nclient_id = \"c\"\ntoken = \"env:B\"\n";

const JOB: &str = "name = \"fans\"\n[from]\nsource = \"twitch.followers\"\naccount = \"channel\"\n\
    [to]\ndestination = \"highlevel.contacts\"\naccount = \"main\"\n\
    [match]\nby = [\"link\", \"field:twitch_user_id\"]\nmissing = \"create\"\n\
    [fields]\nfirstName = { value = \"x\", own = \"fill\" }\ntwitch_user_id = \"{{ user_id }}\"\ntwitch_username = \"{{ user_login }}\"\n\
    [on.join]\nadd_tags = [\"fan\"]\n";

static FOLDERS: AtomicU64 = AtomicU64::new(0);

/// A job whose roster has the records 1, 2 and 3, and a location with the contacts A and B, all planned and at rest.
struct Desktop {
    folder: PathBuf,
    job: Job,
    store: Store,
}

impl Drop for Desktop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Desktop {
    async fn new() -> Desktop {
        let number = FOLDERS.fetch_add(1, Ordering::SeqCst);
        let name = format!("ghl-sync-settle-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join("schedules")).unwrap();
        std::fs::write(folder.join("ghl-sync.toml"), MAIN).unwrap();
        std::fs::write(folder.join("schedules/fans.toml"), JOB).unwrap();
        let config = config::load(&folder.join("ghl-sync.toml")).unwrap_or_else(|p| panic!("{p}"));
        let job = config.jobs.into_values().next().unwrap();
        let store = Store::open(&folder.join("state")).unwrap();
        let desktop = Desktop { folder, job, store };
        let job = desktop.job.clone();
        desktop
            .write(move |db| {
                let state = jobs::job_state(db, &job.name)?;
                let location = jobs::location_state(db, &job.location)?;
                let walk = walks::begin_walk(db, WalkOf::Source(state.no), true, "followers", 0)?;
                let rows = ["1", "2", "3"]
                    .map(|key| (key.to_owned(), format!("{{\"user_id\":\"{key}\"}}")));
                walks::fold_rows(db, state.no, walk, &rows)?;
                walks::end_walk(db, walk, "complete")?;
                let contacts = ["A", "B"].map(contact);
                let keeping = keeping_of([&job].into_iter());
                mirror::ingest(db, location.no, &contacts, Reading::Get, 0, &keeping)?;
                Ok(())
            })
            .await;
        desktop
    }

    async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store.write(write).await.unwrap()
    }

    async fn settle(&self, settling: Settling) -> Result<String, String> {
        let said = settle(&self.store, &self.job, &Clock::system(), "a test", settling).await;
        said.map_err(|error| match error {
            SettleError::Nothing(why) => why,
            SettleError::Run(error) => panic!("{error}"),
        })
    }

    /// Returns what a plan would be told about a record.
    fn row(&self, key: &str) -> (Row, bool) {
        let db = self.store.reader().unwrap();
        let no = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let (job_no, location_no) = (no("SELECT no FROM job"), no("SELECT no FROM location"));
        let namespace = self.job.source.namespace();
        let scope = Scope {
            job_no,
            generation: 99,
            location_no,
            namespace,
            look: Look::All,
        };
        let mut found: Option<Listing> = None;
        rows::next_rows::<StoreError>(&db, scope, "", |listing| {
            if listing.record.key.as_str() == key {
                found = Some(listing.clone());
            }
            Ok(())
        })
        .unwrap();
        let listing = found.unwrap();
        let row = rows::row_of(&db, job_no, location_no, namespace, &listing, &[]).unwrap();
        (row, listing.open)
    }

    fn linked(&self, key: &str) -> Option<String> {
        match self.row(key).0.link {
            Linked::To(contact) => Some(contact.id.to_string()),
            Linked::No | Linked::Claimed | Linked::Tombstone(_) => None,
        }
    }

    async fn link(&self, key: &'static str, id: &'static str) -> Result<String, String> {
        self.settle(Settling::Link {
            key: record(key),
            contact: contact_id(id),
        })
        .await
    }

    async fn find(
        &self,
        key: &'static str,
        kind: FindingKind,
        field: &'static str,
        what: &'static str,
    ) {
        self.write(move |db| {
            let finding = Finding {
                key: record(key),
                kind,
                field: field.to_owned(),
                hash: "h".to_owned(),
                what: what.to_owned(),
                run_no: 1,
            };
            findings::note_findings(db, 1, &[finding])
        })
        .await;
    }

    fn found(&self, kind: FindingKind) -> Vec<(String, String)> {
        let db = self.store.reader().unwrap();
        let all = findings::findings(&db, 1, kind, None).unwrap();
        all.into_iter()
            .map(|finding| (finding.key.to_string(), finding.field))
            .collect()
    }

    /// Journals a create of the record that was sent and is now at `mark`, with its link claimed.
    async fn lose_a_create(&self, key: &'static str, mark: Mark) {
        let job = self.job.clone();
        self.write(move |db| {
            let run = runs::begin_run(db, 1, "apply", "a test", 0)?;
            let plan_no = plans::begin_plan(db, run, 1, &Digest::stored("m".to_owned()), 0)?;
            let step = Step {
                plan_no,
                seq: 1,
                key: record(key),
                hash: Digest::stored("s".to_owned()),
                change: Change::Create {
                    fields: BTreeMap::new(),
                    tags: BTreeSet::new(),
                },
                parcel: String::new(),
                guard: None,
                reason: "joined".to_owned(),
                name: String::new(),
                contact_no: None,
                contact: None,
                transition: 0,
                basis: String::new(),
                mark,
                why: None,
                tries: 1,
                refusal: false,
                sent_ms: Some(0),
                looks: 2,
                looked_ms: None,
                marked_ms: None,
            };
            plans::add_steps(db, &[step])?;
            let location = jobs::location_state(db, &job.location)?;
            links::claim_link(
                db,
                location.no,
                job.source.namespace(),
                &record(key),
                1,
                false,
            )?;
            Ok(())
        })
        .await;
    }

    fn marks(&self) -> Vec<String> {
        let db = self.store.reader().unwrap();
        let mut statement = db
            .prepare("SELECT mark FROM step ORDER BY plan_no, seq")
            .unwrap();
        let marks = statement.query_map([], |row| row.get(0)).unwrap();
        marks.collect::<Result<_, _>>().unwrap()
    }
}

fn record(key: &str) -> RecordKey {
    RecordKey::try_from(key).unwrap()
}

fn contact_id(id: &str) -> ContactId {
    ContactId::try_from(id).unwrap()
}

fn field(key: &str) -> FieldKey {
    FieldKey::try_from(key).unwrap()
}

fn contact(id: &str) -> Contact {
    let fields = [
        ("twitch_user_id", None),
        ("twitch_username", Some("theirs".to_owned())),
    ];
    Contact {
        id: contact_id(id),
        fields: fields
            .into_iter()
            .map(|(key, value)| (field(key), value))
            .collect(),
        tags: Some(BTreeSet::new()),
        date_added: None,
        date_updated: None,
    }
}

#[tokio::test]
async fn a_link_is_made_once_and_names_who_has_it() {
    let desktop = Desktop::new().await;
    let said = desktop.link("1", "A").await.unwrap();
    assert!(
        said.starts_with("record 1 of fans is contact A from now on"),
        "{said}"
    );
    assert_eq!(desktop.linked("1").as_deref(), Some("A"));
    assert!(desktop.row("1").1, "the next plan looks at it");
    for (key, id, why) in [
        ("1", "B", "record 1 is linked to contact A already"),
        ("2", "A", "contact A is linked to record 1 already"),
        (
            "2",
            "Z",
            "contact Z is not among those read from location L0c",
        ),
        ("9", "B", "fans has no record 9"),
    ] {
        let said = desktop.link(key, id).await.unwrap_err();
        assert!(said.starts_with(why), "{said}");
    }
    assert_eq!(desktop.linked("2"), None);
    assert!(
        desktop.link("1", "A").await.is_ok(),
        "once more changes nothing"
    );
}

#[tokio::test]
async fn a_link_settles_a_lost_create_and_its_questions() {
    for mark in [Mark::Asks, Mark::Unknown] {
        let desktop = Desktop::new().await;
        desktop.lose_a_create("1", mark).await;
        desktop
            .find("1", FindingKind::Asks, "", "is it this one?")
            .await;
        desktop
            .find("1", FindingKind::Ambiguous, "", "two fit")
            .await;
        desktop.find("2", FindingKind::Asks, "", "another's").await;
        desktop.link("1", "A").await.unwrap();
        assert_eq!(desktop.marks(), ["done"]);
        assert_eq!(desktop.linked("1").as_deref(), Some("A"));
        assert!(!desktop.row("1").0.unsettled);
        assert_eq!(
            desktop.found(FindingKind::Asks),
            [("2".to_owned(), String::new())]
        );
        assert_eq!(desktop.found(FindingKind::Ambiguous), []);
    }
}

#[tokio::test]
async fn an_unlink_forgets_the_link_and_this_jobs_claims() {
    let desktop = Desktop::new().await;
    let unlink = |key| desktop.settle(Settling::Unlink { key: record(key) });
    assert_eq!(
        unlink("1").await.unwrap_err(),
        "record 1 of fans is not linked to any contact"
    );
    assert!(
        unlink("9")
            .await
            .unwrap_err()
            .starts_with("fans has no record 9")
    );
    desktop.link("1", "A").await.unwrap();
    desktop
        .write(|db| {
            let tag = Tag::new("fan").unwrap();
            jobs::job_state(db, &crate::model::JobName::try_from("other").unwrap())?;
            links::claim_ours(db, 1, &tag, 1, 0)?;
            links::claim_ours(db, 1, &tag, 2, 0)
        })
        .await;
    let said = unlink("1").await.unwrap();
    assert!(
        said.contains("is no longer contact A") && said.contains("twitch_user_id"),
        "{said}"
    );
    assert_eq!(desktop.linked("1"), None);
    desktop.link("1", "A").await.unwrap();
    let claims = desktop.row("1").0.claims;
    assert_eq!(
        claims.iter().map(|claim| claim.mine).collect::<Vec<_>>(),
        [false]
    );
}

#[tokio::test]
async fn an_unlink_waits_for_a_lost_create() {
    let desktop = Desktop::new().await;
    desktop.lose_a_create("1", Mark::Unknown).await;
    let said = desktop
        .settle(Settling::Unlink { key: record("1") })
        .await
        .unwrap_err();
    assert!(said.contains("ghl-sync link fans 1 CONTACT"), "{said}");
    assert_eq!(desktop.row("1").0.link, Linked::Claimed);
}

#[tokio::test]
async fn a_retry_lets_refused_and_unreadable_records_go() {
    let desktop = Desktop::new().await;
    desktop
        .find("1", FindingKind::Refused, "", "a bad phone")
        .await;
    desktop
        .find("2", FindingKind::BadRow, "", "a bad date")
        .await;
    desktop
        .find("3", FindingKind::Refused, "", "a bad phone")
        .await;
    let retry = |keys: &[&str]| {
        let keys = keys.iter().map(|key| record(key)).collect();
        desktop.settle(Settling::Retry { keys })
    };
    let said = retry(&["1", "9"]).await.unwrap_err();
    assert_eq!(
        said,
        "nothing to try again for 9; fans has set aside 1, 2, 3"
    );
    assert!(desktop.row("1").0.refused.is_some(), "all or nothing");
    assert_eq!(
        retry(&["1"]).await.unwrap(),
        "record 1 of fans is tried again in the next run"
    );
    assert_eq!(
        (desktop.row("1").0.refused, desktop.row("1").1),
        (None, true)
    );
    assert!(!desktop.row("3").1);
    assert_eq!(
        desktop.settle(Settling::RetryAll).await.unwrap(),
        "2 records of fans are tried again in the next run"
    );
    assert!(desktop.row("2").1 && desktop.row("3").1);
    let said = desktop.settle(Settling::RetryAll).await.unwrap_err();
    assert_eq!(said, "fans has no refused and no unreadable records");
}

#[tokio::test]
async fn a_retry_of_a_lost_create_is_a_persons_word_that_it_never_happened() {
    let desktop = Desktop::new().await;
    desktop.lose_a_create("1", Mark::Asks).await;
    desktop
        .find("1", FindingKind::Asks, "", "is it there?")
        .await;
    let said = desktop
        .settle(Settling::Retry {
            keys: vec![record("1")],
        })
        .await
        .unwrap();
    assert!(said.contains("counts as never carried out"), "{said}");
    assert_eq!(desktop.marks(), ["dropped"]);
    let (row, open) = desktop.row("1");
    assert_eq!((row.link, row.unsettled, open), (Linked::No, false, true));
    assert_eq!(desktop.found(FindingKind::Asks), []);
}

#[tokio::test]
async fn a_create_that_is_still_looked_for_is_not_tried_again() {
    let desktop = Desktop::new().await;
    desktop.lose_a_create("1", Mark::Unknown).await;
    let said = desktop
        .settle(Settling::Retry {
            keys: vec![record("1")],
        })
        .await
        .unwrap_err();
    assert!(said.contains("still looks for it by itself"), "{said}");
    assert_eq!(desktop.marks(), ["unknown"]);
}

#[tokio::test]
async fn a_conflict_ends_with_the_value_that_the_person_chose() {
    let desktop = Desktop::new().await;
    desktop.link("1", "A").await.unwrap();
    let conflict = "{\"wanted\":\"ours\",\"seen\":\"theirs\"}";
    let both = || async {
        desktop
            .find("1", FindingKind::Conflict, "twitch_username", conflict)
            .await;
        desktop
            .find(
                "1",
                FindingKind::Conflict,
                "twitch_user_id",
                "{\"wanted\":\"1\",\"seen\":null}",
            )
            .await;
    };
    both().await;
    let decide = |field: Option<FieldKey>, ours| match ours {
        true => desktop.settle(Settling::Take {
            key: record("1"),
            field,
        }),
        false => desktop.settle(Settling::Keep {
            key: record("1"),
            field,
        }),
    };
    let sent = |key: &str| match desktop.row("1").0.link {
        Linked::To(contact) => contact.written.fields.get(&field(key)).cloned(),
        Linked::No | Linked::Claimed | Linked::Tombstone(_) => None,
    };
    let said = decide(Some(field("twitch_username")), false).await.unwrap();
    assert!(
        said.starts_with("twitch_username of record 1 keeps the value in HighLevel"),
        "{said}"
    );
    let kept = sent("twitch_username").unwrap();
    assert_eq!(
        (kept.sent.as_deref(), kept.answered.as_deref()),
        (Some("ours"), Some("theirs"))
    );
    assert_eq!(
        desktop.found(FindingKind::Conflict),
        [("1".to_owned(), "twitch_user_id".to_owned())]
    );
    let said = decide(Some(field("twitch_username")), true)
        .await
        .unwrap_err();
    assert_eq!(
        said,
        "record 1 has no conflict in twitch_username; it has twitch_user_id"
    );

    both().await;
    assert!(
        decide(None, true)
            .await
            .unwrap()
            .contains("the next run of fans writes it")
    );
    let taken = sent("twitch_username").unwrap();
    assert_eq!(
        (taken.sent, taken.answered.as_deref()),
        (None, Some("theirs"))
    );
    assert_eq!(sent("twitch_user_id").unwrap().answered, None);
    assert_eq!(desktop.found(FindingKind::Conflict), []);
    assert_eq!(
        decide(None, true).await.unwrap_err(),
        "record 1 has no conflict; fans has none"
    );
}

#[tokio::test]
async fn nothing_is_settled_while_the_job_runs_or_before_it_ever_did() {
    let desktop = Desktop::new().await;
    let state = desktop.folder.join("state");
    let lease = Lease::of_job(&state, &desktop.job.name, "the run", None)
        .await
        .unwrap();
    let unlink = Settling::Unlink { key: record("1") };
    let clock = Clock::system();
    let busy = settle(&desktop.store, &desktop.job, &clock, "x", unlink.clone()).await;
    assert!(
        matches!(busy, Err(SettleError::Run(RunError::Busy { .. }))),
        "{busy:?}"
    );
    drop(lease);
    let mut other = desktop.job.clone();
    other.name = crate::model::JobName::try_from("new").unwrap();
    for settling in [unlink, Settling::RetryAll] {
        let never = settle(&desktop.store, &other, &clock, "x", settling)
            .await
            .unwrap_err();
        assert!(never.to_string().starts_with("new never ran"), "{never}");
    }
    assert_eq!(desktop.row("1").0.presence, Presence::In);
}
