//! What a sandbox is like: its size, its seed, and the vendor behavior nobody has documented.

use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};

use super::chance::Chance;

/// The location id that the HighLevel half serves.
pub const LOCATION_ID: &str = "sandboxLocation00001";
/// The Twitch user id of the channel whose followers are listed.
pub const BROADCASTER_ID: &str = "4242";
/// The login of that channel.
pub const BROADCASTER_LOGIN: &str = "sandbox_channel";
/// The HighLevel token that every sandbox starts with.
pub const HIGHLEVEL_TOKEN: &str = "pit-sandbox";
/// The Twitch user token that every sandbox starts with; its user is the broadcaster.
pub const TWITCH_TOKEN: &str = "sandbox-user-token";
/// The Twitch client id that the token belongs to.
pub const TWITCH_CLIENT_ID: &str = "sandboxclient";
/// A secret for a confidential Twitch application; it is in force when `Settings::twitch_client_secret` holds it.
pub const TWITCH_CLIENT_SECRET: &str = "sandbox-twitch-client-secret";
/// The users of the location, to whom tasks can be assigned.
pub const USER_IDS: [&str; 2] = ["sandboxUser000000001", "sandboxUser000000002"];
/// The only workflow of the location.
pub const WORKFLOW_ID: &str = "5ca1ab1e-0000-4000-8000-000000000001";
/// The only campaign of the location.
pub const CAMPAIGN_ID: &str = "sandboxCampaign00001";
/// The company that the location belongs to.
pub const COMPANY_ID: &str = "sandboxCompany000001";
/// The client id of the HighLevel application.
pub const HIGHLEVEL_CLIENT_ID: &str = "sandboxapp-m1k2";
/// The secret of the HighLevel application.
pub const HIGHLEVEL_CLIENT_SECRET: &str = "sandbox-highlevel-client-secret";

/// Every HighLevel scope that the served endpoints ask for.
pub const HIGHLEVEL_SCOPES: &[&str] = &[
    "contacts.readonly",
    "contacts.write",
    "locations.readonly",
    "locations/customFields.readonly",
    "locations/customFields.write",
    "locations/tags.readonly",
    "locations/tags.write",
    "locations/tasks.readonly",
    "businesses.readonly",
    "businesses.write",
    "users.readonly",
    "workflows.readonly",
    "campaigns.readonly",
];

/// The scopes that HighLevel's agency logins may have besides.
pub(crate) const AGENCY_SCOPES: &[&str] = &["oauth.readonly", "oauth.write"];

/// The Twitch scopes that the tokens start with: one for every list of a channel's people.
pub const TWITCH_SCOPES: &[&str] = &[
    "moderator:read:followers",
    "channel:read:subscriptions",
    "channel:read:vips",
    "moderation:read",
    "bits:read",
];

/// Returns the Twitch user token that a further channel starts with; its user is that broadcaster.
pub fn channel_token(id: &str) -> String {
    format!("{TWITCH_TOKEN}-{id}")
}

/// How many people of each kind a channel has at the start, besides its followers.
///
/// They are the first accounts of the world, so that one person is many things; more than there are followers in the world is
/// cut to that.
#[derive(Clone, Debug, Default)]
pub struct Crew {
    /// Subscribers: mostly of the first tier, every fourth one a gift of the first account.
    pub subscribers: u64,
    /// VIPs.
    pub vips: u64,
    /// Moderators.
    pub moderators: u64,
    /// People who cheered an hour before the start: 100 bits the first, 200 the second, and so on.
    pub cheerers: u64,
}

/// A further channel; its token is [`channel_token`].
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// The broadcaster's user id, digits; none that a follower of the start has.
    pub id: String,
    /// The login, lower case.
    pub login: String,
    /// The display name.
    pub name: String,
    /// How many follow it at the start: the first accounts of the world, who follow the main channel too.
    pub followers: u64,
    /// Who else belongs to it at the start.
    pub crew: Crew,
}

