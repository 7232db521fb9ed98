//! The notes and tasks that a job calls for, compiled once and rendered when their moment comes.

use std::collections::BTreeMap;

use super::super::template::{Template, Templates, clean};
use super::{RowProblem, compile_with};
use crate::model::{
    Change, ChangeRule, EventKey, EventRule, EventTarget, EventWhat, Milestone, Record,
};

/// The longest text of a note or task, in characters; no vendor limit is known, and nobody reads more.
const LONGEST: usize = 5_000;

/// The rules of one moment.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    when: Option<Template>,
    to: EventTarget,
    what: What,
}

#[derive(Debug)]
enum What {
    Note {
        body: Template,
    },
    Task {
        title: Template,
        body: Option<Template>,
        due: Template,
        assigned: Option<String>,
    },
    CompleteTask,
}

/// What watches one attribute.
#[derive(Debug)]
pub(super) struct Watch {
    of: String,
    /// Rising; empty fires at every change.
    at: Vec<u64>,
    rules: Rules,
}

impl Watch {
    /// Compiles an `[[on.change]]`.
    ///
    /// Errors: the first template that does not compile, with its place.
    pub(super) fn of_change(
        templates: &mut Templates,
        rule: &ChangeRule,
    ) -> Result<Watch, RowProblem> {
        let ChangeRule { of, events } = rule;
        Ok(Watch {
            of: of.clone(),
            at: Vec::new(),
            rules: Rules::new(templates, "change", events, &["before"])?,
        })
    }

    /// Compiles an `[[on.milestone]]`.
    ///
    /// Errors: as [`of_change`](Watch::of_change).
    pub(super) fn of_milestone(
        templates: &mut Templates,
        rule: &Milestone,
    ) -> Result<Watch, RowProblem> {
        let Milestone { of, at, events } = rule;
        Ok(Watch {
            of: of.clone(),
            at: at.clone(),
            rules: Rules::new(templates, "milestone", events, &["before", "milestone"])?,
        })
    }

    /// Returns whether an event that came up before is still called for.
    pub(super) fn calls_for(&self, change: &Change) -> bool {
        let word = if self.at.is_empty() {
            "change"
        } else {
            "milestone"
        };
        let is_mine = |moment: &str| moment.strip_prefix(word) == Some(&format!(" {}", self.of));
        change
            .event()
            .is_some_and(|(event, _)| is_mine(&event.moment))
            && self.rules.still_has(change)
    }

    /// Returns whether it watches for thresholds, not for every change.
    pub(super) fn has_milestones(&self) -> bool {
        !self.at.is_empty()
    }

    /// Returns the attribute that is watched.
    pub(super) fn of(&self) -> &str {
        &self.of
    }

    /// Returns the moment that an attribute's step from one value to the next is; `None` when nothing is to happen.
    pub(super) fn fires(&self, before: Option<&str>, now: Option<&str>) -> Option<Turn> {
        let now = now?;
        if self.at.is_empty() {
            let before = before.filter(|before| *before != now)?;
            return Some(Turn {
                moment: format!("change {}", self.of),
                before: before.to_owned(),
                milestone: None,
            });
        }
        // Without a value until now everything is reached from nothing.
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let (from, to) = (before.and_then(number).unwrap_or(0), number(now)?);
        let reached = self.at.iter().rev().find(|at| from < **at && **at <= to)?;
        Some(Turn {
            moment: format!("milestone {}", self.of),
            before: before.unwrap_or_default().to_owned(),
            milestone: Some(*reached),
        })
    }

    /// Renders what a turn calls for, as [`Rules::render`] does.
    pub(super) fn render(
        &self,
        templates: &Templates,
        record: &Record,
        turn: &Turn,
        occurrence: &str,
        into: &mut CalledFor,
    ) {
        let mut record = record.clone();
        let mut extra = |name: &str, value: String| {
            record.attributes.insert(name.to_owned(), value);
        };
        extra("before", turn.before.clone());
        if let Some(milestone) = turn.milestone {
            extra("milestone", milestone.to_string());
        }
        self.rules
            .render(templates, &record, &turn.moment, occurrence, into);
    }
}

