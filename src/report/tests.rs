//! One invented report in all formats.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use chrono::{DateTime, Utc};

use crate::model::{
    Change, ContactId, Digest, EventKey, EventTarget, FieldChange, FieldKey, GuardKind, RecordKey,
    StepKind, Tag,
};

use super::plain::{columns, is_unsafe};
use super::{
    Cost, Counts, GuardFinding, HubSummary, Mode, News, NewsKind, Options, Outcome, Pass, Per,
    Report, ReportRow, RowMark, Rows, SCHEMA, SourceSummary, headline, json, markdown,
    next_command, text,
};

const PIPE: Options = Options {
    gone: 0,
    show_personal: false,
    max_rows: None,
    width: None,
};

type Format = fn(&Report, Rows<'_>, &mut dyn io::Write, &Options) -> io::Result<()>;

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

fn key(key: &str) -> FieldKey {
    FieldKey::try_from(key).unwrap()
}

fn tags(tags: &[&str]) -> BTreeSet<Tag> {
    tags.iter().map(|tag| Tag::new(tag).unwrap()).collect()
}

fn row(record: &str, name: &str, change: Change, reason: &str) -> ReportRow {
    ReportRow {
        seq: 0,
        key: RecordKey::try_from(record).unwrap(),
        name: name.to_owned(),
        contact: None,
        change,
        mark: RowMark::Would,
        reason: reason.to_owned(),
    }
}

fn create(name: &str) -> Change {
    Change::Create {
        fields: BTreeMap::from([
            (key("firstName"), name.to_owned()),
            (key("email"), "ann.lee@example.com".to_owned()),
            (key("twitch_user_id"), "5551234567".to_owned()),
        ]),
        tags: tags(&["twitch follower"]),
    }
}

pub(crate) fn rows() -> Vec<ReportRow> {
    let contact = || ContactId::try_from("C0ntact").unwrap();
    let update = |before: Option<&str>, after: &str| Change::Update {
        fields: BTreeMap::from([(
            key("twitch_username"),
            FieldChange {
                before: before.map(str::to_owned),
                after: after.to_owned(),
            },
        )]),
    };
    let link = Change::Link {
        contact: contact(),
        by: "field:twitch_user_id".to_owned(),
    };
    let mut rows = vec![
        row("100", "Bob", link, "matched by field:twitch_user_id"),
        row("101", "Ann Lee", create("Ann Lee"), "joined"),
        row(
            "102",
            "x\u{202e}txt.exe\n\t\u{1b}[2J| [a](b)",
            create("李小龙 🎉"),
            "joined",
        ),
        row(
            "103",
            &"long ".repeat(40),
            create(&"L".repeat(200)),
            "joined",
        ),
        row("100", "Bob", update(Some("bob_old"), "bob"), "changed"),
        row("104", "Eve", update(None, "eve"), "changed"),
        row(
            "105",
            "call +1 (555) 123-4534",
            Change::RemoveTags {
                tags: tags(&["twitch follower"]),
            },
            "left",
        ),
        row(
            "100",
            "Bob",
            Change::AddTags {
                tags: tags(&["twitch follower", "twitch cohort 2026-11"]),
            },
            "joined",
        ),
    ];
    for (seq, row) in (1..).zip(&mut rows) {
        row.seq = seq;
        row.contact = (row.key.as_str() == "100").then(contact);
        row.mark = RowMark::Held {
            by: GuardKind::First,
        };
    }
    rows
}

fn counted(rows: &[ReportRow]) -> BTreeMap<StepKind, Counts> {
    let mut counts: BTreeMap<StepKind, Counts> = BTreeMap::new();
    for row in rows {
        counts.entry(row.change.kind()).or_default().add(&row.mark);
    }
    counts
}

pub(crate) fn report(rows: &[ReportRow]) -> Report {
    let routes = [
        ("GET /contacts/{id}", 2),
        ("POST /contacts/", 3),
        ("POST /contacts/bulk/tags/update/{type}", 2),
        ("PUT /contacts/{id}", 2),
    ];
    let routes = routes.map(|(route, count)| (route.to_owned(), count));
    Report {
        schema: SCHEMA,
        job: "twitch-followers".try_into().unwrap(),
        run: 7,
        mode: Mode::Would,
        pass: Pass::Full,
        why_full: Some("asked for".to_owned()),
        digest: Some(Digest::stored("1a2b3c4d5e6f".repeat(5))),
        began_at: at("2026-11-21T16:00:00Z"),
        ended_at: at("2026-11-21T16:00:06Z"),
        source: SourceSummary {
            source: "twitch.followers".to_owned(),
            account: "my-channel".try_into().unwrap(),
            listed: 1_204,
            new: 3,
            total: Some(1_201),
            pages: 13,
            ended: "complete".to_owned(),
            debt: 3,
            in_roster: 1_204,
            odd_rows: 1,
        },
        hub: HubSummary {
            account: "main".try_into().unwrap(),
            location: "L0cation".try_into().unwrap(),
            reader: "list".to_owned(),
            pages: 9,
            contacts_seen: 900,
            ended: "complete".to_owned(),
            note: None,
        },
        counts: counted(rows),
        guards: vec![
            GuardFinding {
                guard: GuardKind::First,
                count: 0,
                limit: 0,
                per: Per::Never,
                held: true,
                command: "ghl-sync apply twitch-followers --approve 1a2b3c4d5e6f".to_owned(),
            },
            GuardFinding {
                guard: GuardKind::Create,
                count: 3,
                limit: 1_000,
                per: Per::Run,
                held: false,
                command: "ghl-sync apply twitch-followers --allow create".to_owned(),
            },
        ],
        cost: Cost {
            calls: BTreeMap::from([("highlevel".to_owned(), BTreeMap::from(routes))]),
            day_limit: 200_000,
            day_used: 1_255,
            share_of_day: 9.0 / 200_000.0,
            minutes: 0.1,
        },
        made: None,
        extra: BTreeMap::new(),
        news: vec![
            News {
                kind: NewsKind::Conflict,
                key: Some("106".to_owned()),
                what: "email holds ann@example.com where +15551234534 was expected".to_owned(),
                command: Some("ghl-sync keep twitch-followers 106 email".to_owned()),
            },
            News {
                kind: NewsKind::BadRow,
                key: None,
                what: "a row without user_id on page 3".to_owned(),
                command: None,
            },
        ],
        standing: BTreeMap::from([("refused".to_owned(), 2), ("tombstones".to_owned(), 0)]),
        remarks: vec!["the token cannot write contacts yet: apply needs contacts.write".to_owned()],
        outcome: Outcome::Finished,
    }
}

/// The same report after it was carried out, with one row of every mark.
pub(crate) fn carried_out() -> (Report, Vec<ReportRow>) {
    let marks = [
        RowMark::Done,
        RowMark::Done,
        RowMark::Refused {
            why: "the phone is invalid".to_owned(),
        },
        RowMark::Unknown,
        RowMark::Done,
        RowMark::Dropped {
            why: "no longer true".to_owned(),
        },
        RowMark::Held {
            by: GuardKind::Leave,
        },
        RowMark::Done,
    ];
    let mut rows = rows();
    for (row, mark) in rows.iter_mut().zip(marks) {
        row.mark = mark;
    }
    let mut report = report(&rows);
    report.mode = Mode::Did;
    report.made = Some(report.cost.calls.clone());
    if let Some(routes) = report
        .made
        .as_mut()
        .and_then(|made| made.get_mut("highlevel"))
    {
        routes.insert("POST /contacts/".to_owned(), 4);
    }
    report.extra.insert("retry".to_owned(), 1);
    report.guards = vec![GuardFinding {
        guard: GuardKind::Leave,
        count: 61,
        limit: 60,
        per: Per::Day,
        held: true,
        command: "ghl-sync apply twitch-followers --allow leave".to_owned(),
    }];
    (report, rows)
}

fn rendered(format: Format, report: &Report, rows: &[ReportRow], options: &Options) -> String {
    let mut out = Vec::new();
    let mut rows = rows.iter().cloned().map(Ok);
    format(report, &mut rows, &mut out, options).unwrap();
    String::from_utf8(out).unwrap()
}

/// Compares with the file in `golden/`; with `GOLDEN=write` in the environment it is written instead.
fn is_golden(name: &str, seen: &str) {
    let path = format!("{}/src/report/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("GOLDEN").is_ok_and(|word| word == "write") {
        std::fs::write(&path, seen).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(golden == seen, "{path} differs; seen:\n{seen}");
}

#[test]
fn all_formats_look_as_they_should() {
    let would = rows();
    let did = carried_out();
    for (name, report, rows) in [("would", &report(&would), &would), ("did", &did.0, &did.1)] {
        let columns = |width| Options {
            width: Some(width),
            ..PIPE
        };
        is_golden(&format!("{name}.txt"), &rendered(text, report, rows, &PIPE));
        is_golden(
            &format!("{name}-80.txt"),
            &rendered(text, report, rows, &columns(80)),
        );
        is_golden(
            &format!("{name}-40.txt"),
            &rendered(text, report, rows, &columns(40)),
        );
        is_golden(
            &format!("{name}.md"),
            &rendered(markdown, report, rows, &PIPE),
        );
        is_golden(
            &format!("{name}.json"),
            &rendered(json, report, rows, &PIPE),
        );
    }
}

#[test]
fn all_formats_agree_on_rows_and_counts() {
    let (report, rows) = carried_out();
    let parsed: serde_json::Value =
        serde_json::from_str(&rendered(json, &report, &rows, &PIPE)).unwrap();
    let text = rendered(text, &report, &rows, &PIPE);
    let markdown = rendered(markdown, &report, &rows, &PIPE);

    let listed = parsed["rows"].as_array().unwrap();
    assert_eq!(listed.len(), rows.len());
    let starts_row = |line: &&str| {
        let (seq, rest) = line
            .trim_start_matches("| ")
            .split_once(' ')
            .unwrap_or_default();
        seq.parse::<u64>().is_ok() && rest.starts_with('|')
    };
    let table: Vec<&str> = markdown.lines().filter(starts_row).collect();
    assert_eq!(table.len(), rows.len());
    for (row, cells) in listed.iter().zip(table) {
        let (kind, key) = (
            row["change"]["do"].as_str().unwrap(),
            row["key"].as_str().unwrap(),
        );
        let mark = row["mark"].as_str().unwrap();
        assert!(
            cells.starts_with(&format!("| {} | {kind} |", row["seq"])),
            "{cells}"
        );
        assert!(cells.contains(&format!("| {key} |")), "{cells}");
        assert!(cells.ends_with(&format!("| {mark} |")), "{cells}");
        let ending = if mark == "done" {
            String::new()
        } else {
            format!("; {mark}")
        };
        let fits = |line: &str| {
            line.trim_start().starts_with(kind)
                && line.contains(&format!("({key})"))
                && line.ends_with(&ending)
        };
        assert!(text.lines().any(fits), "{kind} {key} {mark} in {text}");
    }
    for (kind, counts) in &report.counts {
        let seen = &parsed["counts"][kind.word()];
        assert_eq!(seen["planned"], counts.planned);
        assert_eq!(seen["done"], counts.done);
        assert!(markdown.contains(&format!(
            "| {kind} | {} | {} |",
            counts.planned, counts.done
        )));
        assert!(text.contains(&format!("{kind}: {}", counts.planned)));
    }
    assert_eq!(parsed["schema"], SCHEMA);
    assert_eq!(
        parsed["next"],
        "ghl-sync apply twitch-followers --allow leave"
    );
}

#[test]
fn personal_data_is_hidden_unless_asked_for() {
    let rows = rows();
    let report = report(&rows);
    let personal = [
        "ann.lee@example.com",
        "ann@example.com",
        "123-4534",
        "15551234534",
    ];
    for format in [text as Format, json, markdown] {
        let hidden = rendered(format, &report, &rows, &PIPE);
        let shown = rendered(
            format,
            &report,
            &rows,
            &Options {
                show_personal: true,
                ..PIPE
            },
        );
        for secret in personal {
            assert!(!hidden.contains(secret), "{secret} in {hidden}");
            assert!(shown.contains(secret), "{secret} not in {shown}");
        }
        assert!(
            hidden.contains("a…@e…") && hidden.contains("+1…34"),
            "{hidden}"
        );
        assert!(hidden.contains("5551234567"), "an id is not a phone number");
    }
}

#[test]
fn an_evil_name_cannot_break_out() {
    let rows = rows();
    let report = report(&rows);
    for format in [text as Format, json, markdown] {
        let shown = rendered(format, &report, &rows, &PIPE);
        let unsafe_one = shown.chars().find(|c| *c != '\n' && is_unsafe(*c));
        assert_eq!(unsafe_one, None, "{shown}");
    }
    let shown = rendered(json, &report, &rows, &PIPE);
    assert_eq!(shown.lines().count(), 1);
    let parsed: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(parsed["rows"][2]["name"], rows[2].name, "JSON is exact");
    let table = rendered(markdown, &report, &rows, &PIPE);
    assert!(table.contains(r"\| \[a\](b)"), "{table}");
}

#[test]
fn a_narrow_terminal_is_enough() {
    let rows = rows();
    let report = report(&rows);
    for width in [40_u16, 60, 80, 132] {
        let options = Options {
            width: Some(width),
            ..PIPE
        };
        for line in rendered(text, &report, &rows, &options).lines() {
            let is_command = line.trim_start().starts_with("ghl-sync ");
            assert!(
                is_command || columns(line) <= usize::from(width),
                "{width}: {line}"
            );
        }
    }
}

#[test]
fn beyond_the_most_rows_there_are_counts() {
    let rows = rows();
    let report = report(&rows);
    let options = Options {
        max_rows: Some(3),
        ..PIPE
    };
    let mut read = 0;
    let mut counting = rows.iter().cloned().map(Ok).inspect(|_| read += 1);
    let mut out = Vec::new();
    text(&report, &mut counting, &mut out, &options).unwrap();
    let shown = String::from_utf8(out).unwrap();
    assert!(shown.contains("… and 5 more rows"), "{shown}");
    assert!(shown.contains("create: 3"), "{shown}");
    assert_eq!(read, 3);
    assert!(rendered(markdown, &report, &rows, &options).contains("… and 5 more rows"));
}

#[test]
fn a_silent_run_is_a_short_report() {
    let mut silent = report(&[]);
    silent.guards.clear();
    silent.news.clear();
    silent.standing.clear();
    silent.remarks.clear();
    silent.cost = Cost::default();
    let shown = rendered(text, &silent, &[], &PIPE);
    assert!(
        shown.starts_with("twitch-followers has nothing to do.\n"),
        "{shown}"
    );
    assert!(!shown.contains("Next"), "{shown}");
    assert!(shown.lines().count() < 8, "{shown}");
}

#[test]
fn a_closed_pipe_and_a_failing_row_come_back_as_they_are() {
    struct Closed;
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let rows = rows();
    let report = report(&rows);
    for format in [text as Format, json, markdown] {
        let mut good = rows.iter().cloned().map(Ok);
        let closed = format(&report, &mut good, &mut Closed, &PIPE).unwrap_err();
        assert_eq!(closed.kind(), io::ErrorKind::BrokenPipe);
        let mut bad = std::iter::once(Err(io::Error::other("the database is gone")));
        let failed = format(&report, &mut bad, &mut Vec::new(), &PIPE).unwrap_err();
        assert_eq!(failed.to_string(), "the database is gone");
    }
}

#[test]
fn an_empty_plan_of_a_job_that_nobody_looked_at_says_that_it_waits_and_how_to_approve_it() {
    let mut new = report(&[]);
    new.news.clear();
    new.cost = Cost::default();
    new.guards = vec![GuardFinding {
        guard: GuardKind::First,
        count: 0,
        limit: 0,
        per: Per::Never,
        held: true,
        command: "ghl-sync apply twitch-followers --approve 0".to_owned(),
    }];
    let shown = rendered(text, &new, &[], &PIPE);
    let said =
        "twitch-followers has nothing to do yet; what comes first waits for your approval.\n";
    assert!(shown.starts_with(said), "{shown}");
    let digest = new.digest.as_ref().unwrap().short();
    let next = format!("ghl-sync apply twitch-followers --approve {digest}");
    assert_eq!(next_command(&new), Some(next));
    new.guards.clear();
    assert_eq!(next_command(&new), None);
}

#[test]
fn a_run_wrote_notes_and_a_plan_would_write_them() {
    for (mode, said) in [
        (Mode::Would, "would write 1 note"),
        (Mode::Did, "wrote 1 note"),
    ] {
        let mut noted = report(&[]);
        noted.mode = mode;
        let one = Counts {
            planned: 1,
            done: 1,
            ..Counts::default()
        };
        noted.counts.insert(StepKind::Note, one);
        assert!(headline(&noted).contains(said), "{}", headline(&noted));
    }
}

#[test]
fn contacts_are_attached_to_a_business_in_words_and_one_record_is_no_plural() {
    let mut attached = report(&[]);
    attached.counts.clear();
    let two = Counts {
        planned: 2,
        done: 2,
        ..Counts::default()
    };
    attached.counts.insert(StepKind::Attach, two);
    let said = "would attach 2 contacts to a business";
    assert!(
        headline(&attached).contains(said),
        "{}",
        headline(&attached)
    );
    attached.counts.insert(StepKind::Create, two);
    let said = "would create 2 contacts, attach 2 to a business";
    assert!(
        headline(&attached).contains(said),
        "{}",
        headline(&attached)
    );
    for (source, one) in [
        ("twitch.vips", "1 VIP on "),
        ("twitch.streams", "1 live channel on "),
        ("twitch.of-tomorrow", "1 of-tomorrow on "),
    ] {
        attached.source.source = source.to_owned();
        attached.source.listed = 1;
        let shown = rendered(text, &attached, &[], &PIPE);
        assert!(shown.contains(one), "{shown}");
    }
}

#[test]
fn every_kind_of_change_stands_apart_from_the_name() {
    let change = Change::CompleteTask {
        event: EventKey {
            moment: "leave".to_owned(),
            occurrence: "t1".to_owned(),
            place: 1,
        },
        to: EventTarget::Contact,
    };
    let kind = change.kind().word();
    let rows = [row("1", "Ada", change, "left")];
    let shown = rendered(text, &report(&rows), &rows, &PIPE);
    assert!(
        shown.contains(&format!("  {kind} Ada (1), left")),
        "{shown}"
    );
}
