//! Notes of a contact.
//!
//! Source: HighLevel's OpenAPI files of contacts (the same shapes in both versions) and recorded traffic. There are no pages, and no way to
//! read the notes of several contacts at once.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::VERSION;
use super::body::BadBody;
use super::envelope::{self, succeeded};
use super::row::moment;
use crate::apis::loose::Loose;
use crate::model::{ContactId, IfUnsure, NoteId, UserId};
use crate::net::{Call, Method, Unreadable};

/// A note of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// Its text, without markup where the answer shows it so (`bodyText`), else as `body`.
    pub text: String,
    /// Its text as the editor of the vendor keeps it, which can be HTML (`body`); empty when the answer does not show it.
    pub body: String,
    /// When it was written.
    pub date_added: Option<DateTime<Utc>>,
    /// The note as the vendor shows it, whole.
    pub raw: Value,
}

impl Note {
    /// Returns whether the note says `text`, be it that the vendor wrapped it in markup or changed the space around it.
    pub fn says(&self, text: &str) -> bool {
        let wanted: Vec<&str> = text.split_whitespace().collect();
        [&self.text, &self.body]
            .into_iter()
            .any(|seen| seen.split_whitespace().eq(wanted.iter().copied()))
    }
}

/// What a note is written with or changed to: only what is set is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NoteBody {
    /// The text; a new note needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The user in whose name it stands: somebody of the location, not the location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The color, `#RRGGBB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Whether it stays at the top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
}

/// Writes a note. Needs `contacts.write`.
///
/// A second call writes a second note, so a lost answer is looked for in [`notes`].
pub fn create_note(contact: &ContactId, text: &str) -> Call<Note> {
    created(contact, json!({"body": text}))
}

/// Writes a note with all that a note can have. Needs `contacts.write`. As [`create_note`] otherwise.
///
/// Errors: [`BadBody::Empty`] when it has no text.
pub fn create_note_with(contact: &ContactId, note: &NoteBody) -> Result<Call<Note>, BadBody> {
    if note
        .body
        .as_deref()
        .is_none_or(|text| text.trim().is_empty())
    {
        return Err(BadBody::Empty("body"));
    }
    Ok(created(contact, json!(note)))
}

fn created(contact: &ContactId, body: Value) -> Call<Note> {
    let path = format!("/contacts/{contact}/notes");
    Call::new(Method::Post, "POST /contacts/{id}/notes", path, one)
        .body(body)
        .if_unsure(IfUnsure::LookFirst)
        .version(VERSION)
}

/// Changes a note: what the body does not name stays. Needs `contacts.write`. No job does.
///
/// Errors: [`BadBody::Nothing`].
pub fn update_note(
    contact: &ContactId,
    note: &NoteId,
    change: &NoteBody,
) -> Result<Call<Note>, BadBody> {
    if *change == NoteBody::default() {
        return Err(BadBody::Nothing);
    }
    let path = format!("/contacts/{contact}/notes/{note}");
    let call = Call::new(Method::Put, "PUT /contacts/{id}/notes/{noteId}", path, one);
    Ok(call
        .body(json!(change))
        .if_unsure(IfUnsure::SendAgain)
        .version(VERSION))
}

/// Reads all notes of a contact, fresh. Needs `contacts.readonly`.
///
/// Notes without a usable id are left out.
pub fn notes(contact: &ContactId) -> Call<Vec<Note>> {
    listed(contact, |bytes| {
        let notes = envelope::list(bytes, "notes")?;
        Ok(notes.into_iter().filter_map(note).collect())
    })
}

/// Reads all notes of a contact as the vendor shows them, fresh. Needs `contacts.readonly`.
pub fn notes_raw(contact: &ContactId) -> Call<Vec<Value>> {
    listed(contact, |bytes| envelope::list(bytes, "notes"))
}

fn listed<T: 'static>(contact: &ContactId, read: fn(&[u8]) -> Result<T, Unreadable>) -> Call<T> {
    let path = format!("/contacts/{contact}/notes");
    Call::new(Method::Get, "GET /contacts/{id}/notes", path, read).version(VERSION)
}

/// Reads one note of a contact, fresh. Needs `contacts.readonly`.
pub fn note_of(contact: &ContactId, note: &NoteId) -> Call<Note> {
    let path = format!("/contacts/{contact}/notes/{note}");
    Call::new(Method::Get, "GET /contacts/{id}/notes/{noteId}", path, one).version(VERSION)
}

/// Deletes a note. Needs `contacts.write`. No job does.
pub fn delete_note(contact: &ContactId, note: &NoteId) -> Call<()> {
    let path = format!("/contacts/{contact}/notes/{note}");
    Call::new(
        Method::Delete,
        "DELETE /contacts/{id}/notes/{noteId}",
        path,
        succeeded,
    )
    .if_unsure(IfUnsure::SendAgain)
    .version(VERSION)
}

