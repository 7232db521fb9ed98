//! `api` for what surrounds contacts: tags, businesses, followers, campaigns, workflows, the location, its fields and users.

use serde_json::{Value, json};

use crate::apis::highlevel::{self, NewCustomField};
use crate::cli::error::CliError;

use super::args::{
    CampaignOf, CampaignsDo, CreateField, FieldsDo, FollowersDo, FollowersOf, LocationDo, UsersDo,
    WorkflowOf, WorkflowsDo,
};
use super::body::{put, typed};
use super::contacts;
use super::deed::{CAMPAIGNS, Deed, FIELDS, FIELDS_WRITE, LOCATION, USERS, WORKFLOWS, WRITE};
use super::desk::{Desk, Shown, succeeded, without_trace};
use super::input;

/// Carries out one command about the users who follow a contact.
pub(super) async fn followers(desk: &mut Desk<'_>, what: &FollowersDo) -> Result<(), CliError> {
    let (call, id) = match what {
        FollowersDo::Add(FollowersOf { of, users }) => {
            (highlevel::add_followers(&of.contact, users), &of.contact)
        }
        FollowersDo::Remove(FollowersOf { of, users }) => {
            (highlevel::remove_followers(&of.contact, users), &of.contact)
        }
    };
    let what = format!("{}, or no such user,", contacts::of(id));
    let deed = Deed::new(call, WRITE, what, contacts::get(id));
    desk.one(deed, |seen| without_trace(seen.raw), Shown::Plain)
        .await
}

/// Carries out one command about campaigns.
pub(super) async fn campaigns(desk: &mut Desk<'_>, what: &CampaignsDo) -> Result<(), CliError> {
    const LIST: &str = "api campaigns list";
    match what {
        CampaignsDo::List => {
            let call = highlevel::campaigns(&desk.location());
            desk.rows(Deed::new(call, CAMPAIGNS, "campaigns", LIST))
                .await
        }
        CampaignsDo::Add(CampaignOf { of, campaign }) => {
            let id = &of.contact;
            desk.agreed(&format!(
                "this puts contact {id} into campaign {campaign}, and messages may go to the person at once"
            ))
            .await?;
            let call = highlevel::add_to_campaign(id, campaign);
            let what = format!("contact {id}, or no campaign {campaign},");
            let deed = Deed::new(call, WRITE, what, LIST);
            desk.done(deed, succeeded()).await
        }
        CampaignsDo::Remove(CampaignOf { of, campaign }) => {
            let id = &of.contact;
            let call = highlevel::remove_from_campaign(id, campaign);
            let what = format!("contact {id}, or no campaign {campaign},");
            let deed = Deed::new(call, WRITE, what, LIST);
            desk.done(deed, succeeded()).await
        }
        CampaignsDo::RemoveAll(of) => {
            let id = &of.contact;
            desk.agreed(&format!(
                "this takes contact {id} out of all campaigns, and nothing shows afterwards which they were"
            ))
            .await?;
            let call = highlevel::remove_from_all_campaigns(id);
            let deed = Deed::new(call, WRITE, contacts::of(id), contacts::get(id));
            desk.done(deed, succeeded()).await
        }
    }
}

/// Carries out one command about workflows.
pub(super) async fn workflows(desk: &mut Desk<'_>, what: &WorkflowsDo) -> Result<(), CliError> {
    const LIST: &str = "api workflows list";
    match what {
        WorkflowsDo::List => {
            let call = highlevel::workflows(&desk.location());
            desk.rows(Deed::new(call, WORKFLOWS, "workflows", LIST))
                .await
        }
        WorkflowsDo::Add(args) => {
            let WorkflowOf { of, workflow } = &args.one;
            let id = &of.contact;
            desk.agreed(&format!(
                "this puts contact {id} into workflow {workflow}, and messages may go to the person at once"
            ))
            .await?;
            let call = highlevel::add_to_workflow(id, workflow, args.start);
            let what = format!("contact {id}, or no workflow {workflow},");
            let deed = Deed::new(call, WRITE, what, LIST);
            desk.done(deed, succeeded()).await
        }
        WorkflowsDo::Remove(WorkflowOf { of, workflow }) => {
            let id = &of.contact;
            let call = highlevel::remove_from_workflow(id, workflow);
            let what = format!("contact {id}, or no workflow {workflow},");
            let deed = Deed::new(call, WRITE, what, LIST);
            desk.done(deed, succeeded()).await
        }
    }
}

/// Carries out one command about the location.
pub(super) async fn location(desk: &mut Desk<'_>, what: &LocationDo) -> Result<(), CliError> {
    match what {
        LocationDo::Get => {
            let call = highlevel::location_raw(&desk.location());
            // The id is that of ghl-sync.toml: what is not there is the location itself.
            let deed = Deed::new(call, LOCATION, "", "check --online");
            desk.one(deed, |location| location, Shown::Plain).await
        }
    }
}

/// Carries out one command about custom fields.
pub(super) async fn fields(desk: &mut Desk<'_>, what: &FieldsDo) -> Result<(), CliError> {
    const LIST: &str = "api fields list";
    match what {
        FieldsDo::List => {
            let call = highlevel::custom_fields_raw(&desk.location());
            desk.rows(Deed::new(call, FIELDS, "custom fields", LIST))
                .await
        }
        FieldsDo::Get(args) => {
            let field = desk.field_word(&args.field)?;
            let call = highlevel::custom_field_raw(&desk.location(), &field);
            let what = format!("custom field {}", args.field);
            let deed = Deed::new(call, FIELDS, what, LIST);
            desk.one(deed, |field| field, Shown::Plain).await
        }
        FieldsDo::Create(args) => {
            let CreateField {
                name,
                data_type,
                placeholder,
                input,
            } = args;
            let mut body = input::body(input)?;
            put(&mut body, "name", name.clone());
            put(&mut body, "dataType", data_type.clone());
            put(&mut body, "placeholder", placeholder.clone());
            if !body.contains_key("name") {
                return Err(CliError::usage("a new custom field needs --name"));
            }
            body.entry("dataType").or_insert_with(|| json!("TEXT"));
            let field: NewCustomField = typed(body)?;
            let call = highlevel::create_custom_field_raw(&desk.location(), &field);
            let deed = Deed::new(call, FIELDS_WRITE, "custom field", LIST);
            desk.one(deed, |field| field, Shown::Plain).await
        }
    }
}

/// Carries out one command about users.
pub(super) async fn users(desk: &mut Desk<'_>, what: &UsersDo) -> Result<(), CliError> {
    match what {
        UsersDo::List => {
            let call: crate::net::Call<Vec<Value>> = highlevel::users_raw(&desk.location());
            desk.rows(Deed::new(call, USERS, "users", "api users list"))
                .await
        }
    }
}
