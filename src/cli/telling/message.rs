//! What a message says, and its shape for each kind of target. Holds no names of people and no secret.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::Occasion;
use crate::report::duration;
use crate::store::conditions::{Condition, ConditionKind};

use super::change::Say;
use super::seen::UPKEEP;

/// The number of the JSON shape; it grows when a reader of the older shape would misread the newer one.
pub(super) const SCHEMA: u32 = 1;

/// The longest text that Discord takes, in characters. Source: Discord, Execute Webhook, `content`.
const DISCORD_CHARACTERS: usize = 2_000;

/// A text that is long for Slack, which cuts at 40,000 characters and advises 4,000. Source: Slack, Truncating really long messages.
const SLACK_CHARACTERS: usize = 4_000;

/// One message: what a target of kind `json` and a command get, and what waits in the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Message {
    /// Always [`SCHEMA`].
    pub(super) schema: u32,
    /// `failure`, `held`, `conflict`, `login`, `recovered`, `test`, or `summary` for several in one.
    pub(super) kind: String,
    /// What it is a message of: of `recovered` the kind that is over.
    pub(super) condition: Option<String>,
    /// `new`, `changed`, `over`, `flapping`; `None` for a test and a summary.
    pub(super) change: Option<String>,
    /// The job, where it is about one or was seen by one.
    pub(super) job: Option<String>,
    /// The account, where it is about one.
    pub(super) account: Option<String>,
    /// What it is, as a fragment.
    pub(super) what: String,
    /// Since when, RFC 3339 in UTC.
    pub(super) since: Option<String>,
    /// When it was seen, RFC 3339 in UTC.
    pub(super) at: String,
    /// All of it in one sentence.
    pub(super) summary: String,
    /// The command to type.
    pub(super) command: Option<String>,
    /// The program's version.
    pub(super) version: String,
}

/// What a change is told with.
pub(super) struct News<'a> {
    /// What is to be told.
    pub(super) say: Say,
    /// The condition as it stands, or as it stood.
    pub(super) condition: &'a Condition,
    /// The job whose run saw it; `None` of upkeep.
    pub(super) job: Option<&'a str>,
    /// The command that helps.
    pub(super) command: String,
    /// When it was seen.
    pub(super) now: DateTime<Utc>,
}

/// Returns the message of a change, `None` when there is nothing to tell.
pub(super) fn of_change(news: &News<'_>) -> Option<Message> {
    let News {
        say,
        condition,
        job,
        command,
        now,
    } = news;
    let Condition {
        subject,
        kind,
        what,
        since_ms,
        hash: _,
    } = condition;
    let since = DateTime::from_timestamp_millis(*since_ms).unwrap_or(*now);
    let clock = since.format("%Y-%m-%d %H:%M UTC");
    let account = subject.strip_prefix("account:");
    let seen_by = job.map_or_else(String::new, |job| format!(" (job {job})"));
    let who = match (account, subject.strip_prefix("job:")) {
        (Some(account), _) => format!("account {account}{seen_by}"),
        (None, Some(job)) => job.to_owned(),
        (None, None) if subject == UPKEEP => "upkeep of the state".to_owned(),
        (None, None) => format!("the state{seen_by}"),
    };
    let is = match kind {
        ConditionKind::Failure => "fails",
        ConditionKind::Held => "is held",
        ConditionKind::Conflict => "has something to decide",
        ConditionKind::Login => "cannot be used",
    };
    let (change, summary) = match say {
        Say::Nothing => return None,
        Say::New => (
            "new",
            format!("{who} {is} since {clock}: {what}. Type: {command}"),
        ),
        Say::Changed => (
            "changed",
            format!("{who} {is}, anew since {clock}: {what}. Type: {command}"),
        ),
        Say::Recovered => {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a time in seconds is far below 2^52"
            )]
            let lasted = (*now - since).num_seconds().max(0) as f64;
            let over = match kind {
                ConditionKind::Failure => "runs again",
                ConditionKind::Held => "is held no more",
                ConditionKind::Conflict => "has nothing to decide any more",
                ConditionKind::Login => "can be used again",
            };
            (
                "over",
                format!(
                    "{who} {over}; since {clock}, for {}: {what}. Nothing to do; {command} shows more",
                    duration(lasted)
                ),
            )
        }
        Say::Flaps => (
            "flapping",
            format!(
                "{who} {is} and then not, again and again within the hour: {what}. No more of it until it stood still for an hour. Type: {command}"
            ),
        ),
    };
    Some(Message {
        schema: SCHEMA,
        kind: match say {
            Say::Recovered => Occasion::Recovered.word().to_owned(),
            Say::Nothing | Say::New | Say::Changed | Say::Flaps => kind.word().to_owned(),
        },
        condition: Some(kind.word().to_owned()),
        change: Some(change.to_owned()),
        job: job.map(ToOwned::to_owned),
        account: account.map(ToOwned::to_owned),
        what: what.clone(),
        since: Some(stamp(since)),
        at: stamp(*now),
        summary,
        command: Some(command.clone()),
        version: version(),
    })
}

