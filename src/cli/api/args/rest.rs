//! The arguments of `api` for what surrounds contacts: tags, businesses, followers, campaigns, workflows, the location, its fields and users.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};
use clap::Subcommand;

use super::{HowMany, Input, OfContact, contact};
use crate::model::{BusinessId, CampaignId, ContactId, UserId, WorkflowId};

/// The arguments of `api tags`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct TagsArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: TagsDo,
}

/// What to do with tags.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum TagsDo {
    /// Add tags to one contact, and leave those it has
    ///
    /// HighLevel keeps tags in lower case. Workflows of the location that start on a tag will start, and may write to people.
    #[command(after_help = "\
Example:
  ghl-sync api tags add CONTACT vip 'call back'")]
    Add(TagsOf),
    /// Remove tags from one contact
    #[command(after_help = "\
Example:
  ghl-sync api tags remove CONTACT 'call back'")]
    Remove(TagsOf),
    /// Add tags to many contacts, 100 a call; one JSON line a contact says what came of it
    ///
    /// Workflows of the location that start on a tag will start, and may write to people.
    #[command(after_help = "\
Examples:
  ghl-sync api tags bulk-add --tag vip CONTACT CONTACT
  ghl-sync api contacts search --tag lead --all --fields id > leads.jsonl
  ghl-sync api tags bulk-add --tag vip --from leads.jsonl")]
    BulkAdd(BulkTags),
    /// Remove tags from many contacts, 100 a call; one JSON line a contact says what came of it
    BulkRemove(BulkTags),
    /// List the tags of the location, as JSON lines
    List,
}

/// Tags of one contact.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct TagsOf {
    /// The contact.
    #[command(flatten)]
    pub of: OfContact,
    /// The tags
    #[arg(value_name = "TAG", required = true)]
    pub tags: Vec<String>,
}

/// Contacts of which there may be many.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Many {
    /// The contacts' ids
    #[arg(value_name = "CONTACT", value_parser = contact, required_unless_present = "from")]
    pub contacts: Vec<ContactId>,
    /// Take further ids from this file, one a line, as words or as JSON objects with an `id`; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
}

/// Tags of many contacts.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct BulkTags {
    /// The contacts.
    #[command(flatten)]
    pub many: Many,
    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "TAG", required = true)]
    pub tags: Vec<String>,
}

/// The arguments of `api businesses`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct Businesses {
    /// What to do.
    #[command(subcommand)]
    pub what: BusinessesDo,
}

/// What to do with businesses.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum BusinessesDo {
    /// List businesses, as JSON lines
    List(ListBusinesses),
    /// Show one business
    Get(GetBusiness),
    /// Create a business
    #[command(after_help = "\
Example:
  ghl-sync api businesses create --name 'Example Inc.' --city Springfield")]
    Create(CreateBusiness),
    /// List the contacts of a business, as JSON lines
    Contacts(BusinessContacts),
    /// Make contacts belong to a business, 50 a call
    #[command(after_help = "\
Example:
  ghl-sync api businesses attach BUSINESS CONTACT CONTACT")]
    Attach(AttachContacts),
    /// Make contacts belong to no business, 50 a call
    #[command(after_help = "\
Example:
  ghl-sync api businesses detach CONTACT CONTACT")]
    Detach(Many),
}

/// The arguments of `api businesses list`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct ListBusinesses {
    /// How much of it.
    #[command(flatten)]
    pub many: HowMany,
}

/// One business.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct GetBusiness {
    /// The business's id
    #[arg(value_name = "BUSINESS", value_parser = super::business)]
    pub business: BusinessId,
}

/// What a business holds.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct BusinessFlags {
    /// The name
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// The e-mail address
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// The phone number
    #[arg(long, value_name = "NUMBER")]
    pub phone: Option<String>,
    /// The web site
    #[arg(long, value_name = "URL")]
    pub website: Option<String>,
    /// The street and number
    #[arg(long, value_name = "TEXT")]
    pub address: Option<String>,
    /// The city
    #[arg(long, value_name = "TEXT")]
    pub city: Option<String>,
    /// The state or region
    #[arg(long, value_name = "TEXT")]
    pub state: Option<String>,
    /// The postal code
    #[arg(long, value_name = "TEXT")]
    pub postal_code: Option<String>,
    /// The country, two letters: US
    #[arg(long, value_name = "CODE")]
    pub country: Option<String>,
    /// What it is
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

/// The arguments of `api businesses create`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct CreateBusiness {
    /// What it holds.
    #[command(flatten)]
    pub flags: BusinessFlags,
    /// The body.
    #[command(flatten)]
    pub input: Input,
}

/// The arguments of `api businesses contacts`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct BusinessContacts {
    /// The business.
    #[command(flatten)]
    pub of: GetBusiness,
    /// Only those that HighLevel's free-text search finds for this
    #[arg(long, value_name = "TEXT")]
    pub query: Option<String>,
    /// How much of it.
    #[command(flatten)]
    pub many: HowMany,
}

/// The arguments of `api businesses attach`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct AttachContacts {
    /// The business.
    #[command(flatten)]
    pub to: GetBusiness,
    /// The contacts.
    #[command(flatten)]
    pub many: Many,
}

