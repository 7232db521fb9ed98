//! What must be true at HighLevel, said by somebody who knows what happened and what the job files say, and nothing of the program.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::America::New_York;
use ghl_sync::sandbox::{BROADCASTER_ID, BROADCASTER_LOGIN, Sandbox};
use serde_json::{Value, json};

/// A text: one after the other, each time one of some texts.
#[derive(Clone, Debug)]
pub(super) struct Text(Vec<Vec<String>>);

impl Text {
    fn of(text: impl Into<String>) -> Text {
        Text(vec![vec![text.into()]])
    }

    fn is(&self, text: &str) -> bool {
        fn follow(text: &str, parts: &[Vec<String>]) -> bool {
            match parts.split_first() {
                None => text.is_empty(),
                Some((part, rest)) => part.iter().any(|one| {
                    let left = text.strip_prefix(one.as_str());
                    left.is_some_and(|left| follow(left, rest))
                }),
            }
        }
        follow(text, &self.0)
    }
}

/// Returns a day as the jobs write it.
fn day(at: DateTime<Utc>) -> String {
    local(at, "%Y-%m-%d")
}

fn local(at: DateTime<Utc>, format: &str) -> String {
    at.with_timezone(&New_York).format(format).to_string()
}

/// A task.
#[derive(Clone, Debug)]
struct Task {
    title: String,
    body: Option<String>,
    due: DateTime<Utc>,
    completed: bool,
    /// Whose leave completes it: the job and the person.
    of: (&'static str, String),
}

/// A contact that must exist.
#[derive(Clone, Debug, Default)]
struct Card {
    /// The standard fields: `firstName` of a person, `lastName` of a channel.
    standard: BTreeMap<&'static str, String>,
    fields: BTreeMap<&'static str, String>,
    tags: BTreeSet<String>,
    /// Tags that were there before us, which nobody but a person takes off.
    kept: BTreeSet<String>,
    notes: Vec<Text>,
    tasks: Vec<Task>,
}

/// Where somebody stands with one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stands {
    #[default]
    Never,
    In,
    Out,
    Gone,
}

/// Somebody at Twitch.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    pub(super) login: String,
    pub(super) name: String,
    follows: Stands,
    subscribes: Stands,
    vip: Stands,
    moderates: Stands,
    tier: u64,
    bits: u64,
    /// Since when a VIP, and a moderator.
    since: [String; 2],
    /// `None`: a person at HighLevel deleted it, and it is not made again.
    card: Option<Card>,
    is_deleted: bool,
    /// Tags that a person took off.
    taken_off: BTreeSet<String>,
}

/// A broadcast that goes on.
struct Live {
    title: String,
    game: String,
    began: DateTime<Utc>,
    peak: u64,
    new: u64,
    /// What was seen at each look.
    viewers: u64,
    looks: Vec<u64>,
    seen: DateTime<Utc>,
    /// When it ended, and how many followed then.
    ended: Option<(DateTime<Utc>, usize)>,
}

/// The witness.
pub(super) struct Witness {
    pub(super) people: BTreeMap<String, Person>,
    live: Option<Live>,
    channel: Option<Card>,
    bits_milestones: BTreeMap<String, u64>,
    strangers: Vec<Value>,
    /// How long after a happening it may be written down at the latest.
    patience: TimeDelta,
    /// How many minutes of a stream's end may have been missed.
    missed: i64,
    /// Those whose contact another job may have made than the one whose turn it was, because that one failed.
    made_by_any: BTreeSet<String>,
}

impl Witness {
    /// Returns a witness who looks at the world before anybody wrote anything.
    pub(super) fn new(sandbox: &Sandbox, patience: TimeDelta, missed: i64) -> Witness {
        let mut strangers = sandbox.contacts();
        strangers.retain(|contact| contact["fields"]["twitch_user_id"].is_null());
        Witness {
            people: BTreeMap::new(),
            live: None,
            channel: None,
            bits_milestones: BTreeMap::new(),
            strangers,
            patience,
            missed,
            made_by_any: BTreeSet::new(),
        }
    }

    /// A person tries the create of somebody again.
    pub(super) fn is_tried_again(&mut self, id: &str) {
        self.made_by_any.insert(id.to_owned());
    }

    fn person(&mut self, id: &str) -> &mut Person {
        self.people.get_mut(id).unwrap()
    }

