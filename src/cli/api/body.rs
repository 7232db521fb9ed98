//! Bodies of writes: what `--input` gives, with the flags over it, and into the typed body that the client takes.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::apis::highlevel::{BadBody, ContactBody, ContactWrite};
use crate::cli::error::CliError;
use crate::model::FieldKey;

use super::args::{ContactFlags, NewContactFlags};

/// Puts a flag into a body when it was given.
pub(super) fn put(body: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(key.to_owned(), value.into());
    }
}

/// Puts the flags of a contact into a body, custom fields and tags excepted. An empty text clears a field.
pub(super) fn put_contact(
    body: &mut Map<String, Value>,
    write: ContactWrite,
    flags: &ContactFlags,
    new: Option<&NewContactFlags>,
) {
    let ContactFlags {
        first_name,
        last_name,
        name,
        email,
        phone,
        address,
        city,
        state,
        postal_code,
        country,
        website,
        timezone,
        date_of_birth,
        source,
        assigned,
        dnd,
        custom: _,
        tags: _,
    } = flags;
    let texts = [
        ("firstName", first_name),
        ("lastName", last_name),
        ("name", name),
        ("email", email),
        ("phone", phone),
        ("address1", address),
        ("city", city),
        ("state", state),
        ("postalCode", postal_code),
        ("country", country),
        ("website", website),
        ("timezone", timezone),
        ("dateOfBirth", date_of_birth),
        ("source", source),
        ("assignedTo", assigned),
    ];
    let new = new
        .map(|NewContactFlags { company, gender }| [("companyName", company), ("gender", gender)]);
    for (key, text) in texts.into_iter().chain(new.into_iter().flatten()) {
        let Some(text) = text else { continue };
        let value = match text.is_empty() && is_cleared_by_null(key, write) {
            true => Value::Null,
            false => text.as_str().into(),
        };
        body.insert(key.to_owned(), value);
    }
    put(body, "dnd", *dnd);
}

/// Returns whether `null` is what the endpoint takes for an empty field. Source: `nullable` in HighLevel's OpenAPI file of contacts.
fn is_cleared_by_null(key: &str, write: ContactWrite) -> bool {
    match key {
        "postalCode" | "country" | "gender" => false,
        "source" | "assignedTo" => write == ContactWrite::Update,
        _ => true,
    }
}

/// Makes the body of a contact write; keys that the endpoint does not take are all named at once.
///
/// Errors: such keys; a value of another type; what hl refuses to send at all.
pub(super) fn contact(
    body: Map<String, Value>,
    write: ContactWrite,
) -> Result<ContactBody, CliError> {
    let takes: Vec<&str> = write.properties().collect();
    let wrong: Vec<String> = body
        .keys()
        .filter(|key| !takes.contains(&key.as_str()))
        .map(|key| format!("`{}`", crate::report::plain(key)))
        .collect();
    if !wrong.is_empty() {
        return Err(CliError::Usage {
            what: format!("--input: {write} does not take {}", wrong.join(", ")),
            hint: Some(format!("it takes {}", takes.join(", "))),
        });
    }
    ContactBody::of_json(Value::Object(body)).map_err(bad)
}

/// Makes an error of a body that cannot be sent.
pub(super) fn bad(error: BadBody) -> CliError {
    let hint = match &error {
        BadBody::WouldReplaceTags => {
            Some("add and remove tags with `ghl-sync api tags`, or say --replace-tags (and --yes)")
        }
        BadBody::Nameless => {
            Some("say --first-name, --last-name, --email or --phone; --name alone is not enough")
        }
        BadBody::Unidentified => Some("say --email or --phone"),
        BadBody::Nothing => Some("the flags of the command are in its --help"),
        BadBody::OtherLocation => {
            Some("leave `locationId` out of the body; --account names the location")
        }
        BadBody::NotTaken { .. }
        | BadBody::Unknown { .. }
        | BadBody::WrongType { .. }
        | BadBody::Empty(_)
        | BadBody::Either(..) => None,
    };
    CliError::Usage {
        what: error.to_string(),
        hint: hint.map(ToOwned::to_owned),
    }
}

