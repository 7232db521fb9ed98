//! The table that is printed: what was measured, and beside it what was to be reached.

use std::fmt;

use super::scenes::number;
use super::stage::Pass;

/// One pass.
pub(crate) struct Row {
    name: &'static str,
    size: u64,
    highlevel: u64,
    twitch: u64,
    least: u64,
    cpu: f64,
    wall: f64,
    peak_mib: f64,
    state_mib: f64,
    too_many: u64,
    retries: u64,
    /// How much of the permitted rate was used while writing, in percent.
    pub(crate) share: Option<f64>,
}

impl Row {
    /// Makes the row of a pass for which `least` calls would have to be made in any case.
    pub(crate) fn of(name: &'static str, size: u64, least: u64, pass: &Pass) -> Row {
        let measured = &pass.measured;
        Row {
            name,
            size,
            highlevel: measured.highlevel,
            twitch: measured.twitch,
            least,
            cpu: measured.cpu,
            wall: measured.wall,
            peak_mib: number(measured.peak_kib) / 1_024.0,
            state_mib: number(measured.state_bytes) / 1_048_576.0,
            too_many: pass.too_many,
            retries: measured.retries,
            share: None,
        }
    }

    fn calls(&self) -> u64 {
        self.highlevel + self.twitch
    }
}

/// A number to be reached, and what was reached.
pub(crate) struct Target {
    what: String,
    target: String,
    measured: String,
    met: bool,
}

impl Target {
    /// A number that is good when it is small.
    pub(crate) fn at_most(what: &str, limit: f64, unit: &'static str, measured: f64) -> Target {
        Target::new(what, "at most", limit, unit, measured, measured <= limit)
    }

    /// A number that is good when it is large.
    pub(crate) fn at_least(what: &str, limit: f64, unit: &'static str, measured: f64) -> Target {
        Target::new(what, "at least", limit, unit, measured, measured >= limit)
    }

    fn new(what: &str, word: &str, limit: f64, unit: &str, measured: f64, met: bool) -> Target {
        let tell = |number: f64| {
            let text = if number.fract() == 0.0 {
                format!("{number:.0} {unit}")
            } else {
                format!("{number:.2} {unit}")
            };
            text.trim().to_owned()
        };
        Target {
            what: what.to_owned(),
            target: format!("{word} {}", tell(limit)),
            measured: tell(measured),
            met,
        }
    }
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    targets: Vec<Target>,
}

impl Table {
    /// Adds a row, and tells it at once on stderr.
    pub(crate) fn row(&mut self, row: Row) {
        eprintln!(
            "  {}: {} calls, {:.2} s CPU, {:.2} s, {:.1} MiB",
            row.name,
            row.calls(),
            row.cpu,
            row.wall,
            row.peak_mib
        );
        self.rows.push(row);
    }

    /// Adds a number to be reached.
    pub(crate) fn target(&mut self, target: Target) {
        self.targets.push(target);
    }

    /// Returns how CPU and memory grew since the same pass over a smaller world, which was the last one before.
    fn growth(&self, at: usize) -> Option<String> {
        let row = &self.rows[at];
        let smaller = self.rows[..at]
            .iter()
            .rev()
            .find(|other| other.name == row.name && other.size < row.size)?;
        // The kernel counts CPU in hundredths of a second.
        let cpu = row.cpu.max(0.01) / smaller.cpu.max(0.01);
        let peak = row.peak_mib / smaller.peak_mib;
        Some(format!("{cpu:.1} / {peak:.1}"))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "pass",
            "size",
            "highlevel",
            "twitch",
            "calls/least",
            "CPU s",
            "wall s",
            "peak MiB",
            "grew CPU/peak",
            "state MiB",
            "share",
            "429",
            "retries",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        for (at, row) in self.rows.iter().enumerate() {
            lines.push(vec![
                row.name.to_owned(),
                row.size.to_string(),
                row.highlevel.to_string(),
                row.twitch.to_string(),
                format!("{:.3}", number(row.calls()) / number(row.least.max(1))),
                format!("{:.2}", row.cpu),
                format!("{:.2}", row.wall),
                format!("{:.1}", row.peak_mib),
                self.growth(at).unwrap_or_else(|| "-".to_owned()),
                format!("{:.0}", row.state_mib),
                row.share
                    .map_or_else(|| "-".to_owned(), |share| format!("{share:.1} %")),
                row.too_many.to_string(),
                row.retries.to_string(),
            ]);
        }
        write_lines(f, &lines)?;
        if self.targets.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        let mut lines = vec![
            ["number to reach", "target", "measured", "met"]
                .map(str::to_owned)
                .to_vec(),
        ];
        for target in &self.targets {
            let met = if target.met { "yes" } else { "NO" };
            lines.push(vec![
                target.what.clone(),
                target.target.clone(),
                target.measured.clone(),
                met.to_owned(),
            ]);
        }
        write_lines(f, &lines)
    }
}

/// Writes columns: the first to the left, the others to the right.
fn write_lines(f: &mut fmt::Formatter<'_>, lines: &[Vec<String>]) -> fmt::Result {
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for line in lines {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            if column == 0 {
                write!(f, "{cell:<width$}")?;
            } else {
                write!(f, "  {cell:>width$}")?;
            }
        }
        writeln!(f)?;
    }
    Ok(())
}
