//! What people and vendors do to the world without any API call.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::audience::{self, FollowRow};
use super::base::Account;
use super::happenings::Happening;
use super::person::{KEYS, Key, Person};
use super::settings::BROADCASTER_ID;
use super::store::{Found, Gone};
use super::world::World;
use super::writes::{e164, fit};

/// One change of the world. The control plane reads it as `{"do":"follow","id":…,…}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Change {
    /// An account follows the channel now; it is made if it is new.
    Follow {
        /// The user id, digits.
        id: String,
        /// The login, lower case.
        login: String,
        /// The display name.
        name: String,
    },
    /// An account follows no more.
    Unfollow {
        /// The user id.
        id: String,
    },
    /// An account takes another login and name.
    Rename {
        /// The user id.
        id: String,
        /// The new login.
        login: String,
        /// The new display name.
        name: String,
    },
    /// Twitch suspends an account: it leaves the list and `GET /users`.
    Suspend {
        /// The user id.
        id: String,
    },
    /// Twitch lifts a suspension: the account is back where it was.
    Reinstate {
        /// The user id.
        id: String,
    },
    /// An account is deleted for good.
    DeleteUser {
        /// The user id.
        id: String,
    },
    /// A new account takes a login; whoever still has it is deleted, as Twitch does before it gives one away again.
    RecycleLogin {
        /// The new account's user id.
        id: String,
        /// The login.
        login: String,
        /// The display name.
        name: String,
    },
    /// Something happens on any channel: `{"do":"on","channel":"5","what":{"do":"subscribe","id":"7"}}`.
    On {
        /// The broadcaster's user id.
        channel: String,
        /// What happens there.
        what: Happening,
    },
    /// Followers of the start with these indexes (`from..to`) vanish at once.
    Purge {
        /// The first index.
        from: u64,
        /// One past the last index.
        to: u64,
    },
    /// A row without id and name stands at this place of the follower list.
    BlankRow {
        /// The place, 0 being the newest follower's.
        place: u64,
    },
    /// A follower is listed a second time, at this place.
    DuplicateRow {
        /// The user id.
        id: String,
        /// The place of the second row.
        place: u64,
    },
    /// A row whose `followed_at` is no time stands at this place.
    UnreadableRow {
        /// The user id shown in the row.
        id: String,
        /// The place.
        place: u64,
    },
    /// A person adds a contact by hand.
    AddContact {
        /// First name; empty means none.
        #[serde(default)]
        first: String,
        /// Last name; empty means none.
        #[serde(default)]
        last: String,
        /// Email; empty means none.
        #[serde(default)]
        email: String,
        /// Tags, stored in lower case.
        #[serde(default)]
        tags: Vec<String>,
        /// Custom fields by key, without the prefix `contact.`.
        #[serde(default)]
        fields: BTreeMap<String, Value>,
    },
    /// A person edits one field, standard or custom.
    EditContact {
        /// The contact id.
        id: String,
        /// `firstName`, `email`, … or a custom-field key.
        key: String,
        /// The new value; null clears.
        value: Value,
    },
    /// A person adds a tag.
    AddTag {
        /// The contact id.
        id: String,
        /// The tag.
        tag: String,
    },
    /// A person removes a tag.
    RemoveTag {
        /// The contact id.
        id: String,
        /// The tag.
        tag: String,
    },
    /// A person deletes a contact.
    DeleteContact {
        /// The contact id.
        id: String,
    },
    /// A person merges two contacts; the loser's id disappears.
    MergeContacts {
        /// The id that goes.
        loser: String,
        /// The id that stays.
        winner: String,
    },
    /// A person adds a business.
    AddBusiness {
        /// Its name.
        name: String,
    },
    /// A person defines a custom field.
    AddField {
        /// The key, without the prefix `contact.`.
        key: String,
        /// The name shown.
        name: String,
        /// Such as `TEXT`.
        data_type: String,
    },
    /// A person deletes a custom field with all its values.
    RemoveField {
        /// The key.
        key: String,
    },
    /// Every access token that a login handed out dies; refresh tokens live on.
    ExpireTokens,
    /// Every refresh token dies; access tokens live on.
    KillRefreshTokens,
    /// The logins of a holder end, or all without one: the user disconnects the application.
    RevokeLogin {
        /// A Twitch user id, a location id or a company id.
        #[serde(default)]
        holder: Option<String>,
    },
    /// One access token dies, such as one of the start.
    RevokeToken {
        /// The token.
        token: String,
    },
    /// The channel makes a user a moderator.
    AddModerator {
        /// The user id.
        id: String,
    },
    /// The channel takes a moderator's role away.
    RemoveModerator {
        /// The user id.
        id: String,
    },
}