    /// Somebody is there, who so far is nothing to the channel.
    pub(super) fn meets(&mut self, id: &str, login: &str, name: &str) {
        let person = self.people.entry(id.to_owned()).or_default();
        (person.login, person.name) = (login.to_owned(), name.to_owned());
    }

    fn card(&mut self, id: &str) -> Option<&mut Card> {
        let person = self.person(id);
        if person.is_deleted {
            return None;
        }
        let (login, name) = (person.login.clone(), person.name.clone());
        Some(person.card.get_or_insert_with(|| Card {
            standard: BTreeMap::from([("firstName", name)]),
            fields: BTreeMap::from([
                ("twitch_user_id", id.to_owned()),
                ("twitch_username", login),
            ]),
            ..Card::default()
        }))
    }

    fn tag(&mut self, id: &str, add: &[&str], remove: &[&str]) {
        let taken_off = self.person(id).taken_off.clone();
        let Some(card) = self.card(id) else { return };
        let kept = &card.kept;
        card.tags
            .retain(|tag| !remove.contains(&tag.as_str()) || kept.contains(tag));
        let add = add.iter().map(ToString::to_string);
        card.tags.extend(add.filter(|tag| !taken_off.contains(tag)));
    }

    fn note(&mut self, id: &str, text: String) {
        if let Some(card) = self.card(id) {
            card.notes.push(Text::of(text));
        }
    }

    fn name(&mut self, id: &str) -> String {
        self.person(id).name.clone()
    }

    // Followers.

    /// Somebody follows; `is_first` is one of the first listing, for whom nothing is written down.
    pub(super) fn follows(&mut self, id: &str, at: DateTime<Utc>, is_first: bool) {
        let day = day(at);
        let before = std::mem::replace(&mut self.person(id).follows, Stands::In);
        if self.person(id).card.is_none()
            && let Some(card) = self.card(id)
        {
            card.fields.insert("twitch_followed_at", day.clone());
        }
        let cohort = format!("twitch cohort {}", &day[..7]);
        // The cohort of the first time stays true.
        self.tag(id, &["twitch follower", &cohort], &["twitch unfollowed"]);
        let live = self.live.as_mut().filter(|live| live.ended.is_none());
        let mut met = String::new();
        if let Some(live) = live.filter(|live| live.began <= at) {
            live.new += 1;
            met = format!(", from the stream {}", live.title);
            let game = format!("twitch came for {}", live.game.to_lowercase());
            self.tag(id, &[&game], &[]);
        }
        let name = self.name(id);
        match before {
            Stands::Never if is_first => {}
            Stands::Never => self.note(id, format!("{name} follows since {day}{met}")),
            Stands::Out | Stands::Gone => self.note(id, format!("{name} follows again")),
            Stands::In => panic!("{id} follows already"),
        }
    }

    /// Somebody follows no more.
    pub(super) fn unfollows(&mut self, id: &str) {
        let before = std::mem::replace(&mut self.person(id).follows, Stands::Out);
        assert_eq!(before, Stands::In, "{id} does not follow");
        if let Some(card) = self.card(id) {
            card.tags.retain(|tag| !tag.starts_with("twitch came for "));
        }
        self.tag(id, &["twitch unfollowed"], &["twitch follower"]);
        let name = self.name(id);
        self.note(id, format!("{name} unfollowed"));
    }

    /// The account of somebody is suspended or deleted.
    pub(super) fn is_gone(&mut self, id: &str) {
        let person = self.person(id);
        for stands in [
            &mut person.subscribes,
            &mut person.vip,
            &mut person.moderates,
        ] {
            assert_ne!(
                *stands,
                Stands::In,
                "the story has followers alone suspended"
            );
        }
        if std::mem::replace(&mut person.follows, Stands::Gone) == Stands::In {
            let name = self.name(id);
            self.note(id, format!("The account of {name} is suspended or deleted"));
        }
    }

    /// A suspension is lifted, and the account follows as it did.
    pub(super) fn is_back(&mut self, id: &str) {
        assert_eq!(self.person(id).follows, Stands::Gone);
        self.person(id).follows = Stands::In;
        let name = self.name(id);
        self.note(id, format!("{name} follows again"));
    }