/// Returns the message of `notify --test`.
pub(super) fn test(target: &str, command: String, now: DateTime<Utc>) -> Message {
    Message {
        schema: SCHEMA,
        kind: "test".to_owned(),
        condition: None,
        change: None,
        job: None,
        account: None,
        what: "a test".to_owned(),
        since: None,
        at: stamp(now),
        summary: format!(
            "ghl-sync can tell {target} of changes: this is a test, and nothing is wrong. Type: {command}"
        ),
        command: Some(command),
        version: version(),
    }
}

/// Returns one message in place of several, the oldest first.
pub(super) fn several(messages: &[Message], command: String, now: DateTime<Utc>) -> Message {
    const SHOWN: usize = 10;
    let mut lines: Vec<&str> = messages
        .iter()
        .rev()
        .take(SHOWN)
        .map(|message| message.summary.as_str())
        .collect();
    lines.reverse();
    let left = messages.len() - lines.len();
    let more = match left {
        0 => String::new(),
        left => format!(" ({left} older ones are left out)"),
    };
    Message {
        schema: SCHEMA,
        kind: "summary".to_owned(),
        condition: None,
        change: None,
        job: None,
        account: None,
        what: format!("{} messages", messages.len()),
        since: messages.first().map(|message| message.at.clone()),
        at: stamp(now),
        summary: format!(
            "{} messages waited, because more are not allowed within the hour{more}:\n{}",
            messages.len(),
            lines.join("\n")
        ),
        command: Some(command),
        version: version(),
    }
}

impl Message {
    /// Returns the whole message as JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Returns it for a Discord webhook: nobody is called by a name in it, and no address in it grows a picture.
    pub(super) fn discord(&self) -> Value {
        // 4 is SUPPRESS_EMBEDS. Source: Discord, Message Flags.
        json!({
            "content": cut(&self.summary, DISCORD_CHARACTERS),
            "allowed_mentions": { "parse": [] },
            "flags": 4,
        })
    }

    /// Returns it for an incoming webhook of Slack.
    pub(super) fn slack(&self) -> Value {
        // Source: Slack, Formatting text for app surfaces, "Escaping text".
        let text = cut(&self.summary, SLACK_CHARACTERS);
        let text = text.replace('&', "&amp;");
        let text = text.replace('<', "&lt;").replace('>', "&gt;");
        json!({ "text": text })
    }
}

