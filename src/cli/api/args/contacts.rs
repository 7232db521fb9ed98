//! The arguments of `api contacts`.

use clap::Subcommand;

use super::{HowMany, Input, OfContact};
use crate::cli::args::Since;

/// The arguments of `api contacts`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub struct Contacts {
    /// What to do.
    #[command(subcommand)]
    pub what: ContactsDo,
}

/// What to do with contacts.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum ContactsDo {
    /// List contacts, newest first, as JSON lines
    ///
    /// Rows of this list are thin: names are in lower case (firstNameRaw and lastNameRaw have the case), and keys may be missing. `search` and `get` show more.
    #[command(after_help = "\
Examples:
  ghl-sync api contacts list --limit 5
  ghl-sync api contacts list --all --fields id,email,tags > contacts.jsonl")]
    List(ListContacts),
    /// Show one contact
    #[command(after_help = "\
Example:
  ghl-sync api contacts get CONTACT")]
    Get(GetContact),
    /// Create a contact; it takes a first name, last name, e-mail or phone number
    ///
    /// HighLevel refuses a second contact with the same e-mail or phone number where the location says so. Nothing keeps two contacts of the same name apart. Workflows of the location that start on new contacts or on tags will see it.
    #[command(after_help = "\
Examples:
  ghl-sync api contacts create --first-name Ann --email ann@example.com
  ghl-sync api contacts create --first-name Ann --field twitch_user_id=12345
  ghl-sync api contacts create --input ann.json --dry-run")]
    Create(Box<CreateContact>),
    /// Change some fields of a contact, and leave all others
    ///
    /// An empty text clears a field: --city ''. Tags are added and removed by `ghl-sync api tags`; --replace-tags sets the whole set. HighLevel takes company and gender for a new contact alone.
    #[command(after_help = "\
Examples:
  ghl-sync api contacts update CONTACT --phone +15550100001 --city Springfield
  ghl-sync api contacts update CONTACT --field twitch_user_id=12345
  ghl-sync api contacts update CONTACT --replace-tags --tag vip --yes")]
    Update(Box<UpdateContact>),
    /// Delete a contact with everything on it; asks for --yes
    #[command(after_help = "\
Example:
  ghl-sync api contacts delete CONTACT --yes")]
    Delete(DeleteContact),
    /// Update the contact with this e-mail or phone number, or create it
    ///
    /// HighLevel looks by e-mail and phone number alone, in the order that the location's settings say; of a contact that it finds it leaves some fields as they are (gender, for one). The answer is the contact, with `new` beside its keys.
    #[command(after_help = "\
Example:
  ghl-sync api contacts upsert --email ann@example.com --first-name Ann")]
    Upsert(Box<UpsertContact>),
    /// Search contacts by what they hold, as JSON lines
    ///
    /// All conditions must hold. The search reads an index: what was written within the last minute may be missing, or look as it was before.
    #[command(after_help = "\
Examples:
  ghl-sync api contacts search --tag vip --all
  ghl-sync api contacts search --field twitch_user_id=12345
  ghl-sync api contacts search --changed-since 1d --sort dateUpdated:asc
  ghl-sync api contacts search --input filters.json --limit 100")]
    Search(Box<SearchContacts>),
    /// Find the contact that has an e-mail or phone number, fresh, and without the index
    ///
    /// Where the location allows duplicates it looks by e-mail first, else as the location's settings say. Prints nothing when there is none.
    #[command(after_help = "\
Example:
  ghl-sync api contacts duplicate --email ann@example.com")]
    Duplicate(Duplicate),
}

/// The arguments of `api contacts list`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct ListContacts {
    /// Only those that HighLevel's free-text search finds for this
    #[arg(long, value_name = "TEXT")]
    pub query: Option<String>,
    /// How much of it.
    #[command(flatten)]
    pub many: HowMany,
}

/// The arguments of `api contacts get`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct GetContact {
    /// The contact.
    #[command(flatten)]
    pub of: OfContact,
}

/// The arguments of `api contacts delete`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct DeleteContact {
    /// The contact.
    #[command(flatten)]
    pub of: OfContact,
}

