//! What `check` found, as values, and how they are written.

use std::fmt;
use std::io::{self, Write};

use serde::{Serialize, Serializer};

use crate::model::{AccountName, JobName};
use crate::report::{plain, wrapped};

use super::super::exit::{self, Exit};

/// The number of the JSON shape.
const SCHEMA: u32 = 1;

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing fails for it.
    Note,
    /// Something fails until it is mended.
    Wrong,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// An account of the main file.
    Account(AccountName),
    /// A job.
    Job(JobName),
    /// The state folder and what is in it.
    State,
    /// The files that people write, and the secrets that they name.
    Configuration,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            About::Account(name) => write!(f, "account {name}"),
            About::Job(name) => write!(f, "job {name}"),
            About::State => f.write_str("state"),
            About::Configuration => f.write_str("configuration"),
        }
    }
}

impl Serialize for About {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// How it is to be taken.
    pub(super) level: Level,
    /// What it is about.
    pub(super) about: About,
    /// What was seen, as a fragment that follows "account main: ".
    pub(super) what: String,
    /// What to do about it; `None` when there is nothing to do.
    pub(super) mend: Option<String>,
    /// The exit that it asks for: [`Exit::Done`] unless it is wrong.
    #[serde(serialize_with = "number_of")]
    pub(super) exit: Exit,
}

fn number_of<S: Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(exit.code())
}

/// What helps against a vendor that does not answer.
pub(super) const LATER: &str =
    "run it again later; if it stays, look at the network and at the vendor's status page";

/// Takes a message of ours apart: what was seen, and behind the first semicolon what to do. In parentheses are others' words, which may
/// have semicolons of their own.
pub(super) fn parted(message: &str) -> (&str, Option<&str>) {
    let mut depth = 0_u32;
    let end = message.char_indices().find_map(|(at, c)| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_end = depth == 0 && message.get(at..).is_some_and(|rest| rest.starts_with("; "));
        is_end.then_some(at)
    });
    match end.and_then(|at| Some((message.get(..at)?, message.get(at + 2..)?))) {
        Some((what, mend)) => (what, Some(mend)),
        None => (message, None),
    }
}

/// What was found so far, in the order in which it was looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    findings: Vec<Finding>,
}

impl Found {
    /// Adds something that is as it should be.
    pub(super) fn well(&mut self, about: About, what: impl Into<String>) {
        self.add(Level::Ok, about, what.into(), None, Exit::Done);
    }

    /// Adds something worth knowing.
    pub(super) fn note(&mut self, about: About, what: impl Into<String>, mend: Option<String>) {
        self.add(Level::Note, about, what.into(), mend, Exit::Done);
    }

    /// Adds something that has to be mended, with the line that says how.
    pub(super) fn wrong(
        &mut self,
        about: About,
        what: impl Into<String>,
        mend: impl Into<String>,
        exit: Exit,
    ) {
        self.add(Level::Wrong, about, what.into(), Some(mend.into()), exit);
    }

    /// Adds something that has to be mended and whose message says how, behind a semicolon; what says nothing of that gets a line all the same.
    pub(super) fn wrong_as_said(&mut self, about: About, message: &str, exit: Exit) {
        let (what, mend) = parted(message);
        let mend = mend.unwrap_or(if exit == Exit::OutOfTouch {
            LATER
        } else {
            "look for these words in docs/troubleshooting.md of ghl-sync"
        });
        self.wrong(about, what, mend, exit);
    }

    fn add(&mut self, level: Level, about: About, what: String, mend: Option<String>, exit: Exit) {
        self.findings.push(Finding {
            level,
            about,
            what,
            mend,
            exit,
        });
    }

    /// Returns whether something is wrong with this.
    pub(super) fn is_wrong(&self, about: &About) -> bool {
        let wrong = |finding: &Finding| finding.level == Level::Wrong && finding.about == *about;
        self.findings.iter().any(wrong)
    }

    /// Returns the exit that speaks for all.
    pub(super) fn exit(&self) -> Exit {
        exit::first_of(self.findings.iter().map(|finding| finding.exit))
    }

    /// Writes all of it for people, a line each and what to do beneath; wrapped to `width`.
    pub(super) fn text(&self, out: &mut dyn Write, width: Option<u16>) -> io::Result<()> {
        for finding in &self.findings {
            let word = match finding.level {
                Level::Ok => "ok",
                Level::Note => "note",
                Level::Wrong => "WRONG",
            };
            let line = format!("{}: {}", finding.about, plain(&finding.what));
            wrapped(out, &format!("  {word:<5}  "), HANG, &line, width)?;
            if let Some(mend) = &finding.mend {
                let first = format!("{}→ ", " ".repeat(HANG));
                wrapped(out, &first, HANG + 2, &plain(mend), width)?;
            }
        }
        Ok(())
    }

