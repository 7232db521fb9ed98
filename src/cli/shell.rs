//! What a command has around it: where it writes, what time it is, who may stop it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::model::Clock;
use crate::run::{Stop, Tick, Watch};

use super::error::CliError;
use super::progress::Progress;
use super::typed::Typed;

/// Everything that a command takes from outside besides its arguments.
pub struct Shell {
    out: Box<dyn Write>,
    is_closed: bool,
    /// Where progress, messages and errors go.
    pub progress: Progress,
    /// The time.
    pub clock: Clock,
    /// Whether a person wants it to stop.
    pub stop: Stop,
    /// The columns of stdout; `None` for no terminal, where lines are not wrapped.
    pub width: Option<u16>,
    /// Whether stdout is a terminal.
    pub is_terminal: bool,
    /// The words of the command line, the program first; empty where there is none.
    pub(super) words: Vec<OsString>,
    /// Whether it only waits for another process: whoever stops it then stops nothing that was begun.
    pub(super) waits: Arc<AtomicBool>,
    /// How commands are typed in what it says.
    pub(super) typed: Typed,
}

impl Shell {
    /// Makes a shell that writes reports to `out`.
    pub fn new(out: Box<dyn Write>, progress: Progress, clock: Clock) -> Shell {
        Shell {
            out,
            is_closed: false,
            progress,
            clock,
            stop: Stop::default(),
            width: None,
            is_terminal: false,
            words: Vec::new(),
            waits: Arc::default(),
            typed: Typed::default(),
        }
    }

    /// Writes to stdout what `write` writes, with the progress bar out of the way.
    ///
    /// A reader that closed the pipe has seen enough: from then on nothing is written, and the command goes on.
    ///
    /// Errors: every other failure of stdout, or of what `write` reads.
    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        self.progress.finish();
        if self.is_closed {
            return Ok(());
        }
        let mut out = io::BufWriter::with_capacity(64 * 1024, &mut self.out);
        let written = write(&mut out).and_then(|()| out.flush());
        // What a failed write left in the buffer is not tried again.
        let _ = out.into_parts();
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(())
            }
            Err(source) => Err(CliError::Io {
                what: "write the report".to_owned(),
                source,
            }),
        }
    }

    /// Returns whether whoever read stdout has seen enough.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Writes one line, or several, to stdout.
    ///
    /// Errors: as [`Shell::write`].
    pub(super) fn say(&mut self, text: &str) -> Result<(), CliError> {
        self.write(|out| writeln!(out, "{text}"))
    }

    /// Says on stderr what went wrong, with its hint.
    pub(super) fn complain(&self, error: &CliError) {
        self.progress.finish();
        self.progress.alarm(&format!("error: {error}"));
        if let Some(hint) = error.hint(&self.typed) {
            self.progress.say(&format!("hint: {hint}"));
        }
    }

    /// Returns a watch that shows a run's progress.
    pub(super) fn watch(&self) -> Watch {
        let progress = self.progress.clone();
        Watch::new(move |tick| match tick {
            Tick::Reading { what, total } => progress.reading(&what, total),
            Tick::Planning => progress.planning(),
            Tick::Executing { total } => progress.executing(total),
            Tick::Advance(n) => progress.advance(n),
            Tick::Say(text) => progress.say(&text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipe whose reader left.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A full disk.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
        let shell = |out| Shell::new(out, Progress::quiet(Box::new(io::sink())), Clock::system());
        let mut closed = shell(Box::new(Closed));
        assert!(closed.say("one").is_ok());
        assert!(closed.say("two").is_ok());
        assert!(closed.is_closed);
        assert!(shell(Box::new(Full)).say("one").is_err());
    }
}
