//! What is told of one record, as lines for people.

use chrono::{DateTime, Utc};

use crate::model::{FieldKey, Job, Own, Tag};

use super::super::status::moment;
use super::super::typed::Typed;
use super::told::{Contact, Did, FieldTold, Held, Link, Open, Roster, Rule, TagTold, Told, Wants};

impl Told {
    /// Returns the lines, the heading first.
    pub(super) fn lines(&self, job: &Job, typed: &Typed, now: DateTime<Utc>) -> Vec<String> {
        let mut lines = vec![match self.name.is_empty() {
            true => format!("{}, {}", self.key, self.job),
            false => format!("{} ({}), {}", self.name, self.key, self.job),
        }];
        match &self.roster {
            Some(roster) => lines.extend(roster.lines(now)),
            None => lines.push("  not in this job's roster".to_owned()),
        }
        lines.push(format!("  {}", self.link.line(now)));
        if let Some(matching) = &self.matching {
            lines.push(format!("  match: {}", matching.how));
            lines.extend(matching.rules.iter().map(rule));
        }
        match (&self.contact, &self.wants) {
            (Some(contact), Some(wants)) => {
                lines.push(contact.heading());
                let fields = wants.fields.iter();
                lines.extend(fields.map(|told| field(told, contact.fields.get(&told.field))));
                lines.extend(wants.tags.iter().map(|told| tag(told, contact)));
                lines.extend(contact.rest(wants));
            }
            (Some(contact), None) => {
                lines.push(contact.heading());
                lines.extend(contact.lines());
            }
            (None, Some(wants)) => {
                lines.push("  wanted".to_owned());
                let fields = wants.fields.iter();
                lines.extend(fields.map(|told| field(told, None)));
                let tags = wants.tags.iter().filter(|told| told.wanted);
                lines.extend(tags.map(|told| format!("    + tag {}", told.tag)));
            }
            (None, None) => {}
        }
        if let Some(wants) = &self.wants {
            lines.push(format!("  {}", wants.now(job)));
        }
        for Open {
            kind,
            what,
            told_by_run,
            command,
        } in &self.findings
        {
            lines.push(format!(
                "  open: {kind}: {what} (first told by run {told_by_run})"
            ));
            for command in command.iter().flat_map(|command| command.split(", or ")) {
                lines.push(format!("    {command}{}", typed.ending()));
            }
        }
        if !self.events.is_empty() {
            lines.push("  notes and tasks, oldest first".to_owned());
            lines.extend(self.events.iter().map(|event| event.line(now)));
        }
        match self.steps.as_slice() {
            [] => lines.push("  no step of it is in the journal".to_owned()),
            steps => {
                lines.push("  steps of all runs, oldest first".to_owned());
                for step in steps {
                    lines.push(step.line());
                    lines.extend(step.details.iter().map(|line| format!("      {line}")));
                }
            }
        }
        lines
    }
}

impl Roster {
    fn lines(&self, now: DateTime<Utc>) -> Vec<String> {
        let mut line = format!("  roster: {}", self.state);
        if let Some(pending) = &self.pending {
            line.push_str(&format!(", and {pending} as the last walks found"));
        }
        match self.listed_at {
            Some(at) => line.push_str(&format!(
                ", listed first by walk {}, {}",
                self.walk,
                moment(at, now)
            )),
            None => line.push_str(&format!(", listed first by walk {}", self.walk)),
        }
        if let Some(walk) = self.missing_since_walk {
            line.push_str(&format!("; absent since walk {walk}"));
            if let Some(at) = self.missing_since {
                line.push_str(&format!(", {}", moment(at, now)));
            }
            line.push_str(", not confirmed yet");
        }
        if self.transition > 0 {
            line.push_str(&match self.transition {
                1 => "; its state changed once".to_owned(),
                n => format!("; its state changed {n} times"),
            });
        }
        if self.open {
            line.push_str("; the last plan left something to do");
        }
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, value)| format!("    {name}: {value}"));
        std::iter::once(line).chain(attributes).collect()
    }
}

impl Link {
    fn line(&self, now: DateTime<Utc>) -> String {
        let since = match (self.since_run, self.since) {
            (Some(run), Some(at)) => format!(", since run {run}, {}", moment(at, now)),
            (Some(_) | None, _) => String::new(),
        };
        match (self.state, &self.contact) {
            ("none", _) => "link: none".to_owned(),
            ("claimed", _) => {
                "link: claimed, a create is under way or its answer was lost".to_owned()
            }
            ("tombstone", Some(contact)) => {
                format!("link: contact {contact}, which a person deleted{since}")
            }
            (_, Some(contact)) => format!("link: contact {contact}{since}"),
            (state, None) => format!("link: {state}"),
        }
    }
}

fn rule(rule: &Rule) -> String {
    let Rule { by, contacts } = rule;
    let found: Vec<String> = contacts
        .iter()
        .map(|(id, taken)| match taken {
            true => format!("{id} (another record's)"),
            false => id.to_string(),
        })
        .collect();
    match found.is_empty() {
        true => format!("    {by} finds nobody"),
        false => format!("    {by} finds {}", found.join(", ")),
    }
}