/// Describes a sandbox before it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Seeds every id and every invented person.
    pub seed: u64,
    /// The virtual time at which the sandbox starts.
    pub start: DateTime<Utc>,
    /// When true, virtual time moves by `Sandbox::advance` only, and not with real time.
    pub frozen: bool,
    /// Multiplies the burst limits: 1.0 is the vendor's own rate.
    pub speed: f64,
    /// How many calls the HighLevel day allows; vendor value 200,000, not multiplied by `speed`.
    pub daily: u64,
    /// Whether the burst limits are measured in virtual time, for clients whose waits are leaps of that clock.
    pub limits_in_virtual_time: bool,
    /// The id under which the location is known outside.
    pub location: String,
    /// How many followers the channel has at the start.
    pub followers: u64,
    /// Who else belongs to the channel at the start.
    pub crew: Crew,
    /// Further channels.
    pub channels: Vec<ChannelSettings>,
    /// How many contacts the location has at the start, twins included.
    pub contacts: u64,
    /// How many of the contacts picture a follower exactly; at most the lesser of the two counts.
    pub twins: u64,
    /// Whether the three Twitch custom fields exist although there are no twins.
    pub fields: bool,
    /// Whether some followers have a name of 200 characters or none at all.
    pub odd_names: bool,
    /// How many businesses the location has at the start.
    pub businesses: u64,
    /// How many of the contacts of the start have an appointment on the day after the start: those that were made first.
    pub appointments: u64,
    /// The scopes of the HighLevel token, and those that a login can get.
    pub highlevel_scopes: Vec<String>,
    /// The scopes of the Twitch token.
    pub twitch_scopes: Vec<String>,
    /// How long Twitch user tokens live, in virtual time; `None` means that the one of the start never ends by itself
    /// and that those of logins live for four hours.
    pub twitch_token_life: Option<Duration>,
    /// The secret of the Twitch application. `None` makes it a public one: it exchanges no authorization codes, and its
    /// refresh tokens serve once and die after 30 days of rest.
    pub twitch_client_secret: Option<String>,
    /// The redirect addresses that the Twitch application registered.
    pub twitch_redirects: Vec<String>,
    /// The redirect addresses that the HighLevel application registered.
    pub highlevel_redirects: Vec<String>,
    /// Whether a registered address of `localhost` also stands for `127.0.0.1` and for every other port of the two.
    pub any_loopback_port: bool,
    /// How long Twitch asks a device to wait between two polls, in whole seconds.
    pub device_interval: Duration,
    /// Further locations of the company: an agency can make tokens for them, and they serve nothing.
    pub other_locations: Vec<String>,
    /// How many calls are remembered; older ones are forgotten, the counters are not.
    pub call_log: usize,
    /// Whether remembered calls keep their JSON bodies.
    pub keep_bodies: bool,
    /// What the documents leave open.
    pub switches: Switches,
}

impl Default for Settings {
    /// Returns an honest vendor with a small world, a thousand times as fast as the real one.
    fn default() -> Settings {
        Settings {
            seed: 1,
            start: Utc
                .with_ymd_and_hms(2026, 3, 2, 12, 0, 0)
                .single()
                .expect("the date is a constant and exists"),
            frozen: false,
            speed: 1000.0,
            daily: 200_000,
            limits_in_virtual_time: false,
            location: LOCATION_ID.to_string(),
            followers: 25,
            crew: Crew::default(),
            channels: Vec::new(),
            contacts: 20,
            twins: 0,
            fields: false,
            odd_names: false,
            businesses: 1,
            appointments: 1,
            highlevel_scopes: HIGHLEVEL_SCOPES.iter().map(ToString::to_string).collect(),
            twitch_scopes: TWITCH_SCOPES.iter().map(ToString::to_string).collect(),
            twitch_token_life: None,
            twitch_client_secret: None,
            twitch_redirects: vec!["http://localhost:3000".to_string()],
            highlevel_redirects: vec!["http://localhost:3000/callback".to_string()],
            any_loopback_port: false,
            device_interval: Duration::from_secs(5),
            other_locations: Vec::new(),
            call_log: 100_000,
            keep_bodies: true,
            switches: Switches::default(),
        }
    }
}

/// How many contacts one bulk tag call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkMax {
    /// More than this many are refused as a whole.
    Refuse(usize),
    /// More than this many are cut off without a word.
    Cut(usize),
}

