//! What a job reads: the listings of Twitch, and what each of them can tell.

use serde::Serialize;

use super::ids::Namespace;

/// A source of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SourceKind {
    /// The followers of a Twitch channel.
    #[serde(rename = "twitch.followers")]
    TwitchFollowers,
    /// The subscribers of a Twitch channel, without the broadcaster.
    #[serde(rename = "twitch.subscribers")]
    TwitchSubscribers,
    /// The VIPs of a Twitch channel.
    #[serde(rename = "twitch.vips")]
    TwitchVips,
    /// The moderators of a Twitch channel, without the broadcaster.
    #[serde(rename = "twitch.moderators")]
    TwitchModerators,
    /// The first hundred of a Twitch channel's bits leaderboard.
    #[serde(rename = "twitch.bits")]
    TwitchBits,
    /// Twitch channels that are in while they are live.
    #[serde(rename = "twitch.streams")]
    TwitchStreams,
}

/// What proves that a record which is no longer listed has left its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveProof {
    /// Absent from a complete listing, and then from a look-up of its own or from a second listing ten minutes later.
    LookUp,
    /// Absent from two complete listings, and then from a look-up of a hundred at a time.
    TwiceAndBatch,
    /// Nothing: the listing is a ranking, and not to be in it says nothing.
    Nothing,
    /// Absent from two polls two minutes apart.
    TwoPolls,
}

impl SourceKind {
    /// All sources, as documentation lists them.
    pub const ALL: [SourceKind; 6] = [
        SourceKind::TwitchFollowers,
        SourceKind::TwitchSubscribers,
        SourceKind::TwitchVips,
        SourceKind::TwitchModerators,
        SourceKind::TwitchBits,
        SourceKind::TwitchStreams,
    ];