/// One change of a watched attribute that calls for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The moment, as in [`EventKey`].
    pub(super) moment: String,
    before: String,
    /// The threshold, of a milestone.
    pub(super) milestone: Option<u64>,
}

impl Rules {
    /// Compiles the rules of one moment, whose templates know `extras` besides.
    ///
    /// Errors: the first template that does not compile, with its place.
    pub(super) fn new(
        templates: &mut Templates,
        moment: &str,
        rules: &[EventRule],
        extras: &[&'static str],
    ) -> Result<Rules, RowProblem> {
        let mut compiled = Vec::with_capacity(rules.len());
        for EventRule { when, to, what } in rules {
            let mut compile = |word: &str, source: &str| {
                compile_with(templates, &format!("on.{moment}.{word}"), source, extras)
            };
            let when = when
                .as_deref()
                .map(|when| compile("when", when))
                .transpose()?;
            let what = match what {
                EventWhat::Note { body } => What::Note {
                    body: compile("note", body)?,
                },
                EventWhat::Task {
                    title,
                    body,
                    due,
                    assigned,
                } => What::Task {
                    title: compile("task.title", title)?,
                    body: body
                        .as_deref()
                        .map(|body| compile("task.body", body))
                        .transpose()?,
                    due: compile("task.due", due)?,
                    assigned: assigned.clone(),
                },
                EventWhat::CompleteTask => What::CompleteTask,
            };
            compiled.push(Rule {
                when,
                to: *to,
                what,
            });
        }
        Ok(Rules(compiled))
    }

    /// Returns whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether the rule that an event came from is still there.
    pub(super) fn still_has(&self, change: &Change) -> bool {
        let Some((event, to)) = change.event() else {
            return false;
        };
        let place = usize::try_from(event.place).unwrap_or_default();
        let Some(rule) = place.checked_sub(1).and_then(|place| self.0.get(place)) else {
            return false;
        };
        let fits = match (&rule.what, change) {
            (What::Note { .. }, Change::Note { .. })
            | (What::Task { .. }, Change::Task { .. })
            | (What::CompleteTask, Change::CompleteTask { .. }) => true,
            (What::Note { .. } | What::Task { .. } | What::CompleteTask, _) => false,
        };
        fits && rule.to == to
    }

    /// Renders what the moment calls for, in the order of the job file. A note or a title that comes out empty is none.
    ///
    /// A template that fails on this record, or a text that nobody would read, costs its own rule alone; the first problem is kept.
    pub(super) fn render(
        &self,
        templates: &Templates,
        record: &Record,
        moment: &str,
        occurrence: &str,
        into: &mut CalledFor,
    ) {
        let row = templates.row(record);
        let render = |word: &str, template: &Template| {
            let problem = |reason: String| RowProblem {
                place: format!("on.{moment}.{word}"),
                reason,
            };
            let text = templates.render(template, &row).map_err(problem)?;
            match text.chars().count() {
                count if count > LONGEST => Err(problem(format!(
                    "a text of {count} characters, expected at most {LONGEST}"
                ))),
                _ => Ok(text),
            }
        };
        for (place, rule) in (1..).zip(&self.0) {
            let event = EventKey {
                moment: moment.to_owned(),
                occurrence: occurrence.to_owned(),
                place,
            };
            match rule.render(event, render) {
                Ok(change) => into.changes.extend(change),
                Err(problem) => {
                    into.problem.get_or_insert(problem);
                }
            }
        }
    }
}

impl Rule {
    /// Returns what the rule calls for; `None` when its condition says no or nothing is left of its text.
    fn render(
        &self,
        event: EventKey,
        render: impl Fn(&str, &Template) -> Result<String, RowProblem>,
    ) -> Result<Option<Change>, RowProblem> {
        if let Some(when) = &self.when
            && !is_yes(&render("when", when)?)
        {
            return Ok(None);
        }
        let to = self.to;
        Ok(match &self.what {
            What::Note { body } => {
                paragraphs(&render("note", body)?).map(|body| Change::Note { event, to, body })
            }
            What::Task {
                title,
                body,
                due,
                assigned,
            } => {
                let Some(title) = clean(render("task.title", title)?) else {
                    return Ok(None);
                };
                let body = match body {
                    Some(body) => paragraphs(&render("task.body", body)?),
                    None => None,
                };
                Some(Change::Task {
                    event,
                    to,
                    title,
                    body,
                    due: render("task.due", due)?.trim().to_owned(),
                    assigned: assigned.clone(),
                })
            }
            What::CompleteTask => Some(Change::CompleteTask { event, to }),
        })
    }
}

/// The notes and tasks that a record's moments call for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalledFor {
    /// Those that could be rendered, in the order of the job file.
    pub changes: Vec<Change>,
    /// Why some are missing: the first that is wrong.
    pub problem: Option<RowProblem>,
}