/// What the `total` of a search counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchTotal {
    /// All matches.
    Honest,
    /// All matches, but 10,000 at most.
    Capped,
}

/// Which names a row of `GET /contacts/` carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListNames {
    /// None but the lower-cased `contactName`.
    Absent,
    /// `firstName` and `lastName` in lower case.
    Lower,
    /// Those, and the original spelling in `firstNameRaw` and `lastNameRaw`.
    LowerAndRaw,
}

/// What Twitch does with an old or unreadable cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleAfter {
    /// It answers 400.
    BadRequest,
    /// It starts over.
    FirstPage,
}

/// How the lists of subscribers, VIPs and moderators show deleted accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lingering {
    /// They are left out.
    No,
    /// They keep their id and have neither login nor name.
    Nameless,
    /// They have not even an id.
    Blank,
}

/// What HighLevel answers about a deleted contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletedAnswer {
    /// 400 with "not found".
    BadRequest,
    /// 404 with "not found".
    NotFound,
    /// A GET shows it with `"deleted": true`; a write is answered 400.
    StillShown,
}

/// Whose token a HighLevel login gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserType {
    /// A location's.
    Location,
    /// An agency's.
    Company,
}

/// Vendor behavior that the documents leave open, one field a question.
#[derive(Clone, Debug)]
pub struct Switches {
    /// The most contacts of one bulk tag call.
    pub bulk_max: BulkMax,
    /// What `total` of a search says.
    pub search_total: SearchTotal,
    /// Which names a list row carries.
    pub list_names: ListNames,
    /// What a stale Twitch cursor does.
    pub stale_after: StaleAfter,
    /// How long a Twitch cursor stays good, in virtual time.
    pub cursor_life: Duration,
    /// Whether Twitch's `total` also counts 1 % of accounts, and suspended ones, that the list omits.
    pub ghosts: bool,
    /// Whether a tag write moves `dateUpdated`.
    pub tag_writes_move_date_updated: bool,
    /// Whether calls answered 4xx use up permits.
    pub refused_calls_counted: bool,
    /// How long a write stays invisible to search and list, in virtual time.
    pub lag: Duration,
    /// What is said about a deleted contact.
    pub deleted: DeletedAnswer,
    /// Whether `GET /contacts/` is gone (404).
    pub list_refused: bool,
    /// The location's setting "allow duplicate contact".
    pub allow_duplicates: bool,
    /// Whether the `body` of a note is kept as the HTML of the vendor's editor; `bodyText` stays plain.
    pub notes_as_html: bool,
    /// Whether a 429 of a really violated limit carries `Retry-After`.
    pub retry_after: bool,
    /// Whether Twitch's last page carries a cursor that leads to an empty page.
    pub last_cursor: bool,
    /// Every so many pages of a Twitch list are empty although rows follow; 0 means never.
    pub empty_pages: u64,
    /// Whether every third page of a Twitch list has one row less than asked.
    pub short_pages: bool,
    /// Whether every page but the first repeats the last row of the page before.
    pub sliding_rows: bool,
    /// Whether subscribers, VIPs and moderators come in any order, the same from page to page.
    pub shuffled: bool,
    /// Whether the broadcaster stands among the own subscribers, without being counted.
    pub own_subscription: bool,
    /// Whether the broadcaster stands among the own moderators.
    pub broadcaster_moderates: bool,
    /// How lists of people show deleted accounts; the follower list has its own odd rows.
    pub lingering: Lingering,
    /// The user who agrees on Twitch's pages.
    pub login_user: String,
    /// Whether the user says no on the vendors' pages.
    pub login_denied: bool,
    /// Scopes that no login gets, although it asks for them.
    pub withheld_scopes: Vec<String>,
    /// Whether a device that polls too early hears "invalid device code" in place of "authorization_pending".
    pub pending_says_invalid: bool,
    /// How many of the next polls of a pending device are answered "slow_down".
    pub slow_downs: u64,
    /// Whether an expired device code is answered "expired_token" in place of "invalid device code".
    pub expiry_named: bool,
    /// Whether a wrong Twitch secret is answered 403 in place of 400.
    pub wrong_secret_403: bool,
    /// Whether a confidential Twitch application gets a new refresh token at each use, which ends the old one.
    pub refresh_rotates: bool,
    /// Whether revoking a Twitch access token also ends the refresh token of its login.
    pub revoke_ends_login: bool,
    /// Whether HighLevel's page sends the browser back without the `state` that it was given.
    pub state_left_out: bool,
    /// Whether the vendors' pages send another `state` back than they were given.
    pub state_changed: bool,
    /// Whose token a HighLevel login gives.
    pub user_type: UserType,
    /// The location that the user chooses on HighLevel's page.
    pub chosen_location: String,
    /// Whether the location is paused: HighLevel renews nothing, and the refresh tokens stay good.
    pub location_inactive: bool,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches {
            bulk_max: BulkMax::Refuse(500),
            search_total: SearchTotal::Honest,
            list_names: ListNames::LowerAndRaw,
            stale_after: StaleAfter::BadRequest,
            cursor_life: Duration::from_secs(600),
            ghosts: false,
            tag_writes_move_date_updated: true,
            refused_calls_counted: true,
            lag: Duration::from_secs(3),
            deleted: DeletedAnswer::BadRequest,
            list_refused: false,
            allow_duplicates: false,
            notes_as_html: false,
            retry_after: false,
            last_cursor: false,
            empty_pages: 0,
            short_pages: false,
            sliding_rows: false,
            shuffled: false,
            own_subscription: true,
            broadcaster_moderates: false,
            lingering: Lingering::No,
            login_user: BROADCASTER_ID.to_string(),
            login_denied: false,
            withheld_scopes: Vec::new(),
            pending_says_invalid: false,
            slow_downs: 0,
            expiry_named: false,
            wrong_secret_403: false,
            refresh_rotates: false,
            revoke_ends_login: true,
            state_left_out: false,
            state_changed: false,
            user_type: UserType::Location,
            chosen_location: LOCATION_ID.to_string(),
            location_inactive: false,
        }
    }
}

