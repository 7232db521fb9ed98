//! How far a run is, told while it runs.
//!
//! A bar with rate and time left on a terminal, plain lines in a pipe, nothing when quiet. Knows no run: it is told what is being done
//! and how much of it.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use tracing::Level;

use crate::report::{duration, number, plain};

use super::journal;

/// The least time between two lines in a pipe: often enough to see life, seldom enough for a log.
const EVERY: Duration = Duration::from_secs(10);

/// How often the sign of waiting turns.
const TURN: Duration = Duration::from_millis(250);

/// A handle on the one progress display of the process; clones share it.
#[derive(Clone)]
pub struct Progress(Arc<Shown>);

enum Shown {
    Bar(ProgressBar),
    Lines(Lines),
    Nothing(Mutex<Box<dyn Write + Send>>),
}

struct Lines {
    began: Instant,
    every: Duration,
    at: AtomicU64,
    /// Milliseconds after `began` from which the next line may be written.
    due_ms: AtomicU64,
    page: Mutex<Page>,
}

struct Page {
    out: Box<dyn Write + Send>,
    what: String,
    total: Option<u64>,
    since: Instant,
}

impl Progress {
    /// Shows on stderr what fits it: a bar on a terminal, a line every 10 s at most elsewhere, only what is said when `quiet`.
    pub fn on_stderr(quiet: bool) -> Progress {
        if quiet {
            Progress::quiet(Box::new(io::stderr()))
        } else if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            Progress(Arc::new(Shown::Bar(bar)))
        } else {
            Progress::lines(Box::new(io::stderr()))
        }
    }

    /// Writes plain lines to `out`, at most one every 10 s besides those that are said.
    pub fn lines(out: Box<dyn Write + Send>) -> Progress {
        Progress::lines_every(EVERY, out)
    }

    /// Writes to `out` what is said and shows nothing else.
    pub fn quiet(out: Box<dyn Write + Send>) -> Progress {
        Progress(Arc::new(Shown::Nothing(Mutex::new(out))))
    }

    fn lines_every(every: Duration, out: Box<dyn Write + Send>) -> Progress {
        let began = Instant::now();
        Progress(Arc::new(Shown::Lines(Lines {
            began,
            every,
            at: AtomicU64::new(0),
            due_ms: AtomicU64::new(ms(every)),
            page: Mutex::new(Page {
                out,
                what: String::new(),
                total: None,
                since: began,
            }),
        })))
    }

    /// Begins to read `what`, for example `followers`, `total` of them where that is known.
    pub fn reading(&self, what: &str, total: Option<u64>) {
        self.begin(format!("reading {what}"), total);
    }

    /// Begins to plan.
    pub fn planning(&self) {
        self.begin("planning".to_owned(), None);
    }

    /// Begins to carry out `total` steps.
    pub fn executing(&self, total: u64) {
        self.begin("carrying out steps".to_owned(), Some(total));
    }

    /// Shows on a terminal that something is waited for; nothing elsewhere.
    pub fn waiting(&self, what: &str) {
        match &*self.0 {
            Shown::Bar(bar) => {
                let style = ProgressStyle::with_template("{spinner} {msg}");
                bar.set_style(style.expect("the template is a constant that parses"));
                bar.set_message(what.to_owned());
                bar.unset_length();
                // Last: it draws.
                bar.reset();
                bar.enable_steady_tick(TURN);
            }
            Shown::Lines(_) | Shown::Nothing(_) => {}
        }
    }

    /// Says where there is no terminal what is waited for; a terminal shows it otherwise.
    pub fn tell(&self, what: &str) {
        match &*self.0 {
            Shown::Lines(_) => self.say(what),
            Shown::Bar(_) | Shown::Nothing(_) => {}
        }
    }

    fn begin(&self, what: String, total: Option<u64>) {
        match &*self.0 {
            Shown::Bar(bar) => {
                bar.set_style(style(total.is_some()));
                bar.set_message(what);
                match total {
                    Some(total) => bar.set_length(total),
                    None => bar.unset_length(),
                }
                // Last: it draws.
                bar.reset();
                bar.tick();
            }
            Shown::Lines(lines) => {
                let mut page = locked(&lines.page);
                lines.at.store(0, Ordering::Relaxed);
                page.what = what;
                page.total = total;
                page.since = Instant::now();
            }
            Shown::Nothing(_) => {}
        }
    }

    /// Counts `n` more; cheap enough to be called for every row.
    pub fn advance(&self, n: u64) {
        match &*self.0 {
            Shown::Bar(bar) => bar.inc(n),
            Shown::Lines(lines) => lines.advance(n),
            Shown::Nothing(_) => {}
        }
    }

    /// Returns whether only what somebody must know is to be said.
    pub fn is_quiet(&self) -> bool {
        match &*self.0 {
            Shown::Nothing(_) => true,
            Shown::Bar(_) | Shown::Lines(_) => false,
        }
    }

    /// Says something at once, above the bar.
    pub fn say(&self, text: &str) {
        // Vendors' words come through here: nothing of them may reach the terminal as a command to it.
        let lines: Vec<String> = text.split('\n').map(plain).collect();
        let line = lines.join("\n");
        // A progress line that cannot be written is no reason to end a run.
        let _ = match &*self.0 {
            Shown::Bar(bar) => bar.suspend(|| writeln!(io::stderr(), "{line}")),
            Shown::Lines(lines) => writeln!(locked(&lines.page).out, "{line}"),
            Shown::Nothing(out) => writeln!(locked(out), "{line}"),
        };
    }

    /// Says what went wrong; where that is the journal, with the priority of an error.
    pub fn alarm(&self, text: &str) {
        match journal::is_journal() {
            true => self.say(&journal::lines(Level::ERROR, text)),
            false => self.say(text),
        }
    }

    /// Takes the bar away; the next `reading` or `executing` brings it back.
    pub fn finish(&self) {
        match &*self.0 {
            Shown::Bar(bar) => {
                bar.disable_steady_tick();
                bar.finish_and_clear();
            }
            Shown::Lines(_) | Shown::Nothing(_) => {}
        }
    }

    /// Returns a writer for log lines that does not tear the bar.
    pub fn writer(&self) -> ProgressWriter {
        ProgressWriter(self.clone())
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.0 {
            Shown::Bar(_) => "Progress(bar)",
            Shown::Lines(_) => "Progress(lines)",
            Shown::Nothing(_) => "Progress(nothing)",
        })
    }
}