    /// Somebody takes another login and name.
    pub(super) fn is_renamed(&mut self, id: &str, login: &str, name: &str) {
        self.meets(id, login, name);
        let person = self.person(id);
        let all = [
            person.follows,
            person.subscribes,
            person.vip,
            person.moderates,
        ];
        assert!(all.contains(&Stands::In), "who is out is not looked at");
        if let Some(card) = self.card(id) {
            card.fields.insert("twitch_username", login.to_owned());
        }
    }

    /// Somebody's contact was there before us, with these tags.
    pub(super) fn was_there(&mut self, id: &str, tags: &[&str]) {
        let kept: BTreeSet<String> = tags.iter().map(ToString::to_string).collect();
        if let Some(card) = self.card(id) {
            card.tags.extend(kept.iter().cloned());
            card.kept = kept;
        }
    }

    // Subscribers.

    /// Somebody subscribes; a gift comes of somebody, or of nobody knows whom.
    pub(super) fn subscribes(
        &mut self,
        id: &str,
        tier: u64,
        gift: Option<Option<&str>>,
        at: DateTime<Utc>,
        is_first: bool,
    ) {
        if self.missed > 0 {
            // Whoever follows and subscribes within an hour or so may have been missed as a follower.
            self.made_by_any.insert(id.to_owned());
        }
        let before = std::mem::replace(&mut self.person(id).subscribes, Stands::In);
        self.person(id).tier = tier;
        let (tag, since) = (
            format!("twitch tier {tier}"),
            format!("twitch subscribed {}", &day(at)[..7]),
        );
        self.tag(
            id,
            &["twitch subscriber", &tag, &since],
            &["twitch former subscriber"],
        );
        if gift.is_some() {
            self.tag(id, &["twitch gifted sub"], &[]);
        }
        if let Some(card) = self.card(id) {
            card.fields.insert("twitch_sub_tier", tier.to_string());
            card.fields.insert("twitch_sub_months", "0".to_owned());
        }
        let is_gift = gift.is_some();
        let gift = match gift {
            None => String::new(),
            Some(giver) => {
                let giver = giver.map(|giver| self.name(giver));
                let giver = giver.unwrap_or("nobody knows whom".to_owned());
                format!(", a gift of {giver}")
            }
        };
        match before {
            Stands::Never if is_first => {}
            Stands::Never => {
                self.note(id, format!("Subscribed at tier {tier}{gift}"));
                let name = self.name(id);
                let task = Task {
                    title: format!("Thank {name} for subscribing"),
                    body: Some(format!("Tier {tier} on my-channel.")),
                    due: at + TimeDelta::days(2),
                    completed: false,
                    of: ("subscribers", id.to_owned()),
                };
                if let Some(card) = self.card(id).filter(|_| !is_gift) {
                    card.tasks.push(task);
                }
            }
            Stands::Out | Stands::Gone => {
                self.note(
                    id,
                    format!("Subscribed to my-channel again, at tier {tier}."),
                );
            }
            Stands::In => panic!("{id} subscribes already"),
        }
    }

    /// A subscription takes another tier.
    pub(super) fn changes_tier(&mut self, id: &str, tier: u64) {
        let before = std::mem::replace(&mut self.person(id).tier, tier);
        let (old, new) = (
            format!("twitch tier {before}"),
            format!("twitch tier {tier}"),
        );
        self.tag(id, &[&new], &[&old]);
        self.note(id, format!("Tier {before} became tier {tier}."));
        if let Some(card) = self.card(id) {
            card.fields.insert("twitch_sub_tier", tier.to_string());
        }
    }

    /// A subscription ends.
    pub(super) fn unsubscribes(&mut self, id: &str) {
        let before = std::mem::replace(&mut self.person(id).subscribes, Stands::Out);
        assert_eq!(before, Stands::In, "{id} does not subscribe");
        let tier = self.person(id).tier;
        let tag = format!("twitch tier {tier}");
        let remove = ["twitch subscriber", "twitch gifted sub", &tag];
        self.tag(id, &["twitch former subscriber"], &remove);
        self.note(
            id,
            format!("No longer subscribed to my-channel, after 0 months or more, at tier {tier}."),
        );
        if let Some(card) = self.card(id) {
            complete(&mut card.tasks, "subscribers", id);
        }
    }

    // VIPs, moderators, cheerers.