/// Makes a typed body of flags and input.
///
/// Errors: a key that is not taken, or of another type; no value stands in the message.
pub(super) fn typed<T: DeserializeOwned>(body: Map<String, Value>) -> Result<T, CliError> {
    serde_json::from_value(Value::Object(body)).map_err(|error| {
        let said = without_values(&error.to_string());
        CliError::usage(format!("the body is not as it must be: {said}"))
    })
}

/// Returns what serde says without the value that it quotes: `invalid type: string "…", expected a boolean`.
fn without_values(said: &str) -> String {
    let Some((before, rest)) = said.split_once(": ") else {
        return said.to_owned();
    };
    let is_of_value = before.starts_with("invalid ");
    match rest.rsplit_once(", expected ") {
        Some((_, expected)) if is_of_value => format!("{before}: expected {expected}"),
        _ if is_of_value => before.to_owned(),
        _ => said.to_owned(),
    }
}

/// Reads `KEY=TEXT` or `KEY:=JSON`, the flag's number `no` of several.
///
/// Errors: it is neither; what was typed is not shown, because it may be about a person.
pub(super) fn custom_field(word: &str, no: usize) -> Result<(FieldKey, Value), CliError> {
    let wrong = |why: &str| {
        CliError::usage(format!(
            "--field number {no}: {why}; expected KEY=TEXT, or KEY:=JSON, with the key of a custom field, such as twitch_user_id=12345"
        ))
    };
    let (key, value) = word
        .split_once('=')
        .ok_or_else(|| wrong("there is no `=` in it"))?;
    let (key, value) = match key.strip_suffix(':') {
        Some(key) => {
            let value = serde_json::from_str(value);
            (
                key,
                value.map_err(|_| wrong("what follows `:=` is no JSON"))?,
            )
        }
        None => (key, Value::from(value)),
    };
    let key = key.strip_prefix("contact.").unwrap_or(key);
    let key = FieldKey::try_from(key).map_err(|_| wrong("what stands before `=` is no key"))?;
    if key.standard().is_some() {
        return Err(CliError::Usage {
            what: format!("--field number {no}: `{key}` is no custom field"),
            hint: Some("standard fields have flags of their own, or stand in --input".to_owned()),
        });
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_custom_field_is_text_unless_it_is_json() {
        let read = |word: &str| {
            let (key, value) = custom_field(word, 1)?;
            Ok::<_, CliError>((key.to_string(), value))
        };
        for (word, key, value) in [
            ("a=b", "a", json!("b")),
            ("a=", "a", json!("")),
            ("a=b=c", "a", json!("b=c")),
            ("contact.a=007", "a", json!("007")),
            ("a:=7", "a", json!(7)),
            (r#"a:=["x","y"]"#, "a", json!(["x", "y"])),
        ] {
            assert_eq!(read(word).unwrap(), (key.to_owned(), value), "{word}");
        }
        for (word, why) in [
            ("ann@example.com", "no `=`"),
            ("a b=c", "no key"),
            ("a:=x", "no JSON"),
            ("firstName=Ann", "no custom field"),
        ] {
            let said = read(word).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
            assert!(!said.contains("example.com"), "{said}");
        }
    }

    #[test]
    fn a_body_that_does_not_fit_is_not_quoted() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Body {
            #[expect(dead_code, reason = "it is only parsed")]
            pinned: Option<bool>,
        }
        let said = |body: Value| {
            let Value::Object(body) = body else {
                panic!("an object")
            };
            typed::<Body>(body).unwrap_err().to_string()
        };
        let wrong = said(json!({"pinned": "ann@example.com"}));
        assert!(
            wrong.ends_with("invalid type: expected a boolean"),
            "{wrong}"
        );
        let unknown = said(json!({"pined": true}));
        assert!(unknown.contains("unknown field `pined`"), "{unknown}");
    }
}
