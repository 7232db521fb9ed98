//! `api tags`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::apis::highlevel::{self, TagMove};
use crate::cli::error::CliError;
use crate::model::ContactId;

use super::args::{BulkTags, TagsDo, TagsOf};
use super::contacts::{self, tags};
use super::deed::{Deed, TAGS, WRITE};
use super::desk::{Desk, Shown, without_trace};
use super::input;

/// How many contacts go into one call. HighLevel names no most; the jobs begin with as many.
const PER_CALL: usize = 100;

/// Carries out one command.
pub(super) async fn run(desk: &mut Desk<'_>, what: &TagsDo) -> Result<(), CliError> {
    match what {
        TagsDo::Add(args) => one(desk, args, TagMove::Add).await,
        TagsDo::Remove(args) => one(desk, args, TagMove::Remove).await,
        TagsDo::BulkAdd(args) => bulk(desk, args, TagMove::Add).await,
        TagsDo::BulkRemove(args) => bulk(desk, args, TagMove::Remove).await,
        TagsDo::List => {
            let call = highlevel::location_tags(&desk.location());
            desk.rows(Deed::new(call, TAGS, "tags", "api tags list"))
                .await
        }
    }
}

async fn one(desk: &mut Desk<'_>, args: &TagsOf, to: TagMove) -> Result<(), CliError> {
    let TagsOf { of, tags: words } = args;
    let (id, tags) = (&of.contact, tags(words)?);
    let call = match to {
        TagMove::Add => highlevel::add_tags(id, &tags),
        TagMove::Remove => highlevel::remove_tags(id, &tags),
    };
    let deed = Deed::new(call, WRITE, contacts::of(id), contacts::get(id));
    desk.one(deed, |seen| without_trace(seen.raw), Shown::Plain)
        .await
}

/// Goes through the contacts, so many a call; a contact that HighLevel refuses, or says nothing of, is told, and the others go on.
async fn bulk(desk: &mut Desk<'_>, args: &BulkTags, to: TagMove) -> Result<(), CliError> {
    let tags = tags(&args.tags)?;
    let all = input::contacts(&args.many)?;
    let location = desk.location();
    let mut done = 0;
    for some in all.chunks(PER_CALL) {
        desk.unless_stopped(|| format!("{done} of {} contacts were sent", all.len()))?;
        let call = highlevel::bulk_tags_raw(&location, to, some, &tags);
        let deed = Deed::new(call, WRITE, "contacts", "api contacts list");
        let sent = desk.send(&deed).await;
        let Some(rows) = sent.map_err(|error| after(error, done, all.len()))? else {
            continue;
        };
        done += some.len();
        desk.print(&rows)?;
        let mut named: BTreeSet<&str> = BTreeSet::new();
        for row in &rows {
            let text = |key: &str| row.get(key).and_then(Value::as_str);
            let Some(id) = text("contactId") else {
                continue;
            };
            named.insert(id);
            if text("type") != Some("success") {
                let said = crate::net::said(text("message").unwrap_or("no reason was given"));
                desk.failed(&format!("contact {}: {said}", crate::report::plain(id)));
            }
        }
        let unnamed = |id: &&ContactId| !named.contains(id.as_str());
        for id in some.iter().filter(unnamed) {
            desk.failed(&format!(
                "contact {id}: HighLevel's answer does not name it, so it is not done"
            ));
        }
    }
    Ok(())
}

/// Says how far a command came whose call failed.
pub(super) fn after(error: CliError, done: usize, of: usize) -> CliError {
    if done == 0 {
        return error;
    }
    let so_far = format!("; {done} of {of} contacts were sent before");
    match error {
        CliError::Refused { what, hint } => CliError::Refused {
            what: what + &so_far,
            hint,
        },
        CliError::Usage { what, hint } => CliError::Usage {
            what: what + &so_far,
            hint,
        },
        CliError::OutOfTouch { what } => CliError::OutOfTouch {
            what: what + &so_far,
        },
        error @ (CliError::Config(_)
        | CliError::Stopped { .. }
        | CliError::Care { .. }
        | CliError::Run(_)
        | CliError::Io { .. }) => error,
    }
}