/// Returns whether a condition came out as yes.
fn is_yes(text: &str) -> bool {
    !matches!(
        text.trim().to_lowercase().as_str(),
        "" | "false" | "no" | "none" | "0"
    )
}

/// Makes a text fit for a note: every line cleaned, lines kept, empty ones at both ends left out; `None` when nothing is left.
fn paragraphs(text: &str) -> Option<String> {
    let lines: Vec<String> = text
        .lines()
        .map(|line| clean(line.to_owned()).unwrap_or_default())
        .collect();
    let text = lines.join("\n");
    let text = text.trim_matches('\n');
    (!text.is_empty()).then(|| text.to_owned())
}

/// The watched attributes of a record, as they were when a job last looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Watched {
    /// By name; one without a value is left out.
    pub values: BTreeMap<String, String>,
    /// How often any of them changed: it tells one change from the next to the same value.
    pub turns: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_says_no_in_several_ways() {
        for no in ["", " ", "false", "False", "no", "none", "0"] {
            assert!(!is_yes(no), "{no:?}");
        }
        for yes in ["true", "yes", "1", "3000", "x"] {
            assert!(is_yes(yes), "{yes:?}");
        }
    }

    #[test]
    fn a_note_keeps_its_lines_and_loses_what_nobody_sees() {
        assert_eq!(
            paragraphs("\n one \u{7}\n\ntwo\r\n\n").as_deref(),
            Some("one\n\ntwo")
        );
        assert_eq!(paragraphs(" \n\u{200b}\n"), None);
    }

    #[test]
    fn a_milestone_fires_for_the_highest_threshold_that_was_newly_reached() {
        let watch = Watch {
            of: "months".to_owned(),
            at: vec![3, 6, 12],
            rules: Rules::default(),
        };
        let fires = |before, now| {
            let turn = watch.fires(before, now)?;
            turn.milestone
        };
        assert_eq!(fires(Some("2"), Some("3")), Some(3));
        assert_eq!(fires(Some("2"), Some("7")), Some(6));
        assert_eq!(fires(Some("3"), Some("5")), None);
        assert_eq!(fires(Some("12"), Some("2")), None);
        assert_eq!(fires(None, Some("40")), Some(12));
        assert_eq!(fires(Some("2"), None), None);
        assert_eq!(fires(Some("2"), Some("many")), None);
    }

    #[test]
    fn a_change_needs_both_values() {
        let watch = Watch {
            of: "tier".to_owned(),
            at: Vec::new(),
            rules: Rules::default(),
        };
        assert!(watch.fires(Some("1"), Some("2")).is_some());
        for (before, now) in [(None, Some("2")), (Some("1"), Some("1")), (Some("1"), None)] {
            assert_eq!(watch.fires(before, now), None);
        }
    }
}