/// The arguments of `api followers`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct Followers {
    /// What to do.
    #[command(subcommand)]
    pub what: FollowersDo,
}

/// What to do with the followers of a contact.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum FollowersDo {
    /// Let users of the CRM follow a contact
    #[command(after_help = "\
Example:
  ghl-sync api followers add CONTACT USER")]
    Add(FollowersOf),
    /// Let users of the CRM no longer follow a contact
    Remove(FollowersOf),
}

/// Users and the contact that they follow.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct FollowersOf {
    /// The contact.
    #[command(flatten)]
    pub of: OfContact,
    /// The users, by id: `ghl-sync api users list`
    #[arg(value_name = "USER", value_parser = super::user, required = true)]
    pub users: Vec<UserId>,
}

/// The arguments of `api campaigns`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct Campaigns {
    /// What to do.
    #[command(subcommand)]
    pub what: CampaignsDo,
}

/// What to do with campaigns.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum CampaignsDo {
    /// List the campaigns of the location, as JSON lines
    List,
    /// Put a contact into a campaign: messages may go to the person; asks for --yes
    Add(CampaignOf),
    /// Take a contact out of a campaign
    Remove(CampaignOf),
    /// Take a contact out of all campaigns; asks for --yes
    RemoveAll(OfContact),
}

/// A contact and a campaign.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct CampaignOf {
    /// The contact.
    #[command(flatten)]
    pub of: OfContact,
    /// The campaign's id: `ghl-sync api campaigns list`
    #[arg(value_name = "CAMPAIGN", value_parser = campaign)]
    pub campaign: CampaignId,
}

/// The arguments of `api workflows`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct Workflows {
    /// What to do.
    #[command(subcommand)]
    pub what: WorkflowsDo,
}

/// What to do with workflows.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum WorkflowsDo {
    /// List the workflows of the location, as JSON lines
    List,
    /// Put a contact into a workflow: messages may go to the person; asks for --yes
    #[command(after_help = "\
Example:
  ghl-sync api workflows add CONTACT WORKFLOW --yes")]
    Add(WorkflowStart),
    /// Take a contact out of a workflow
    Remove(WorkflowOf),
}

/// A contact and a workflow.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct WorkflowOf {
    /// The contact.
    #[command(flatten)]
    pub of: OfContact,
    /// The workflow's id: `ghl-sync api workflows list`
    #[arg(value_name = "WORKFLOW", value_parser = workflow)]
    pub workflow: WorkflowId,
}

/// The arguments of `api workflows add`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct WorkflowStart {
    /// The contact and the workflow.
    #[command(flatten)]
    pub one: WorkflowOf,
    /// When the event is that the workflow starts from: a moment as 2026-12-01T17:00:00+01:00 [default: HighLevel's]
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub start: Option<DateTime<FixedOffset>>,
}

/// The arguments of `api location`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct LocationArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: LocationDo,
}

/// What to do with the location.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum LocationDo {
    /// Show the location: name, time zone, settings; takes the scope locations.readonly
    Get,
}

/// The arguments of `api fields`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct Fields {
    /// What to do.
    #[command(subcommand)]
    pub what: FieldsDo,
}

/// What to do with custom fields.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum FieldsDo {
    /// List the custom fields of contacts, as JSON lines
    #[command(after_help = "\
Example:
  ghl-sync api fields list --fields id,fieldKey,name,dataType")]
    List,
    /// Show one custom field
    Get(GetField),
    /// Create a custom field of contacts; HighLevel makes its key from the name
    ///
    /// Takes the scope locations/customFields.write. A second call makes a second field.
    #[command(after_help = "\
Example:
  ghl-sync api fields create --name 'Twitch user id'")]
    Create(CreateField),
}

/// The arguments of `api fields get`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct GetField {
    /// The field's id, or its key, with or without `contact.` before it
    #[arg(value_name = "FIELD", value_parser = field)]
    pub field: String,
}

/// The arguments of `api fields create`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct CreateField {
    /// The name
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// The vendor's word for the type: TEXT, LARGE_TEXT, NUMERICAL, DATE, … [default: TEXT]
    #[arg(long = "type", value_name = "TYPE")]
    pub data_type: Option<String>,
    /// What stands in the empty field
    #[arg(long, value_name = "TEXT")]
    pub placeholder: Option<String>,
    /// The body.
    #[command(flatten)]
    pub input: Input,
}

/// The arguments of `api users`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct Users {
    /// What to do.
    #[command(subcommand)]
    pub what: UsersDo,
}

/// What to do with users.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum UsersDo {
    /// List the users of the location, as JSON lines; takes the scope users.readonly
    List,
}

fn campaign(word: &str) -> Result<CampaignId, String> {
    super::id(word)
}

fn workflow(word: &str) -> Result<WorkflowId, String> {
    super::id(word)
}

/// Takes the id of a custom field, or its key, which may have a dot in it.
fn field(word: &str) -> Result<String, String> {
    super::id::<BusinessId>(word).map(String::from)
}

fn moment(word: &str) -> Result<DateTime<FixedOffset>, String> {
    DateTime::parse_from_rfc3339(word)
        .map_err(|_| "expected a moment with its zone as 2026-12-01T17:00:00+01:00".to_owned())
}
