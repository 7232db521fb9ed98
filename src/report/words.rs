//! The sentences and numbers that text and Markdown share.

use std::path::Path;

use crate::model::{Change, EventTarget, FieldChange, GuardKind, SourceKind, StepKind};

use super::shape::{
    Calls, Counts, GuardFinding, Mode, Outcome, Per, Report, ReportRow, SourceSummary,
};

/// The order in which people care about kinds, which is not the order of execution.
const BY_WEIGHT: [StepKind; 11] = [
    StepKind::Create,
    StepKind::Update,
    StepKind::AddTags,
    StepKind::RemoveTags,
    StepKind::Attach,
    StepKind::Task,
    StepKind::CompleteTask,
    StepKind::Note,
    StepKind::Link,
    StepKind::Relink,
    StepKind::Tombstone,
];

/// Returns a path as a shell takes it for one word, for commands that people are told to type.
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+:@%,".contains(&b);
    if text.bytes().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Returns the one sentence that a newcomer understands, without a full stop.
pub fn headline(report: &Report) -> String {
    let job = &report.job;
    let mut parts: Vec<String> = Vec::new();
    for kind in BY_WEIGHT {
        let counts = report.counts.get(&kind).copied().unwrap_or_default();
        let count = match report.mode {
            Mode::Would => counts.planned,
            Mode::Did => counts.done,
        };
        if count > 0 {
            parts.push(deed(kind, report.mode, count, parts.is_empty()));
        }
    }
    let waits = report.is_held_as_new() && report.all().planned == 0;
    let does = match (parts.is_empty(), report.mode) {
        (true, Mode::Would) if waits => format!("{job} has nothing to do yet"),
        (true, Mode::Did) if waits => format!("{job} had nothing to do yet"),
        (true, Mode::Would) => format!("{job} has nothing to do"),
        (true, Mode::Did) if report.all().planned == 0 => format!("{job} had nothing to do"),
        (true, Mode::Did) => format!("{job} changed nothing"),
        (false, Mode::Would) => format!("{job} would {}", parts.join(", ")),
        (false, Mode::Did) => format!("{job} {}", parts.join(", ")),
    };
    let mut sentence = vec![does];
    match report.mode {
        Mode::Would => {
            let calls = sum(&report.cost.calls);
            if calls > 0 {
                sentence.push(format!(
                    "{}, {} of the day, {}",
                    counted(calls, "call"),
                    percent(report.cost.share_of_day),
                    about(report.cost.minutes * 60.0)
                ));
            }
        }
        // The two listings were read all the same, so "0 calls" would be untrue.
        Mode::Did if sent_nothing(report) => {
            sentence.push(format!("nothing was sent, it took {}", took(report)));
        }
        Mode::Did => sentence.push(format!("{} in {}", calls_made(report), took(report))),
    }
    sentence.extend(unfinished(report));
    if waits {
        sentence.push("what comes first waits for your approval".to_owned());
    }
    sentence.join("; ")
}

/// Returns what did not go through, one fragment each.
fn unfinished(report: &Report) -> Vec<String> {
    let Counts {
        planned,
        done: _,
        held,
        refused,
        unknown,
        dropped,
    } = report.all();
    let mut parts = Vec::new();
    if held > 0 {
        let how_many = match report.mode {
            Mode::Would if held == planned => "all".to_owned(),
            Mode::Would => format!("{} of these", number(held)),
            Mode::Did => number(held),
        };
        let how = if report.is_held_as_new() {
            "waiting for your approval"
        } else {
            "held by a guard"
        };
        parts.push(format!("{how_many} {how}"));
    }
    if refused > 0 {
        parts.push(format!("{} refused", number(refused)));
    }
    if unknown > 0 {
        parts.push(format!("{} without an answer", number(unknown)));
    }
    if dropped > 0 {
        parts.push(format!("{} not sent", number(dropped)));
    }
    match &report.outcome {
        Outcome::Finished => {}
        Outcome::Stopped => parts.push("stopped before the end".to_owned()),
        Outcome::OutOfTime => parts.push("its time is up, the next run goes on".to_owned()),
        Outcome::Spent => parts.push("the day's calls are spent".to_owned()),
        Outcome::OutOfTouch(_) => parts.push("a service did not answer as it should".to_owned()),
    }
    parts
}

