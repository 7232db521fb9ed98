//! What the mapping of a job makes of one record: fields, tags, and the values to match by.

mod events;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

pub use super::fingerprint::mapping_hash;
use super::template::{Row, Template, TemplateProblem, Templates, clean};
use crate::model::{
    Actions, By, Change, FieldKey, FieldRule, Job, Lifecycle, Own, Record, Scope, SourceKind, Tag,
};
pub use events::{CalledFor, Watched};
use events::{Rules, Turn, Watch};

/// The attribute that says when the period began that a record's numbers are of.
const PERIOD: &str = "period_started_at";
/// The attribute that says how many follow a channel.
const FOLLOWERS: &str = "followers";

/// The templates of one job, compiled once.
#[derive(Debug)]
pub struct Mapping {
    templates: Templates,
    fields: Vec<(FieldRule, Template)>,
    on: Moments,
    match_by: Vec<By>,
    marker: Option<FieldKey>,
    source: SourceKind,
    watches: Vec<Watch>,
    /// The tag that makes a contact one of the job's.
    scope_tag: Option<Tag>,
}

/// Where a record stands in its life, as far as tags care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// It is in the source: it joined, or has been there.
    Join,
    /// It left the source.
    Leave,
    /// It is in the source again, and was out before. It stays here until it leaves again, because tags are states.
    Return,
    /// Its account was suspended or deleted.
    Gone,
}

/// The tags that a contact should have, and those it should not; a tag in neither is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedTags {
    /// Tags to have.
    pub add: BTreeSet<Tag>,
    /// Tags not to have; never one of `add`.
    pub remove: BTreeSet<Tag>,
}

/// Why one record is set aside: a template cannot make sense of it. Holds no value of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProblem {
    /// The key in the job file, for example `fields.firstName` or `on.join.add_tags`.
    pub place: String,
    /// What went wrong, as a fragment.
    pub reason: String,
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

impl std::error::Error for RowProblem {}

#[derive(Debug)]
struct Moments {
    join: Compiled,
    leave: Compiled,
    returns: Compiled,
    gone: Compiled,
}

#[derive(Debug, Default)]
struct Compiled {
    add: Vec<Template>,
    remove: Vec<Template>,
    events: Rules,
}

impl Mapping {
    /// Compiles all templates of a job.
    ///
    /// Errors: the first template that does not compile, with its place; a job that was loaded from a file has none.
    pub fn new(job: &Job) -> Result<Mapping, RowProblem> {
        // Of several channels each record tells its own.
        let label = match job.channels.as_slice() {
            [] => job.label.as_str(),
            _ => "",
        };
        let mut templates = Templates::new(job.source, job.timezone).calling(label);
        let mut fields = Vec::new();
        for rule in &job.fields {
            let place = format!("fields.{}", rule.key);
            let template = compile(&mut templates, &place, &rule.template)?;
            fields.push((rule.clone(), template));
        }
        let Lifecycle {
            join,
            leave,
            returns,
            gone,
            changes,
            milestones,
        } = &job.on;
        let on = Moments {
            join: compile_actions(&mut templates, "join", join)?,
            leave: compile_actions(&mut templates, "leave", leave)?,
            returns: compile_actions(&mut templates, "return", returns)?,
            gone: compile_actions(&mut templates, "gone", gone)?,
        };
        let mut watches = Vec::new();
        for rule in changes {
            watches.push(Watch::of_change(&mut templates, rule)?);
        }
        for rule in milestones {
            watches.push(Watch::of_milestone(&mut templates, rule)?);
        }
        let key_attribute = job.source.key_attribute();
        let is_marker = |key: &FieldKey| {
            fields.iter().any(|(rule, template)| {
                rule.key == *key && can_mark(rule) && template.is_attribute(key_attribute)
            })
        };
        let marker = job.match_by.iter().find_map(|by| match by {
            By::Field(key) if is_marker(key) => Some(key.clone()),
            By::Field(_) | By::Link => None,
        });
        Ok(Mapping {
            templates,
            fields,
            on,
            match_by: job.match_by.clone(),
            marker,
            source: job.source,
            watches,
            scope_tag: match &job.scope {
                Some(Scope::Tag(tag)) => Some(tag.clone()),
                Some(Scope::Business(_)) | None => None,
            },
        })
    }