    /// Somebody becomes a VIP.
    pub(super) fn is_vip(&mut self, id: &str, at: DateTime<Utc>, is_first: bool) {
        let before = std::mem::replace(&mut self.person(id).vip, Stands::In);
        self.person(id).since[0] = day(at);
        self.tag(id, &["twitch vip"], &[]);
        match before {
            Stands::Never if !is_first => self.note(id, "Became a VIP of my-channel.".to_owned()),
            Stands::Never | Stands::Out | Stands::Gone => {}
            Stands::In => panic!("{id} is a VIP already"),
        }
    }

    /// Somebody is a VIP no more.
    pub(super) fn is_no_vip(&mut self, id: &str) {
        self.person(id).vip = Stands::Out;
        self.tag(id, &[], &["twitch vip"]);
        let since = self.person(id).since[0].clone();
        self.note(
            id,
            format!("No longer a VIP of my-channel; was known as one since {since}."),
        );
    }

    /// Somebody becomes a moderator; the team's task is on the contact of the channel.
    pub(super) fn moderates(&mut self, id: &str, at: DateTime<Utc>, is_first: bool) {
        self.person(id).moderates = Stands::In;
        self.person(id).since[1] = day(at);
        self.tag(id, &["twitch moderator"], &[]);
        if is_first {
            return;
        }
        self.note(id, "Became a moderator of my-channel.".to_owned());
        let task = Task {
            title: format!("Welcome {} to the team", self.name(id)),
            body: None,
            due: at + TimeDelta::days(1),
            completed: false,
            of: ("moderators", id.to_owned()),
        };
        self.channel.as_mut().unwrap().tasks.push(task);
    }

    /// Somebody is a moderator no more.
    pub(super) fn moderates_no_more(&mut self, id: &str) {
        self.person(id).moderates = Stands::Out;
        self.tag(id, &[], &["twitch moderator"]);
        let since = self.person(id).since[1].clone();
        self.note(
            id,
            format!("No longer a moderator of my-channel; was known as one since {since}."),
        );
        complete(&mut self.channel.as_mut().unwrap().tasks, "moderators", id);
    }

    /// Somebody cheers.
    pub(super) fn cheers(&mut self, id: &str, bits: u64, is_first: bool) {
        self.person(id).bits += bits;
        let score = self.person(id).bits;
        self.tag(id, &["twitch cheerer"], &[]);
        if let Some(card) = self.card(id) {
            card.fields.insert("twitch_bits", score.to_string());
        }
        let reached = [10_000, 1_000].into_iter().find(|at| score >= *at);
        let before = self.bits_milestones.get(id).copied().unwrap_or(0);
        let Some(reached) = reached.filter(|reached| *reached > before) else {
            return;
        };
        self.bits_milestones.insert(id.to_owned(), reached);
        if reached == 10_000 {
            self.tag(id, &["twitch top cheerer"], &[]);
        }
        if !is_first {
            let note = format!("Cheered {reached} bits on my-channel: {score} by now.");
            self.note(id, note);
        }
    }

    // Streams.

    /// A stream begins; within ten minutes of the end of one it is the same broadcast.
    pub(super) fn goes_live(&mut self, title: &str, game: &str, at: DateTime<Utc>) {
        let resumed = self.live.as_mut().filter(|live| {
            live.ended
                .is_some_and(|(ended, _)| at - ended < TimeDelta::minutes(10))
        });
        if let Some(live) = resumed {
            live.ended = None;
            // A stream that is back is watched by nobody yet.
            live.viewers = 0;
            return;
        }
        self.sums_up();
        self.live = Some(Live {
            title: title.to_owned(),
            game: String::new(),
            began: at,
            peak: 0,
            new: 0,
            viewers: 0,
            looks: Vec::new(),
            seen: at,
            ended: None,
        });
        let channel = self.channel.get_or_insert_with(|| Card {
            standard: BTreeMap::from([("firstName", "Sandbox_Channel".to_owned())]),
            fields: BTreeMap::from([
                ("twitch_channel_id", BROADCASTER_ID.to_owned()),
                ("twitch_channel", BROADCASTER_LOGIN.to_owned()),
            ]),
            ..Card::default()
        });
        channel.fields.insert("twitch_last_stream", day(at));
        channel.tags.insert("twitch live".to_owned());
        channel
            .tags
            .insert(format!("twitch streamed {}", &day(at)[..7]));
        let since = local(at, "%Y-%m-%d %H:%M");
        channel.tasks.push(Task {
            title: format!("Live: {title}"),
            body: Some(format!(
                "Sandbox_Channel is live since {since}.\nGame: {game}\nhttps://www.twitch.tv/{BROADCASTER_LOGIN}"
            )),
            due: at + TimeDelta::hours(12),
            completed: false,
            of: ("streams", title.to_owned()),
        });
        self.is_about(game);
    }

