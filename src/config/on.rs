//! Reading `[on]`: tags, notes and tasks by moment of a record's life.

use super::events::{self, Event};
use super::reader::Table;
use super::trial::Trial;
use super::{job, keys, tags};
use crate::model::{
    Actions, ChangeRule, EventRule, EventTarget, EventWhat, Lifecycle, Milestone, SourceKind,
};
use crate::plan::spelling;

/// Reads `[on]`.
pub(super) fn read(root: &Table<'_>, trial: Option<&mut Trial>) -> Lifecycle {
    let Some(on) = root.table("on") else {
        return Lifecycle::default();
    };
    on.expect_keys(keys::ON, |key| match key {
        "add_tags" | "remove_tags" => {
            Some("tags belong to a moment: [on.join], [on.leave]".to_owned())
        }
        "note" | "task" | "complete_task" => {
            Some("notes and tasks belong to a moment: [on.join], [on.leave]".to_owned())
        }
        _ => job::top_level(key),
    });
    let mut desk = Desk {
        trial,
        events: Vec::new(),
    };
    let lifecycle = Lifecycle {
        join: desk.moment(&on, "join"),
        leave: desk.moment(&on, "leave"),
        returns: desk.moment(&on, "return"),
        gone: desk.moment(&on, "gone"),
        changes: desk.changes(&on),
        milestones: desk.milestones(&on),
    };
    desk.check_completions();
    lifecycle
}

/// What is at hand while the moments are read.
struct Desk<'t, 'a> {
    /// `None` without a source, whose attributes would be known.
    trial: Option<&'a mut Trial>,
    /// Every note and task of the file, with its table.
    events: Vec<(Table<'t>, Event)>,
}

impl<'t> Desk<'t, '_> {
    fn source(&self) -> Option<SourceKind> {
        self.trial.as_ref().map(|trial| trial.source())
    }

    /// Reads `[on.join]`, `[on.leave]`, `[on.return]` or `[on.gone]`.
    fn moment(&mut self, on: &Table<'t>, moment: &str) -> Actions {
        let Some(table) = on.table(moment) else {
            return Actions::default();
        };
        let is_return = moment == "return";
        let known = if is_return {
            keys::RETURN
        } else {
            keys::MOMENT
        };
        table.expect_keys(known, |key| match key {
            "remove_tags" => Some(
                "a return only adds: what has to go while a record is in stands in on.join.remove_tags"
                    .to_owned(),
            ),
            _ => job::top_level(key),
        });
        let adds = tags::read(&table, "add_tags", self.trial.as_deref_mut());
        let removes = match is_return {
            true => Vec::new(),
            false => tags::read(&table, "remove_tags", self.trial.as_deref_mut()),
        };
        tags::check(&table, &adds, &removes);
        let texts = |named: Vec<tags::Named<'_>>| {
            named
                .into_iter()
                .map(|named| named.text.value.to_owned())
                .collect()
        };
        Actions {
            add_tags: texts(adds),
            remove_tags: texts(removes),
            events: self.events(&table, &[]),
        }
    }

    /// Reads the notes and tasks of a moment.
    fn events(&mut self, table: &Table<'t>, extras: &[&'static str]) -> Vec<EventRule> {
        let events = events::read(table, self.trial.as_deref_mut(), extras);
        let rules = events.iter().map(|event| event.rule.clone()).collect();
        let named = events.into_iter().map(|event| (table.clone(), event));
        self.events.extend(named);
        rules
    }

    fn changes(&mut self, on: &Table<'t>) -> Vec<ChangeRule> {
        let mut changes: Vec<ChangeRule> = Vec::new();
        for table in on.tables("change") {
            table.expect_keys(keys::CHANGE, |key| no_tags(key, "a change"));
            let source = self.source();
            let names: Vec<&str> = source
                .map(|source| {
                    let is_changing =
                        |name: &&&str| **name != source.key_attribute() && **name != "channel";
                    source
                        .attributes()
                        .iter()
                        .filter(is_changing)
                        .copied()
                        .collect()
                })
                .unwrap_or_default();
            let of = of(&table, source, &names, "change");
            let events = self.events(&table, &["before"]);
            does_something(&table);
            let Some(of) = of else { continue };
            if changes.iter().any(|other| other.of == of) {
                let message = format!("`{of}` has a table [[on.change]] above already");
                let hint = "write the notes and tasks of both into one, as lists";
                report_of(&table, message, Some(hint));
            }
            changes.push(ChangeRule { of, events });
        }
        changes
    }

    fn milestones(&mut self, on: &Table<'t>) -> Vec<Milestone> {
        let mut milestones: Vec<Milestone> = Vec::new();
        for table in on.tables("milestone") {
            table.expect_keys(keys::MILESTONE, |key| no_tags(key, "a milestone"));
            let source = self.source();
            let numbers = source.map_or(&[][..], SourceKind::numbers);
            let of = of(&table, source, numbers, "reach a milestone");
            let at = thresholds(&table);
            let events = self.events(&table, &["before", "milestone"]);
            does_something(&table);
            let Some(of) = of else { continue };
            let is_same = |other: &&Milestone| other.of == of;
            let mut taken = milestones
                .iter()
                .filter(is_same)
                .flat_map(|other| &other.at);
            if let Some(twice) = taken.find(|threshold| at.contains(threshold)) {
                let message = format!("{twice} is a milestone of `{of}` above already");
                let place = table.value("at").map_or(0, |value| value.at);
                table.report_at(place, "at", message, None);
            }
            milestones.push(Milestone { of, at, events });
        }
        milestones
    }

    /// Reports what completes tasks that no moment makes.
    fn check_completions(&self) {
        let targets: Vec<EventTarget> = self
            .events
            .iter()
            .filter(|(_, event)| matches!(event.rule.what, EventWhat::Task { .. }))
            .map(|(_, event)| event.rule.to)
            .collect();
        for (table, event) in &self.events {
            let EventRule { what, to, .. } = &event.rule;
            if *what != EventWhat::CompleteTask || targets.contains(to) {
                continue;
            }
            let message = match targets.is_empty() {
                true => {
                    "there is nothing to complete: no moment of this job has a `task`".to_owned()
                }
                false => format!(
                    "there is nothing to complete: no task of this job is for the {}'s contact",
                    match to {
                        EventTarget::Contact => "record",
                        EventTarget::Channel => "channel",
                    }
                ),
            };
            table.report_at(event.at, "complete_task", message, None);
        }
    }
}