/// Returns the deed of a note or task, for example "write 2 notes".
fn event(mode: Mode, count: u64, (would, did): (&str, &str), what: &str) -> String {
    let verb = match mode {
        Mode::Would => would,
        Mode::Did => did,
    };
    format!("{verb} {}", counted(count, what))
}

/// Returns a kind's deed with its number, for example "create 12 contacts"; only the first of a list says "contacts".
fn deed(kind: StepKind, mode: Mode, count: u64, first: bool) -> String {
    let (would, did) = match kind {
        StepKind::Link => ("link", "linked"),
        StepKind::Relink => ("relink", "relinked"),
        StepKind::Tombstone => ("note as deleted", "noted as deleted"),
        StepKind::Create => ("create", "created"),
        StepKind::Update => ("update", "updated"),
        StepKind::RemoveTags => ("untag", "untagged"),
        StepKind::AddTags => ("tag", "tagged"),
        StepKind::Attach => ("attach", "attached"),
        StepKind::Task => return event(mode, count, ("make", "made"), "task"),
        StepKind::CompleteTask => {
            return event(
                mode,
                count,
                ("complete tasks of", "completed tasks of"),
                "record",
            );
        }
        StepKind::Note => return event(mode, count, ("write", "wrote"), "note"),
    };
    let verb = match mode {
        Mode::Would => would,
        Mode::Did => did,
    };
    let what = if first {
        counted(count, "contact")
    } else {
        number(count)
    };
    match kind {
        StepKind::Attach => format!("{verb} {what} to a business"),
        StepKind::Link
        | StepKind::Relink
        | StepKind::Tombstone
        | StepKind::Create
        | StepKind::Update
        | StepKind::RemoveTags
        | StepKind::AddTags
        | StepKind::Task
        | StepKind::CompleteTask
        | StepKind::Note => format!("{verb} {what}"),
    }
}

fn sent_nothing(report: &Report) -> bool {
    sum(&report.cost.calls) == 0 && report.made.as_ref().is_none_or(|made| sum(made) == 0)
}

fn calls_made(report: &Report) -> String {
    let announced = sum(&report.cost.calls);
    let made = report.made.as_ref().map_or(announced, sum);
    let calls = counted(made, "call");
    match made.cmp(&announced) {
        std::cmp::Ordering::Equal => calls,
        _ => format!("{calls} ({} announced)", number(announced)),
    }
}

fn took(report: &Report) -> String {
    let took = (report.ended_at - report.began_at).max(chrono::TimeDelta::zero());
    #[expect(
        clippy::cast_precision_loss,
        reason = "a run is far shorter than 2^52 milliseconds"
    )]
    duration(took.num_milliseconds() as f64 / 1_000.0)
}

/// Returns the command a person types next, `None` when nothing waits.
pub fn next_command(report: &Report) -> Option<String> {
    let job = &report.job;
    match (&report.outcome, report.mode) {
        (
            Outcome::OutOfTouch(_) | Outcome::Spent | Outcome::Stopped | Outcome::OutOfTime,
            Mode::Would,
        ) => Some(format!("ghl-sync plan {job}")),
        (
            Outcome::OutOfTouch(_) | Outcome::Spent | Outcome::Stopped | Outcome::OutOfTime,
            Mode::Did,
        ) => Some(format!("ghl-sync apply {job}")),
        (Outcome::Finished, Mode::Would) => match &report.digest {
            Some(digest) if report.all().planned > 0 || report.is_held_as_new() => {
                Some(format!("ghl-sync apply {job} --approve {}", digest.short()))
            }
            Some(_) | None => None,
        },
        (Outcome::Finished, Mode::Did) => {
            let held = report.guards.iter().find(|finding| finding.held);
            let told = report.news.iter().find_map(|news| news.command.clone());
            held.map(|finding| finding.command.clone()).or(told)
        }
    }
}