/// Returns a moment for programs.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Counted as Discord does, in UTF-16 units: never more of them than this.
fn cut(text: &str, most: usize) -> String {
    if text.encode_utf16().count() <= most {
        return text.to_owned();
    }
    let mut units = 1;
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= most
        })
        .collect();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_772_452_800_000).unwrap()
    }

    fn condition(subject: &str, kind: ConditionKind, what: &str) -> Condition {
        Condition {
            subject: subject.to_owned(),
            kind,
            what: what.to_owned(),
            hash: "x".to_owned(),
            since_ms: now().timestamp_millis() - 7_200_000,
        }
    }

    fn told(say: Say, condition: &Condition) -> Option<Message> {
        of_change(&News {
            say,
            condition,
            job: Some("followers"),
            command: "ghl-sync plan followers".to_owned(),
            now: now(),
        })
    }

    #[test]
    fn a_message_is_one_sentence_with_job_reason_time_and_command() {
        let held = condition(
            "job:followers",
            ConditionKind::Held,
            "guard create counts 1,500, allowed are 1,000",
        );
        assert_eq!(told(Say::Nothing, &held), None);
        let message = told(Say::New, &held).unwrap();
        assert_eq!(
            message.summary,
            "followers is held since 2026-03-02 10:00 UTC: guard create counts 1,500, allowed are 1,000. Type: ghl-sync plan followers"
        );
        assert_eq!((message.kind.as_str(), message.account), ("held", None));
        let over = told(Say::Recovered, &held).unwrap();
        assert_eq!(
            (over.kind.as_str(), over.condition.as_deref()),
            ("recovered", Some("held"))
        );
        assert!(over.summary.contains("for 2.0 h"), "{}", over.summary);
        let login = condition("account:main", ConditionKind::Login, "the login has ended");
        let message = told(Say::New, &login).unwrap();
        assert!(
            message
                .summary
                .starts_with("account main (job followers) cannot be used")
        );
        assert_eq!(message.account.as_deref(), Some("main"));
    }

    #[test]
    fn the_json_shape_is_the_documented_one_and_is_read_back() {
        let state = condition("state", ConditionKind::Failure, "the disk is full");
        let message = told(Say::Changed, &state).unwrap();
        let value = message.json();
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        let mut expected = [
            "schema",
            "kind",
            "condition",
            "change",
            "job",
            "account",
            "what",
            "since",
            "at",
            "summary",
            "command",
            "version",
        ];
        expected.sort_unstable();
        let mut keys: Vec<&str> = keys.into_iter().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!(serde_json::from_value::<Message>(value).unwrap(), message);
    }

    #[test]
    fn discord_gets_at_most_what_it_takes_and_calls_nobody() {
        let long = condition(
            "job:a",
            ConditionKind::Failure,
            &"@everyone 👩‍👩‍👧 ".repeat(400),
        );
        let shown = told(Say::New, &long).unwrap().discord();
        let content = shown["content"].as_str().unwrap();
        assert!(content.encode_utf16().count() <= 2_000);
        assert!(content.ends_with('…'));
        assert_eq!(shown["allowed_mentions"]["parse"], json!([]));
    }

    #[test]
    fn slack_reads_no_markup_in_it() {
        let odd = condition("job:a", ConditionKind::Failure, "<!channel> & <b>");
        let shown = told(Say::New, &odd).unwrap().slack();
        let text = shown["text"].as_str().unwrap();
        assert!(text.contains("&lt;!channel&gt; &amp; &lt;b&gt;"), "{text}");
    }

    #[test]
    fn what_was_too_much_is_one_message_with_the_newest_of_them() {
        let messages: Vec<Message> = (0..14)
            .map(|n| {
                let condition = condition("job:a", ConditionKind::Failure, &format!("number {n}."));
                told(Say::New, &condition).unwrap()
            })
            .collect();
        let one = several(&messages, "ghl-sync status".to_owned(), now());
        assert!(
            one.summary.starts_with("14 messages waited"),
            "{}",
            one.summary
        );
        assert!(
            one.summary.contains("4 older ones are left out"),
            "{}",
            one.summary
        );
        assert!(one.summary.contains("number 13."), "{}", one.summary);
        assert!(!one.summary.contains("number 3."), "{}", one.summary);
    }
}