/// The fields of a contact that every write takes.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct ContactFlags {
    /// The first name
    #[arg(long, value_name = "TEXT")]
    pub first_name: Option<String>,
    /// The last name
    #[arg(long, value_name = "TEXT")]
    pub last_name: Option<String>,
    /// The whole name, which HighLevel splits; not enough for a new contact
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// The e-mail address
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// The phone number, best with its country code
    #[arg(long, value_name = "NUMBER")]
    pub phone: Option<String>,
    /// The street and number (`address1`)
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
    /// The web site
    #[arg(long, value_name = "URL")]
    pub website: Option<String>,
    /// The time zone: America/New_York
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// The date of birth: 1990-12-31
    #[arg(long, value_name = "DATE")]
    pub date_of_birth: Option<String>,
    /// Where the contact came from
    #[arg(long, value_name = "TEXT")]
    pub source: Option<String>,
    /// The user whom the contact is assigned to, by id: `ghl-sync api users list`
    #[arg(long, value_name = "USER")]
    pub assigned: Option<String>,
    /// Whether the contact must not be written to on any channel
    #[arg(long, value_name = "BOOL")]
    pub dnd: Option<bool>,
    /// A custom field by its key, KEY=TEXT, or KEY:=JSON for numbers and lists; may be repeated
    #[arg(long = "field", value_name = "KEY=VALUE")]
    pub custom: Vec<String>,
    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
}

/// The fields that only a new contact takes for sure.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct NewContactFlags {
    /// The name of the company
    #[arg(long, value_name = "TEXT")]
    pub company: Option<String>,
    /// The gender; HighLevel takes it for a new contact alone
    #[arg(long, value_name = "TEXT")]
    pub gender: Option<String>,
}

/// The arguments of `api contacts create`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct CreateContact {
    /// The fields.
    #[command(flatten)]
    pub flags: ContactFlags,
    /// Further ones.
    #[command(flatten)]
    pub new: NewContactFlags,
    /// The body.
    #[command(flatten)]
    pub input: Input,
}

/// The arguments of `api contacts update`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct UpdateContact {
    /// The contact.
    #[command(flatten)]
    pub of: OfContact,
    /// The fields.
    #[command(flatten)]
    pub flags: ContactFlags,
    /// Replace all tags of the contact by those of --tag; asks for --yes
    #[arg(long)]
    pub replace_tags: bool,
    /// The body.
    #[command(flatten)]
    pub input: Input,
}

/// The arguments of `api contacts upsert`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct UpsertContact {
    /// The fields.
    #[command(flatten)]
    pub flags: ContactFlags,
    /// Further ones.
    #[command(flatten)]
    pub new: NewContactFlags,
    /// Replace all tags of a contact that is there by those of --tag; asks for --yes
    #[arg(long)]
    pub replace_tags: bool,
    /// Create a contact without looking, where the location allows duplicates
    #[arg(long)]
    pub allow_duplicate: bool,
    /// The body.
    #[command(flatten)]
    pub input: Input,
}

/// The arguments of `api contacts search`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct SearchContacts {
    /// Only those that HighLevel's free-text search finds for this, at most 75 characters
    #[arg(long, value_name = "TEXT")]
    pub query: Option<String>,
    /// Only those with this tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Only those with exactly this e-mail address
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// Only those with exactly this phone number, with its country code: +15550100001
    #[arg(long, value_name = "NUMBER")]
    pub phone: Option<String>,
    /// Only those whose custom field is exactly this; may be repeated
    #[arg(long = "field", value_name = "KEY=VALUE")]
    pub custom: Vec<String>,
    /// Only those added since: 90m, 12h, 7d, a date as 2026-03-01 (UTC), or a moment as 2026-03-01T04:30:00Z
    #[arg(long, value_name = "WHEN")]
    pub added_since: Option<Since>,
    /// Only those changed since, written like --added-since
    #[arg(long, value_name = "WHEN")]
    pub changed_since: Option<Since>,
    /// In this order, for example dateUpdated:asc; twice at most [default: HighLevel's, newest first]
    #[arg(long, value_name = "FIELD:asc|desc")]
    pub sort: Vec<String>,
    /// How much of it.
    #[command(flatten)]
    pub many: HowMany,
    /// The body.
    #[command(flatten)]
    pub input: Input,
}

/// The arguments of `api contacts duplicate`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Duplicate {
    /// The e-mail address
    #[arg(long, value_name = "ADDRESS", required_unless_present = "phone")]
    pub email: Option<String>,
    /// The phone number, with its country code
    #[arg(long, value_name = "NUMBER")]
    pub phone: Option<String>,
}