    /// Returns the value wanted for every field, in the order of the job's rules.
    ///
    /// `None` has no opinion: the template came out empty. Values are trimmed and have no control characters or line breaks.
    ///
    /// Errors: a template that fails on this record.
    pub fn fields(&self, record: &Record) -> Result<Vec<(&FieldRule, Option<String>)>, RowProblem> {
        let row = self.templates.row(record);
        self.fields
            .iter()
            .map(|(rule, template)| Ok((rule, self.value(rule, template, &row)?)))
            .collect()
    }

    /// Returns the tags wanted at a moment.
    ///
    /// While a record is in, the tags of `on.join` are wanted and those that `on.leave` adds are not; while it is out, the reverse.
    /// A return adds those of `on.return` to what is wanted while in. A suspended account has those of `on.gone` and no others.
    /// A tag that the moment itself adds is wanted, whatever the other side of the life says. An empty tag is left out.
    ///
    /// Errors: a template that fails on this record, or a tag that HighLevel would not take.
    pub fn tags(&self, moment: Moment, record: &Record) -> Result<WantedTags, RowProblem> {
        let row = self.templates.row(record);
        let mut wanted = WantedTags::default();
        let Moments {
            join,
            leave,
            returns,
            gone,
        } = &self.on;
        match moment {
            Moment::Join | Moment::Return => {
                self.collect("on.join.add_tags", &join.add, &row, &mut wanted.add)?;
                self.collect(
                    "on.join.remove_tags",
                    &join.remove,
                    &row,
                    &mut wanted.remove,
                )?;
                self.collect("on.leave.add_tags", &leave.add, &row, &mut wanted.remove)?;
                if moment == Moment::Return {
                    self.collect("on.return.add_tags", &returns.add, &row, &mut wanted.add)?;
                }
            }
            Moment::Leave => {
                self.collect("on.leave.add_tags", &leave.add, &row, &mut wanted.add)?;
                self.collect("on.join.add_tags", &join.add, &row, &mut wanted.remove)?;
                // Without it the contact would be none of the job's for ever after.
                if let Some(tag) = &self.scope_tag {
                    wanted.remove.remove(tag);
                }
                self.collect(
                    "on.leave.remove_tags",
                    &leave.remove,
                    &row,
                    &mut wanted.remove,
                )?;
            }
            Moment::Gone => {
                self.collect("on.gone.add_tags", &gone.add, &row, &mut wanted.add)?;
                self.collect(
                    "on.gone.remove_tags",
                    &gone.remove,
                    &row,
                    &mut wanted.remove,
                )?;
            }
        }
        let WantedTags { add, remove } = &mut wanted;
        remove.retain(|tag| !add.contains(tag));
        Ok(wanted)
    }

    /// Returns the rules of `[match]` in order, each with the value to look for.
    ///
    /// `None` for the link, which is looked up by the record's key, and for a field without a value.
    pub fn match_values(&self, record: &Record) -> Vec<(&By, Option<String>)> {
        let row = self.templates.row(record);
        self.match_by
            .iter()
            .map(|by| match by {
                By::Link => (by, None),
                By::Field(key) => {
                    let mapped = self.fields.iter().find(|(rule, _)| rule.key == *key);
                    let value = mapped.and_then(|(rule, template)| {
                        self.value(rule, template, &row).unwrap_or_default()
                    });
                    (by, value)
                }
            })
            .collect()
    }

    /// Returns the field by which a contact is known to belong to a record: owned, equal to the record's key, named by `[match]`.
    pub fn marker(&self) -> Option<&FieldKey> {
        self.marker.as_ref()
    }