/// A change spoke of an account, contact or field that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoSuchThing(pub(crate) String);

pub(crate) fn missing<T>(kind: &str, name: &str) -> Result<T, NoSuchThing> {
    Err(NoSuchThing(format!("no {kind} {name}")))
}

/// A change that waits for a call.
pub(crate) enum Later {
    /// After so many more calls of the route.
    After {
        route: String,
        left: u64,
        change: Change,
    },
    /// After this page of a walk through a list that begins from now on.
    Page {
        route: String,
        page: u64,
        begun: bool,
        change: Change,
    },
}

impl World {
    /// Carries out the changes that waited for this call.
    pub(crate) fn run_later(&mut self, route: &str) {
        if self.later.is_empty() {
            return;
        }
        let pages = self.pages.get(route).copied().unwrap_or(0);
        let mut due = Vec::new();
        let mut waiting = Vec::new();
        for mut later in std::mem::take(&mut self.later) {
            let now = match &mut later {
                Later::After {
                    route: wanted,
                    left,
                    ..
                } if wanted == route => {
                    *left = left.saturating_sub(1);
                    *left == 0
                }
                Later::Page {
                    route: wanted,
                    page,
                    begun,
                    ..
                } if wanted == route => {
                    *begun = *begun || pages == 1;
                    *begun && pages == *page
                }
                Later::After { .. } | Later::Page { .. } => false,
            };
            match (now, later) {
                (true, Later::After { change, .. } | Later::Page { change, .. }) => {
                    due.push(change)
                }
                (false, later) => waiting.push(later),
            }
        }
        self.later = waiting;
        for change in due {
            // What it speaks of may have gone in the meantime; then nothing is left to do.
            drop(self.change(change));
        }
    }

    /// Carries out one change; returns the id of a new contact or field, if one was made.
    ///
    /// Errors: what the change speaks of does not exist.
    pub(crate) fn change(&mut self, change: Change) -> Result<Option<String>, NoSuchThing> {
        let now = self.clock.now();
        match change {
            Change::Follow { id, login, name } => {
                self.audience.accounts.set(Account {
                    id: id.clone(),
                    login,
                    name,
                });
                self.happen(BROADCASTER_ID, Happening::Follow { id })?;
            }
            Change::Unfollow { id } => {
                self.happen(BROADCASTER_ID, Happening::Unfollow { id })?;
            }
            Change::Rename { id, login, name } => {
                self.audience.accounts.set(Account { id, login, name })
            }
            Change::RecycleLogin { id, login, name } => {
                self.audience.recycle(Account { id, login, name })
            }
            Change::On { channel, what } => return self.happen(&channel, what),
            Change::Suspend { id } => self.audience.suspend(&id),
            Change::Reinstate { id } => self.audience.reinstate(&id),
            Change::DeleteUser { id } => self.audience.delete(&id),
            Change::Purge { from, to } => self.audience.main_mut().follows.purge(from..to),
            Change::BlankRow { place } => self
                .audience
                .main_mut()
                .follows
                .insert_odd(place, FollowRow::Blank { at: now }),
            Change::DuplicateRow { id, place } => {
                let known = self.audience.accounts.get(&id);
                let follows = &mut self.audience.main_mut().follows;
                let Some((account, at)) = known.zip(follows.followed_at(&id)) else {
                    return missing("follower", &id);
                };
                follows.insert_odd(place, FollowRow::Follower { account, at });
            }
            Change::UnreadableRow { id, place } => {
                let Some(account) = self.audience.accounts.get(&id) else {
                    return missing("account", &id);
                };
                let follows = &mut self.audience.main_mut().follows;
                follows.insert_odd(place, FollowRow::Unreadable { account });
            }
            Change::AddContact {
                first,
                last,
                email,
                tags,
                fields,
            } => {
                let id = self.add_by_hand([&first, &last, &email], &tags, fields)?;
                return Ok(Some(id));
            }
            Change::EditContact { id, key, value } => {
                self.edit(&id, |person, world| world.set(person, &key, &value))?;
            }
            Change::AddTag { id, tag } => self.edit(&id, |person, world| {
                let tag = world.location.tag(&tag);
                if !person.has_tag(&tag) {
                    person.tags.push(tag);
                }
                Ok(())
            })?,
            Change::RemoveTag { id, tag } => {
                let tag = tag.to_lowercase();
                self.edit(&id, |person, _| {
                    person.tags.retain(|known| **known != *tag);
                    Ok(())
                })?;
            }
            Change::DeleteContact { id } => {
                let Found::Here(person) = self.store.find(&id) else {
                    return missing("contact", &id);
                };
                self.remove(person.number, Gone::Deleted);
            }
            Change::MergeContacts { loser, winner } => self.merge(&loser, &winner)?,
            Change::AddBusiness { name } => {
                let mut body = serde_json::Map::new();
                body.insert("name".to_string(), Value::from(name));
                let business = self.office.add_business(body, now);
                return Ok(business["id"].as_str().map(String::from));
            }
            Change::AddField {
                key,
                name,
                data_type,
            } => {
                let field = self.location.define(&key, &name, &data_type, now);
                return Ok(Some(field.id.to_string()));
            }
            Change::RemoveField { key } => self.location.fields.retain(|field| field.key != key),
            Change::ExpireTokens => self.logins.expire_access(&mut self.tokens),
            Change::KillRefreshTokens => self.logins.kill_refresh(),
            Change::RevokeLogin { holder } => self.end_logins(holder.as_deref()),
            Change::RevokeToken { token } => self.tokens.revoke(&token),
            Change::AddModerator { id } => {
                let moderators = &mut self.audience.main_mut().moderators;
                audience::add(moderators, id);
            }
            Change::RemoveModerator { id } => {
                let moderators = &mut self.audience.main_mut().moderators;
                moderators.retain(|known| *known != id);
            }
        }
        Ok(None)
    }

