//! Log lines on stderr, for people or for programs, out of the progress bar's way.

use std::fmt::{self, Write as _};
use std::io::IsTerminal;

use chrono::{SecondsFormat, Utc};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt as lines};

use super::args::LogFormat;
use super::journal;
use super::progress::Progress;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loud {
    /// Errors alone.
    Errors,
    /// Warnings too.
    Warnings,
    /// What a run begins, plans and ends.
    Runs,
    /// Its steps too.
    Steps,
    /// Its calls too.
    Calls,
}

impl Loud {
    /// Reads `-q` and `-v`; `usual` is meant by neither.
    pub(super) fn of(quiet: bool, verbose: u8, usual: Loud) -> Loud {
        match (quiet, verbose) {
            (true, _) => Loud::Errors,
            (false, 0) => usual,
            (false, 1) => Loud::Steps,
            (false, _) => Loud::Calls,
        }
    }

    fn targets(self) -> Targets {
        let ours = |level, net| {
            Targets::new()
                .with_default(LevelFilter::WARN)
                .with_target("ghl_sync", level)
                .with_target("ghl_sync::net", net)
        };
        match self {
            Loud::Errors => Targets::new().with_default(LevelFilter::ERROR),
            Loud::Warnings => Targets::new().with_default(LevelFilter::WARN),
            Loud::Runs => ours(LevelFilter::INFO, LevelFilter::INFO),
            Loud::Steps => ours(LevelFilter::DEBUG, LevelFilter::INFO),
            Loud::Calls => ours(LevelFilter::TRACE, LevelFilter::TRACE),
        }
    }
}

/// Sends all log lines of the process to where `progress` is shown. Only the first call of a process has an effect.
pub(super) fn start(loud: Loud, form: LogFormat, progress: &Progress) {
    let writer = {
        let progress = progress.clone();
        move || progress.writer()
    };
    let layer = match form {
        LogFormat::Text if journal::is_journal() => lines::layer()
            .with_writer(writer)
            .with_ansi(false)
            .event_format(JournalLine)
            .boxed(),
        LogFormat::Text => {
            let is_colored =
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines::layer()
                .with_writer(writer)
                .with_ansi(is_colored)
                .with_target(false)
                .boxed()
        }
        LogFormat::Json => lines::layer()
            .with_writer(writer)
            .with_ansi(false)
            .fmt_fields(JsonFields)
            .event_format(JsonLine)
            .boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(loud.targets()));
    // A second subscriber in one process (tests) is no reason to fail.
    let _ = subscriber.try_init();
}

/// A line as for people, but for its time and level: the journal has the one itself and is told the other by a priority.
struct JournalLine;

impl<S, N> FormatEvent<S, N> for JournalLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        lines::format()
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_ansi(false)
            .format_event(context, Writer::new(&mut text), event)?;
        writeln!(out, "{}", journal::lines(*event.metadata().level(), &text))
    }
}

/// One JSON object a line: `at`, `level`, `target`, `message`, the event's fields, and `spans` from the outermost in.
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        write!(
            out,
            "{{\"at\":\"{at}\",\"level\":\"{}\",\"target\":{}",
            level(*meta.level()),
            text(meta.target())
        )?;
        let mut fields = String::new();
        JsonFields.format_fields(Writer::new(&mut fields), event)?;
        if !fields.is_empty() {
            write!(out, ",{fields}")?;
        }
        if let Some(scope) = context.event_scope() {
            let spans: Vec<String> = scope
                .from_root()
                .map(|span| {
                    let extensions = span.extensions();
                    let fields = extensions
                        .get::<FormattedFields<N>>()
                        .map_or("", |fields| fields.fields.as_str());
                    let comma = if fields.is_empty() { "" } else { "," };
                    format!("{{\"name\":{}{comma}{fields}}}", text(span.name()))
                })
                .collect();
            write!(out, ",\"spans\":[{}]", spans.join(","))?;
        }
        writeln!(out, "}}")
    }
}

/// Fields as the inside of a JSON object.
struct JsonFields;

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'w>, fields: R) -> fmt::Result {
        let mut members = Members(String::new());
        fields.record(&mut members);
        out.write_str(&members.0)
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<JsonFields>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        if !current.fields.is_empty() {
            current.fields.push(',');
        }
        self.format_fields(current.as_writer(), fields)
    }
}

struct Members(String);

impl Members {
    fn add(&mut self, field: &Field, value: &Value) {
        let comma = if self.0.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{comma}{}:{value}", text(field.name()));
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &Value::from(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, &Value::from(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, &Value::from(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, &Value::from(value));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, &Value::from(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, &Value::from(value));
    }
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

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

    #[test]
    fn a_json_line_is_one_object_with_its_spans() {
        let kept = Kept::default();
        let writer = {
            let kept = kept.clone();
            move || kept.clone()
        };
        let layer = lines::layer()
            .with_writer(writer)
            .fmt_fields(JsonFields)
            .event_format(JsonLine);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("run", job.name = "a", late = tracing::field::Empty);
            span.record("late", true);
            let _in = span.enter();
            tracing::warn!(steps.count = 3, "planned \"3\"\nsteps");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "warn");
        assert_eq!(line["message"], "planned \"3\"\nsteps");
        assert_eq!(line["steps.count"], 3);
        assert_eq!(line["spans"][0]["job.name"], "a");
        assert_eq!(line["spans"][0]["late"], true);
    }

    #[test]
    fn flags_say_how_loud_it_is() {
        assert_eq!(Loud::of(true, 0, Loud::Runs), Loud::Errors);
        assert_eq!(Loud::of(false, 0, Loud::Warnings), Loud::Warnings);
        assert_eq!(Loud::of(false, 1, Loud::Warnings), Loud::Steps);
        assert_eq!(Loud::of(false, 3, Loud::Runs), Loud::Calls);
        let calls = |loud: Loud| {
            loud.targets()
                .would_enable("ghl_sync::net::send", &Level::DEBUG)
        };
        assert!(calls(Loud::Calls) && !calls(Loud::Steps) && !calls(Loud::Runs));
    }
}
