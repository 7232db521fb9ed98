//! Reading `[on.join]`, `[on.leave]`, `[on.return]` and `[on.gone]`.

use super::fields::sample;
use super::reader::{Spot, Table};
use super::{job, keys};
use crate::model::{Actions, Lifecycle, SourceKind, Tag};
use crate::plan::template::{Templates, clean};
use crate::plan::wanted;

/// Reads `[on]`.
pub(super) fn read(
    root: &Table<'_>,
    source: Option<SourceKind>,
    mut templates: Option<&mut Templates>,
) -> Lifecycle {
    let Some(on) = root.table("on") else {
        return Lifecycle::default();
    };
    on.expect_keys(keys::ON, |key| match key {
        "add_tags" | "remove_tags" => {
            Some("tags belong to a moment: [on.join], [on.leave]".to_owned())
        }
        _ => job::top_level(key),
    });
    let mut actions = |moment: &str| {
        let Some(table) = on.table(moment) else {
            return Actions::default();
        };
        let known = if moment == "return" {
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
        let adds = tags(&table, "add_tags", source, templates.as_deref_mut());
        let removes = if moment == "return" {
            Vec::new()
        } else {
            tags(&table, "remove_tags", source, templates.as_deref_mut())
        };
        for remove in &removes {
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
        let texts = |named: Vec<Named<'_>>| {
            named
                .into_iter()
                .map(|named| named.text.value.to_owned())
                .collect()
        };
        Actions {
            add_tags: texts(adds),
            remove_tags: texts(removes),
            events: Vec::new(),
        }
    };
    Lifecycle {
        join: actions("join"),
        leave: actions("leave"),
        returns: actions("return"),
        gone: actions("gone"),
        changes: Vec::new(),
        milestones: Vec::new(),
    }
}

/// A tag template with the tag that it makes of the sample record.
struct Named<'t> {
    text: Spot<&'t str>,
    tag: Option<Tag>,
}

fn tags<'t>(
    table: &Table<'t>,
    key: &str,
    source: Option<SourceKind>,
    mut templates: Option<&mut Templates>,
) -> Vec<Named<'t>> {
    let mut named = Vec::new();
    for text in table.texts(key) {
        let tag = match (source, templates.as_deref_mut()) {
            (Some(source), Some(templates)) => try_out(table, key, &text, source, templates),
            _ => None,
        };
        named.push(Named { text, tag });
    }
    named
}

fn try_out(
    table: &Table<'_>,
    key: &str,
    text: &Spot<&str>,
    source: SourceKind,
    templates: &mut Templates,
) -> Option<Tag> {
    let refuse = |message: String| {
        table.report_at(text.at, key, message, None);
        None
    };
    let compiled = match templates.compile(text.value) {
        Ok(compiled) => compiled,
        Err(problems) => {
            for problem in problems {
                table.report_at(text.at, key, problem.message, problem.hint);
            }
            return None;
        }
    };
    let record = sample(source)?;
    let raw = match templates.render(&compiled, &templates.row(&record)) {
        Ok(raw) => raw,
        Err(said) => return refuse(format!("fails on an ordinary record: {said}")),
    };
    let Some(clean) = clean(raw) else {
        return refuse(format!("`{}` comes out empty, expected a tag", text.value));
    };
    match wanted::tag(&clean) {
        Ok(tag) => Some(tag),
        Err(said) => refuse(format!("comes out as {said}")),
    }
}
