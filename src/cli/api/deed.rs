//! One call by hand, with what has to be said when it fails.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::model::IfUnsure;
use crate::net::Call;

/// The scope that reading contacts, tasks and notes takes. Source for all of them: HighLevel's page of scopes.
pub(super) const READ: &str = "contacts.readonly";
/// The scope that changing them takes.
pub(super) const WRITE: &str = "contacts.write";
/// The scope that searching the tasks of a location takes.
pub(super) const TASKS: &str = "locations/tasks.readonly";
/// The scope that reading the location takes.
pub(super) const LOCATION: &str = "locations.readonly";
/// The scope that reading custom fields takes.
pub(super) const FIELDS: &str = "locations/customFields.readonly";
/// The scope that making custom fields takes.
pub(super) const FIELDS_WRITE: &str = "locations/customFields.write";
/// The scope that reading the location's tags takes.
pub(super) const TAGS: &str = "locations/tags.readonly";
/// The scope that reading businesses takes.
pub(super) const BUSINESSES: &str = "businesses.readonly";
/// The scope that making businesses takes.
pub(super) const BUSINESSES_WRITE: &str = "businesses.write";
/// The scope that listing campaigns takes.
pub(super) const CAMPAIGNS: &str = "campaigns.readonly";
/// The scope that listing workflows takes.
pub(super) const WORKFLOWS: &str = "workflows.readonly";
/// The scope that listing users takes.
pub(super) const USERS: &str = "users.readonly";

/// One call by hand.
#[derive(Debug)]
pub(super) struct Deed<T> {
    /// The call.
    pub(super) call: Call<T>,
    /// What is to be said of it.
    pub(super) about: About,
}

/// What is to be said of a call that fails.
#[derive(Clone, Debug)]
pub(super) struct About {
    /// The scope that it takes.
    pub(super) scope: &'static str,
    /// What it speaks of, for example "contact abc": that is what is not there when nothing is found.
    pub(super) what: String,
    /// The command that shows what is there, without the program's name.
    pub(super) look: String,
    /// Whether it changes nothing.
    pub(super) is_read: bool,
    /// Whether it makes a contact: HighLevel has refused such a call and made the contact all the same.
    pub(super) makes_contact: bool,
    /// What may be done after a lost answer.
    pub(super) if_unsure: IfUnsure,
}

impl<T> Deed<T> {
    /// Makes one of a call that takes this scope, speaks of `what`, and after which `look` shows what came of it.
    pub(super) fn new(
        call: Call<T>,
        scope: &'static str,
        what: impl Into<String>,
        look: impl Into<String>,
    ) -> Deed<T> {
        let about = About {
            scope,
            what: what.into(),
            look: look.into(),
            is_read: call.is_read(),
            makes_contact: matches!(call.route, "POST /contacts/" | "POST /contacts/upsert"),
            if_unsure: call.if_unsure,
        };
        Deed { call, about }
    }

    /// Returns the call as a dry run shows it.
    pub(super) fn shown(&self) -> ShownCall<'_> {
        let Call {
            method,
            path,
            query,
            version,
            body,
            ..
        } = &self.call;
        ShownCall {
            method: method.to_string(),
            path,
            query: query
                .iter()
                .map(|(key, value)| (*key, value.as_str()))
                .collect(),
            version: *version,
            body: body.as_ref(),
        }
    }
}

/// A call as a dry run shows it: as it would be sent.
#[derive(Debug, Serialize)]
pub(super) struct ShownCall<'a> {
    method: String,
    path: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query: BTreeMap<&'a str, &'a str>,
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a Value>,
}