    /// Says in one line what it comes to.
    pub(super) fn summary(&self, online: bool) -> String {
        let count = |level| {
            let of_level = |finding: &&Finding| finding.level == level;
            self.findings.iter().filter(of_level).count()
        };
        let counted = |count: usize, noun: &str| match count {
            1 => format!("1 {noun}"),
            n => format!("{n} {noun}s"),
        };
        let (wrongs, notes) = (count(Level::Wrong), count(Level::Note));
        let mut text = match (wrongs, online) {
            (0, false) => "all is well, as far as can be told without a call".to_owned(),
            (0, true) => "all is well".to_owned(),
            (n, _) => counted(n, "problem"),
        };
        if notes > 0 {
            text.push_str(&format!("; {}", counted(notes, "note")));
        }
        text
    }

    /// Returns all of it as one line of JSON.
    pub(super) fn json(&self, config: &str, online: bool) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Page<'a> {
            schema: u32,
            config: &'a str,
            online: bool,
            findings: &'a [Finding],
            exit: u8,
        }
        serde_json::to_string(&Page {
            schema: SCHEMA,
            config,
            online,
            findings: &self.findings,
            exit: self.exit().code(),
        })
    }
}

/// Where the text of a finding begins, behind its level.
const HANG: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        let mut found = Found::default();
        let main = AccountName::try_from("main").unwrap();
        found.well(About::State, "opens");
        found.note(
            About::Configuration,
            "secrets in the environment are read at the start",
            None,
        );
        found.wrong(
            About::Account(main),
            "the token is dead\u{1b}[31m",
            "log in again: ghl-sync auth highlevel --account main",
            Exit::BadConfig,
        );
        found
    }

    #[test]
    fn every_finding_is_a_line_with_what_to_do_beneath_also_on_a_narrow_terminal() {
        let shown = |width| {
            let mut out = Vec::new();
            found().text(&mut out, width).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            shown(None),
            "  ok     state: opens\n\
             \x20 note   configuration: secrets in the environment are read at the start\n\
             \x20 WRONG  account main: the token is dead\\u{1b}[31m\n\
             \x20        → log in again: ghl-sync auth highlevel --account main\n"
        );
        let narrow = shown(Some(40));
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 40),
            "{narrow}"
        );
        assert!(
            narrow.contains("         → log in again: ghl-sync auth\n"),
            "{narrow}"
        );
        assert_eq!(found().summary(false), "1 problem; 1 note");
    }

    #[test]
    fn the_json_has_the_same_findings_and_the_exit() {
        let json = found().json("ghl-sync.toml", true).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["schema"], &json["exit"]), (&1.into(), &4.into()));
        let levels: Vec<&str> = json["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["level"].as_str().unwrap())
            .collect();
        assert_eq!(levels, ["ok", "note", "wrong"]);
        assert_eq!(json["findings"][2]["about"], "account main");
        assert_eq!(json["findings"][0]["mend"], serde_json::Value::Null);
    }

    #[test]
    fn a_message_of_ours_says_what_to_do_behind_its_semicolon() {
        assert_eq!(
            parted("the variable X is not set; set it"),
            ("the variable X is not set", Some("set it"))
        );
        assert_eq!(parted("nobody knows"), ("nobody knows", None));
        // What a vendor said, and why a login has ended, have semicolons of their own.
        assert_eq!(
            parted("the login has ended (a; b (c; d) e; f); run `x`; it helps"),
            (
                "the login has ended (a; b (c; d) e; f)",
                Some("run `x`; it helps")
            )
        );
        assert_eq!(parted("it said (***; no"), ("it said (***; no", None));
        assert_eq!(
            parted("it said a); run `x`"),
            ("it said a)", Some("run `x`"))
        );
    }

    #[test]
    fn whatever_is_wrong_has_a_line_on_how_to_mend_it() {
        for (exit, part) in [
            (Exit::OutOfTouch, "run it again later"),
            (Exit::Failed, "troubleshooting"),
        ] {
            let mut found = Found::default();
            found.wrong_as_said(About::State, "nobody knows", exit);
            let mend = found.findings[0].mend.clone().unwrap();
            assert!(mend.contains(part), "{mend}");
        }
    }
}
