//! `api contacts`.

use std::collections::BTreeSet;

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use crate::apis::highlevel::{
    self, ContactBody, ContactWrite, LIST_LIMIT, SEARCH_LIMIT, SearchCursor,
};
use crate::cli::args::Since;
use crate::cli::error::CliError;
use crate::model::{ContactId, Tag};

use super::args::{
    ContactFlags, ContactsDo, CreateContact, Duplicate, ListContacts, SearchContacts,
    UpdateContact, UpsertContact,
};
use super::body::{bad, contact, custom_field, put, put_contact};
use super::deed::{Deed, READ, WRITE};
use super::desk::{Desk, Shown, succeeded};
use super::input;

/// What shows the newest contacts: where to look after a lost answer.
const NEWEST: &str = "api contacts list --limit 5";

/// Carries out one command.
pub(super) async fn run(desk: &mut Desk<'_>, what: &ContactsDo) -> Result<(), CliError> {
    match what {
        ContactsDo::List(args) => list(desk, args).await,
        ContactsDo::Get(args) => {
            let id = &args.of.contact;
            let deed = Deed::new(highlevel::get_raw(id), READ, of(id), "api contacts list");
            desk.one(deed, |contact| contact, Shown::Contact).await
        }
        ContactsDo::Create(args) => create(desk, args).await,
        ContactsDo::Update(args) => update(desk, args).await,
        ContactsDo::Delete(args) => {
            let id = &args.of.contact;
            desk.agreed(&format!(
                "this deletes contact {id} with its notes and tasks, and cannot be taken back from here"
            ))
            .await?;
            let deed = Deed::new(highlevel::delete(id), WRITE, of(id), get(id));
            desk.done(deed, succeeded()).await
        }
        ContactsDo::Upsert(args) => upsert(desk, args).await,
        ContactsDo::Search(args) => search(desk, args).await,
        ContactsDo::Duplicate(args) => duplicate(desk, args).await,
    }
}

async fn list(desk: &mut Desk<'_>, args: &ListContacts) -> Result<(), CliError> {
    let location = desk.location();
    let query = args.query.as_deref();
    desk.pages(
        "contacts",
        args.many,
        LIST_LIMIT,
        Shown::Contact,
        |limit, after| {
            let call = highlevel::list_raw(&location, limit, after, query);
            let look = "api contacts search";
            Ok(Deed::new(call, READ, "list of contacts", look))
        },
    )
    .await
}

async fn create(desk: &mut Desk<'_>, args: &CreateContact) -> Result<(), CliError> {
    let CreateContact { flags, new, input } = args;
    let mut body = input::body(input)?;
    let write = ContactWrite::Create;
    put_contact(&mut body, write, flags, Some(new));
    if !flags.tags.is_empty() {
        body.insert("tags".to_owned(), json!(tags(&flags.tags)?));
    }
    let body = with_custom(desk, contact(body, write)?, flags).await?;
    let call = highlevel::create_raw(&desk.location(), &body).map_err(bad)?;
    let sent = call.body.clone();
    let deed = Deed::new(call, WRITE, "contact", NEWEST);
    let Some(made) = desk.send(&deed).await? else {
        return Ok(());
    };
    dropped(desk, sent.as_ref(), &made);
    desk.object(made, Shown::Contact).await
}

async fn update(desk: &mut Desk<'_>, args: &UpdateContact) -> Result<(), CliError> {
    let UpdateContact {
        of: who,
        flags,
        replace_tags,
        input,
    } = args;
    let id = &who.contact;
    let mut body = input::body(input)?;
    let write = ContactWrite::Update;
    put_contact(&mut body, write, flags, None);
    let body = with_tags(body, flags, *replace_tags, write)?;
    if *replace_tags {
        desk.agreed(&format!(
            "this replaces all tags of contact {id}, also those that people and workflows added"
        ))
        .await?;
    }
    let body = with_custom(desk, body, flags).await?;
    let call = highlevel::update_raw(id, &body).map_err(bad)?;
    let sent = call.body.clone();
    let deed = Deed::new(call, WRITE, of(id), get(id));
    let Some(changed) = desk.send(&deed).await? else {
        return Ok(());
    };
    dropped(desk, sent.as_ref(), &changed);
    desk.object(changed, Shown::Contact).await
}