fn one(bytes: &[u8]) -> Result<Note, Unreadable> {
    let object = envelope::object(bytes, &["note"])?;
    note(object).ok_or_else(|| Unreadable::Shape("the note has no id".to_owned()))
}

fn note(raw: Value) -> Option<Note> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow)]
        id: Loose<'a>,
        #[serde(default)]
        body: Loose<'a>,
        /// On the wire, not in the specification.
        #[serde(default)]
        body_text: Loose<'a>,
        #[serde(default)]
        date_added: Loose<'a>,
    }
    let wire = Wire::deserialize(&raw).ok()?;
    let text = |value: &Loose<'_>| value.text().map(str::to_owned);
    let body = text(&wire.body).unwrap_or_default();
    Some(Note {
        id: NoteId::try_from(wire.id.text()?).ok()?,
        text: text(&wire.body_text).unwrap_or_else(|| body.clone()),
        body,
        date_added: wire.date_added.text().and_then(moment),
        raw,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> ContactId {
        ContactId::try_from("TY3N").unwrap()
    }

    fn hgpc() -> NoteId {
        NoteId::try_from("HGPc").unwrap()
    }

    #[test]
    fn a_note_is_written_once_and_read_as_recorded() {
        let call = create_note(&ann(), "hello");
        assert_eq!(call.path, "/contacts/TY3N/notes");
        assert_eq!(call.body, Some(json!({"body": "hello"})));
        assert_eq!(call.if_unsure, IfUnsure::LookFirst);
        assert!(!call.is_read());
        let made = call
            .read(
                br#"{"note":{"id":"N1","body":"<p>hello</p>","bodyText":"hello","userId":null,
                "dateAdded":"2026-07-17T10:38:22.661Z","contactId":"TY3N","pinned":false,"relations":[]},"traceId":"x"}"#,
            )
            .unwrap();
        assert_eq!((made.id.as_str(), made.text.as_str()), ("N1", "hello"));
        assert_eq!(made.body, "<p>hello</p>");
        assert!(made.date_added.is_some());
        assert_eq!(made.raw.get("relations"), Some(&json!([])));
        assert!(call.read(br#"{"note":{"id":null}}"#).is_err());
    }

    #[test]
    fn a_note_says_its_text_in_either_form() {
        let mut note =
            note(json!({"id": "N1", "body": "<p>Went  live\n</p>", "bodyText": "Went live "}))
                .unwrap();
        assert!(note.says("Went live"));
        assert!(note.says(" Went\nlive"));
        assert!(!note.says("Went"));
        note.text = note.body.clone();
        assert!(!note.says("Went live"), "markup is not text");
    }

    #[test]
    fn a_note_has_a_title_a_color_and_an_author_when_asked_for() {
        let whole = NoteBody {
            body: Some("hello".to_owned()),
            user_id: Some(UserId::try_from("TUcm").unwrap()),
            title: Some("First".to_owned()),
            color: Some("#FFAA00".to_owned()),
            pinned: Some(true),
        };
        let json = json!({"body": "hello", "userId": "TUcm", "title": "First", "color": "#FFAA00", "pinned": true});
        assert_eq!(
            create_note_with(&ann(), &whole).unwrap().body,
            Some(json.clone())
        );
        assert_eq!(serde_json::from_value::<NoteBody>(json).unwrap(), whole);
        assert!(serde_json::from_value::<NoteBody>(json!({"text": "x"})).is_err());
        let untitled = NoteBody::default();
        assert!(create_note_with(&ann(), &untitled).is_err());
        assert_eq!(
            update_note(&ann(), &hgpc(), &untitled).err(),
            Some(BadBody::Nothing)
        );
        let pin = NoteBody {
            pinned: Some(false),
            ..untitled
        };
        let call = update_note(&ann(), &hgpc(), &pin).unwrap();
        assert_eq!(call.body, Some(json!({"pinned": false})));
        assert_eq!(call.if_unsure, IfUnsure::SendAgain);
    }

    #[test]
    fn the_notes_of_a_contact_as_the_vendor_documents_them() {
        let reply = br#"{"notes":[{"id":"HGPc","body":"lorem ipsum","userId":"TUcm","dateAdded":"2021-07-08T12:02:11.285Z"},
                {"body":"no id"}, 7]}"#;
        let seen = notes(&ann()).read(reply).unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen.first().unwrap().text, "lorem ipsum");
        assert_eq!(notes_raw(&ann()).read(reply).unwrap().len(), 3);
        assert_eq!(note_of(&ann(), &hgpc()).path, "/contacts/TY3N/notes/HGPc");
    }

    #[test]
    fn a_removal_is_a_delete() {
        let call = delete_note(&ann(), &hgpc());
        assert_eq!(call.method, Method::Delete);
        assert_eq!(call.read(br#"{"succeded":true}"#), Ok(()));
    }
}
