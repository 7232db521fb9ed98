//! `api notes` and `api appointments`.

use serde_json::{Map, Value, json};

use crate::apis::highlevel::{self, Note, NoteBody};
use crate::cli::error::CliError;
use crate::model::ContactId;

use super::args::{AppointmentsDo, CreateNote, NoteFlags, NotesDo, OneNote, UpdateNote};
use super::body::{bad, put, typed};
use super::contacts;
use super::deed::{Deed, READ, WRITE};
use super::desk::{Desk, Shown, succeeded};
use super::input;

/// Carries out one command about notes.
pub(super) async fn run(desk: &mut Desk<'_>, what: &NotesDo) -> Result<(), CliError> {
    match what {
        NotesDo::List(args) => {
            let id = &args.contact;
            let call = highlevel::notes_raw(id);
            desk.rows(Deed::new(call, READ, contacts::of(id), contacts::get(id)))
                .await
        }
        NotesDo::Get(args) => {
            let call = highlevel::note_of(&args.of.contact, &args.note);
            desk.one(deed(call, READ, args), raw, Shown::Plain).await
        }
        NotesDo::Create(args) => create(desk, args).await,
        NotesDo::Update(args) => update(desk, args).await,
        NotesDo::Delete(args) => {
            let (contact, note) = (&args.of.contact, &args.note);
            desk.agreed(&format!(
                "this deletes note {note} of contact {contact}, and cannot be taken back"
            ))
            .await?;
            let call = highlevel::delete_note(contact, note);
            desk.done(deed(call, WRITE, args), succeeded()).await
        }
    }
}

/// Carries out one command about appointments.
pub(super) async fn appointments(
    desk: &mut Desk<'_>,
    what: &AppointmentsDo,
) -> Result<(), CliError> {
    match what {
        AppointmentsDo::List(args) => {
            let id = &args.contact;
            let call = highlevel::appointments(id);
            desk.rows(Deed::new(call, READ, contacts::of(id), contacts::get(id)))
                .await
        }
    }
}

async fn create(desk: &mut Desk<'_>, args: &CreateNote) -> Result<(), CliError> {
    let CreateNote { of, flags, input } = args;
    let body = with_flags(input::body(input)?, flags)?;
    if !body.contains_key("body") {
        return Err(CliError::usage(
            "a new note needs --body or --body-file (or `body` in --input)",
        ));
    }
    let note: NoteBody = typed(body)?;
    let id = &of.contact;
    let call = highlevel::create_note_with(id, &note).map_err(bad)?;
    let deed = Deed::new(call, WRITE, contacts::of(id), list(id));
    desk.one(deed, raw, Shown::Plain).await
}

async fn update(desk: &mut Desk<'_>, args: &UpdateNote) -> Result<(), CliError> {
    let UpdateNote { one, flags, input } = args;
    let change: NoteBody = typed(with_flags(input::body(input)?, flags)?)?;
    let call = highlevel::update_note(&one.of.contact, &one.note, &change).map_err(bad)?;
    desk.one(deed(call, WRITE, one), raw, Shown::Plain).await
}

/// Puts the flags into a body.
fn with_flags(
    mut body: Map<String, Value>,
    flags: &NoteFlags,
) -> Result<Map<String, Value>, CliError> {
    let NoteFlags {
        body: text,
        body_file,
        title,
        user,
        color,
        pinned,
    } = flags;
    put(&mut body, "body", text.clone());
    if let Some(path) = body_file {
        let text = input::text(path, "--body-file")?;
        body.insert("body".to_owned(), json!(text.trim_end()));
    }
    put(&mut body, "title", title.clone());
    put(&mut body, "userId", user.as_ref().map(|id| json!(id)));
    put(&mut body, "color", color.clone());
    put(&mut body, "pinned", *pinned);
    Ok(body)
}

fn deed<T>(call: crate::net::Call<T>, scope: &'static str, one: &OneNote) -> Deed<T> {
    let contact = &one.of.contact;
    let what = format!("note {} of contact {contact}", one.note);
    Deed::new(call, scope, what, list(contact))
}

fn list(contact: &ContactId) -> String {
    format!("api notes list {contact}")
}

fn raw(note: Note) -> Value {
    note.raw
}
