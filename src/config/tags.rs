//! Reading `add_tags` and `remove_tags` of a moment.

use super::reader::{Spot, Table};
use super::trial::{Trial, is_conditional};
use crate::model::Tag;
use crate::plan::wanted;

/// A tag template with the tag that it makes of the sample record.
pub(super) struct Named<'t> {
    pub(super) text: Spot<&'t str>,
    tag: Option<Tag>,
}

/// Reads a list of templates of tags.
pub(super) fn read<'t>(
    table: &Table<'t>,
    key: &str,
    mut trial: Option<&mut Trial>,
) -> Vec<Named<'t>> {
    let mut named = Vec::new();
    for text in table.texts(key) {
        let tag = trial
            .as_deref_mut()
            .and_then(|trial| try_out(table, key, &text, trial));
        named.push(Named { text, tag });
    }
    named
}

/// Reports the tags that are to be removed and added at once.
pub(super) fn check(table: &Table<'_>, adds: &[Named<'_>], removes: &[Named<'_>]) {
    for remove in removes {
        let same = |add: &&Named<'_>| add.tag.is_some() && add.tag == remove.tag;
        if let Some(Named { tag: Some(tag), .. }) = adds.iter().find(same) {
            let message = if remove.text.value.contains('{') {
                format!("`{}` is in add_tags too", remove.text.value)
            } else {
                format!("`{tag}` is in add_tags too")
            };
            table.report_at(remove.text.at, "remove_tags", message, None);
        }
    }
}

fn try_out(table: &Table<'_>, key: &str, text: &Spot<&str>, trial: &mut Trial) -> Option<Tag> {
    let refuse = |message: String| table.report_at(text.at, key, message, None);
    let tried = trial.out(table, key, text, &[])?;
    // What it makes of a bare record is a tag as well, unless it is too long for one.
    let made = tried.sample.as_deref().or(tried.bare.as_deref());
    let Some(made) = made else {
        if !is_conditional(text.value) {
            refuse(format!("`{}` comes out empty, expected a tag", text.value));
        }
        return None;
    };
    match wanted::tag(made) {
        Ok(tag) => Some(tag).filter(|_| tried.sample.is_some()),
        Err(said) => {
            refuse(format!("comes out as {said}"));
            None
        }
    }
}