    fn followers(&self) -> usize {
        let people = self.people.values();
        people.filter(|person| person.follows == Stands::In).count()
    }

    /// So many watch.
    pub(super) fn is_watched_by(&mut self, viewers: u64) {
        let live = self.live.as_mut().unwrap();
        live.viewers = viewers;
        live.peak = live.peak.max(viewers);
    }

    /// Somebody looks whether a stream is live.
    pub(super) fn looks(&mut self, at: DateTime<Utc>) {
        if let Some(live) = self.live.as_mut().filter(|live| live.ended.is_none()) {
            live.looks.push(live.viewers);
            live.seen = at;
        }
    }

    /// Returns the title of the stream.
    pub(super) fn title(&self) -> String {
        self.live.as_ref().unwrap().title.clone()
    }

    /// Another game is played.
    pub(super) fn plays(&mut self, game: &str) {
        let before = self.live.as_ref().unwrap().game.clone();
        let note = Text::of(format!("From {before} to {game}"));
        self.channel.as_mut().unwrap().notes.push(note);
        self.is_about(game);
    }

    fn is_about(&mut self, game: &str) {
        game.clone_into(&mut self.live.as_mut().unwrap().game);
        let tag = format!("twitch streamed {}", game.to_lowercase());
        self.channel.as_mut().unwrap().tags.insert(tag);
    }

    /// The stream ends.
    pub(super) fn ends(&mut self, at: DateTime<Utc>) {
        let followers = self.followers();
        self.live.as_mut().unwrap().ended = Some((at, followers));
    }

    /// What is told of a broadcast that is over for good.
    pub(super) fn sums_up(&mut self) {
        let Some(live) = self.live.take() else { return };
        let Live {
            title,
            game,
            began,
            peak,
            new,
            looks,
            seen,
            ..
        } = live;
        let (_, followers) = live.ended.unwrap();
        let channel = self.channel.as_mut().unwrap();
        channel.tags.remove("twitch live");
        channel
            .fields
            .insert("twitch_viewers_peak", peak.to_string());
        channel
            .fields
            .insert("twitch_followers", followers.to_string());
        complete(&mut channel.tasks, "streams", &title);
        // The last looks before the end may have failed.
        let ends: Vec<_> = (0..=self.missed)
            .map(|missed| seen - TimeDelta::minutes(missed))
            .collect();
        let minutes = ends
            .iter()
            .map(|end| (*end - began).num_minutes().to_string());
        let count = u64::try_from(looks.len()).unwrap();
        let average = (looks.iter().sum::<u64>() + count / 2) / count;
        let averages = match self.missed {
            0 => average..=average,
            _ => 1..=peak,
        };
        let mut news = vec![format!(" on average, {peak} at most\nNew followers: {new}")];
        if self.missed > 0 {
            // Nobody could count those of before.
            news.push(format!(" on average, {peak} at most"));
        }
        channel.notes.push(Text(vec![
            vec![format!(
                "Streamed {title} ({game})\nFrom {} to ",
                local(began, "%Y-%m-%d %H:%M")
            )],
            ends.iter().map(|end| local(*end, "%H:%M")).collect(),
            vec![", ".to_owned()],
            minutes.collect(),
            vec![" minutes\nViewers: ".to_owned()],
            averages.map(|average| average.to_string()).collect(),
            news,
        ]));
    }

    // People at HighLevel.

    /// Somebody types another first name.
    pub(super) fn types(&mut self, id: &str, name: &str) {
        let standard = &mut self.card(id).unwrap().standard;
        standard.insert("firstName", name.to_owned());
    }

    /// Somebody takes a tag off.
    pub(super) fn takes_off(&mut self, id: &str, tag: &str) {
        self.person(id).taken_off.insert(tag.to_owned());
        self.card(id).unwrap().tags.remove(tag);
    }

    /// Somebody deletes the contact.
    pub(super) fn deletes(&mut self, id: &str) {
        let person = self.person(id);
        (person.card, person.is_deleted) = (None, true);
    }

    // The comparison.

