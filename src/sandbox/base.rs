//! The people that a sandbox starts with, invented anew from (seed, index) whenever one is looked at.

use serde_json::{Value, json};

use super::chance::{Chance, Ids, mix};
use super::clock::day_text;
use super::person::{Key, Person};
use super::settings::Settings;

/// The custom fields that a sandbox knows by number from the start.
pub(crate) const TWITCH_USER_ID: u16 = 0;
pub(crate) const TWITCH_USERNAME: u16 = 1;
pub(crate) const TWITCH_FOLLOWED_AT: u16 = 2;
pub(crate) const FAVORITE_GAME: u16 = 3;
pub(crate) const VISITS: u16 = 4;

/// The number of the first contact that was not there from the start.
pub(crate) const CREATED: u64 = 1 << 48;

const FIRST_ACCOUNT: u64 = 20_000_000;
const ACCOUNT_STEP: u64 = 37;
const CONTACT_STEP_MS: i64 = 20_000;
/// How long after it was added a contact of the start was updated.
pub(crate) const UPDATED_AFTER_MS: i64 = 1_500;
const HOUR_MS: i64 = 3_600_000;

const ADJECTIVES: &[&str] = &[
    "quiet", "lucky", "salty", "tiny", "brave", "sleepy", "golden", "frosty", "pixel", "turbo",
];
const ANIMALS: &[&str] = &[
    "otter", "panda", "raven", "gecko", "moose", "lynx", "koala", "heron", "badger", "tapir",
];
const SCRIPTS: &[&str] = &[
    "静かな獺",
    "조용한수달",
    "Тихая_Выдра",
    "Ήσυχη",
    "ثعلب_هادئ",
    "שועל",
    "นากเงียบ",
    "ÉlanÖÅ",
];
const EMOJI: &[&str] = &["🦦", "👩‍🚀", "🇩🇪", "🔥"];
const FIRST_NAMES: &[&str] = &[
    "Ada", "Ben", "Chloé", "Dmitri", "Eve", "Farid", "Grace", "Hanna", "Ivo", "Jun",
];
const LAST_NAMES: &[&str] = &[
    "Alvarez", "Brandt", "Castillo", "Dubois", "Egede", "Fischer", "Grün", "Hopper", "Ito",
    "Jansen",
];
const GAMES: &[&str] = &["Chess", "Celeste", "Tetris", "Factorio"];

/// One Twitch account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) login: String,
    pub(crate) name: String,
}

/// The world at its start, as functions of an index.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) ids: Ids,
    seed: u64,
    start: i64,
    pub(crate) followers: u64,
    pub(crate) contacts: u64,
    pub(crate) twins: u64,
    odd_names: bool,
    follow_step: i64,
}

impl Base {
    pub(crate) fn new(settings: &Settings) -> Base {
        let followers = settings.followers.min(u64::from(u32::MAX));
        // Five years of follows, but neither rarer than one in six hours nor closer than a minute.
        let five_years = 5 * 365 * 24 * HOUR_MS;
        let follow_step = (five_years / followers.max(1) as i64).clamp(60_000, 6 * HOUR_MS);
        Base {
            ids: Ids::new(settings.seed),
            seed: settings.seed,
            start: settings.start.timestamp_millis(),
            followers,
            contacts: settings.contacts.min(u64::from(u32::MAX)),
            twins: settings.twins.min(followers).min(settings.contacts),
            odd_names: settings.odd_names,
            follow_step: follow_step / 1000 * 1000,
        }
    }

    fn roll(&self, kind: u64, index: u64) -> Chance {
        Chance::new(mix(self.seed ^ mix(index ^ (kind << 56))))
    }

    // Followers. Index 0 follows most recently.

    pub(crate) fn account_id(&self, index: u64) -> String {
        (FIRST_ACCOUNT + self.seed % ACCOUNT_STEP + index * ACCOUNT_STEP).to_string()
    }

    /// Returns the index of the first follower with this user id.
    pub(crate) fn account_index(&self, id: &str) -> Option<u64> {
        let number: u64 = id.parse().ok()?;
        let past = number.checked_sub(FIRST_ACCOUNT + self.seed % ACCOUNT_STEP)?;
        let index = past / ACCOUNT_STEP;
        (past % ACCOUNT_STEP == 0 && index < self.followers && self.account_id(index) == id)
            .then_some(index)
    }

    fn login(&self, index: u64) -> String {
        let mut roll = self.roll(1, index);
        let adjective = roll.pick(ADJECTIVES);
        let animal = roll.pick(ANIMALS);
        format!("{adjective}_{animal}_{index}")
    }

    /// Returns the index behind a login of the start.
    pub(crate) fn login_index(&self, login: &str) -> Option<u64> {
        let (_, digits) = login.rsplit_once('_')?;
        let index: u64 = digits.parse().ok()?;
        (index < self.followers && self.login(index) == login).then_some(index)
    }

    pub(crate) fn account(&self, index: u64) -> Account {
        let login = self.login(index);
        let mut roll = self.roll(2, index);
        let odd = roll.below(40);
        let name = match roll.below(10) {
            _ if self.odd_names && odd == 0 => String::new(),
            _ if self.odd_names && odd == 1 => "n".repeat(200),
            0..=3 => login.clone(),
            4..=6 => login
                .split('_')
                .map(|part| {
                    let (head, tail) = part.split_at(1);
                    head.to_uppercase() + tail
                })
                .collect::<Vec<_>>()
                .join("_"),
            7 | 8 => format!("{}{index}", roll.pick(SCRIPTS)),
            _ => format!("{login} {}", roll.pick(EMOJI)),
        };
        Account {
            id: self.account_id(index),
            login,
            name,
        }
    }

