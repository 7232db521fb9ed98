//! The report as Markdown tables, for a pull request, a ticket or a wiki.

use std::io::{self, Write};

use super::personal;
use super::plain::plain;
use super::shape::{Counts, Mode, Outcome, Pass, Report, ReportRow};
use super::words::{
    Detail, counted, details, guard_line, headline, hub_line, next_command, number, routes,
    source_line,
};
use super::{Options, Rows};

/// Writes the report as Markdown, values in full.
///
/// Whatever came from outside is escaped, so that a name can neither leave its cell nor become a link or a picture.
///
/// Errors: what `out` or `rows` answered, a closed pipe among them.
pub fn markdown(
    report: &Report,
    rows: Rows<'_>,
    out: &mut dyn Write,
    options: &Options,
) -> io::Result<()> {
    let hidden;
    let report = if options.show_personal {
        report
    } else {
        hidden = personal::hidden_report(report);
        &hidden
    };
    head(report, out)?;
    read(report, out)?;
    guards(report, out)?;
    changes(report, rows, out, options)?;
    counts(report, out)?;
    calls(report, out)?;
    news(report, out)?;
    lists(report, out)?;
    if let Some(command) = next_command(report) {
        writeln!(out, "\n### Next\n\n{}", code(&command))?;
    }
    Ok(())
}

fn head(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mode = match report.mode {
        Mode::Would => "dry run",
        Mode::Did => "run",
    };
    let pass = match report.pass {
        Pass::Normal => "normal pass",
        Pass::Full => "full pass",
    };
    let why = report
        .why_full
        .as_ref()
        .map(|why| format!(" ({})", escaped(why)));
    writeln!(out, "## {}: {mode} {}\n", report.job, report.run)?;
    writeln!(out, "{}.\n", escaped(&headline(report)))?;
    writeln!(
        out,
        "{pass}{}, {}",
        why.unwrap_or_default(),
        report.began_at.format("%Y-%m-%d %H:%M:%S UTC")
    )?;
    match &report.outcome {
        Outcome::OutOfTouch(why) => writeln!(out, "\n{}", escaped(why)),
        Outcome::Finished | Outcome::Stopped | Outcome::OutOfTime | Outcome::Spent => Ok(()),
    }
}

fn read(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let (source, hub) = (&report.source, &report.hub);
    table(out, "Read", &["What", "Account", "How much"])?;
    let from = escaped(&source_line(source));
    let to = escaped(&hub_line(report));
    writeln!(
        out,
        "| {} | {} | {from} |",
        escaped(&source.source),
        source.account
    )?;
    writeln!(
        out,
        "| location {} | {} | {to} |",
        escaped(hub.location.as_str()),
        hub.account
    )
}

fn guards(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.guards.is_empty() {
        return Ok(());
    }
    table(out, "Guards", &["Guard", "Lets it go"])?;
    for finding in &report.guards {
        let command = if finding.held {
            code(&finding.command)
        } else {
            String::new()
        };
        writeln!(out, "| {} | {command} |", escaped(&guard_line(finding)))?;
    }
    Ok(())
}

fn changes(
    report: &Report,
    rows: Rows<'_>,
    out: &mut dyn Write,
    options: &Options,
) -> io::Result<()> {
    let all = report.all().planned;
    if all == 0 {
        return Ok(());
    }
    table(
        out,
        "Changes",
        &[
            "#", "Step", "Record", "Key", "Contact", "Change", "Why", "Mark",
        ],
    )?;
    let mut shown = 0;
    while options.max_rows.is_none_or(|most| shown < most) {
        let Some(row) = rows.next() else { break };
        let row = row?;
        let row = if options.show_personal {
            row
        } else {
            personal::hidden_row(row)
        };
        change(&row, out)?;
        shown += 1;
    }
    let left = all.saturating_sub(shown + options.gone);
    if left > 0 {
        writeln!(out, "\n… and {}", counted(left, "more row"))?;
    }
    if options.gone > 0 {
        let gone = counted(options.gone, "row");
        writeln!(out, "\n… and {gone} that the journal no longer has")?;
    }
    Ok(())
}