    /// Says everything that is not as it must be, in either direction.
    pub(super) fn differences(&self, sandbox: &Sandbox) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut seen = BTreeSet::new();
        let mut strangers = Vec::new();
        for contact in sandbox.contacts() {
            let fields = &contact["fields"];
            let marker = fields["twitch_user_id"].as_str();
            let marker = marker.or_else(|| fields["twitch_channel_id"].as_str());
            let Some(marker) = marker.map(str::to_owned) else {
                strangers.push(contact);
                continue;
            };
            if !seen.insert(marker.clone()) {
                wrong.push(format!("a second contact of {marker}: {contact}"));
            }
            let card = match marker == BROADCASTER_ID {
                true => self.channel.as_ref(),
                false => self
                    .people
                    .get(&marker)
                    .and_then(|person| person.card.as_ref()),
            };
            match card {
                Some(card) => self.compare(&marker, card, &contact, sandbox, &mut wrong),
                None => wrong.push(format!("a contact that must not be: {contact}")),
            }
        }
        let people = self
            .people
            .iter()
            .filter(|(_, person)| person.card.is_some());
        let channel = self.channel.iter().map(|_| BROADCASTER_ID);
        for id in people.map(|(id, _)| id.as_str()).chain(channel) {
            if !seen.contains(id) {
                wrong.push(format!("no contact of {id}"));
            }
        }
        if strangers != self.strangers {
            wrong.push("strangers are not what they were".to_owned());
        }
        for stranger in &strangers {
            let id = stranger["id"].as_str().unwrap();
            if !sandbox.notes(id).is_empty() || !sandbox.tasks(id).is_empty() {
                wrong.push(format!("{id} is a stranger and has notes or tasks"));
            }
        }
        wrong
    }

    fn compare(
        &self,
        marker: &str,
        card: &Card,
        contact: &Value,
        sandbox: &Sandbox,
        wrong: &mut Vec<String>,
    ) {
        let id = contact["id"].as_str().unwrap();
        let mut shown = contact.clone();
        for key in ["id", "dateAdded", "dateUpdated", "tags"] {
            shown.as_object_mut().unwrap().remove(key);
        }
        let mut expected = json!(card.standard);
        expected["fields"] = json!(card.fields);
        expected["country"] = json!("US");
        if self.made_by_any.contains(marker) {
            // A field that is written when a contact is made.
            for fields in [&mut shown["fields"], &mut expected["fields"]] {
                fields.as_object_mut().unwrap().remove("twitch_followed_at");
            }
        }
        if shown != expected {
            wrong.push(format!("{marker} is {shown} and not {expected}"));
        }
        let tags = contact["tags"].as_array().unwrap();
        let tags: BTreeSet<_> = tags.iter().map(|tag| tag.as_str().unwrap()).collect();
        let expected: BTreeSet<_> = card.tags.iter().map(String::as_str).collect();
        if tags != expected {
            wrong.push(format!(
                "{marker} has the tags {tags:?} and not {expected:?}"
            ));
        }
        let mut notes = card.notes.clone();
        for note in sandbox.notes(id) {
            let body = note["body"].as_str().unwrap();
            match notes.iter().position(|text| text.is(body)) {
                Some(place) => drop(notes.remove(place)),
                None => wrong.push(format!("{marker} has a note too much: {body}")),
            }
        }
        for note in notes {
            wrong.push(format!("{marker} has no note {note:?}"));
        }
        let mut tasks = card.tasks.clone();
        for task in sandbox.tasks(id) {
            let is_it = |expected: &Task| {
                let due = DateTime::parse_from_rfc3339(task["dueDate"].as_str().unwrap());
                let late = due.unwrap().to_utc() - expected.due;
                task["title"] == expected.title.as_str()
                    && task["body"].as_str() == expected.body.as_deref()
                    && task["completed"] == expected.completed
                    && TimeDelta::zero() <= late
                    && late <= self.patience
            };
            match tasks.iter().position(is_it) {
                Some(place) => drop(tasks.remove(place)),
                None => wrong.push(format!("{marker} has a task too much: {task}")),
            }
        }
        for task in tasks {
            wrong.push(format!("{marker} has no task {task:?}"));
        }
    }
}

fn complete(tasks: &mut [Task], job: &str, of: &str) {
    for task in tasks {
        if task.of.0 == job && task.of.1 == of {
            task.completed = true;
        }
    }
}
