//! One run, three forms: text, JSON and Markdown say the same.

use std::collections::BTreeMap;
use std::path::Path;

use ghl_sync::report::{self, Mode, Options, Report, ReportRow};
use ghl_sync::run::Ask;
use serde_json::Value;

use crate::rig::{Rig, Told, ask_all, minutes, settings};

/// What all forms tell of a row: its step, its key, and what became of it.
type Row = (String, String, String);
/// How many steps of a kind there are, and how many were done, held, refused, unknown and dropped.
type Counts = BTreeMap<String, [u64; 6]>;

/// A form of a report, read back.
#[derive(Debug, PartialEq)]
struct Read {
    rows: Vec<Row>,
    counts: Counts,
}

const PIPE: Options = Options {
    gone: 0,
    show_personal: false,
    max_rows: None,
    width: None,
};

type Write =
    fn(&Report, report::Rows<'_>, &mut dyn std::io::Write, &Options) -> std::io::Result<()>;

fn rendered(write: Write, told: &Told, options: &Options) -> String {
    let mut out = Vec::new();
    let mut rows = told.rows.iter().cloned().map(Ok);
    write(&told.report, &mut rows, &mut out, options).unwrap();
    String::from_utf8(out).unwrap()
}

/// The lines of one section, without its heading.
fn section<'t>(text: &'t str, heading: &str) -> Vec<&'t str> {
    let lines = text
        .lines()
        .skip_while(move |line| *line != heading)
        .skip(1);
    let lines = lines.skip_while(|line| line.is_empty());
    lines.take_while(|line| !line.is_empty()).collect()
}

fn of_rows(rows: &[ReportRow]) -> Vec<Row> {
    let row = |row: &ReportRow| {
        let kind = row.change.kind().to_string();
        (kind, row.key.to_string(), row.mark.to_string())
    };
    rows.iter().map(row).collect()
}

fn of_counts(report: &Report) -> Counts {
    let counts = report.counts.iter().map(|(kind, counts)| {
        let counts = [
            counts.planned,
            counts.done,
            counts.held,
            counts.refused,
            counts.unknown,
            counts.dropped,
        ];
        (kind.to_string(), counts)
    });
    counts.collect()
}

fn read_json(json: &str) -> Read {
    assert_eq!(json.lines().count(), 1, "one object is one line");
    let json: Value = serde_json::from_str(json).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = json["rows"].as_array().unwrap().iter().map(|row| {
        (
            text(&row["change"]["do"]),
            text(&row["key"]),
            text(&row["mark"]),
        )
    });
    let counts = json["counts"].as_object().unwrap().iter();
    let counts = counts.map(|(kind, counts)| {
        let names = ["planned", "done", "held", "refused", "unknown", "dropped"];
        (
            kind.clone(),
            names.map(|name| counts[name].as_u64().unwrap()),
        )
    });
    Read {
        rows: rows.collect(),
        counts: counts.collect(),
    }
}

fn cells(line: &str) -> Vec<String> {
    let cells = line.trim_matches('|').split(" | ");
    cells.map(|cell| cell.trim().replace('\\', "")).collect()
}

fn read_markdown(page: &str) -> Read {
    let table = |heading| section(page, heading).into_iter().skip(2).map(cells);
    let rows = table("### Changes").map(|cells| {
        // #, step, record, key, …, mark
        (cells[1].clone(), cells[3].clone(), cells[7].clone())
    });
    let counts = table("### Counts").map(|cells| {
        let numbers = [1, 2, 3, 4, 5, 6].map(|at| cells[at].replace(',', "").parse().unwrap());
        (cells[0].clone(), numbers)
    });
    Read {
        rows: rows.collect(),
        counts: counts.collect(),
    }
}

fn read_text(text: &str) -> Read {
    let rows = section(text, "Changes").into_iter().filter_map(|line| {
        let line = line
            .strip_prefix("  ")
            .filter(|line| !line.starts_with(' '))?;
        let (kind, rest) = line.split_once(' ').unwrap();
        let (_, rest) = rest.rsplit_once(" (").unwrap();
        let (key, rest) = rest.split_once("), ").unwrap();
        // A row as it should be has no mark in the text.
        let mark = rest.split_once("; ").map_or("", |(_, mark)| mark);
        Some((kind.to_owned(), key.to_owned(), mark.to_owned()))
    });
    let counts = section(text, "Counts").into_iter().map(|line| {
        let (kind, rest) = line.trim().split_once(": ").unwrap();
        let mut numbers = [0; 6];
        for (at, part) in rest.split(", ").enumerate() {
            let (number, word) = part.split_once(' ').unwrap_or((part, "planned"));
            let place = match word {
                "planned" => 0,
                "done" => 1,
                "held" => 2,
                "refused" => 3,
                "without an answer" => 4,
                "not sent" => 5,
                _ => panic!("{word} in {line}"),
            };
            assert!(at == 0 || place > 0, "{line}");
            numbers[place] = number.replace(',', "").parse().unwrap();
        }
        (kind.to_owned(), numbers)
    });
    Read {
        rows: rows.collect(),
        counts: counts.collect(),
    }
}