impl Contact {
    fn heading(&self) -> String {
        let gone = if self.gone { ", which is gone" } else { "" };
        format!("  contact {}{gone}, as last seen", self.id)
    }

    /// Returns what it holds, without a job's wishes.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .fields
            .iter()
            .map(|(key, held)| format!("    {key}: {}", holds(Some(held))))
            .collect();
        if let Some(tags) = &self.tags {
            let tags: Vec<&str> = tags.iter().map(|tag| tag.as_str()).collect();
            lines.push(format!("    tags: {}", list(&tags)));
        }
        lines
    }

    /// Returns what it holds besides what a job speaks of.
    fn rest(&self, wants: &Wants) -> Vec<String> {
        let named = |key: &FieldKey| wants.fields.iter().any(|told| told.field == *key);
        let mut lines: Vec<String> = self
            .fields
            .iter()
            .filter(|(key, _)| !named(key))
            .map(|(key, held)| format!("    {key}: {}; not of this job", holds(Some(held))))
            .collect();
        match &self.tags {
            None => lines.push("    its tags are not known yet".to_owned()),
            Some(tags) => {
                let named = |tag: &Tag| wants.tags.iter().any(|told| told.tag == *tag);
                let others: Vec<&str> = tags
                    .iter()
                    .filter(|tag| !named(tag))
                    .map(|tag| tag.as_str())
                    .collect();
                if !others.is_empty() {
                    lines.push(format!(
                        "    other tags that are kept: {}",
                        others.join(", ")
                    ));
                }
            }
        }
        lines
    }
}

fn list(words: &[&str]) -> String {
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    }
}

fn holds(held: Option<&Held>) -> String {
    match held {
        None | Some(Held { known: false, .. }) => "not known".to_owned(),
        Some(Held { seen: None, .. }) => "empty".to_owned(),
        Some(Held {
            seen: Some(seen), ..
        }) => format!("`{seen}`"),
    }
}

fn field(told: &FieldTold, held: Option<&Held>) -> String {
    let own = match told.own {
        Own::Owned => "",
        Own::Fill => " (fill)",
        Own::Create => " (create)",
        Own::Force => " (force)",
    };
    let wanted = match &told.wanted {
        Some(wanted) => format!("`{wanted}`"),
        None => "nothing".to_owned(),
    };
    let Some(says) = told.says else {
        return format!("    {}{own}: {wanted}", told.field);
    };
    let mut line = format!("    {}{own}: {}, wanted {wanted}", told.field, holds(held));
    let written = held.map(|held| (&held.sent, &held.answered));
    if let Some((Some(sent), answered)) = written {
        match answered {
            Some(answered) if answered != sent => {
                line.push_str(&format!(
                    ", we wrote `{sent}` and were answered `{answered}`"
                ));
            }
            Some(_) | None => line.push_str(&format!(", we wrote `{sent}`")),
        }
    }
    format!("{line}: {says}")
}

fn tag(told: &TagTold, contact: &Contact) -> String {
    let claims: Vec<String> = contact
        .claims
        .iter()
        .filter(|claim| claim.tag == told.tag.as_str())
        .map(|claim| match claim.confirmed {
            true => claim.job.clone(),
            false => format!("{} (its answer is out)", claim.job),
        })
        .collect();
    let whose = match claims.is_empty() {
        true => String::new(),
        false => format!("; added by {}", claims.join(", ")),
    };
    let says = told.says.unwrap_or_default();
    format!("    tag {}: {says}{whose}", told.tag)
}

impl Wants {
    fn now(&self, job: &Job) -> String {
        if let Some(problem) = &self.problem {
            return format!(
                "now: set aside, because a template cannot make sense of it: {problem}"
            );
        }
        let steps: Vec<String> = self
            .steps
            .iter()
            .map(|(kind, reason)| format!("{kind} ({reason})"))
            .collect();
        match (&self.waits, steps.is_empty()) {
            (None, true) => "now: nothing to do".to_owned(),
            (None, false) => format!(
                "now: `ghl-sync plan {}` would show {}",
                job.name,
                steps.join(", ")
            ),
            (Some(waits), true) => format!("now: waits: {waits}"),
            (Some(waits), false) => format!("now: {}; waits: {waits}", steps.join(", ")),
        }
    }
}

impl Did {
    fn line(&self) -> String {
        let mark = match (self.mode.as_str(), self.mark) {
            ("plan", "planned") => "would",
            (_, mark) => mark,
        };
        let mut line = format!(
            "    run {}, {}: {} {mark}, {}",
            self.run,
            self.at.format("%Y-%m-%d %H:%M:%S UTC"),
            self.kind,
            self.reason
        );
        if let Some(why) = &self.why {
            line.push_str(&format!("; {why}"));
        }
        if let (Some(call), 1..) = (self.call, self.tries) {
            let times = match self.tries {
                1 => String::new(),
                n => format!(", sent {n} times"),
            };
            line.push_str(&format!("; {call}{times}"));
        }
        line
    }
}
