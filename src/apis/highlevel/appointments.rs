//! Appointments of a contact.
//!
//! Source: HighLevel's OpenAPI file of contacts. Its times have no zone; they are those of the location.

use serde_json::Value;

use super::VERSION;
use super::envelope;
use crate::model::ContactId;
use crate::net::{Call, Method};

/// Reads all appointments of a contact, whole. Needs `contacts.readonly`. There are no pages.
pub fn appointments(contact: &ContactId) -> Call<Vec<Value>> {
    let path = format!("/contacts/{contact}/appointments");
    Call::new(
        Method::Get,
        "GET /contacts/{id}/appointments",
        path,
        |bytes| envelope::list(bytes, "events"),
    )
    .version(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appointments_are_the_events_of_the_answer() {
        let call = appointments(&ContactId::try_from("TY3N").unwrap());
        assert_eq!(call.path, "/contacts/TY3N/appointments");
        let seen = call
            .read(
                br#"{"events":[{"id":"E1","startTime":"2021-07-16 11:00:00","appointmentStatus":"confirmed"}]}"#,
            )
            .unwrap();
        assert_eq!(
            seen.first().and_then(|event| event.get("startTime")),
            Some(&Value::from("2021-07-16 11:00:00"))
        );
    }
}
