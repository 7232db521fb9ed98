//! What stands around the vendor's objects in its answers: the name they come under, and the flags that say whether a write succeeded.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::net::Unreadable;

/// Takes the one object of an answer out of its envelope, whole; it stands under one of `names`.
///
/// The vendor misspells some of them (`buiseness`), and may mend that one day.
///
/// Errors: no such name, or something else than an object under it.
pub(super) fn object(bytes: &[u8], names: &[&str]) -> Result<Value, Unreadable> {
    let mut reply: Map<String, Value> = crate::net::json(bytes)?;
    let found = names.iter().find_map(|name| reply.remove(*name));
    match found {
        Some(object @ Value::Object(_)) => Ok(object),
        Some(_) | None => Err(lacks(names)),
    }
}

/// Takes the list of an answer out of its envelope, each row whole.
///
/// Errors: no such name, or something else than a list under it.
pub(super) fn list(bytes: &[u8], name: &'static str) -> Result<Vec<Value>, Unreadable> {
    let mut reply: Map<String, Value> = crate::net::json(bytes)?;
    match reply.remove(name) {
        Some(Value::Array(rows)) => Ok(rows),
        Some(_) | None => Err(lacks(&[name])),
    }
}

/// Reads a number of an answer's envelope that may be written as text, or be missing.
pub(super) fn number(bytes: &[u8], pointer: &str) -> Option<u64> {
    let reply: Value = serde_json::from_slice(bytes).ok()?;
    let number = reply.pointer(pointer)?;
    number
        .as_u64()
        .or_else(|| number.as_str().and_then(|text| text.parse().ok()))
}

/// Reads the answer of a call that shows nothing but whether it succeeded, in all its spellings: `succeded` (v2), `succeeded` (v3), `success`
/// (businesses).
pub(super) fn succeeded(bytes: &[u8]) -> Result<(), Unreadable> {
    #[derive(Deserialize)]
    struct Reply {
        succeded: Option<bool>,
        succeeded: Option<bool>,
        success: Option<bool>,
    }
    let reply: Reply = crate::net::json(bytes)?;
    match reply.succeeded.or(reply.succeded).or(reply.success) {
        Some(true) => Ok(()),
        Some(false) => Err(Unreadable::Shape(
            "the reply says that it did not succeed".to_owned(),
        )),
        None => Err(Unreadable::Shape(
            "the reply does not say whether it succeeded".to_owned(),
        )),
    }
}

fn lacks(names: &[&str]) -> Unreadable {
    let name = names.first().copied().unwrap_or_default();
    Unreadable::Shape(format!("the reply holds no `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_comes_out_whole_under_either_name() {
        for reply in [
            r#"{"success":true,"buiseness":{"id":"b","new":{"key":1}}}"#,
            r#"{"business":{"id":"b","new":{"key":1}},"traceId":"x"}"#,
        ] {
            let object = object(reply.as_bytes(), &["business", "buiseness"]).unwrap();
            assert_eq!(object, serde_json::json!({"id":"b","new":{"key":1}}));
        }
        for odd in ["{}", "[]", r#"{"business":null}"#, r#"{"business":[]}"#] {
            assert!(
                object(odd.as_bytes(), &["business", "buiseness"]).is_err(),
                "{odd}"
            );
        }
    }

    #[test]
    fn a_list_keeps_every_row() {
        let rows = list(br#"{"users":[{"id":"a"},7,null],"count":3}"#, "users").unwrap();
        assert_eq!(rows.len(), 3);
        assert!(list(br#"{"users":{}}"#, "users").is_err());
        assert!(list(b"{}", "users").is_err());
    }

    #[test]
    fn a_count_may_be_text() {
        assert_eq!(number(br#"{"count":3}"#, "/count"), Some(3));
        assert_eq!(number(br#"{"meta":{"total":"7"}}"#, "/meta/total"), Some(7));
        assert_eq!(number(br#"{"count":null}"#, "/count"), None);
    }

    #[test]
    fn a_success_is_read_in_every_spelling() {
        for yes in [
            r#"{"succeded":true}"#,
            r#"{"succeeded":true,"succeded":true,"traceId":"x"}"#,
            r#"{"succeeded":true}"#,
            r#"{"success":true,"ids":[]}"#,
        ] {
            assert_eq!(succeeded(yes.as_bytes()), Ok(()), "{yes}");
        }
        for no in [r#"{"succeeded":false}"#, r#"{"success":false}"#, "{}", "[]"] {
            assert!(succeeded(no.as_bytes()).is_err(), "{no}");
        }
    }
}