/// Asserts that the three forms show this run's rows and counts, the same digest and the same next command.
fn agree(told: &Told) {
    let [text, json, page] = [report::text, report::json, report::markdown]
        .map(|write: Write| rendered(write, told, &PIPE));
    let truth = Read {
        rows: of_rows(&told.rows),
        counts: of_counts(&told.report),
    };
    assert_eq!(read_json(&json), truth);
    let read = read_markdown(&page);
    assert_eq!(read.rows, truth.rows, "{page}");
    assert_eq!(in_use(read.counts), in_use(truth.counts.clone()), "{page}");
    let read = read_text(&text);
    let unmarked = truth.rows.iter().map(|(kind, key, mark)| {
        let usual = ["would", "done"].contains(&mark.as_str());
        // What a dry run would be held for is said once, above.
        let held = told.report.mode == Mode::Would && mark == "held by first";
        let mark = if usual || held { "" } else { mark.as_str() };
        (kind.clone(), key.clone(), mark.to_owned())
    });
    assert_eq!(read.rows, unmarked.collect::<Vec<_>>(), "{text}");
    assert_eq!(in_use(read.counts), in_use(truth.counts), "{text}");
    let digest = told.report.digest.as_ref().unwrap();
    let next = report::next_command(&told.report);
    let object: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(object["digest"], digest.as_str());
    assert_eq!(object["next"].as_str(), next.as_deref());
    for form in [&text, &page] {
        assert!(form.contains(&report::headline(&told.report)), "{form}");
        if let Some(next) = &next {
            assert!(form.contains(next), "{next}: {form}");
        }
        for news in &told.report.news {
            let key = news.key.as_deref().unwrap_or_default();
            assert!(form.contains(key), "{key}: {form}");
        }
    }
}

/// Kinds without steps may be left out.
fn in_use(mut counts: Counts) -> Counts {
    counts.retain(|_, counts| *counts != [0; 6]);
    counts
}

/// Compares with the file in `golden/`; with `GOLDEN=write` in the environment it is written instead.
fn is_golden(name: &str, told: &Told) {
    let seen = masked(told);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(name);
    if std::env::var("GOLDEN").as_deref() == Ok("write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &seen).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == seen, "{} differs; seen:\n{seen}", path.display());
}

/// Renders as text, with the run's moments, its digest and the day's count masked.
fn masked(told: &Told) -> String {
    let mut text = rendered(report::text, told, &PIPE);
    let Told { report, .. } = told;
    let began = report.began_at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let took = (report.ended_at - report.began_at).num_milliseconds();
    #[expect(clippy::cast_precision_loss, reason = "a run of a test takes seconds")]
    let took = report::duration(took as f64 / 1_000.0);
    let digest = report.digest.as_ref().unwrap().short().to_owned();
    for (told, mask) in [
        (began, "WHEN"),
        (format!("calls in {took}"), "calls in A WHILE"),
        (digest, "DIGEST"),
        // Calls that were under way when the vendor last counted them make it one more or less.
        (
            format!("  {} of the day's", report.cost.day_used),
            "  SOME of the day's",
        ),
    ] {
        text = text.replace(&told, mask);
    }
    text
}

/// A small world on its second day: someone new, renamed, gone, edited by a person, found, and one with a name for a terminal.
#[tokio::test]
async fn text_json_and_markdown_of_one_run_agree() {
    let mut world = settings(5, 4);
    world.twins = 2;
    let mut rig = Rig::new(world).await;
    let known = rig.sandbox.contacts();
    let twin = known
        .iter()
        .find(|contact| !contact["fields"]["twitch_user_id"].is_null())
        .unwrap()["id"]
        .as_str()
        .unwrap();
    rig.sandbox.remove_tag(twin, "twitch follower");
    rig.sandbox
        .edit_contact(twin, "twitch_username", Value::Null);
    rig.sandbox.settle();
    let first = rig.plan().await;
    // Three are new; two are found, one of them with something lacking.
    assert_eq!(first.rows.len(), 3 + 2 + 2, "{:#?}", first.rows);
    agree(&first);
    is_golden("first-plan.txt", &first);
    let told = rig.apply().await;
    agree(&told);
    let told = rig.apply_all().await;
    agree(&told);
    is_golden("first-apply.txt", &told);

    rig.advance(minutes(24 * 60));
    let followers = rig.sandbox.followers();
    rig.sandbox
        .rename(&followers[0].id, "renamed", &followers[0].name);
    rig.sandbox
        .rename(&followers[1].id, "disputed", &followers[1].name);
    let edited = rig
        .sandbox
        .contacts_by_field("twitch_user_id", &followers[1].id);
    let edited = edited[0]["id"].as_str().unwrap();
    rig.sandbox
        .edit_contact(edited, "twitch_username", "a person's word");
    rig.sandbox.unfollow(&followers[2].id);
    rig.sandbox
        .follow("777", "odd_one", "a|b; (c), \u{1b}[2J <d>");
    rig.run(Ask {
        full: true,
        ..Ask::default()
    })
    .await
    .unwrap();
    rig.advance(minutes(3));
    let told = rig.plan().await;
    agree(&told);
    is_golden("second-plan.txt", &told);
    let told = rig.run(ask_all()).await.unwrap();
    agree(&told);
    is_golden("second-apply.txt", &told);
}