/// Returns what was read from the source, for example "1,204 followers on 13 pages, 12 new".
pub(super) fn source_line(source: &SourceSummary) -> String {
    let SourceSummary {
        source: word,
        account: _,
        listed,
        new,
        total,
        pages,
        ended,
        debt,
        in_roster,
        odd_rows,
    } = source;
    let known = SourceKind::ALL.iter().find(|source| source.word() == word);
    // A report of a newer version may speak of a source that this one does not know.
    let noun = known.map_or_else(
        || word.rsplit('.').next().unwrap_or(word),
        |source| source.plural(),
    );
    let noun = match listed {
        1 => noun.strip_suffix('s').unwrap_or(noun),
        _ => noun,
    };
    let mut parts = vec![format!(
        "{} {noun} on {}",
        number(*listed),
        counted(*pages, "page")
    )];
    parts.push(format!("{} new", number(*new)));
    if let Some(total) = total {
        parts.push(format!("{} in all by the service's count", number(*total)));
    }
    parts.push(format!("{} known to us", number(*in_roster)));
    if *debt != 0 {
        let how = if *debt > 0 { "fewer" } else { "more" };
        parts.push(format!(
            "{} {how} than expected",
            number(debt.unsigned_abs())
        ));
    }
    if *odd_rows > 0 {
        parts.push(format!("{} unreadable", counted(*odd_rows, "row")));
    }
    format!("{}; {ended}", parts.join(", "))
}

/// Returns what was read from the hub, for example "900 contacts on 9 pages by list; complete".
pub(super) fn hub_line(report: &Report) -> String {
    let hub = &report.hub;
    let mut line = match (hub.reader.as_str(), hub.pages) {
        // The listing of another job is younger than a minute.
        ("shared", 0) => "contacts as another job has just read them".to_owned(),
        (reader, pages) => format!(
            "{} on {} by {reader}; {}",
            counted(hub.contacts_seen, "contact"),
            counted(pages, "page"),
            hub.ended
        ),
    };
    if let Some(note) = &hub.note {
        line.push_str("; ");
        line.push_str(note);
    }
    line
}

/// Returns what a guard found, without its command.
pub(super) fn guard_line(finding: &GuardFinding) -> String {
    let verdict = if finding.held { "held" } else { "passes" };
    let GuardFinding {
        guard,
        count,
        limit,
        ..
    } = finding;
    match (guard, finding.per) {
        (GuardKind::First, _) if finding.held => {
            "first: held, because the job is new or was edited since it last ran".to_owned()
        }
        (_, Per::Never) => format!("{guard}: {verdict}"),
        (_, Per::Run) => format!(
            "{guard}: {verdict}, {} of at most {} in one run",
            number(*count),
            number(*limit)
        ),
        (_, Per::Day) => format!(
            "{guard}: {verdict}, {} of at most {} in 24 h",
            number(*count),
            number(*limit)
        ),
    }
}

/// Returns one line of before and after for each thing that a row changes: what it is called, and its value.
pub(super) fn details(row: &ReportRow) -> Vec<Detail<'_>> {
    fn plus<'a>(tag: &'a crate::model::Tag) -> Detail<'a> {
        Detail::Tag {
            sign: '+',
            tag: tag.as_str(),
        }
    }
    match &row.change {
        // Which rule found it is the row's reason.
        Change::Link { contact, by: _ } => vec![Detail::Says(format!("is contact {contact}"))],
        Change::Relink { from, to } => {
            vec![Detail::Says(format!("contact {from} was merged into {to}"))]
        }
        Change::Tombstone { contact } => vec![Detail::Says(format!(
            "contact {contact} was deleted and is not made again"
        ))],
        Change::Create { fields, tags } => fields
            .iter()
            .map(|(key, after)| Detail::Field {
                key: key.as_str(),
                before: None,
                after,
            })
            .chain(tags.iter().map(plus))
            .collect(),
        Change::Update { fields } => fields
            .iter()
            .map(|(key, FieldChange { before, after })| Detail::Field {
                key: key.as_str(),
                before: Some(before.as_deref().unwrap_or("")),
                after,
            })
            .collect(),
        Change::AddTags { tags } => tags.iter().map(plus).collect(),
        Change::RemoveTags { tags } => tags
            .iter()
            .map(|tag| Detail::Tag {
                sign: '-',
                tag: tag.as_str(),
            })
            .collect(),
        Change::Attach { business } => vec![Detail::Says(format!("to business {business}"))],
        Change::Task {
            event: _,
            to,
            title,
            body,
            due,
            assigned,
        } => {
            let mut says = vec![Detail::Says(format!("{}task: {title}", whose(*to)))];
            says.extend(
                body.iter()
                    .map(|body| Detail::Says(format!("text: {body}"))),
            );
            let to_whom = assigned
                .as_ref()
                .map_or(String::new(), |user| format!(", assigned to {user}"));
            says.push(Detail::Says(format!("due {due}{to_whom}")));
            says
        }
        Change::CompleteTask { event: _, to } => vec![Detail::Says(format!(
            "{}the tasks made for it are done",
            whose(*to)
        ))],
        Change::Note { event: _, to, body } => {
            vec![Detail::Says(format!("{}note: {body}", whose(*to)))]
        }
    }
}

