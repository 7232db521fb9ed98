//! Reading the notes and tasks of one moment.

use toml::de::DeValue;

use super::reader::{Spot, Table};
use super::trial::{Trial, Tried, is_conditional};
use super::{job, keys};
use crate::model::{EventRule, EventTarget, EventWhat};
use crate::plan::taskdue::DueBy;

/// Whose contact a note or task can be for.
const TARGETS: &[(&str, EventTarget)] = &[
    ("contact", EventTarget::Contact),
    ("channel", EventTarget::Channel),
];

/// One note or task, and where it stands.
pub(super) struct Event {
    pub(super) at: usize,
    pub(super) rule: EventRule,
}

/// Reads `note`, `task` and `complete_task` of a table, in the order of the file.
///
/// Templates may mention `extras` beside the attributes. What is wrong is reported and left out.
pub(super) fn read(
    table: &Table<'_>,
    trial: Option<&mut Trial>,
    extras: &[&'static str],
) -> Vec<Event> {
    let mut reading = Reading { trial, extras };
    let mut events = Vec::new();
    for (key, value) in table.entries() {
        match key.value {
            "note" | "task" => {
                for item in table.one_or_more(key.value) {
                    let rule = match key.value {
                        "note" => reading.note(table, &item),
                        _ => reading.task(table, &item),
                    };
                    let at = item.at;
                    events.extend(rule.map(|rule| Event { at, rule }));
                }
            }
            "complete_task" => {
                let at = value.at;
                let rule = reading.completion(table, &value);
                events.extend(rule.map(|rule| Event { at, rule }));
            }
            _ => {}
        }
    }
    events
}

struct Reading<'a> {
    /// `None` without a source, whose attributes would be known.
    trial: Option<&'a mut Trial>,
    extras: &'a [&'static str],
}

