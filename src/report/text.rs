//! The report for people at a terminal.

use std::io::{self, Write};

use crate::model::GuardKind;

use super::personal;
use super::plain::{cut, plain, wrapped};
use super::shape::{Counts, Mode, Outcome, Pass, Report, ReportRow, RowMark};
use super::words::{
    Detail, counted, details, guard_line, headline, hub_line, next_command, number, routes,
    source_line, sum,
};
use super::{Options, Rows};

/// How much news is shown where rows are bounded too.
const MOST_NEWS: usize = 20;

/// Columns that a value may take where no terminal says how many there are.
const VALUE_COLUMNS: usize = 100;

/// Columns that a name may take.
const NAME_COLUMNS: usize = 40;

/// Writes the report for people at a terminal.
///
/// Starts with one sentence that says it all, ends with the command to type next. Fits any width from 40 columns on; only commands are
/// never broken, because they are there to be copied.
///
/// Errors: what `out` or `rows` answered, a closed pipe among them.
pub fn text(
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
    let mut page = Page {
        out,
        width: options.width,
    };
    page.line("", 0, &format!("{}.", headline(report)))?;
    page.line("", 0, &about(report))?;
    page.why_it_ended(report)?;
    page.read(report)?;
    page.guards(report)?;
    page.rows(report, rows, options)?;
    page.counts(report)?;
    page.calls(report)?;
    page.news(report, options)?;
    page.standing(report)?;
    page.remarks(report)?;
    page.next(report)
}

fn about(report: &Report) -> String {
    let mode = match report.mode {
        Mode::Would => "dry run",
        Mode::Did => "run",
    };
    let pass = match (report.pass, &report.why_full) {
        (Pass::Normal, _) => "normal pass".to_owned(),
        (Pass::Full, None) => "full pass".to_owned(),
        (Pass::Full, Some(why)) => format!("full pass ({why})"),
    };
    let began = report.began_at.format("%Y-%m-%d %H:%M:%S UTC");
    format!("{mode} {}, {pass}, {began}", report.run)
}

struct Page<'a> {
    out: &'a mut dyn Write,
    width: Option<u16>,
}