    fn add_by_hand(
        &mut self,
        [first, last, email]: [&str; 3],
        tags: &[String],
        fields: BTreeMap<String, Value>,
    ) -> Result<String, NoSuchThing> {
        let now = self.clock.now();
        let mut person = self.store.blank(now);
        person.set(Key::FirstName, Some(first));
        person.set(Key::LastName, Some(last));
        person.set(Key::Email, Some(email));
        person.set(Key::Country, Some("US"));
        for tag in tags {
            let tag = self.location.tag(tag);
            if !person.has_tag(&tag) {
                person.tags.push(tag);
            }
        }
        for (key, value) in fields {
            self.set(&mut person, &key, &value)?;
        }
        Ok(self.save(person).id.to_string())
    }

    fn edit(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Person, &mut World) -> Result<(), NoSuchThing>,
    ) -> Result<(), NoSuchThing> {
        let Found::Here(person) = self.store.find(id) else {
            return missing("contact", id);
        };
        let mut person = Person::clone(&person);
        change(&mut person, self)?;
        person.updated = self.clock.now();
        self.save(person);
        Ok(())
    }

    /// Sets a standard field, or the custom field with this key if there is one.
    fn set(&mut self, person: &mut Person, key: &str, value: &Value) -> Result<(), NoSuchThing> {
        match (Key::named(key), self.location.field_by_key(key)) {
            (Some(Key::Phone), _) => person.set(Key::Phone, value.as_str().map(e164).as_deref()),
            (Some(key), _) => person.set(key, value.as_str()),
            (None, Some(field)) => {
                let fitting = fit(field, value).unwrap_or_else(|| value.clone());
                person.set_field(field.number, fitting);
            }
            (None, None) => return missing("field", key),
        }
        Ok(())
    }

    fn merge(&mut self, loser: &str, winner: &str) -> Result<(), NoSuchThing> {
        let Found::Here(lost) = self.store.find(loser) else {
            return missing("contact", loser);
        };
        self.edit(winner, |person, _| {
            for (_, key) in KEYS {
                if person.get(*key).is_none() {
                    person.set(*key, lost.get(*key));
                }
            }
            for tag in &lost.tags {
                if !person.has_tag(tag) {
                    person.tags.push(tag.clone());
                }
            }
            for (field, value) in &lost.custom {
                if person.field(*field).is_none() {
                    person.set_field(*field, value.clone());
                }
            }
            Ok(())
        })?;
        if let Found::Here(kept) = self.store.find(winner) {
            self.jottings.hand_over(lost.number, kept.number, winner);
        }
        self.remove(lost.number, Gone::Merged);
        Ok(())
    }
}