    /// Returns whether any moment calls for notes or tasks.
    pub fn has_events(&self) -> bool {
        let Moments {
            join,
            leave,
            returns,
            gone,
        } = &self.on;
        let moments = [join, leave, returns, gone];
        !self.watches.is_empty() || moments.iter().any(|moment| !moment.events.is_empty())
    }

    /// Returns whether a note or task that came up before is still called for by the job.
    pub fn still_calls_for(&self, change: &Change) -> bool {
        let Some((event, _)) = change.event() else {
            return false;
        };
        let Moments {
            join,
            leave,
            returns,
            gone,
        } = &self.on;
        let rules = match event.moment.as_str() {
            "join" => Some(&join.events),
            "leave" => Some(&leave.events),
            "return" => Some(&returns.events),
            "gone" => Some(&gone.events),
            _ => None,
        };
        rules.is_some_and(|rules| rules.still_has(change))
            || self.watches.iter().any(|watch| watch.calls_for(change))
    }

    /// Renders the notes and tasks of a transition, in the order of the job file.
    ///
    /// `transition` is its number; joins and returns are told apart by what the source says of them, where it does.
    pub fn events(&self, moment: Moment, record: &Record, transition: u32, into: &mut CalledFor) {
        let (rules, word) = match moment {
            Moment::Join => (&self.on.join.events, "join"),
            Moment::Leave => (&self.on.leave.events, "leave"),
            Moment::Return => (&self.on.returns.events, "return"),
            Moment::Gone => (&self.on.gone.events, "gone"),
        };
        if rules.is_empty() {
            return;
        }
        let occurrence = self.occurrence(moment, record, transition);
        rules.render(&self.templates, record, word, &occurrence, into);
    }

    /// Returns what tells a moment from the next of its kind.
    pub fn occurrence(&self, moment: Moment, record: &Record, transition: u32) -> String {
        let number = || format!("t{transition}");
        let said = self
            .source
            .occurrence_attribute()
            .and_then(|name| record.attributes.get(name).cloned());
        match moment {
            Moment::Join | Moment::Return => said.unwrap_or_else(number),
            // A broadcast begins and ends once; a person can leave many times.
            Moment::Leave if self.source.is_of_channels() => said.unwrap_or_else(number),
            Moment::Leave | Moment::Gone => number(),
        }
    }

    /// Returns whether the job watches any attribute.
    pub fn watches(&self) -> bool {
        !self.watches.is_empty()
    }

    /// Returns the attributes that the job watches as they are now; `None` when it watches none.
    pub fn watched(&self, record: &Record, before: Option<&Watched>) -> Option<Watched> {
        if self.watches.is_empty() {
            return None;
        }
        let mut now = before.cloned().unwrap_or_default();
        for watch in &self.watches {
            // What is unknown now stays what it was.
            if let Some(value) = record.attributes.get(watch.of()) {
                now.values.insert(watch.of().to_owned(), value.clone());
            }
        }
        // A count that begins anew with each period is compared within one.
        if let Some(period) = record.attributes.get(PERIOD) {
            now.values.insert(PERIOD.to_owned(), period.clone());
        }
        if before.is_some_and(|before| before.values != now.values) {
            now.turns += 1;
        }
        Some(now)
    }

    /// Renders the notes and tasks that the step from `before` to `now` calls for. Without `before` a record is seen to join: milestones are
    /// reached from nothing, and nothing has changed. Unless the record `stays` in, what is different of it is no change: another stream has
    /// another game.
    pub fn turns(
        &self,
        record: &Record,
        before: Option<&Watched>,
        now: &Watched,
        transition: u32,
        stays: bool,
        into: &mut CalledFor,
    ) {
        let same_period =
            before.is_none_or(|before| before.values.get(PERIOD) == now.values.get(PERIOD));
        let watches = self.watches.iter();
        for watch in watches.filter(|watch| stays || watch.has_milestones()) {
            let was = before.and_then(|before| before.values.get(watch.of()));
            // A channel had its followers before anybody looked.
            if was.is_none() && watch.has_milestones() && watch.of() == FOLLOWERS {
                continue;
            }
            // What was reached in another period says nothing of this one.
            let was = was.filter(|_| same_period || !watch.has_milestones());
            let is = now.values.get(watch.of());
            let Some(turn) = watch.fires(was.map(String::as_str), is.map(String::as_str)) else {
                continue;
            };
            let occurrence = self.occurrence_of_turn(&turn, record, now, transition);
            watch.render(&self.templates, record, &turn, &occurrence, into);
        }
    }