impl Reading<'_> {
    /// Reads a note: its text, or a table.
    fn note<'t>(&mut self, table: &Table<'t>, value: &Spot<&'t DeValue<'t>>) -> Option<EventRule> {
        if let DeValue::String(text) = value.value {
            let text: Spot<&str> = Spot {
                value: text.as_ref(),
                at: value.at,
            };
            self.spoken(table, "note", &text);
            return Some(EventRule {
                when: None,
                to: EventTarget::Contact,
                what: EventWhat::Note {
                    body: text.value.to_owned(),
                },
            });
        }
        let Some(inner) = table.inner("note", value) else {
            let expected =
                "a text in quotes, { body = \"…\", to = \"…\", when = \"…\" } or a list of these";
            return table.wrong_type("note", value.at, expected, value.value);
        };
        inner.expect_keys(keys::NOTE, job::top_level);
        let body = inner.required_text("body", "body = \"<template>\"");
        if let Some(body) = &body {
            self.spoken(&inner, "body", body);
        }
        let (to, when) = self.bounds(&inner);
        Some(EventRule {
            when,
            to,
            what: EventWhat::Note {
                body: body?.value.to_owned(),
            },
        })
    }

    fn task<'t>(&mut self, table: &Table<'t>, value: &Spot<&'t DeValue<'t>>) -> Option<EventRule> {
        let Some(inner) = table.inner("task", value) else {
            let expected = "{ title = \"…\", due = \"2d\" } or a list of these";
            return table.wrong_type("task", value.at, expected, value.value);
        };
        inner.expect_keys(keys::TASK, job::top_level);
        let title = inner.required_text("title", "title = \"<template>\"");
        if let Some(title) = &title {
            self.title(&inner, title);
        }
        let body = inner.text("body");
        if let Some(body) = &body {
            self.try_out(&inner, "body", body);
        }
        let due = inner.required_text("due", "due = \"2d\", or a day or a moment");
        if let Some(due) = &due {
            self.due(&inner, due);
        }
        let assigned = inner.text("assigned");
        if let Some(assigned) = &assigned {
            check_user(&inner, assigned);
        }
        let (to, when) = self.bounds(&inner);
        Some(EventRule {
            when,
            to,
            what: EventWhat::Task {
                title: title?.value.to_owned(),
                body: body.map(|body| body.value.to_owned()),
                due: due?.value.to_owned(),
                assigned: assigned.map(|assigned| assigned.value.to_owned()),
            },
        })
    }

    /// Reads `complete_task`: `true`, or a table; `false` is as if it were absent.
    fn completion<'t>(
        &mut self,
        table: &Table<'t>,
        value: &Spot<&'t DeValue<'t>>,
    ) -> Option<EventRule> {
        let what = EventWhat::CompleteTask;
        if let DeValue::Boolean(does) = value.value {
            return does.then_some(EventRule {
                when: None,
                to: EventTarget::Contact,
                what,
            });
        }
        let Some(inner) = table.inner("complete_task", value) else {
            let expected = "true, or { to = \"…\", when = \"…\" }";
            return table.wrong_type("complete_task", value.at, expected, value.value);
        };
        inner.expect_keys(keys::COMPLETE, job::top_level);
        let (to, when) = self.bounds(&inner);
        Some(EventRule { when, to, what })
    }

    /// Reads `to` and `when`.
    fn bounds(&mut self, table: &Table<'_>) -> (EventTarget, Option<String>) {
        let to = table.word("to", TARGETS).map(|spot| spot.value);
        let is_of_channels = self
            .trial
            .as_ref()
            .is_some_and(|trial| trial.source().is_of_channels());
        // A record of streams is the channel: there both words mean one contact, and one of them is kept.
        let to = to
            .filter(|_| !is_of_channels)
            .unwrap_or(EventTarget::Contact);
        let when = table.text("when");
        if let Some(when) = &when {
            self.try_out(table, "when", when);
        }
        (to, when.map(|when| when.value.to_owned()))
    }

    fn try_out(&mut self, table: &Table<'_>, key: &str, text: &Spot<&str>) -> Option<Tried> {
        let extras = self.extras;
        let trial = self.trial.as_deref_mut()?;
        trial.out(table, key, text, extras)
    }

    /// Checks a text that has to say something.
    fn spoken(&mut self, table: &Table<'_>, key: &str, text: &Spot<&str>) {
        let tried = self.try_out(table, key, text);
        if tried.is_some_and(|tried| tried.sample.is_none()) && !is_conditional(text.value) {
            let message = format!("`{}` comes out empty, expected a text", text.value);
            table.report_at(text.at, key, message, None);
        }
    }

    /// Checks a title: HighLevel takes no task without one.
    fn title(&mut self, table: &Table<'_>, text: &Spot<&str>) {
        let Some(tried) = self.try_out(table, "title", text) else {
            return;
        };
        if tried.sample.is_none() || tried.bare.is_none() {
            let message = format!(
                "`{}` can come out empty, and a task needs a title",
                text.value
            );
            let hint = "words of your own beside the template, or {{ name or 'words' }}";
            table.report_at(text.at, "title", message, Some(hint.to_owned()));
        }
    }

    fn due(&mut self, table: &Table<'_>, text: &Spot<&str>) {
        let refuse = |message: String| table.report_at(text.at, "due", message, None);
        if !text.value.contains('{') {
            if let Err(said) = DueBy::parse(text.value) {
                refuse(said);
            }
            return;
        }
        let Some(tried) = self.try_out(table, "due", text) else {
            return;
        };
        match tried.sample.as_deref().map(DueBy::parse) {
            Some(Ok(_)) => {}
            Some(Err(said)) => refuse(format!("comes out wrong: {said}")),
            None => refuse(format!(
                "`{}` comes out empty, expected a time such as \"2d\"",
                text.value
            )),
        }
    }
}

/// Checks the id of a user, which is the same for every record.
fn check_user(table: &Table<'_>, text: &Spot<&str>) {
    let is_sign = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_id = (1..=75).contains(&text.value.len()) && text.value.bytes().all(is_sign);
    if !is_id {
        let message = format!(
            "`{}` is not the id of a HighLevel user: expected letters and digits",
            text.value.escape_debug()
        );
        let hint = "a contact that is assigned to them shows it in HighLevel's API as `assignedTo`";
        table.report_at(text.at, "assigned", message, Some(hint.to_owned()));
    }
}