/// Returns what stands before a note or task that is not for the record's own contact.
fn whose(to: EventTarget) -> &'static str {
    match to {
        EventTarget::Contact => "",
        EventTarget::Channel => "on the channel's contact, ",
    }
}

/// Returns one line for each thing that a row changes, for example `twitch_username: ann → anna`.
pub fn detail_lines(row: &ReportRow) -> Vec<String> {
    details(row)
        .iter()
        .map(|detail| match detail {
            Detail::Field { key, before, after } => match before {
                Some("") => format!("{key}: (empty) → {after}"),
                Some(before) => format!("{key}: {before} → {after}"),
                None => format!("{key}: {after}"),
            },
            Detail::Tag { sign, tag } => format!("{sign} tag {tag}"),
            Detail::Says(sentence) => sentence.clone(),
        })
        .collect()
}

/// One thing that a row changes.
pub(super) enum Detail<'a> {
    /// A field; `before` is `None` where nothing was before, and empty where an empty field was.
    Field {
        /// The field.
        key: &'a str,
        /// The value before.
        before: Option<&'a str>,
        /// The value after.
        after: &'a str,
    },
    /// A tag that comes (`+`) or goes (`-`).
    Tag {
        /// `+` or `-`.
        sign: char,
        /// The tag.
        tag: &'a str,
    },
    /// A sentence.
    Says(String),
}

/// Returns all calls of all vendors together.
pub(super) fn sum(calls: &Calls) -> u64 {
    calls.values().flat_map(|routes| routes.values()).sum()
}

/// Returns every route with its announced and made calls, vendors in alphabetical order.
pub(super) fn routes(report: &Report) -> Vec<(&str, &str, u64, Option<u64>)> {
    let count = |calls: &Calls, vendor: &str, route: &str| {
        calls
            .get(vendor)
            .and_then(|routes| routes.get(route))
            .copied()
            .unwrap_or(0)
    };
    let both = [Some(&report.cost.calls), report.made.as_ref()];
    let mut names: Vec<(&str, &str)> = both
        .into_iter()
        .flatten()
        .flat_map(|calls| {
            calls.iter().flat_map(|(vendor, routes)| {
                routes.keys().map(|route| (vendor.as_str(), route.as_str()))
            })
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|(vendor, route)| {
            let made = report.made.as_ref().map(|made| count(made, vendor, route));
            (
                vendor,
                route,
                count(&report.cost.calls, vendor, route),
                made,
            )
        })
        .collect()
}

/// Returns a number with its noun, for example "1,204 calls".
pub(super) fn counted(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", number(count))
}

/// Returns a number with commas between thousands.
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Returns a fraction as a percentage with as many places as it needs to say something.
pub(super) fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if percent > 0.0 && percent < 0.01 {
        "under 0.01 %".to_owned()
    } else if percent < 1.0 {
        format!("{percent:.2} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// Returns a length of time in the unit that people would choose.
pub fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        "under 1 s".to_owned()
    } else if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else if seconds < 90.0 * 60.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3_600.0)
    }
}

/// Returns an estimated length of time, for example "about 6 s", or "under 1 s".
fn about(seconds: f64) -> String {
    let length = duration(seconds);
    if length.starts_with("under") {
        length
    } else {
        format!("about {length}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_times_have_a_fitting_unit() {
        for (count, shown) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(number(count), shown);
        }
        for (seconds, shown) in [
            (0.2, "under 1 s"),
            (6.2, "6 s"),
            (600.0, "10 min"),
            (11_520.0, "3.2 h"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
        assert_eq!(percent(0.000_275), "0.03 %");
        assert_eq!(percent(0.000_001), "under 0.01 %");
        assert_eq!(percent(0.125), "12.5 %");
        assert_eq!(counted(1, "call"), "1 call");
    }
}