async fn upsert(desk: &mut Desk<'_>, args: &UpsertContact) -> Result<(), CliError> {
    let UpsertContact {
        flags,
        new,
        replace_tags,
        allow_duplicate,
        input,
    } = args;
    let mut body = input::body(input)?;
    let write = ContactWrite::Upsert;
    put_contact(&mut body, write, flags, Some(new));
    if *allow_duplicate {
        body.insert("createNewIfDuplicateAllowed".to_owned(), json!(true));
    }
    let body = with_tags(body, flags, *replace_tags, write)?;
    if *replace_tags {
        desk.agreed(
            "this replaces all tags of the contact, if there is one, also those that people and workflows added",
        )
        .await?;
    }
    let body = with_custom(desk, body, flags).await?;
    let call = highlevel::upsert(&desk.location(), &body).map_err(bad)?;
    let sent = call.body.clone();
    let deed = Deed::new(call, WRITE, "contact", NEWEST);
    let Some(done) = desk.send(&deed).await? else {
        return Ok(());
    };
    dropped(desk, sent.as_ref(), &done.contact);
    let mut shown = done.contact;
    if let Some(object) = shown.as_object_mut() {
        put(object, "new", done.is_new);
    }
    desk.object(shown, Shown::Contact).await
}

async fn search(desk: &mut Desk<'_>, args: &SearchContacts) -> Result<(), CliError> {
    let SearchContacts {
        query,
        tags: with,
        email,
        phone,
        custom,
        added_since,
        changed_since,
        sort,
        many,
        input,
    } = args;
    let mut body = input::body(input)?;
    if body.contains_key("page") {
        return Err(CliError::Usage {
            what: "--input: leave `page` out; --all and --limit follow the pages by themselves"
                .to_owned(),
            hint: None,
        });
    }
    // The page's size is that of --limit, as long as nobody says less.
    let most = body.remove("pageLimit");
    let most = most.and_then(|most| u16::try_from(most.as_u64()?).ok());
    let most = most.unwrap_or(SEARCH_LIMIT).clamp(1, SEARCH_LIMIT);
    put(&mut body, "query", query.clone());
    let mut filters = match body.remove("filters") {
        None => Vec::new(),
        Some(Value::Array(filters)) => filters,
        Some(_) => return Err(CliError::usage("--input: `filters` is no list")),
    };
    let equals =
        |field: &str, value: Value| json!({"field": field, "operator": "eq", "value": value});
    filters.extend(tags(with)?.iter().map(|tag| equals("tags", json!(tag))));
    let exactly = [("email", email), ("phone", phone)];
    filters.extend(
        exactly
            .into_iter()
            .filter_map(|(field, value)| Some(equals(field, json!(value.as_ref()?)))),
    );
    for (index, word) in custom.iter().enumerate() {
        let (key, value) = custom_field(word, index + 1)?;
        // A filter by key matches nothing (issue 42 of HighLevel's tracker), so it goes by id.
        let id = desk.field_id(&key).await?;
        filters.push(equals(&format!("customFields.{id}"), value));
    }
    let since = [("dateAdded", added_since), ("dateUpdated", changed_since)];
    for (field, since) in since {
        if let Some(since) = since {
            filters.push(not_before(desk, field, *since));
        }
    }
    if !filters.is_empty() {
        body.insert("filters".to_owned(), Value::Array(filters));
    }
    if !sort.is_empty() {
        let sort: Result<Vec<Value>, CliError> = sort.iter().map(|word| order(word)).collect();
        body.insert("sort".to_owned(), Value::Array(sort?));
    }
    let location = desk.location();
    let page = |limit: u16, after: Option<&SearchCursor>| {
        let mut body = body.clone();
        body.insert("pageLimit".to_owned(), json!(limit));
        let mut body = Value::Object(body);
        if let Some(after) = after {
            body = highlevel::search_after(body, after);
        }
        let call = highlevel::search_raw(&location, body).map_err(bad)?;
        Ok(Deed::new(call, READ, "contacts", "api contacts list"))
    };
    desk.pages("contacts", *many, most, Shown::Contact, page)
        .await
}

async fn duplicate(desk: &mut Desk<'_>, args: &Duplicate) -> Result<(), CliError> {
    let Duplicate { email, phone } = args;
    let call = highlevel::duplicate(&desk.location(), email.as_deref(), phone.as_deref());
    let deed = Deed::new(call.map_err(bad)?, READ, "contacts", "api contacts list");
    match desk.send(&deed).await? {
        Some(Some(found)) => desk.object(found, Shown::Contact).await,
        Some(None) => {
            desk.remark("no contact has it");
            Ok(())
        }
        None => Ok(()),
    }
}

