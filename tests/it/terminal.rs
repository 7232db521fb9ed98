//! The program at a terminal of its own: what it shows is read, and lines are typed.
//!
//! The terminal controls no process, so that a Ctrl-C is sent as the signal that it is.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// Nothing that a test waits for takes longer, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(60);
/// How often a test looks whether the program has come as far as it waits for.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// What ends the input when it is typed at the start of a line.
const END_OF_INPUT: &[u8] = b"\x04";

/// A program at a terminal.
pub(crate) struct Terminal {
    child: Child,
    hand: File,
    shown: Arc<Mutex<Vec<u8>>>,
    /// How much of what is shown was waited for already.
    seen: usize,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Only when the test failed: otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Terminal {
    /// Starts the program with these arguments.
    pub(crate) fn start(program: &str, args: &[&str]) -> Terminal {
        let mut command = Command::new(program);
        command.args(args);
        Terminal::of(command)
    }

    /// Starts a command whose stdin, stdout and stderr are a terminal of 200 columns.
    pub(crate) fn of(mut command: Command) -> Terminal {
        let hand = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&hand).unwrap();
        unlockpt(&hand).unwrap();
        let size = Winsize {
            ws_row: 50,
            ws_col: 200,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&hand, size).unwrap();
        let name = ptsname(&hand, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let open = || -> OwnedFd { rustix::fs::open(&name, flags, Mode::empty()).unwrap() };
        let child = command
            .env("TERM", "xterm")
            .stdin(Stdio::from(open()))
            .stdout(Stdio::from(open()))
            .stderr(Stdio::from(open()))
            .spawn()
            .unwrap();
        // The command holds the program's side; the reading ends when nobody does.
        drop(command);
        let hand = File::from(hand);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, page) = (hand.try_clone().unwrap(), shown.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error is the end: so a terminal says that its other side is closed.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                page.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Terminal {
            child,
            hand,
            shown,
            seen: 0,
        }
    }

    /// Types a line and Enter.
    pub(crate) fn line(&mut self, text: &str) {
        self.hand.write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    /// Types Ctrl-D.
    pub(crate) fn end_of_input(&mut self) {
        self.hand.write_all(END_OF_INPUT).unwrap();
    }

    /// Waits until this is shown after what was waited for before; returns what came since then, it included.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let began = Instant::now();
        loop {
            let shown = self.shown();
            if let Some(at) = shown[self.seen..].find(text) {
                let end = self.seen + at + text.len();
                let new = shown[self.seen..end].to_owned();
                self.seen = end;
                return new;
            }
            // What it said last may still be on its way: the reading thread lets go of the page when it has read all.
            let is_over = Arc::strong_count(&self.shown) == 1;
            assert!(
                !is_over || self.shown()[self.seen..].contains(text),
                "it ended without `{text}`:\n{shown}"
            );
            assert!(began.elapsed() < LONGEST, "no `{text}`:\n{shown}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Returns everything that was shown so far, with plain line ends.
    pub(crate) fn shown(&self) -> String {
        let bytes = self.shown.lock().unwrap();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// Returns whether the terminal shows what is typed.
    pub(crate) fn is_echoing(&self) -> bool {
        let modes = tcgetattr(&self.hand).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    }

    /// Sends a signal, by the name that `kill` knows it by.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status()
            .unwrap();
        assert!(sent.success(), "kill -{name} {id}");
    }

    /// Waits for its end; returns the exit code, `None` when a signal ended it, and everything that was shown.
    pub(crate) async fn end(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < LONGEST, "hangs:\n{}", self.shown());
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        while Arc::strong_count(&self.shown) > 1 {
            assert!(began.elapsed() < LONGEST, "hangs:\n{}", self.shown());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        (status.code(), self.shown())
    }
}