/// Writes where the progress is shown, with the bar out of the way meanwhile.
#[derive(Clone, Debug)]
pub struct ProgressWriter(Progress);

impl Write for ProgressWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &*self.0.0 {
            Shown::Bar(bar) => bar.suspend(|| io::stderr().write(bytes)),
            Shown::Lines(lines) => locked(&lines.page).out.write(bytes),
            Shown::Nothing(out) => locked(out).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &*self.0.0 {
            Shown::Bar(_) => io::stderr().flush(),
            Shown::Lines(lines) => locked(&lines.page).out.flush(),
            Shown::Nothing(out) => locked(out).flush(),
        }
    }
}

impl Lines {
    fn advance(&self, n: u64) {
        let at = self.at.fetch_add(n, Ordering::Relaxed) + n;
        let now_ms = ms(self.began.elapsed());
        let due_ms = self.due_ms.load(Ordering::Relaxed);
        if now_ms < due_ms {
            return;
        }
        // Of several that come at once, one writes.
        let next_ms = now_ms + ms(self.every);
        let order = Ordering::Relaxed;
        if self
            .due_ms
            .compare_exchange(due_ms, next_ms, order, order)
            .is_ok()
        {
            let mut page = locked(&self.page);
            let line = line(&page.what, at, page.total, page.since.elapsed());
            // As in `say`.
            let _ = writeln!(page.out, "{line}");
        }
    }
}

/// Returns for example "reading followers: 1,000 of 4,000, 100 a second, 30 s left".
fn line(what: &str, at: u64, total: Option<u64>, took: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let (done, left) = (
        at as f64,
        total.map(|total| total.saturating_sub(at) as f64),
    );
    let rate = done / took.as_secs_f64().max(0.001);
    let mut line = format!("{what}: {}", number(at));
    if let Some(total) = total {
        line.push_str(&format!(" of {}", number(total)));
    }
    line.push_str(&format!(", {rate:.0} a second"));
    if let Some(left) = left.filter(|left| *left > 0.0 && rate > 0.0) {
        line.push_str(&format!(", {} left", duration(left / rate)));
    }
    line
}

fn style(has_total: bool) -> ProgressStyle {
    let template = if has_total {
        "{msg} {wide_bar} {human_pos}/{human_len} {rate} {eta}"
    } else {
        "{msg} {spinner} {human_pos} {rate}"
    };
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        // The bar's own text; it cannot fail.
        let _ = write!(out, "{:.0}/s", state.per_sec());
    };
    ProgressStyle::with_template(template)
        .expect("the template is a constant that parses")
        .with_key("rate", rate)
        .progress_chars("=> ")
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread half wrote is at worst half a line.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn a_pipe_sees_no_line_before_it_is_due() {
        let kept = Kept::default();
        let progress = Progress::lines(Box::new(kept.clone()));
        progress.reading("followers", Some(1_000_000));
        for _ in 0..1_000_000 {
            progress.advance(1);
        }
        progress.finish();
        assert_eq!(kept.text(), "");
        progress.say("stopped; the next run goes on");
        assert_eq!(kept.text(), "stopped; the next run goes on\n");
    }

    #[test]
    fn a_due_line_says_how_far_it_is() {
        let kept = Kept::default();
        let progress = Progress::lines_every(Duration::ZERO, Box::new(kept.clone()));
        progress.executing(2_000);
        progress.clone().advance(1_500);
        let text = kept.text();
        assert!(
            text.starts_with("carrying out steps: 1,500 of 2,000, "),
            "{text}"
        );
        assert_eq!(
            line(
                "reading followers",
                1_000,
                Some(4_000),
                Duration::from_secs(10)
            ),
            "reading followers: 1,000 of 4,000, 100 a second, 30 s left"
        );
        assert_eq!(
            line("reading contacts", 50, None, Duration::from_secs(10)),
            "reading contacts: 50, 5 a second"
        );
    }

    #[test]
    fn quiet_says_only_what_is_said() {
        let kept = Kept::default();
        let progress = Progress::quiet(Box::new(kept.clone()));
        progress.reading("contacts", None);
        progress.advance(5);
        progress.say("stopped");
        writeln!(progress.writer(), "a log line").unwrap();
        assert_eq!(kept.text(), "stopped\na log line\n");
    }

    #[test]
    fn a_bar_can_be_used_again_and_its_templates_parse() {
        let progress = Progress(Arc::new(Shown::Bar(ProgressBar::hidden())));
        for total in [Some(10), None] {
            progress.reading("followers", total);
            progress.advance(10);
            progress.finish();
        }
        progress.waiting("waiting for you");
        progress.finish();
        fn can_be_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
        can_be_shared(&progress);
    }
}