fn change(row: &ReportRow, out: &mut dyn Write) -> io::Result<()> {
    let change: Vec<String> = details(row).iter().map(detail).collect();
    writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        row.seq,
        row.change.kind(),
        escaped(&row.name),
        escaped(row.key.as_str()),
        row.contact
            .as_ref()
            .map(|id| escaped(id.as_str()))
            .unwrap_or_default(),
        change.join("<br>"),
        escaped(&row.reason),
        escaped(&row.mark.to_string()),
    )
}

fn detail(detail: &Detail<'_>) -> String {
    match detail {
        Detail::Field { key, before, after } => {
            let before = match before {
                Some("") => "(empty) → ".to_owned(),
                Some(before) => format!("{} → ", escaped(before)),
                None => String::new(),
            };
            format!("{}: {before}{}", code(key), escaped(after))
        }
        Detail::Tag { sign, tag } => format!("{sign} tag {}", escaped(tag)),
        Detail::Says(sentence) => escaped(sentence),
    }
}

fn counts(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.all().planned == 0 {
        return Ok(());
    }
    let head = [
        "Step", "Planned", "Done", "Held", "Refused", "Unknown", "Dropped",
    ];
    table(out, "Counts", &head)?;
    for (kind, counts) in report
        .counts
        .iter()
        .filter(|(_, counts)| counts.planned > 0)
    {
        let Counts {
            planned,
            done,
            held,
            refused,
            unknown,
            dropped,
        } = *counts;
        let cells = [planned, done, held, refused, unknown, dropped].map(number);
        writeln!(out, "| {kind} | {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn calls(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let routes = routes(report);
    if !routes.is_empty() {
        table(out, "Calls", &["Service", "Call", "Announced", "Made"])?;
    }
    for (vendor, route, announced, made) in routes {
        let made = made.map(number).unwrap_or_default();
        let (vendor, announced) = (escaped(vendor), number(announced));
        writeln!(out, "| {vendor} | {} | {announced} | {made} |", code(route))?;
    }
    let extra = report.extra.iter().filter(|(_, count)| **count > 0);
    for (index, (kind, count)) in extra.enumerate() {
        let gap = if index == 0 { "\n" } else { "" };
        writeln!(
            out,
            "{gap}- beyond those announced: {} {}",
            escaped(kind),
            number(*count)
        )?;
    }
    Ok(())
}

fn news(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.news.is_empty() {
        return Ok(());
    }
    table(
        out,
        "New, and told once",
        &["Kind", "Key", "What", "Command"],
    )?;
    for news in &report.news {
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            news.kind.word(),
            news.key.as_deref().map(escaped).unwrap_or_default(),
            escaped(&news.what),
            news.command.as_deref().map(code).unwrap_or_default(),
        )?;
    }
    Ok(())
}

fn lists(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.standing.values().any(|count| *count > 0) {
        writeln!(out, "\n### Standing\n")?;
        for (name, count) in report.standing.iter().filter(|(_, count)| **count > 0) {
            writeln!(out, "- {}: {}", escaped(name), number(*count))?;
        }
    }
    if !report.remarks.is_empty() {
        writeln!(out, "\n### Remarks\n")?;
        for remark in &report.remarks {
            writeln!(out, "- {}", escaped(remark))?;
        }
    }
    Ok(())
}

fn table(out: &mut dyn Write, heading: &str, columns: &[&str]) -> io::Result<()> {
    writeln!(out, "\n### {heading}\n\n| {} |", columns.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(columns.len()))
}

/// Returns the text so that Markdown shows it letter by letter.
pub fn escaped(text: &str) -> String {
    let text = plain(text);
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '>' | '!' => {
                shown.push('\\');
                shown.push(c);
            }
            _ => shown.push(c),
        }
    }
    shown
}

/// Returns the text as code within a table cell.
fn code(text: &str) -> String {
    format!("`{}`", plain(text).replace('`', "'").replace('|', "\\|"))
}
