//! A call as a value.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::{IfUnsure, Secret};

/// The methods the vendors' calls use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, and HighLevel's searches.
    Post,
    /// Changes.
    Put,
    /// Removes. Only the write test of `check` and people with `api` do; no job removes anything but tags, which is a POST.
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        })
    }
}

/// Whether a call changes anything at the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// Changes nothing: may be repeated freely.
    Read,
    /// May change something: repeated only as its `IfUnsure` allows.
    Write,
}

/// Why the bytes of a success are not the value that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The reply says that the thing asked for is deleted.
    Gone,
    /// The reply has another shape; the text says what and where, without any of its values.
    Shape(String),
}

impl From<serde_json::Error> for Unreadable {
    /// Keeps the class and the place of the fault, not the text, which can quote a person's data.
    fn from(error: serde_json::Error) -> Unreadable {
        let what = match error.classify() {
            serde_json::error::Category::Io | serde_json::error::Category::Eof => "ends early",
            serde_json::error::Category::Syntax => "is not JSON",
            serde_json::error::Category::Data => "has an unexpected shape",
        };
        Unreadable::Shape(format!(
            "the reply {what} at line {} column {}",
            error.line(),
            error.column()
        ))
    }
}

type Read<T> = Box<dyn Fn(&[u8]) -> Result<T, Unreadable> + Send + Sync>;

/// One request and how its answer becomes a `T`.
pub struct Call<T> {
    /// The method.
    pub method: Method,
    /// The kind of call, for reports and the journal: method and path pattern, for example `PUT /contacts/{id}`.
    pub route: &'static str,
    /// The path below the base URL, beginning with a slash.
    pub path: String,
    /// The query, in order; a key may come several times.
    pub query: Vec<(&'static str, String)>,
    /// The JSON body.
    pub body: Option<Value>,
    /// The fields of a form body, in order; it goes before a JSON body.
    form: Vec<(&'static str, String)>,
    /// The token to send in place of the line's.
    pub(super) bearer: Option<Secret>,
    /// The secrets in the body, which no text about the call may hold.
    pub(super) secrets: Vec<Secret>,
    /// The value of the `Version` header, for HighLevel.
    pub version: Option<&'static str>,
    /// What may be done when the answer to a write is lost; of no meaning for reads.
    pub if_unsure: IfUnsure,
    read: Read<T>,
}

impl<T> Call<T> {
    /// Makes a call whose success is turned into a value by `read`.
    ///
    /// It has no query, body or version yet, and counts as unrepeatable (`LookFirst`) when it is a write.
    pub fn new(
        method: Method,
        route: &'static str,
        path: impl Into<String>,
        read: impl Fn(&[u8]) -> Result<T, Unreadable> + Send + Sync + 'static,
    ) -> Call<T> {
        Call {
            method,
            route,
            path: path.into(),
            query: Vec::new(),
            body: None,
            form: Vec::new(),
            bearer: None,
            secrets: Vec::new(),
            version: None,
            if_unsure: IfUnsure::LookFirst,
            read: Box::new(read),
        }
    }

    /// Adds one pair to the query.
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Call<T> {
        self.query.push((key, value.into()));
        self
    }

    /// Sets the JSON body.
    pub fn body(mut self, body: Value) -> Call<T> {
        self.body = Some(body);
        self
    }

    /// Adds one field to the form body.
    pub fn form(mut self, key: &'static str, value: impl Into<String>) -> Call<T> {
        self.form.push((key, value.into()));
        self
    }

    /// Adds one secret to the form body.
    pub fn secret_form(mut self, key: &'static str, value: &Secret) -> Call<T> {
        self.secrets.push(value.clone());
        self.form(key, value.reveal())
    }

    /// Sets the token to send in place of the line's.
    pub fn bearer(mut self, token: &Secret) -> Call<T> {
        self.bearer = Some(token.clone());
        self
    }

    /// Returns the form body, `application/x-www-form-urlencoded`; `None` when there is none.
    pub(super) fn form_body(&self) -> Option<String> {
        (!self.form.is_empty()).then(|| super::send::form_encoded(&self.form))
    }

    /// Sets the `Version` header.
    pub fn version(mut self, version: &'static str) -> Call<T> {
        self.version = Some(version);
        self
    }

    /// Sets what may be done when the answer is lost.
    pub fn if_unsure(mut self, if_unsure: IfUnsure) -> Call<T> {
        self.if_unsure = if_unsure;
        self
    }

    /// Returns whether the call changes nothing: a GET, or one of HighLevel's two searches, which are POSTs.
    pub fn is_read(&self) -> bool {
        match self.method {
            Method::Get => true,
            Method::Post => is_search(&self.path),
            Method::Put | Method::Delete => false,
        }
    }

    /// Returns whether it reads or writes, as [`super::judge`] asks.
    pub fn kind(&self) -> CallKind {
        if self.is_read() {
            CallKind::Read
        } else {
            CallKind::Write
        }
    }

    /// Turns the bytes of a success into the value.
    pub fn read(&self, bytes: &[u8]) -> Result<T, Unreadable> {
        (self.read)(bytes)
    }
}

impl<T> fmt::Debug for Call<T> {
    /// Shows the route alone: path, query and body can hold people's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

/// Returns whether a POST to the path searches: contacts, or the tasks of a location.
///
/// Judged by the path that is sent, not by the route's name: what a dry run lets through hangs on it.
fn is_search(path: &str) -> bool {
    let location = path
        .strip_prefix("/locations/")
        .and_then(|rest| rest.strip_suffix("/tasks/search"));
    path == "/contacts/search" || location.is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

/// Reads JSON into a wire struct; for use in the `read` of a call.
pub(crate) fn json<W: DeserializeOwned>(bytes: &[u8]) -> Result<W, Unreadable> {
    Ok(serde_json::from_slice(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_get_and_the_searches_are_reads() {
        let kind = |method, path: &str| Call::new(method, "", path, |_| Ok(())).kind();
        assert_eq!(kind(Method::Get, "/contacts/"), CallKind::Read);
        assert_eq!(kind(Method::Post, "/contacts/search"), CallKind::Read);
        assert_eq!(kind(Method::Post, "/contacts/"), CallKind::Write);
        assert_eq!(kind(Method::Post, "/contacts/x/search"), CallKind::Write);
        let tasks = "/locations/AYg6/tasks/search";
        assert_eq!(kind(Method::Post, tasks), CallKind::Read);
        for write in [
            "/locations/tasks/search",
            "/locations//tasks/search",
            "/locations/AYg6/x/tasks/search",
            "/locations/AYg6/tasks/search/",
            "/locations/AYg6/tasks",
            "/contacts/AYg6/tasks/search",
            "/contacts/locations/AYg6/tasks/search",
            "/contacts/search/",
        ] {
            assert_eq!(kind(Method::Post, write), CallKind::Write, "{write}");
        }
        assert_eq!(kind(Method::Put, tasks), CallKind::Write);
        assert_eq!(kind(Method::Delete, tasks), CallKind::Write);
        assert_eq!(kind(Method::Put, "/contacts/search"), CallKind::Write);
        assert_eq!(kind(Method::Delete, "/contacts/x"), CallKind::Write);
    }

    #[test]
    fn a_reply_that_cannot_be_read_is_not_quoted() {
        let fault = json::<u64>(br#""someone@example.com""#).unwrap_err();
        let Unreadable::Shape(text) = fault else {
            panic!("a shape fault")
        };
        assert!(!text.contains("example"), "{text}");
    }
}
