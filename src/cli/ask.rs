//! Asking a person: a prompt on stderr, a line from stdin.
//!
//! A line is read on a thread of its own, so that Ctrl-C ends the waiting at once and not after the next line. On a terminal a wrong answer is
//! asked again; in a pipe it is an error, because the next line may be the answer to something else. A secret is typed without being shown.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

use crate::model::Secret;

use super::error::CliError;
use super::interrupt::Signals;

/// The longest line that is an answer; more is a mistake and not read into memory.
const LONGEST_BYTES: u64 = 64 * 1024;

/// Reads a line with its end; empty when there is no more.
type ReadLine = Box<dyn FnMut() -> io::Result<Vec<u8>> + Send>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum AskError {
    /// A person pressed Ctrl-C, or something else asked the program to end.
    Stopped,
    /// The input ended first.
    Ended {
        /// What was asked.
        what: String,
    },
    /// The answer is not one, and nobody is there to be asked again.
    Wrong {
        /// What was asked.
        what: String,
        /// What was expected.
        why: String,
    },
    /// The input cannot be read.
    Io(io::Error),
}

impl AskError {
    /// Makes it the error of a command; `left` says what that leaves, for example "nothing was written".
    pub(super) fn leaving(self, left: &str) -> CliError {
        match self {
            AskError::Stopped => CliError::Stopped {
                left: left.to_owned(),
            },
            AskError::Ended { what } => CliError::usage(format!(
                "the input ended before there was an answer to \"{what}\"; {left}"
            )),
            AskError::Wrong { what, why } => CliError::usage(format!("{what}: {why}; {left}")),
            AskError::Io(source) => CliError::Io {
                what: format!("read an answer ({left})"),
                source,
            },
        }
    }
}

/// Asks on stderr and reads from stdin.
///
/// From its making on, Ctrl-C and the like are noticed here alone: whoever does more than asking does it in [`Asker::or_stopped`].
pub(super) struct Asker {
    /// `None` once a reading was given up: its thread still waits for a line.
    read: Option<ReadLine>,
    out: Box<dyn Write + Send>,
    /// Whether somebody sits at the input.
    is_terminal: bool,
    signals: Signals,
}

impl Asker {
    /// Makes the one of this process. It has to be made on the runtime.
    pub(super) fn new() -> Asker {
        Asker {
            read: Some(Box::new(|| read_line(&mut io::stdin().lock()))),
            out: Box::new(io::stderr()),
            is_terminal: io::stdin().is_terminal(),
            signals: Signals::that_end(),
        }
    }