/// Adds the custom fields of the flags to a body.
async fn with_custom(
    desk: &mut Desk<'_>,
    mut body: ContactBody,
    flags: &ContactFlags,
) -> Result<ContactBody, CliError> {
    for (index, word) in flags.custom.iter().enumerate() {
        let (key, value) = custom_field(word, index + 1)?;
        let id = desk.field_id(&key).await?;
        body = body.custom_field(&id, value);
    }
    Ok(body)
}

/// Adds the tags of the flags to the body of an update or an upsert, which would replace all tags: only when that was asked for.
fn with_tags(
    mut body: Map<String, Value>,
    flags: &ContactFlags,
    replaces: bool,
    write: ContactWrite,
) -> Result<ContactBody, CliError> {
    if !flags.tags.is_empty() || (replaces && !body.contains_key("tags")) {
        body.insert("tags".to_owned(), json!(tags(&flags.tags)?));
    }
    if body.contains_key("tags") && !replaces {
        return Err(bad(highlevel::BadBody::WouldReplaceTags));
    }
    let body = contact(body, write)?;
    Ok(match replaces {
        true => body.replacing_tags(),
        false => body,
    })
}

/// Reads tags; HighLevel keeps them in lower case.
///
/// Errors: one that HighLevel would not keep, by its number.
pub(super) fn tags(words: &[String]) -> Result<BTreeSet<Tag>, CliError> {
    let tag = |(index, word): (usize, &String)| {
        Tag::new(word).map_err(|_| {
            CliError::usage(format!(
                "tag number {} is none: expected 1 to 100 characters without line breaks",
                index + 1
            ))
        })
    };
    words.iter().enumerate().map(tag).collect()
}

/// Says which fields HighLevel did not keep: an upsert and an update answer success and may leave some as they were.
fn dropped(desk: &mut Desk<'_>, sent: Option<&Value>, seen: &Value) {
    let Some(sent) = sent.and_then(Value::as_object) else {
        return;
    };
    // Names are split, the location is not part of an answer, and `dnd` is left out when it was never set.
    let unseen = [
        "name",
        "locationId",
        "dnd",
        "dndSettings",
        "inboundDndSettings",
        "tags",
    ];
    let is_empty = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    };
    let shown = seen.get("customFields").and_then(Value::as_array);
    let has = |id: &Value| shown.is_some_and(|shown| shown.iter().any(|field| field["id"] == *id));
    let fields = sent.get("customFields").and_then(Value::as_array);
    let fields = fields.into_iter().flatten();
    let custom = fields
        .filter(|field| !is_empty(field.get("field_value")))
        .filter_map(|field| field.get("id").filter(|id| !has(id)))
        .map(|id| format!("custom field {id}"));
    let lost: Vec<String> = sent
        .iter()
        .filter(|(key, value)| value.is_string() && !unseen.contains(&key.as_str()))
        .filter(|(key, value)| !is_empty(Some(value)) && is_empty(seen.get(key.as_str())))
        .map(|(key, _)| format!("`{key}`"))
        .chain(custom)
        .collect();
    if !lost.is_empty() {
        desk.note(&format!(
            "HighLevel took the call and did not keep {}",
            lost.join(", ")
        ));
    }
}

fn not_before(desk: &Desk<'_>, field: &str, since: Since) -> Value {
    let moment = since.moment(desk.shell.clock.now());
    let moment = moment.to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({"field": field, "operator": "range", "value": {"gte": moment}})
}

fn order(word: &str) -> Result<Value, CliError> {
    let (field, direction) = word.split_once(':').unwrap_or((word, "asc"));
    match direction {
        "asc" | "desc" => Ok(json!({"field": field, "direction": direction})),
        _ => Err(CliError::usage(
            "--sort: expected FIELD:asc or FIELD:desc, such as dateUpdated:asc",
        )),
    }
}

/// Returns the words for a contact.
pub(super) fn of(id: &ContactId) -> String {
    format!("contact {id}")
}

/// Returns the command that shows a contact.
pub(super) fn get(id: &ContactId) -> String {
    format!("api contacts get {id}")
}