impl Page<'_> {
    /// Writes a sentence that may hold words from outside.
    fn line(&mut self, first: &str, hang: usize, text: &str) -> io::Result<()> {
        wrapped(self.out, first, hang, &plain(text), self.width)
    }

    fn heading(&mut self, words: &str) -> io::Result<()> {
        writeln!(self.out, "\n{words}")
    }

    fn command(&mut self, command: &str) -> io::Result<()> {
        writeln!(self.out, "    {}", plain(command))
    }

    fn why_it_ended(&mut self, report: &Report) -> io::Result<()> {
        match &report.outcome {
            Outcome::OutOfTouch(why) => self.line("", 2, why),
            Outcome::Finished | Outcome::Stopped | Outcome::OutOfTime | Outcome::Spent => Ok(()),
        }
    }

    fn read(&mut self, report: &Report) -> io::Result<()> {
        self.heading("Read")?;
        let source = &report.source;
        let line = source_line(source);
        self.line(
            "  ",
            4,
            &format!("{} of {}: {line}", source.source, source.account),
        )?;
        let hub = &report.hub;
        let line = hub_line(report);
        self.line(
            "  ",
            4,
            &format!("location {} of {}: {line}", hub.location, hub.account),
        )
    }

    fn guards(&mut self, report: &Report) -> io::Result<()> {
        if report.guards.is_empty() {
            return Ok(());
        }
        self.heading("Guards")?;
        for finding in &report.guards {
            self.line("  ", 4, &guard_line(finding))?;
            if finding.held {
                self.command(&finding.command)?;
            }
        }
        Ok(())
    }

    fn rows(&mut self, report: &Report, rows: Rows<'_>, options: &Options) -> io::Result<()> {
        let all = report.all().planned;
        if all == 0 {
            return Ok(());
        }
        self.heading("Changes")?;
        let mut shown = 0;
        while options.max_rows.is_none_or(|most| shown < most) {
            let Some(row) = rows.next() else { break };
            let row = row?;
            let row = if options.show_personal {
                row
            } else {
                personal::hidden_row(row)
            };
            self.row(report.mode, &row)?;
            shown += 1;
        }
        let left = all.saturating_sub(shown + options.gone);
        if left > 0 {
            let more = counted(left, "more row");
            self.line("  ", 4, &format!("… and {more}; --out FILE has them all"))?;
        }
        if options.gone > 0 {
            let gone = counted(options.gone, "row");
            self.line(
                "  ",
                4,
                &format!("… and {gone} that the journal no longer has"),
            )?;
        }
        Ok(())
    }

    fn row(&mut self, mode: Mode, row: &ReportRow) -> io::Result<()> {
        let most = self.width.map_or(NAME_COLUMNS, |width| {
            usize::from(width).saturating_sub(20).clamp(8, NAME_COLUMNS)
        });
        let name = cut(&plain(&row.name), most);
        let who = if name.is_empty() {
            row.key.to_string()
        } else {
            format!("{name} ({})", row.key)
        };
        let mark = match (mode, &row.mark) {
            // What holds for every row is said once, at the top.
            (
                Mode::Would,
                RowMark::Would
                | RowMark::Held {
                    by: GuardKind::First,
                },
            )
            | (Mode::Did, RowMark::Done) => String::new(),
            (_, mark) => format!("; {mark}"),
        };
        let kind = row.change.kind().word();
        let (first, hang) = match self.width {
            Some(width) if width < 60 => (format!("  {kind} "), 4),
            Some(_) | None => (format!("  {kind:<11} "), 14),
        };
        self.line(&first, hang, &format!("{who}, {}{mark}", row.reason))?;
        for detail in details(row) {
            self.detail(&detail)?;
        }
        Ok(())
    }

    fn detail(&mut self, detail: &Detail<'_>) -> io::Result<()> {
        let room = |taken: usize, values: usize| match self.width {
            Some(width) => (usize::from(width).saturating_sub(taken) / values).max(8),
            None => VALUE_COLUMNS,
        };
        match detail {
            Detail::Field { key, before, after } => {
                let values = if before.is_some() { 2 } else { 1 };
                let most = room(4 + key.len() + 2 + 3 * (values - 1), values);
                let after = cut(&plain(after), most);
                match before {
                    Some("") => {
                        writeln!(self.out, "    {key}: (empty) → {after}")
                    }
                    Some(before) => {
                        let before = cut(&plain(before), most);
                        writeln!(self.out, "    {key}: {before} → {after}")
                    }
                    None => writeln!(self.out, "    {key}: {after}"),
                }
            }
            Detail::Tag { sign, tag } => {
                writeln!(self.out, "    {sign} tag {}", cut(&plain(tag), room(10, 1)))
            }
            Detail::Says(sentence) => self.line("    ", 6, sentence),
        }
    }

    fn counts(&mut self, report: &Report) -> io::Result<()> {
        if report.all().planned == 0 {
            return Ok(());
        }
        self.heading("Counts")?;
        for (kind, counts) in &report.counts {
            let Counts {
                planned,
                done,
                held,
                refused,
                unknown,
                dropped,
            } = *counts;
            if planned == 0 {
                continue;
            }
            let mut line = format!("{kind}: {}", number(planned));
            for (count, word) in [
                (done, "done"),
                (held, "held"),
                (refused, "refused"),
                (unknown, "without an answer"),
                (dropped, "not sent"),
            ] {
                if count > 0 {
                    line.push_str(&format!(", {} {word}", number(count)));
                }
            }
            self.line("  ", 4, &line)?;
        }
        Ok(())
    }

    fn calls(&mut self, report: &Report) -> io::Result<()> {
        let routes = routes(report);
        if routes.is_empty() && report.extra.is_empty() {
            return Ok(());
        }
        self.heading("Calls")?;
        let most = routes
            .iter()
            .map(|(_, _, announced, made)| made.unwrap_or(*announced))
            .max();
        let digits = number(most.unwrap_or(0)).len();
        for (vendor, route, announced, made) in routes {
            let mut line = format!("{vendor} {route}");
            match made {
                Some(made) if made != announced => {
                    line.push_str(&format!(" ({} announced)", number(announced)));
                }
                Some(_) | None => {}
            }
            let first = format!("  {:>digits$}  ", number(made.unwrap_or(announced)));
            self.line(&first, first.len(), &line)?;
        }
        let extra = sum_of(&report.extra);
        if !extra.is_empty() {
            self.line("  ", 4, &format!("beyond those announced: {extra}"))?;
        }
        let cost = &report.cost;
        if cost.day_limit > 0 && sum(&cost.calls) > 0 {
            let (used, limit) = (number(cost.day_used), number(cost.day_limit));
            self.line(
                "  ",
                4,
                &format!("{used} of the day's {limit} were used before"),
            )?;
        }
        Ok(())
    }

    fn news(&mut self, report: &Report, options: &Options) -> io::Result<()> {
        if report.news.is_empty() {
            return Ok(());
        }
        self.heading("New, and told once")?;
        let most = options.max_rows.map_or(usize::MAX, |_| MOST_NEWS);
        for news in report.news.iter().take(most) {
            let key = news
                .key
                .as_ref()
                .map(|key| format!(" {key}"))
                .unwrap_or_default();
            self.line(
                "  ",
                4,
                &format!("{}{key}: {}", news.kind.word(), news.what),
            )?;
            if let Some(command) = &news.command {
                self.command(command)?;
            }
        }
        if let Some(more) = report.news.len().checked_sub(most).filter(|more| *more > 0) {
            self.line(
                "  ",
                4,
                &format!("… and {more} more; --out FILE has them all"),
            )?;
        }
        Ok(())
    }

    fn standing(&mut self, report: &Report) -> io::Result<()> {
        let standing = sum_of(&report.standing);
        if standing.is_empty() {
            return Ok(());
        }
        self.heading("Standing")?;
        self.line("  ", 4, &standing)
    }

    fn remarks(&mut self, report: &Report) -> io::Result<()> {
        if report.remarks.is_empty() {
            return Ok(());
        }
        self.heading("Remarks")?;
        for remark in &report.remarks {
            self.line("  ", 4, remark)?;
        }
        Ok(())
    }

    fn next(&mut self, report: &Report) -> io::Result<()> {
        let Some(command) = next_command(report) else {
            return Ok(());
        };
        self.heading("Next")?;
        self.command(&command)
    }
}

/// Returns the counts above 0, for example "conflicts 3, refused 1".
fn sum_of(counts: &std::collections::BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{name} {}", number(*count)))
        .collect();
    parts.join(", ")
}
