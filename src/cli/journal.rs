//! Whether stderr is the journal of systemd, and what a line for it looks like.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::fstat;
use tracing::Level;

/// Where systemd says which stream is the journal's, as `device:inode`. Source: systemd.exec(5), "$JOURNAL_STREAM".
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

/// Returns whether stderr goes to the journal: it then reads a priority at the start of each line, and has the time itself.
///
/// The variable alone does not say so: whatever a unit starts inherits it, and may have sent its stderr elsewhere.
pub(super) fn is_journal() -> bool {
    let stream = std::env::var(JOURNAL_STREAM).unwrap_or_default();
    !stream.is_empty() && is_stream(&stream, io::stderr())
}

fn is_stream(stream: &str, file: impl AsFd) -> bool {
    fstat(file).is_ok_and(|about| stream == format!("{}:{}", about.st_dev, about.st_ino))
}

/// Returns the priority that begins a line of this level. Source: sd-daemon(3).
pub(super) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Returns the text with the priority of its level before each line: the journal takes each line for an entry of its own.
pub(super) fn lines(level: Level, text: &str) -> String {
    let before = priority(level);
    let lines: Vec<String> = text
        .trim_end_matches('\n')
        .split('\n')
        .map(|line| format!("{before}{line}"))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_stream_is_the_journals_by_device_and_inode() {
        let file = File::open("/dev/null").unwrap();
        let about = file.metadata().unwrap();
        let stream = format!("{}:{}", about.dev(), about.ino());
        assert!(is_stream(&stream, &file));
        assert!(!is_stream(
            &format!("{}:{}", about.dev(), about.ino() + 1),
            &file
        ));
        assert!(!is_stream("", &file));
    }

    #[test]
    fn every_line_of_an_entry_has_its_priority() {
        assert_eq!(lines(Level::ERROR, "one\ntwo\n"), "<3>one\n<3>two");
        assert_eq!(lines(Level::INFO, "one"), "<6>one");
    }
}
