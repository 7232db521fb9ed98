//! What a source cannot do: keys that would never have an effect are refused with the reason.

use super::fields::MappedField;
use super::origin::Part;
use super::reader::Table;
use crate::model::{LeaveProof, Own, SourceKind};

/// What all jobs tell alike of one person; whatever else a source tells is about one channel.
const OF_THE_PERSON: &[&str] = &["user_id", "user_login", "user_name"];

/// Reports the keys of a job that mean nothing for its source.
pub(super) fn check(root: &Table<'_>, source: SourceKind) {
    let (moments, full, limits): (&[&str], Option<&str>, &[&str]) = match source.leave_proof() {
        LeaveProof::LookUp | LeaveProof::TwiceAndBatch => (&[], None, &[]),
        LeaveProof::Nothing => (
            &["leave", "return", "gone"],
            Some("a leaderboard is read whole at every run"),
            &["leave", "return"],
        ),
        LeaveProof::TwoPolls => (
            &["return", "gone"],
            Some("every run asks for all of the channels"),
            &[],
        ),
    };
    if let Some(on) = root.table("on") {
        for moment in moments {
            let Some(value) = on.value(moment) else {
                continue;
            };
            let (message, hint) = never(source, moment);
            on.report_at(value.at, moment, message, hint.map(ToOwned::to_owned));
        }
    }
    for key in ["full", "full_at_most_every"] {
        if let (Some(reason), Some(value)) = (full, root.value(key)) {
            let message = format!("{} has no full pass: {reason}", source.word());
            root.report_at(value.at, key, message, None);
        }
    }
    if let Some(table) = root.table("limits") {
        for key in limits {
            if let Some(value) = table.value(key) {
                let (message, _) = never(source, key);
                table.report_at(value.at, key, message, None);
            }
        }
    }
}

/// Says why a moment never comes, and what to use instead.
fn never(source: SourceKind, moment: &str) -> (String, Option<&'static str>) {
    match source.leave_proof() {
        LeaveProof::Nothing => (
            format!(
                "nobody leaves {}: it is a ranking, and who is not in it may still cheer",
                source.word()
            ),
            None,
        ),
        LeaveProof::LookUp | LeaveProof::TwiceAndBatch | LeaveProof::TwoPolls => match moment {
            "return" => (
                "every stream joins anew, so none returns".to_owned(),
                Some("what happens when a stream begins stands in [on.join]"),
            ),
            _ => (
                format!(
                    "{} tells no suspended channel from one that ended its stream",
                    source.word()
                ),
                Some("what happens when a stream ends stands in [on.leave]"),
            ),
        },
    }
}

/// Reports fields that the parts of a file would fill in turns with what is true of their own channel.
pub(super) fn one_value(
    root: &Table<'_>,
    source: SourceKind,
    parts: &[Part],
    mapped: &[MappedField],
) {
    // Streams list the channels themselves, each a contact of its own.
    if parts.len() < 2 || source.is_of_channels() {
        return;
    }
    let Some(table) = root.table("fields") else {
        return;
    };
    for field in mapped {
        if let Some(name) = of_the_channel(field) {
            let key = field.rule.key.as_str();
            let message = format!(
                "`{name}` differs from channel to channel, and {} of them would overwrite each other's",
                parts.len()
            );
            let hint = format!(
                "{key} = {{ value = \"…\", own = \"create\" }} keeps the first; tags can name the {{{{ channel }}}}"
            );
            table.report_at(field.at, key, message, Some(hint));
        }
    }
}

/// Returns the first name in a field's template that is about one channel, where the field is kept equal to it.
pub(super) fn of_the_channel(field: &MappedField) -> Option<&str> {
    match field.rule.own {
        Own::Owned | Own::Force => {}
        Own::Fill | Own::Create => return None,
    }
    let mentions = &field.tried.as_ref()?.mentions;
    mentions
        .iter()
        .map(String::as_str)
        .find(|name| !OF_THE_PERSON.contains(name))
}