    /// Returns when a follower of the start followed; now and then two share one second.
    pub(crate) fn followed_at(&self, index: u64) -> i64 {
        let place = index - u64::from(index % 7 == 3);
        self.start / 1000 * 1000 - HOUR_MS - place as i64 * self.follow_step
    }

    // Contacts. Index 0 is the oldest.

    /// Returns when a contact of the start was added; strictly increasing with the index.
    pub(crate) fn added(&self, index: u64) -> i64 {
        let age = (self.contacts - 1 - index) as i64;
        self.start - HOUR_MS - 2_000 - age * CONTACT_STEP_MS
    }

    /// Returns when it was updated; strictly increasing with the index.
    pub(crate) fn updated(&self, index: u64) -> i64 {
        self.added(index) + UPDATED_AFTER_MS
    }

    /// Returns the first index whose moment is at or after `at`, where moments are `added + shift`.
    pub(crate) fn first_from(&self, at: i64, shift: i64) -> u64 {
        let (mut low, mut high) = (0, self.contacts);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.added(middle) + shift < at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    pub(crate) fn email_index(&self, email: &str) -> Option<u64> {
        let (name, _) = email.split_once('@')?;
        let (_, digits) = name.rsplit_once('.')?;
        let index: u64 = digits.parse().ok()?;
        let known = index >= self.twins && index < self.contacts;
        (known && self.contact(index).get(Key::Email) == Some(email)).then_some(index)
    }

    pub(crate) fn phone_index(&self, phone: &str) -> Option<u64> {
        let index: u64 = phone.strip_prefix("+1555")?.parse().ok()?;
        let known = index >= self.twins && index < self.contacts;
        (known && self.contact(index).get(Key::Phone) == Some(phone)).then_some(index)
    }

    /// Returns which contacts of the start hold this text in this custom field; `None` where only a scan would tell.
    pub(crate) fn holders(&self, field: u16, text: &str) -> Option<Vec<u64>> {
        let index = match field {
            TWITCH_USER_ID => self.account_index(text),
            TWITCH_USERNAME => self.login_index(text),
            TWITCH_FOLLOWED_AT | FAVORITE_GAME | VISITS => return None,
            _ => None,
        };
        Some(
            index
                .filter(|index| *index < self.twins)
                .into_iter()
                .collect(),
        )
    }

    pub(crate) fn contact(&self, index: u64) -> Person {
        let mut person = Person::new(&self.ids, index, self.added(index));
        person.updated = self.updated(index);
        person.set(Key::Country, Some("US"));
        if index < self.twins {
            self.picture(&mut person, index);
            return person;
        }
        let mut roll = self.roll(3, index);
        let first = roll.pick(FIRST_NAMES);
        let last = roll.pick(LAST_NAMES);
        person.set(Key::FirstName, Some(first));
        person.set(Key::LastName, Some(last));
        let ascii = |name: &str| {
            name.chars()
                .filter(char::is_ascii)
                .collect::<String>()
                .to_lowercase()
        };
        let email = format!("{}.{}.{index}@example.com", ascii(first), ascii(last));
        person.set(Key::Email, Some(&email));
        person.set(Key::Phone, Some(&format!("+1555{index:07}")));
        if roll.below(3) == 0 {
            person.tags.push("newsletter".into());
        }
        if roll.below(5) == 0 {
            person.tags.push("customer".into());
        }
        if roll.below(4) == 0 {
            person.set(Key::Source, Some("website form"));
        }
        if roll.below(3) == 0 {
            person
                .custom
                .push((FAVORITE_GAME, Value::from(roll.pick(GAMES))));
        }
        if roll.below(4) == 0 {
            person.custom.push((VISITS, json!(roll.below(90) + 1)));
        }
        person
    }

    /// Makes a contact the exact picture of a follower, as the standard mapping does.
    fn picture(&self, person: &mut Person, index: u64) {
        let account = self.account(index);
        let name = match (account.name.as_str(), account.login.as_str()) {
            ("", "") => format!("twitch {}", account.id),
            ("", login) => login.to_string(),
            (name, _) => name.to_string(),
        };
        person.set(Key::FirstName, Some(&name));
        let day = day_text(self.followed_at(index));
        person.tags.push("twitch follower".into());
        person
            .tags
            .push(format!("twitch cohort {}", &day[..7]).into());
        person
            .custom
            .push((TWITCH_USER_ID, Value::from(account.id)));
        person
            .custom
            .push((TWITCH_USERNAME, Value::from(account.login)));
        person.custom.push((TWITCH_FOLLOWED_AT, Value::from(day)));
        person.by_app = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_people_are_found_without_a_scan() {
        let base = Base::new(&Settings {
            followers: 1_000_000,
            contacts: 1_000_000,
            twins: 500_000,
            ..Settings::default()
        });
        for index in [0, 1, 77_777, 499_999] {
            let account = base.account(index);
            assert_eq!(base.account_index(&account.id), Some(index));
            assert_eq!(base.login_index(&account.login), Some(index));
            assert_eq!(base.holders(TWITCH_USER_ID, &account.id), Some(vec![index]));
            assert_eq!(base.first_from(base.added(index), 0), index);
        }
        let plain = base.contact(700_001);
        let email = plain.get(Key::Email).unwrap();
        assert_eq!(base.email_index(email), Some(700_001));
        assert_eq!(
            base.phone_index(plain.get(Key::Phone).unwrap()),
            Some(700_001)
        );
        assert!(base.updated(999_999) <= base.start - HOUR_MS);
    }
}
