//! Notes of a contact.
//!
//! Source: HighLevel's OpenAPI files of contacts (the same shapes in both versions) and recorded traffic. There are no pages, and no way to
//! read the notes of several contacts at once.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::VERSION;
use super::contacts::succeeded;
use super::row::moment;
use crate::apis::loose::Loose;
use crate::model::{ContactId, IfUnsure, NoteId};
use crate::net::{Call, Method, Unreadable};

/// A note of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// Its text, without markup where the answer shows it so.
    pub text: String,
    /// When it was written.
    pub date_added: Option<DateTime<Utc>>,
}

/// Writes a note. Needs `contacts.write`.
///
/// A second call writes a second note, so a lost answer is looked for in [`notes`].
pub fn create_note(contact: &ContactId, text: &str) -> Call<Note> {
    let path = format!("/contacts/{contact}/notes");
    Call::new(Method::Post, "POST /contacts/{id}/notes", path, one)
        .body(json!({"body": text}))
        .if_unsure(IfUnsure::LookFirst)
        .version(VERSION)
}

/// Reads all notes of a contact, fresh. Needs `contacts.readonly`.
///
/// Notes without a usable id are left out.
pub fn notes(contact: &ContactId) -> Call<Vec<Note>> {
    #[derive(Deserialize)]
    struct Reply {
        notes: Vec<Value>,
    }
    let path = format!("/contacts/{contact}/notes");
    Call::new(Method::Get, "GET /contacts/{id}/notes", path, |bytes| {
        let Reply { notes } = crate::net::json(bytes)?;
        Ok(notes.iter().filter_map(note).collect())
    })
    .version(VERSION)
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
    #[derive(Deserialize)]
    struct Reply {
        note: Value,
    }
    let reply: Reply = crate::net::json(bytes)?;
    note(&reply.note).ok_or_else(|| Unreadable::Shape("the note has no id".to_owned()))
}

fn note(value: &Value) -> Option<Note> {
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
    let wire = Wire::deserialize(value).ok()?;
    let text = wire.body_text.text().or(wire.body.text());
    Some(Note {
        id: NoteId::try_from(wire.id.text()?).ok()?,
        text: text.unwrap_or_default().to_owned(),
        date_added: wire.date_added.text().and_then(moment),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> ContactId {
        ContactId::try_from("TY3N").unwrap()
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
        assert!(made.date_added.is_some());
        assert!(call.read(br#"{"note":{"id":null}}"#).is_err());
    }

    #[test]
    fn the_notes_of_a_contact_as_the_vendor_documents_them() {
        let call = notes(&ann());
        let seen = call
            .read(
                br#"{"notes":[{"id":"HGPc","body":"lorem ipsum","userId":"TUcm","dateAdded":"2021-07-08T12:02:11.285Z"},
                {"body":"no id"}, 7]}"#,
            )
            .unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen.first().unwrap().text, "lorem ipsum");
        let note = NoteId::try_from("HGPc").unwrap();
        assert_eq!(note_of(&ann(), &note).path, "/contacts/TY3N/notes/HGPc");
    }

    #[test]
    fn a_removal_succeeds_in_either_spelling() {
        let call = delete_note(&ann(), &NoteId::try_from("HGPc").unwrap());
        assert_eq!(call.method, Method::Delete);
        for yes in [
            r#"{"succeded":true}"#,
            r#"{"succeeded":true,"succeded":true,"traceId":"x"}"#,
            r#"{"succeeded":true}"#,
        ] {
            assert_eq!(call.read(yes.as_bytes()), Ok(()), "{yes}");
        }
        for no in [r#"{"succeeded":false}"#, "{}", "[]"] {
            assert!(call.read(no.as_bytes()).is_err(), "{no}");
        }
    }
}