    /// Returns whether a person can be asked: stdin and stderr are terminals.
    pub(super) fn can_ask() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Says something above the next question.
    pub(super) fn tell(&mut self, text: &str) {
        // Who cannot be told can still answer.
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    /// Asks until `read` takes the answer; an empty one is the default where there is one.
    pub(super) async fn ask<T>(
        &mut self,
        what: &str,
        default: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, AskError> {
        let prompt = match default {
            Some(default) => format!("{what} [{default}]: "),
            None => format!("{what}: "),
        };
        loop {
            let line = self.line(what, &prompt).await?;
            let given = match (unquoted(&line), default) {
                ("", Some(default)) => default,
                (given, _) => given,
            };
            let answer = if given.is_empty() {
                Err("expected an answer; nothing was typed".to_owned())
            } else if given.chars().any(char::is_control) {
                Err("expected letters alone; there are control characters in it".to_owned())
            } else {
                read(given)
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(why) => self.again(what, why)?,
            }
        }
    }

    /// Asks for one of several, by its number or word; each has a line that explains it. The first is the default.
    pub(super) async fn choose<T: Copy>(
        &mut self,
        what: &str,
        options: &[(&str, &str, T)],
    ) -> Result<T, AskError> {
        let words: Vec<&str> = options.iter().map(|(word, ..)| *word).collect();
        let width = words.iter().map(|word| word.len()).max().unwrap_or(0);
        for (number, (word, explained, _)) in options.iter().enumerate() {
            let number = number + 1;
            self.tell(&format!("  {number}  {word:width$}  {explained}"));
        }
        let default = words.first().copied();
        self.ask(what, default, |answer| {
            let number: Option<usize> = answer.parse().ok();
            options
                .iter()
                .enumerate()
                .find(|(at, (word, ..))| *word == answer || number == Some(at + 1))
                .map(|(_, (.., value))| *value)
                .ok_or_else(|| {
                    let count = options.len();
                    format!("expected 1 to {count}, or one of: {}", words.join(", "))
                })
        })
        .await
    }

    /// Asks a question that is answered by yes or no.
    pub(super) async fn yes_no(&mut self, what: &str, default: bool) -> Result<bool, AskError> {
        let default = if default { "yes" } else { "no" };
        self.ask(what, Some(default), |answer| {
            match answer.to_ascii_lowercase().as_str() {
                "y" | "yes" => Ok(true),
                "n" | "no" => Ok(false),
                _ => Err("expected yes or no".to_owned()),
            }
        })
        .await
    }

    /// Asks for a secret, which a terminal does not show; in a pipe the next line is it.
    ///
    /// Errors: also a terminal that cannot be kept from showing it.
    pub(super) async fn secret(&mut self, what: &str) -> Result<Secret, AskError> {
        let prompt = format!("{what} (it is not shown): ");
        loop {
            // Before the prompt, so that nothing typed after it is shown. It ends with this turn, by whatever way.
            let hidden = match self.is_terminal {
                true => Some(hide().map_err(AskError::Io)?),
                false => None,
            };
            let line = self.line(what, &prompt).await;
            drop(hidden);
            let line = line?;
            let text = unquoted(&line);
            if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
                return Ok(Secret::new(text));
            }
            let why = "expected one word, without spaces in it".to_owned();
            self.again(what, why)?;
        }
    }

    /// Does something that is given up when the program is asked to end.
    ///
    /// Errors: [`AskError::Stopped`].
    pub(super) async fn or_stopped<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, AskError> {
        tokio::select! {
            biased;
            () = self.signals.next() => {
                self.stopped();
                Err(AskError::Stopped)
            }
            done = work => Ok(done),
        }
    }

    /// Says why an answer is none, so that it is asked for again.
    fn again(&mut self, what: &str, why: String) -> Result<(), AskError> {
        if self.is_terminal {
            self.tell(&format!("  {why}"));
            return Ok(());
        }
        Err(AskError::Wrong {
            what: what.to_owned(),
            why,
        })
    }

    /// Reads one line, whatever it is.
    async fn line(&mut self, what: &str, prompt: &str) -> Result<String, AskError> {
        if self.is_terminal {
            let _ = write!(self.out, "{prompt}").and_then(|()| self.out.flush());
        }
        let mut read = self.read.take().ok_or(AskError::Stopped)?;
        let (answer, answered) = oneshot::channel();
        let reading = move || {
            let line = read();
            // When nobody waits any more, the process is about to end.
            let _ = answer.send((read, line));
        };
        // Not a thread of the runtime: that one could not be left behind.
        std::thread::Builder::new()
            .name("answers".to_owned())
            .spawn(reading)
            .map_err(AskError::Io)?;
        let (read, line) = tokio::select! {
            biased;
            () = self.signals.next() => {
                self.stopped();
                return Err(AskError::Stopped);
            }
            answered = answered => answered.map_err(|_| AskError::Stopped)?,
        };
        self.read = Some(read);
        let line = line.map_err(AskError::Io)?;
        if line.is_empty() {
            self.stopped();
            return Err(AskError::Ended {
                what: what.to_owned(),
            });
        }
        // What is not text has replacement characters now, and is no answer to anything that is asked.
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Ends the line of the prompt, so that what is said next has one of its own.
    fn stopped(&mut self) {
        if self.is_terminal {
            self.tell("");
        }
    }
}

/// Returns what a person meant: without the blanks, and the quotes, that came along when it was copied.
fn unquoted(line: &str) -> &str {
    let text = line.trim();
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text).trim()
}

/// Reads a line with its end, at most [`LONGEST_BYTES`] of it.
fn read_line(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.take(LONGEST_BYTES).read_until(b'\n', &mut line)?;
    if line.len() as u64 == LONGEST_BYTES {
        let what = "the line is too long to be an answer";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(line)
}

/// Keeps the terminal at stdin from showing what is typed.
fn hide() -> io::Result<Hidden> {
    Hidden::of(io::stdin().as_fd().try_clone_to_owned()?)
}

/// While it lives, a terminal does not show what is typed.
struct Hidden {
    terminal: OwnedFd,
    before: Termios,
}

impl Hidden {
    /// What was typed ahead stays to be read.
    fn of(terminal: OwnedFd) -> io::Result<Hidden> {
        let before = tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The line's end is shown, so that the next prompt does not stand behind this one.
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&terminal, OptionalActions::Now, &hidden)?;
        Ok(Hidden { terminal, before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that went away needs no echo.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was said.
    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Said {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// Somebody who types these lines; without a terminal of the system nothing is hidden.
    fn person(lines: &'static str, is_terminal: bool) -> (Asker, Said) {
        let mut input = Cursor::new(lines);
        let said = Said::default();
        let asker = Asker {
            read: Some(Box::new(move || read_line(&mut input))),
            out: Box::new(said.clone()),
            is_terminal,
            signals: Signals::that_end(),
        };
        (asker, said)
    }

    fn number(text: &str) -> Result<u32, String> {
        text.parse().map_err(|_| "expected a number".to_owned())
    }

    #[tokio::test]
    async fn a_wrong_answer_on_a_terminal_is_asked_again() {
        let (mut asker, said) = person("x\n\u{1b}[A7\n 7 \r\n\n \"8\" \n'9'\n\n5\n", true);
        assert_eq!(asker.ask("How many", Some("3"), number).await.unwrap(), 7);
        assert_eq!(asker.ask("How many", Some("3"), number).await.unwrap(), 3);
        let text = said.text();
        assert!(text.starts_with("How many [3]: "), "{text}");
        assert!(text.contains("  expected a number\n"), "{text}");
        assert!(text.contains("control characters"), "{text}");
        assert_eq!(text.matches("How many").count(), 4);
        for quoted in [8, 9] {
            assert_eq!(asker.ask("How", None, number).await.unwrap(), quoted);
        }
        assert_eq!(asker.ask("How", None, number).await.unwrap(), 5);
        let text = said.text();
        assert!(text.contains("  expected an answer; nothing"), "{text}");
    }

    #[tokio::test]
    async fn a_wrong_answer_in_a_pipe_is_an_error_and_no_prompt_is_written() {
        let (mut asker, said) = person("x\n7\n", false);
        let wrong = asker.ask("How many", None, number).await.unwrap_err();
        let error = wrong.leaving("nothing was written").to_string();
        assert_eq!(error, "How many: expected a number; nothing was written");
        assert_eq!(asker.ask("How many", None, number).await.unwrap(), 7);
        assert_eq!(said.text(), "");
    }

    #[tokio::test]
    async fn one_of_several_is_chosen_by_number_or_word() {
        let options = [("red", "like blood", 'r'), ("green", "like grass", 'g')];
        let (mut asker, said) = person("2\n\ngreen\n3\nred", true);
        for expected in ['g', 'r', 'g', 'r'] {
            assert_eq!(asker.choose("Color", &options).await.unwrap(), expected);
        }
        let text = said.text();
        assert!(text.contains("  1  red    like blood\n"), "{text}");
        assert!(text.contains("Color [red]: "), "{text}");
        assert!(
            text.contains("expected 1 to 2, or one of: red, green"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn yes_and_no_have_a_default() {
        let (mut asker, _) = person("\n\nY\nno\nperhaps\nyes\n", true);
        assert!(asker.yes_no("Really", true).await.unwrap());
        assert!(!asker.yes_no("Really", false).await.unwrap());
        assert!(asker.yes_no("Really", false).await.unwrap());
        assert!(!asker.yes_no("Really", true).await.unwrap());
        assert!(asker.yes_no("Really", false).await.unwrap());
    }

    #[tokio::test]
    async fn a_secret_in_a_pipe_is_the_next_line_and_never_said() {
        let (mut asker, said) = person(" \"pit-very-secret\" \r\nnot a-very-secret\n", false);
        let secret = asker.secret("Token").await.unwrap();
        assert_eq!(secret.reveal(), "pit-very-secret");
        let wrong = asker.secret("Token").await.unwrap_err();
        let error = wrong.leaving("nothing was kept").to_string();
        assert!(error.contains("expected one word"), "{error}");
        assert!(!(error + &said.text()).contains("very-secret"));
    }

    #[test]
    fn a_terminal_hides_what_is_typed_and_shows_it_again_whatever_happens() {
        use rustix::fs::{Mode, OFlags};
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let hand = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&hand).unwrap();
        unlockpt(&hand).unwrap();
        let name = ptsname(&hand, Vec::new()).unwrap();
        let terminal =
            || rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let kept = terminal();
        let is_shown = || {
            let modes = tcgetattr(&kept).unwrap().local_modes;
            modes.contains(LocalModes::ECHO)
        };
        assert!(is_shown());
        let hidden = Hidden::of(terminal()).unwrap();
        assert!(!is_shown());
        drop(hidden);
        assert!(is_shown());
        let panicked = std::panic::catch_unwind(|| {
            let _hidden = Hidden::of(terminal()).unwrap();
            panic!("a panic on purpose");
        });
        assert!(panicked.is_err());
        assert!(is_shown());
    }

    #[tokio::test]
    async fn an_input_that_ends_says_what_was_asked() {
        let (mut asker, said) = person("", true);
        let ended = asker.ask("How many", None, number).await.unwrap_err();
        let error = ended.leaving("nothing was written").to_string();
        assert_eq!(
            error,
            "the input ended before there was an answer to \"How many\"; nothing was written"
        );
        assert!(said.text().ends_with(": \n"));
    }

    #[tokio::test]
    async fn a_line_without_an_end_in_sight_is_refused() {
        let long: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
        let (mut asker, _) = person(long, true);
        let refused = asker.ask("How many", None, number).await.unwrap_err();
        assert!(matches!(refused, AskError::Io(_)), "{refused:?}");
    }
}
