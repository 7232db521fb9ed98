//! The arguments of `api`: resources, then verbs.

mod contacts;
mod jots;
mod rest;

use std::path::PathBuf;

use clap::Subcommand;

use crate::model::{AccountName, BusinessId, ContactId, NotAnId, UserId};

pub(super) use contacts::{
    ContactFlags, Contacts, ContactsDo, CreateContact, Duplicate, ListContacts, NewContactFlags,
    SearchContacts, UpdateContact, UpsertContact,
};
pub(super) use jots::{
    Appointments, AppointmentsDo, CreateNote, CreateTask, NoteFlags, Notes, NotesDo, OneNote,
    OneTask, SearchTasks, TaskFlags, Tasks, TasksDo, UpdateNote, UpdateTask,
};
pub(super) use rest::{
    BulkTags, BusinessContacts, BusinessFlags, Businesses, BusinessesDo, CampaignOf, Campaigns,
    CampaignsDo, CreateBusiness, CreateField, Fields, FieldsDo, Followers, FollowersDo,
    FollowersOf, LocationArgs, LocationDo, Many, TagsArgs, TagsDo, TagsOf, Users, UsersDo,
    WorkflowOf, Workflows, WorkflowsDo,
};

/// The heading of what every command of `api` takes.
const API: &str = "Options of every api command";

/// What stands below the help of `api`.
const EXAMPLES: &str = "\
Examples:
  ghl-sync api contacts list --limit 5
  ghl-sync api contacts create --first-name Ann --email ann@example.com
  ghl-sync api tags add CONTACT vip 'call back'
  ghl-sync api notes create CONTACT --body 'Prefers to be called in the morning'
  ghl-sync api tasks create CONTACT --title 'Call Ann' --due 2d
  ghl-sync api tasks complete CONTACT TASK
  ghl-sync api contacts search --tag vip --all --fields id,email

More of them: ghl-sync api RESOURCE VERB --help";

/// The arguments of `api`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(
    after_help = EXAMPLES,
    subcommand_value_name = "RESOURCE",
    subcommand_help_heading = "Resources"
)]
pub struct Api {
    /// What every command of it takes.
    #[command(flatten)]
    pub common: Common,
    /// What it is about.
    #[command(subcommand)]
    pub what: ApiDo,
}

/// What every command of `api` takes.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct Common {
    /// Speak to the location of this account [default: the only one in ghl-sync.toml]
    #[arg(long, value_name = "NAME", value_parser = super::super::args::account, global = true, help_heading = API)]
    pub account: Option<AccountName>,
    /// Show the calls as JSON and send none of them (only names of custom fields may be looked up)
    #[arg(long, global = true, help_heading = API)]
    pub dry_run: bool,
    /// Do without asking what deletes something, starts messages to people, or replaces all tags
    #[arg(long, global = true, help_heading = API)]
    pub yes: bool,
    /// Print only these keys of every object, in this order, for example id,email
    #[arg(long, value_name = "KEYS", value_delimiter = ',', global = true, help_heading = API)]
    pub fields: Vec<String>,
}

/// What a command of `api` is about.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum ApiDo {
    /// People: list, search, read, create, change, delete
    Contacts(Contacts),
    /// Tasks of a contact, and those of the whole location
    Tasks(Tasks),
    /// Notes of a contact
    Notes(Notes),
    /// Appointments of a contact
    Appointments(Appointments),
    /// Tags of contacts, one contact or many at a time, and those of the location
    Tags(TagsArgs),
    /// Businesses (companies), and which contacts belong to one
    Businesses(Businesses),
    /// Users who follow a contact in the CRM (no followers of a channel)
    Followers(Followers),
    /// Campaigns, and which contacts are in one: messages may go to people
    Campaigns(Campaigns),
    /// Workflows, and which contacts are in one: messages may go to people
    Workflows(Workflows),
    /// The location itself
    Location(LocationArgs),
    /// Custom fields of contacts
    Fields(Fields),
    /// Users of the location: whom tasks and contacts can be assigned to
    Users(Users),
}

/// How much of a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct HowMany {
    /// Print all of them, page after page
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// Print at most this many [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// A body as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Input {
    /// Take the body from this file, a JSON object; `-` is stdin; what flags say goes before it
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
}

/// The contact that a command is about.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct OfContact {
    /// The contact's id
    #[arg(value_name = "CONTACT", value_parser = contact)]
    pub contact: ContactId,
}

/// Reads an id that becomes a part of a path; `.` and `..` would make it another path.
///
/// Errors: what is expected, for people.
fn id<'a, I: TryFrom<&'a str, Error = NotAnId>>(word: &'a str) -> Result<I, String> {
    if word.bytes().all(|b| b == b'.') {
        return Err("expected an id; there is none".to_owned());
    }
    I::try_from(word).map_err(|error| format!("expected an id: {}", error.expected))
}

fn contact(word: &str) -> Result<ContactId, String> {
    id(word)
}

fn business(word: &str) -> Result<BusinessId, String> {
    id(word)
}

fn user(word: &str) -> Result<UserId, String> {
    id(word)
}

impl ApiDo {
    /// Returns whether the command may change something at HighLevel; all others get a client that can only read.
    pub fn writes(&self) -> bool {
        match self {
            ApiDo::Contacts(contacts) => match &contacts.what {
                ContactsDo::List(_)
                | ContactsDo::Get(_)
                | ContactsDo::Search(_)
                | ContactsDo::Duplicate(_) => false,
                ContactsDo::Create(_)
                | ContactsDo::Update(_)
                | ContactsDo::Delete(_)
                | ContactsDo::Upsert(_) => true,
            },
            ApiDo::Tasks(tasks) => match &tasks.what {
                TasksDo::List(_) | TasksDo::Get(_) | TasksDo::Search(_) => false,
                TasksDo::Create(_)
                | TasksDo::Update(_)
                | TasksDo::Complete(_)
                | TasksDo::Reopen(_)
                | TasksDo::Delete(_) => true,
            },
            ApiDo::Notes(notes) => match &notes.what {
                NotesDo::List(_) | NotesDo::Get(_) => false,
                NotesDo::Create(_) | NotesDo::Update(_) | NotesDo::Delete(_) => true,
            },
            ApiDo::Tags(tags) => match &tags.what {
                TagsDo::List => false,
                TagsDo::Add(_) | TagsDo::Remove(_) | TagsDo::BulkAdd(_) | TagsDo::BulkRemove(_) => {
                    true
                }
            },
            ApiDo::Businesses(businesses) => match &businesses.what {
                BusinessesDo::List(_) | BusinessesDo::Get(_) | BusinessesDo::Contacts(_) => false,
                BusinessesDo::Create(_) | BusinessesDo::Attach(_) | BusinessesDo::Detach(_) => true,
            },
            ApiDo::Followers(followers) => match &followers.what {
                FollowersDo::Add(_) | FollowersDo::Remove(_) => true,
            },
            ApiDo::Campaigns(campaigns) => match &campaigns.what {
                CampaignsDo::List => false,
                CampaignsDo::Add(_) | CampaignsDo::Remove(_) | CampaignsDo::RemoveAll(_) => true,
            },
            ApiDo::Workflows(workflows) => match &workflows.what {
                WorkflowsDo::List => false,
                WorkflowsDo::Add(_) | WorkflowsDo::Remove(_) => true,
            },
            ApiDo::Fields(fields) => match &fields.what {
                FieldsDo::List | FieldsDo::Get(_) => false,
                FieldsDo::Create(_) => true,
            },
            ApiDo::Appointments(_) | ApiDo::Location(_) | ApiDo::Users(_) => false,
        }
    }
}
