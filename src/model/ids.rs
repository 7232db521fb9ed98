//! The identities everything else is keyed by.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Says which text was refused as an id, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnId {
    /// What was being parsed, for example "job name".
    pub what: &'static str,
    /// What was expected, as a fragment that follows "expected".
    pub expected: &'static str,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not {} {}: expected {}",
            self.seen.escape_debug(),
            if self.what.starts_with(['a', 'e', 'i', 'o']) {
                "an"
            } else {
                "a"
            },
            self.what,
            self.expected
        )
    }
}

impl std::error::Error for NotAnId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $fits:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(raw: String) -> Result<Self, NotAnId> {
                let fits: fn(&str) -> bool = $fits;
                if fits(&raw) {
                    Ok(Self(raw))
                } else {
                    Err(NotAnId { what: $what, expected: $expected, seen: raw })
                }
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NotAnId;

            fn try_from(raw: &str) -> Result<Self, NotAnId> {
                Self::try_from(raw.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn is_plain_name(raw: &str) -> bool {
    let mut bytes = raw.bytes();
    let starts_well = bytes
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    starts_well
        && raw.len() <= 64
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The account or the Twitch login by which the parts of a job are told apart.
fn is_part(raw: &str) -> bool {
    let is_of_it = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    (1..=64).contains(&raw.len()) && raw.bytes().all(is_of_it)
}

fn is_opaque(raw: &str) -> bool {
    !raw.is_empty()
        && raw.len() <= 75
        && raw
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
}

id!(
    /// The `name` of a job; a job is its name, not the name of its file.
    ///
    /// A file that lists several channels is one job for each of them: `NAME.CHANNEL`, with a dot that no file's own name has.
    JobName, "job name", "1 to 64 of a-z, 0-9 and '-', not starting with '-'", |raw| match raw.split_once('.') {
        None => is_plain_name(raw),
        Some((file, part)) => is_plain_name(file) && is_part(part),
    }
);
id!(
    /// The name of an account in `ghl-sync.toml`.
    AccountName, "account name", "1 to 64 of a-z, 0-9 and '-', not starting with '-'", is_plain_name
);
id!(
    /// The id of a HighLevel location (one tenant's CRM).
    LocationId, "location id", "1 to 75 letters, digits, '-', '_', '.' or ':'", is_opaque
);
id!(
    /// The id of a HighLevel contact; opaque, about 20 characters.
    ContactId, "contact id", "1 to 75 letters, digits, '-', '_', '.' or ':'", is_opaque
);
id!(
    /// The id of a note on a HighLevel contact.
    NoteId, "note id", "1 to 75 letters, digits, '-', '_', '.' or ':'", is_opaque
);
id!(
    /// The id of a business of a HighLevel location, to which contacts can belong.
    ///
    /// At most 50 characters, which is what attaching contacts to it takes.
    BusinessId, "business id", "1 to 50 letters, digits, '-', '_', '.' or ':'",
    |raw| raw.len() <= 50 && is_opaque(raw)
);
id!(
    /// The id of a task on a HighLevel contact.
    TaskId, "task id", "1 to 75 letters, digits, '-', '_', '.' or ':'", is_opaque
);
id!(
    /// The id of a HighLevel user: somebody who works in the CRM, to whom tasks are assigned and who may follow contacts.
    UserId, "user id", "1 to 75 letters, digits, '-', '_', '.' or ':'", is_opaque
);
id!(
    /// The id of a HighLevel workflow.
    WorkflowId, "workflow id", "1 to 75 letters, digits, '-', '_', '.' or ':'", is_opaque
);
id!(
    /// The id of a HighLevel campaign.
    CampaignId, "campaign id", "1 to 75 letters, digits, '-', '_', '.' or ':'", is_opaque
);
id!(
    /// The stable key of a record within its namespace, for example a Twitch user id.
    ///
    /// At most 75 characters, because that is the longest text HighLevel's search filters take.
    RecordKey, "record key", "1 to 75 letters, digits, '-', '_', '.' or ':'", is_opaque
);
id!(
    /// A HighLevel field: a standard one (`firstName`) or the key of a custom one without `contact.` (`twitch_user_id`).
    FieldKey, "field key", "1 to 75 letters, digits and '_'",
    |raw| !raw.is_empty() && raw.len() <= 75 && raw.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
);
id!(
    /// A tag as HighLevel keeps it: lower case, trimmed, 1 to 100 characters, no line break.
    ///
    /// Source: HighLevel lower-cases tags on save, as several independent clients report. [`Tag::new`] does the same.
    Tag, "tag", "1 to 100 characters in lower case without line breaks or spaces around",
    |raw| {
        let length = raw.chars().count();
        (1..=100).contains(&length) && raw.trim() == raw && raw.to_lowercase() == raw && !raw.contains(['\n', '\r'])
    }
);

impl JobName {
    /// Returns the name of the part of this job that is about `part`, the name of an account or a Twitch login in lower case.
    ///
    /// Errors: this is a part itself, or `part` is neither.
    pub fn part(&self, part: &str) -> Result<JobName, NotAnId> {
        JobName::try_from(format!("{}.{part}", self.0))
    }

    /// Returns whether it is the name of one part of a job, which no file can bear.
    pub fn is_part(&self) -> bool {
        self.0.contains('.')
    }
}

impl Tag {
    /// Makes a tag of what a person or a template wrote: trimmed and in lower case.
    ///
    /// Errors: empty, longer than 100 characters, or with a line break inside.
    pub fn new(raw: &str) -> Result<Tag, NotAnId> {
        Tag::try_from(raw.trim().to_lowercase())
    }
}

/// The identity a source speaks of; links are kept per namespace, so all Twitch sources share one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Namespace {
    /// A Twitch account, by its user id: followers, subscribers, VIPs, moderators, bits.
    #[serde(rename = "twitch.user")]
    TwitchUser,
    /// A Twitch channel, by the user id of its broadcaster: streams.
    #[serde(rename = "twitch.channel")]
    TwitchChannel,
}

impl Namespace {
    /// Returns the namespace as it stands in the database and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Namespace::TwitchUser => "twitch.user",
            Namespace::TwitchChannel => "twitch.channel",
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A SHA-256 over the parts of a plan or a mapping, in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(String);

impl Digest {
    /// Makes a digest of the 32 bytes a hash function returned.
    pub fn of_bytes(bytes: &[u8]) -> Digest {
        use fmt::Write;
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        }
        Digest(text)
    }

    /// Takes a digest as it was stored.
    pub fn stored(text: String) -> Digest {
        Digest(text)
    }

    /// Returns all hex characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first 12 characters, which is what reports print and people type.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_trimmed_and_lower_cased() {
        assert_eq!(
            Tag::new("  Twitch Follower ").unwrap().as_str(),
            "twitch follower"
        );
        assert!(Tag::new("   ").is_err());
        assert!(Tag::new("two\nlines").is_err());
        assert!(Tag::try_from("Upper").is_err());
    }

    #[test]
    fn a_job_name_is_plain() {
        assert!(JobName::try_from("twitch-followers").is_ok());
        for wrong in ["", "-x", "Has Space", "ü", "a/b"] {
            assert!(JobName::try_from(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_part_of_a_job_has_the_name_of_the_job_before_a_dot() {
        let job = JobName::try_from("twitch-followers").unwrap();
        let part = job.part("some_one").unwrap();
        assert_eq!(part.as_str(), "twitch-followers.some_one");
        assert!(part.is_part() && !job.is_part());
        assert_eq!(JobName::try_from(part.as_str()), Ok(part.clone()));
        for wrong in ["", "a.b", "A", "ü"] {
            assert!(job.part(wrong).is_err(), "{wrong}");
        }
        assert!(part.part("again").is_err());
    }
}
