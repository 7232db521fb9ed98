//! Workflows and campaigns of a location, and the contacts in them.
//!
//! Putting a contact into one can send messages to that person. NEVER used by a job: no job starts a workflow or a campaign, whatever it is
//! told. It is there for people, through `ghl-sync api`.
//!
//! Source: HighLevel's OpenAPI files of contacts, workflows and campaigns, and recorded traffic.

use chrono::{DateTime, FixedOffset, SecondsFormat};
use serde_json::{Value, json};

use super::VERSION;
use super::envelope::{self, succeeded};
use crate::model::{CampaignId, ContactId, IfUnsure, LocationId, WorkflowId};
use crate::net::{Call, Method};

/// Reads all workflows of a location, whole. Needs `workflows.readonly`. There are no pages.
pub fn workflows(location: &LocationId) -> Call<Vec<Value>> {
    Call::new(Method::Get, "GET /workflows/", "/workflows/", |bytes| {
        envelope::list(bytes, "workflows")
    })
    .with("locationId", location.as_str())
    .version(VERSION)
}

/// Reads all campaigns of a location, whole. Needs `campaigns.readonly`. There are no pages.
pub fn campaigns(location: &LocationId) -> Call<Vec<Value>> {
    Call::new(Method::Get, "GET /campaigns/", "/campaigns/", |bytes| {
        envelope::list(bytes, "campaigns")
    })
    .with("locationId", location.as_str())
    .version(VERSION)
}

/// Puts a contact into a workflow, which can send messages to that person. Needs `contacts.write`.
///
/// `start` is the time of the event that the workflow counts from, for those that wait for one. Nothing shows whether a contact is in a
/// workflow already, so a lost answer is for a person to settle.
pub fn add_to_workflow(
    contact: &ContactId,
    workflow: &WorkflowId,
    start: Option<DateTime<FixedOffset>>,
) -> Call<()> {
    let body = match start {
        // With its offset, as in the vendor's example.
        Some(start) => {
            json!({"eventStartTime": start.to_rfc3339_opts(SecondsFormat::Secs, false)})
        }
        None => json!({}),
    };
    let path = format!("/contacts/{contact}/workflow/{workflow}");
    Call::new(
        Method::Post,
        "POST /contacts/{id}/workflow/{workflowId}",
        path,
        succeeded,
    )
    .body(body)
    .if_unsure(IfUnsure::AskAPerson)
    .version(VERSION)
}

/// Takes a contact out of a workflow: a DELETE with a body. Needs `contacts.write`. Sending it twice does no harm.
pub fn remove_from_workflow(contact: &ContactId, workflow: &WorkflowId) -> Call<()> {
    let path = format!("/contacts/{contact}/workflow/{workflow}");
    Call::new(
        Method::Delete,
        "DELETE /contacts/{id}/workflow/{workflowId}",
        path,
        succeeded,
    )
    .body(json!({}))
    .if_unsure(IfUnsure::SendAgain)
    .version(VERSION)
}

/// Puts a contact into a campaign, which can send messages to that person. Needs `contacts.write`.
///
/// Nothing shows whether a contact is in a campaign already, so a lost answer is for a person to settle.
pub fn add_to_campaign(contact: &ContactId, campaign: &CampaignId) -> Call<()> {
    let path = format!("/contacts/{contact}/campaigns/{campaign}");
    Call::new(
        Method::Post,
        "POST /contacts/{id}/campaigns/{campaignId}",
        path,
        succeeded,
    )
    .body(json!({}))
    .if_unsure(IfUnsure::AskAPerson)
    .version(VERSION)
}

/// Takes a contact out of a campaign. Needs `contacts.write`. Sending it twice does no harm.
pub fn remove_from_campaign(contact: &ContactId, campaign: &CampaignId) -> Call<()> {
    let path = format!("/contacts/{contact}/campaigns/{campaign}");
    Call::new(
        Method::Delete,
        "DELETE /contacts/{id}/campaigns/{campaignId}",
        path,
        succeeded,
    )
    .if_unsure(IfUnsure::SendAgain)
    .version(VERSION)
}

/// Takes a contact out of every campaign. Needs `contacts.write`. Sending it twice does no harm. API v3 calls it `remove-all`.
pub fn remove_from_all_campaigns(contact: &ContactId) -> Call<()> {
    let path = format!("/contacts/{contact}/campaigns/removeAll");
    Call::new(
        Method::Delete,
        "DELETE /contacts/{id}/campaigns/removeAll",
        path,
        succeeded,
    )
    .if_unsure(IfUnsure::SendAgain)
    .version(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> ContactId {
        ContactId::try_from("TY3N").unwrap()
    }

    #[test]
    fn putting_in_is_asked_of_a_person_and_taking_out_is_repeated() {
        let workflow = WorkflowId::try_from("78559bb3-b920-461e-b010-7b2a2816d2a9").unwrap();
        let start = DateTime::parse_from_rfc3339("2021-06-23T03:30:00.5+01:00").unwrap();
        let add = add_to_workflow(&ann(), &workflow, Some(start));
        assert_eq!(
            add.path,
            "/contacts/TY3N/workflow/78559bb3-b920-461e-b010-7b2a2816d2a9"
        );
        assert_eq!(
            add.body,
            Some(json!({"eventStartTime": "2021-06-23T03:30:00+01:00"}))
        );
        let campaign = CampaignId::try_from("C1").unwrap();
        let bare = add_to_workflow(&ann(), &workflow, None);
        let into = add_to_campaign(&ann(), &campaign);
        for call in [add, bare, into] {
            assert_eq!(call.method, Method::Post);
            assert_eq!(call.if_unsure, IfUnsure::AskAPerson);
            assert_eq!(call.read(br#"{"succeded":true,"succeeded":true}"#), Ok(()));
        }
        for call in [
            remove_from_workflow(&ann(), &workflow),
            remove_from_campaign(&ann(), &campaign),
            remove_from_all_campaigns(&ann()),
        ] {
            assert_eq!(call.method, Method::Delete);
            assert_eq!(call.if_unsure, IfUnsure::SendAgain);
        }
        assert_eq!(
            remove_from_all_campaigns(&ann()).path,
            "/contacts/TY3N/campaigns/removeAll"
        );
    }

    #[test]
    fn the_lists_of_a_location() {
        let here = LocationId::try_from("AYg6").unwrap();
        let seen =
            workflows(&here).read(br#"{"workflows":[{"id":"w","name":"W","status":"published"}]}"#);
        assert_eq!(seen.unwrap().len(), 1);
        let call = campaigns(&here);
        assert_eq!(call.path, "/campaigns/");
        assert_eq!(call.query, [("locationId", "AYg6".to_owned())]);
        assert_eq!(call.read(br#"{"campaigns":[]}"#).unwrap().len(), 0);
    }
}