    /// A threshold is reached once in a life, and once in a period where there are any; a change is told from the next by its number.
    fn occurrence_of_turn(
        &self,
        turn: &Turn,
        record: &Record,
        now: &Watched,
        transition: u32,
    ) -> String {
        match turn.milestone {
            None => format!("c{}", now.turns),
            Some(milestone) if self.source.is_of_channels() => milestone.to_string(),
            Some(milestone) => match record.attributes.get(PERIOD) {
                Some(period) => format!("{milestone} {period}"),
                None => format!("{milestone} t{transition}"),
            },
        }
    }

    fn value(
        &self,
        rule: &FieldRule,
        template: &Template,
        row: &Row<'_>,
    ) -> Result<Option<String>, RowProblem> {
        match self.templates.render(template, row) {
            Ok(raw) => Ok(clean(raw)),
            Err(reason) => Err(RowProblem {
                place: format!("fields.{}", rule.key),
                reason,
            }),
        }
    }

    fn collect(
        &self,
        place: &str,
        templates: &[Template],
        row: &Row<'_>,
        tags: &mut BTreeSet<Tag>,
    ) -> Result<(), RowProblem> {
        for template in templates {
            let set_aside = |reason: String| RowProblem {
                place: place.to_owned(),
                reason,
            };
            let raw = self.templates.render(template, row).map_err(set_aside)?;
            if let Some(text) = clean(raw) {
                tags.insert(tag(&text).map_err(set_aside)?);
            }
        }
        Ok(())
    }
}

/// Makes a tag of a rendered text; the error says how long it is, not what it says.
pub(crate) fn tag(text: &str) -> Result<Tag, String> {
    Tag::new(text).map_err(|refused| {
        format!(
            "a tag of {} characters, expected {}",
            text.chars().count(),
            refused.expected
        )
    })
}

/// Returns whether a rule can be the marker: a custom field that is kept equal to what the job wants.
pub(crate) fn can_mark(rule: &FieldRule) -> bool {
    rule.key.standard().is_none() && matches!(rule.own, Own::Owned | Own::Force)
}

fn compile(templates: &mut Templates, place: &str, source: &str) -> Result<Template, RowProblem> {
    compile_with(templates, place, source, &[])
}

fn compile_with(
    templates: &mut Templates,
    place: &str,
    source: &str,
    extras: &[&'static str],
) -> Result<Template, RowProblem> {
    templates.compile_with(source, extras).map_err(|problems| {
        let reasons: Vec<String> = problems
            .into_iter()
            .map(|TemplateProblem { message, hint: _ }| message)
            .collect();
        RowProblem {
            place: place.to_owned(),
            reason: reasons.join("; "),
        }
    })
}

fn compile_actions(
    templates: &mut Templates,
    moment: &str,
    actions: &Actions,
) -> Result<Compiled, RowProblem> {
    let Actions {
        add_tags,
        remove_tags,
        events,
    } = actions;
    let mut compiled = Compiled {
        events: Rules::new(templates, moment, events, &[])?,
        ..Compiled::default()
    };
    for (word, sources, into) in [
        ("add_tags", add_tags, &mut compiled.add),
        ("remove_tags", remove_tags, &mut compiled.remove),
    ] {
        for source in sources {
            into.push(compile(templates, &format!("on.{moment}.{word}"), source)?);
        }
    }
    Ok(compiled)
}