fn no_tags(key: &str, what: &str) -> Option<String> {
    match key {
        "add_tags" | "remove_tags" => Some(format!(
            "{what} has no tags; a template in on.join.add_tags can tell by the attribute"
        )),
        _ => job::top_level(key),
    }
}

/// Reads the attribute that a change or a milestone is about: one of `names`.
fn of(table: &Table<'_>, source: Option<SourceKind>, names: &[&str], deed: &str) -> Option<String> {
    let text = table.required_text("of", "of = \"<an attribute>\"")?;
    let source = source?;
    if names.contains(&text.value) {
        return Some(text.value.to_owned());
    }
    let shown = text.value.escape_debug();
    let message = match spelling::near(text.value, names.iter().copied()) {
        Some(near) => format!("`{shown}` does not {deed}, did you mean `{near}`?"),
        None if names.is_empty() => {
            format!("nothing that {} tells is a number to reach", source.word())
        }
        None => format!(
            "`{shown}` does not {deed}, expected one of: {}",
            names.join(", ")
        ),
    };
    table.report_at(text.at, "of", message, None);
    None
}

/// Reads `at`: whole numbers from 1, rising.
fn thresholds(table: &Table<'_>) -> Vec<u64> {
    let mut at: Vec<u64> = Vec::new();
    if !table.has("at") {
        let message = "missing, expected at = [3, 6, 12]".to_owned();
        table.report_absent("at", message, None);
        return at;
    }
    let values = table.one_or_more("at");
    if values.is_empty()
        && let Some(list) = table.value("at")
    {
        let message = "is empty, expected numbers such as [3, 6, 12]".to_owned();
        table.report_at(list.at, "at", message, None);
    }
    for value in values {
        let toml::de::DeValue::Integer(number) = value.value else {
            let _: Option<()> = table.wrong_type(
                "at",
                value.at,
                "whole numbers such as [3, 6, 12]",
                value.value,
            );
            continue;
        };
        let refuse = |expected: &str| {
            let message = format!("{number} is out of order, expected {expected}");
            table.report_at(value.at, "at", message, None);
        };
        match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(count) if count > 0 && at.last().is_none_or(|last| *last < count) => at.push(count),
            Ok(count) if count > 0 => refuse("numbers that rise"),
            Ok(_) | Err(_) => refuse("numbers from 1"),
        }
    }
    at
}

/// Reports a change or a milestone at which nothing would happen.
fn does_something(table: &Table<'_>) {
    let does = ["note", "task", "complete_task"];
    if !does.iter().any(|key| table.has(key)) {
        let message = "nothing happens then, expected a `note`, a `task` or `complete_task`";
        report_of(table, message.to_owned(), None);
    }
}

fn report_of(table: &Table<'_>, message: String, hint: Option<&str>) {
    let hint = hint.map(ToOwned::to_owned);
    match table.value("of") {
        Some(value) => table.report_at(value.at, "of", message, hint),
        None => table.report_absent("of", message, hint),
    }
}