    /// Returns the word in job files.
    pub fn word(self) -> &'static str {
        match self {
            SourceKind::TwitchFollowers => "twitch.followers",
            SourceKind::TwitchSubscribers => "twitch.subscribers",
            SourceKind::TwitchVips => "twitch.vips",
            SourceKind::TwitchModerators => "twitch.moderators",
            SourceKind::TwitchBits => "twitch.bits",
            SourceKind::TwitchStreams => "twitch.streams",
        }
    }

    /// Returns what its records are, for people: the plural.
    pub fn plural(self) -> &'static str {
        match self {
            SourceKind::TwitchFollowers => "followers",
            SourceKind::TwitchSubscribers => "subscribers",
            SourceKind::TwitchVips => "VIPs",
            SourceKind::TwitchModerators => "moderators",
            SourceKind::TwitchBits => "cheerers",
            SourceKind::TwitchStreams => "live channels",
        }
    }

    /// Returns the namespace its record keys live in.
    pub fn namespace(self) -> Namespace {
        match self {
            SourceKind::TwitchFollowers
            | SourceKind::TwitchSubscribers
            | SourceKind::TwitchVips
            | SourceKind::TwitchModerators
            | SourceKind::TwitchBits => Namespace::TwitchUser,
            SourceKind::TwitchStreams => Namespace::TwitchChannel,
        }
    }

    /// Returns the attributes that its records carry, the key first; `channel` is the job's own label.
    pub fn attributes(self) -> &'static [&'static str] {
        match self {
            SourceKind::TwitchFollowers => &[
                "user_id",
                "user_login",
                "user_name",
                "followed_at",
                "stream_id",
                "stream_title",
                "stream_game",
                "stream_started_at",
                "channel",
            ],
            SourceKind::TwitchSubscribers => &[
                "user_id",
                "user_login",
                "user_name",
                "tier",
                "plan",
                "is_gift",
                "gifter_id",
                "gifter_login",
                "gifter_name",
                "since",
                "months",
                "channel",
            ],
            SourceKind::TwitchVips | SourceKind::TwitchModerators => {
                &["user_id", "user_login", "user_name", "since", "channel"]
            }
            SourceKind::TwitchBits => &[
                "user_id",
                "user_login",
                "user_name",
                "rank",
                "score",
                "period_started_at",
                "channel",
            ],
            SourceKind::TwitchStreams => &[
                "channel_id",
                "channel_login",
                "channel_name",
                "stream_id",
                "title",
                "game",
                "language",
                "started_at",
                "ended_at",
                "minutes",
                "viewers_peak",
                "viewers_average",
                "new_followers",
                "followers",
                "channel",
            ],
        }
    }

    /// Returns the attribute that is the record's key.
    pub fn key_attribute(self) -> &'static str {
        match self {
            SourceKind::TwitchFollowers
            | SourceKind::TwitchSubscribers
            | SourceKind::TwitchVips
            | SourceKind::TwitchModerators
            | SourceKind::TwitchBits => "user_id",
            SourceKind::TwitchStreams => "channel_id",
        }
    }

    /// Returns the attributes that hold whole numbers, which milestones can watch.
    pub fn numbers(self) -> &'static [&'static str] {
        match self {
            SourceKind::TwitchFollowers | SourceKind::TwitchVips | SourceKind::TwitchModerators => {
                &[]
            }
            SourceKind::TwitchSubscribers => &["months"],
            SourceKind::TwitchBits => &["score"],
            SourceKind::TwitchStreams => &["followers", "viewers_peak", "minutes"],
        }
    }

    /// Returns the attribute that tells one join from the next, for notes and tasks that are to come once for each.
    ///
    /// `None`: joins are told apart by the number of the record's transition.
    pub fn occurrence_attribute(self) -> Option<&'static str> {
        match self {
            SourceKind::TwitchFollowers => Some("followed_at"),
            SourceKind::TwitchStreams => Some("stream_id"),
            SourceKind::TwitchSubscribers
            | SourceKind::TwitchVips
            | SourceKind::TwitchModerators
            | SourceKind::TwitchBits => None,
        }
    }

    /// Returns whether a record is about a channel, which joins anew with every stream and whose fields are kept while it is out too.
    pub fn is_of_channels(self) -> bool {
        self.namespace() == Namespace::TwitchChannel
    }

    /// Returns whether the vendor says how many rows the listing has.
    ///
    /// Source: Twitch's API reference, `total` of the endpoint's answer.
    pub fn is_counted(self) -> bool {
        match self {
            SourceKind::TwitchFollowers | SourceKind::TwitchSubscribers => true,
            SourceKind::TwitchVips
            | SourceKind::TwitchModerators
            | SourceKind::TwitchBits
            | SourceKind::TwitchStreams => false,
        }
    }

    /// Returns what proves a leave.
    pub fn leave_proof(self) -> LeaveProof {
        match self {
            SourceKind::TwitchFollowers => LeaveProof::LookUp,
            SourceKind::TwitchSubscribers
            | SourceKind::TwitchVips
            | SourceKind::TwitchModerators => LeaveProof::TwiceAndBatch,
            SourceKind::TwitchBits => LeaveProof::Nothing,
            SourceKind::TwitchStreams => LeaveProof::TwoPolls,
        }
    }

    /// Returns the scopes of Twitch of which the login needs one; none for what is public.
    ///
    /// Source: Twitch's API reference, the authorization of each endpoint.
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            SourceKind::TwitchFollowers => &["moderator:read:followers"],
            SourceKind::TwitchSubscribers => &["channel:read:subscriptions"],
            SourceKind::TwitchVips => &["channel:read:vips", "channel:manage:vips"],
            SourceKind::TwitchModerators => &["moderation:read", "channel:manage:moderators"],
            SourceKind::TwitchBits => &["bits:read"],
            SourceKind::TwitchStreams => &[],
        }
    }

    /// Returns whether only the broadcaster's own login may list it.
    ///
    /// Source: Twitch's API reference; followers can be listed by a moderator, and streams are public.
    pub fn is_broadcasters_own(self) -> bool {
        match self {
            SourceKind::TwitchSubscribers
            | SourceKind::TwitchVips
            | SourceKind::TwitchModerators
            | SourceKind::TwitchBits => true,
            SourceKind::TwitchFollowers | SourceKind::TwitchStreams => false,
        }
    }
}

/// The period of a bits leaderboard; Twitch cuts them by its own clock, in Pacific Standard Time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BitsPeriod {
    /// Since the channel began.
    All,
    /// The present day.
    Day,
    /// The present week.
    Week,
    /// The present month.
    Month,
    /// The present year.
    Year,
}

impl BitsPeriod {
    /// All periods.
    pub const ALL: [BitsPeriod; 5] = [
        BitsPeriod::All,
        BitsPeriod::Day,
        BitsPeriod::Week,
        BitsPeriod::Month,
        BitsPeriod::Year,
    ];

    /// Returns the word in job files and in the call.
    pub fn word(self) -> &'static str {
        match self {
            BitsPeriod::All => "all",
            BitsPeriod::Day => "day",
            BitsPeriod::Week => "week",
            BitsPeriod::Month => "month",
            BitsPeriod::Year => "year",
        }
    }
}