impl Switches {
    /// Returns any combination, the same one for the same seed; what users decide in a login stays as it is.
    pub fn random(seed: u64) -> Switches {
        let mut chance = Chance::new(seed ^ 0x5717_c4e5);
        let bulk = [
            BulkMax::Refuse(50),
            BulkMax::Refuse(100),
            BulkMax::Refuse(500),
            BulkMax::Cut(50),
            BulkMax::Cut(100),
        ];
        let names = [ListNames::Absent, ListNames::Lower, ListNames::LowerAndRaw];
        let deleted = [
            DeletedAnswer::BadRequest,
            DeletedAnswer::NotFound,
            DeletedAnswer::StillShown,
        ];
        let lags = [0, 1, 5, 30, 60, 300];
        Switches {
            bulk_max: chance.pick(&bulk),
            search_total: chance.pick(&[SearchTotal::Honest, SearchTotal::Capped]),
            list_names: chance.pick(&names),
            stale_after: chance.pick(&[StaleAfter::BadRequest, StaleAfter::FirstPage]),
            cursor_life: Duration::from_secs(600),
            ghosts: chance.coin(),
            tag_writes_move_date_updated: chance.coin(),
            refused_calls_counted: chance.coin(),
            lag: Duration::from_secs(chance.pick(&lags)),
            deleted: chance.pick(&deleted),
            list_refused: chance.below(4) == 0,
            allow_duplicates: chance.coin(),
            retry_after: chance.coin(),
            last_cursor: chance.coin(),
            empty_pages: chance.pick(&[0, 0, 3]),
            short_pages: chance.coin(),
            sliding_rows: chance.coin(),
            shuffled: chance.coin(),
            own_subscription: chance.coin(),
            broadcaster_moderates: chance.coin(),
            lingering: chance.pick(&[Lingering::No, Lingering::Nameless, Lingering::Blank]),
            pending_says_invalid: chance.coin(),
            slow_downs: chance.below(2),
            expiry_named: chance.coin(),
            wrong_secret_403: chance.coin(),
            refresh_rotates: chance.coin(),
            revoke_ends_login: chance.coin(),
            state_left_out: chance.coin(),
            ..Switches::default()
        }
    }
}
