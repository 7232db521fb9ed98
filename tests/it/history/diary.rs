//! What people did in a history.

mod truth;

use std::collections::{BTreeMap, BTreeSet};

use ghl_sync::sandbox::{Change, Sandbox};
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;

pub(super) use self::truth::{kept, unsettled};

const MARKER: &str = "twitch_user_id";
const IN_TAG: &str = "twitch follower";
/// Fields that the job writes; everything else of a contact is never ours.
const MANAGED: &[&str] = &["twitch_user_id", "twitch_username", "twitch_followed_at"];
/// Accounts that are no followers at the start.
const NEWCOMERS: usize = 6;

/// Everything that was done by hand, and what it must have left.
pub(super) struct Diary {
    /// Whether a vendor misbehaved.
    pub(super) faulted: bool,
    /// The accounts of this history: those of the start and some newcomers.
    accounts: Vec<String>,
    /// Accounts that were suspended at some time: their tags may be of any moment.
    suspended: BTreeSet<String>,
    /// Every contact that people made, as they left it; `None` when they deleted it or merged it away.
    theirs: BTreeMap<String, Option<Value>>,
    /// Contacts that carried our tag before we came: it is not ours to take.
    before_us: BTreeSet<String>,
    /// What people wrote into contacts last.
    edits: BTreeMap<(String, &'static str), Option<String>>,
    /// Tags that people added.
    added: BTreeSet<(String, String)>,
    /// Tags that people took away.
    taken: BTreeSet<(String, String)>,
    /// Tags that people took away when we surely knew them as ours, and whose record is where it was then.
    firmly: BTreeSet<(String, String)>,
    /// Contacts that people deleted or merged away, by marker.
    removed: BTreeMap<String, u64>,
    /// Contacts that took another one in.
    merged: BTreeSet<String>,
    /// Contacts that somebody deletes in the middle of a run to come.
    doomed: BTreeSet<String>,
    /// Accounts that follow or leave in the middle of a run to come.
    restless: BTreeSet<String>,
    texts: u32,
}

fn text<'v>(contact: &'v Value, key: &str) -> Option<&'v str> {
    contact[key]
        .as_str()
        .or_else(|| contact["fields"][key].as_str())
}

fn id(contact: &Value) -> String {
    text(contact, "id").unwrap().to_owned()
}

fn tags(contact: &Value) -> BTreeSet<String> {
    let tags = contact["tags"].as_array().unwrap();
    tags.iter()
        .map(|tag| tag.as_str().unwrap().to_owned())
        .collect()
}

/// Returns what is left of a contact without what the job may write.
fn unmanaged(contact: &Value) -> Value {
    let mut contact = contact.clone();
    let whole = contact.as_object_mut().unwrap();
    for key in ["tags", "firstName", "dateUpdated"] {
        whole.remove(key);
    }
    let fields = whole["fields"].as_object_mut().unwrap();
    for key in MANAGED {
        fields.remove(*key);
    }
    contact
}

fn followers(sandbox: &Sandbox) -> BTreeSet<String> {
    sandbox
        .followers()
        .into_iter()
        .map(|follower| follower.id)
        .collect()
}

// What people and accounts do.
impl Diary {
    pub(super) fn begin(sandbox: &Sandbox) -> Diary {
        let mut accounts: Vec<String> = followers(sandbox).into_iter().collect();
        accounts.extend((0..NEWCOMERS).map(|n| format!("9000000{n}")));
        let carries = |contact: &&Value| tags(contact).contains(IN_TAG);
        let at_start = sandbox.contacts();
        Diary {
            faulted: false,
            accounts,
            suspended: BTreeSet::new(),
            before_us: at_start.iter().filter(carries).map(id).collect(),
            theirs: at_start
                .into_iter()
                .map(|contact| (id(&contact), Some(contact)))
                .collect(),
            edits: BTreeMap::new(),
            added: BTreeSet::new(),
            taken: BTreeSet::new(),
            firmly: BTreeSet::new(),
            removed: BTreeMap::new(),
            merged: BTreeSet::new(),
            doomed: BTreeSet::new(),
            restless: BTreeSet::new(),
            texts: 0,
        }
    }

    fn account(&self, n: u8) -> String {
        // Mostly the accounts at both ends, so that events meet.
        let place = usize::from(n % 16);
        let place = match place < 8 {
            true => place,
            false => self.accounts.len() - 1 - (place - 8),
        };
        self.accounts[place.min(self.accounts.len() - 1)].clone()
    }

    fn text(&mut self) -> String {
        self.texts += 1;
        format!("typed by hand {}", self.texts)
    }

    /// Somebody's state changes: the tags that people took away may come back.
    fn moves(&mut self, sandbox: &Sandbox, account: &str) {
        for contact in sandbox.contacts_by_field(MARKER, account) {
            let contact = id(&contact);
            self.firmly.retain(|(of, _)| *of != contact);
        }
    }

    pub(super) fn follow(&mut self, sandbox: &Sandbox, n: u8) {
        let account = self.account(n);
        if self.suspended.contains(&account) || followers(sandbox).contains(&account) {
            return;
        }
        self.moves(sandbox, &account);
        sandbox.follow(
            &account,
            &format!("login_{account}"),
            &format!("Ñame {account}"),
        );
    }

    pub(super) fn unfollow(&mut self, sandbox: &Sandbox, n: u8) {
        let account = self.account(n);
        if followers(sandbox).contains(&account) {
            self.moves(sandbox, &account);
            sandbox.unfollow(&account);
        }
    }

    pub(super) fn rename(&mut self, sandbox: &Sandbox, n: u8) {
        let account = self.account(n);
        self.texts += 1;
        let login = format!("renamed_{}", self.texts);
        if followers(sandbox).contains(&account) {
            sandbox.rename(&account, &login, &login.to_uppercase());
        }
    }

    pub(super) fn suspend(&mut self, sandbox: &Sandbox, n: u8) {
        let account = self.account(n);
        // More at once would look like drift where `total` counts the suspended.
        if self.suspended.len() < 3 && followers(sandbox).contains(&account) {
            self.moves(sandbox, &account);
            sandbox.suspend(&account);
            self.suspended.insert(account);
        }
    }

    pub(super) fn reinstate(&mut self, sandbox: &Sandbox, n: u8) {
        let nth = usize::from(n) % self.suspended.len().max(1);
        if let Some(account) = self.suspended.iter().nth(nth).cloned() {
            self.moves(sandbox, &account);
            sandbox.reinstate(&account);
        }
    }

    /// Keeps what a contact of theirs looks like after they touched it.
    fn note(&mut self, sandbox: &Sandbox, contact: &str) {
        if let Some(left) = self.theirs.get_mut(contact) {
            *left = sandbox.contact(contact);
        }
    }

    fn contact(&self, sandbox: &Sandbox, who: u8) -> Option<Value> {
        let mut contacts = sandbox.contacts();
        contacts.retain(|contact| !self.doomed.contains(&id(contact)));
        // From the newest: mostly those that we made.
        let place = contacts.len().checked_sub(1)? - usize::from(who) % contacts.len();
        Some(contacts[place].clone())
    }

    pub(super) fn edit(&mut self, sandbox: &Sandbox, who: u8, key: &'static str) {
        let Some(contact) = self.contact(sandbox, who) else {
            return;
        };
        // A custom field must exist before a person can fill it.
        if MANAGED.contains(&key) && sandbox.field_id(key).is_none() {
            return;
        }
        let value = match key {
            "twitch_followed_at" => format!("1999-01-{:02}", self.texts % 28 + 1),
            _ => self.text(),
        };
        let contact = id(&contact);
        sandbox.edit_contact(&contact, key, value);
        let now = sandbox.contact(&contact).unwrap();
        let value = text(&now, key).map(str::to_owned);
        self.edits.insert((contact.clone(), key), value);
        self.note(sandbox, &contact);
    }

    /// A person empties a field; a first name may be filled again, so it is another one.
    pub(super) fn clear(&mut self, sandbox: &Sandbox, who: u8) {
        let key = "twitch_username";
        let Some(contact) = self.contact(sandbox, who) else {
            return;
        };
        // A contact that never was a record's has nothing to clear, and one that may become one's may be filled.
        if text(&contact, key).is_none() || self.theirs.contains_key(&id(&contact)) {
            return;
        }
        let contact = id(&contact);
        sandbox.edit_contact(&contact, key, Value::Null);
        self.edits.insert((contact.clone(), key), None);
        self.note(sandbox, &contact);
    }

    pub(super) fn add_tag(&mut self, sandbox: &Sandbox, who: u8) {
        let Some(contact) = self.contact(sandbox, who) else {
            return;
        };
        let (contact, tag) = (id(&contact), self.text());
        sandbox.add_tag(&contact, &tag);
        self.added.insert((contact.clone(), tag));
        self.note(sandbox, &contact);
    }

    pub(super) fn take_tag(&mut self, sandbox: &Sandbox, reader: &Connection, who: u8, tag_no: u8) {
        let Some(contact) = self.contact(sandbox, who) else {
            return;
        };
        let tags: Vec<String> = tags(&contact).into_iter().collect();
        if tags.is_empty() {
            return;
        }
        let tag = tags[usize::from(tag_no) % tags.len()].clone();
        let contact = id(&contact);
        sandbox.remove_tag(&contact, &tag);
        let known = (contact.clone(), tag.clone());
        self.added.remove(&known);
        let marker = text(&sandbox.contact(&contact).unwrap(), MARKER).map(str::to_owned);
        let restless = marker.is_some_and(|marker| self.restless.contains(&marker));
        if !restless && confirmed(reader, &contact, &tag) {
            self.firmly.insert(known.clone());
        }
        self.taken.insert(known);
        self.note(sandbox, &contact);
    }

    /// Forgets what people wrote into a contact that is no more; counts it for its record.
    fn forget(&mut self, contact: &Value) {
        let gone = id(contact);
        if let Some(marker) = text(contact, MARKER) {
            *self.removed.entry(marker.to_owned()).or_default() += 1;
        }
        self.edits.retain(|(of, _), _| *of != gone);
        self.added.retain(|(of, _)| *of != gone);
        self.taken.retain(|(of, _)| *of != gone);
        self.firmly.retain(|(of, _)| *of != gone);
        if let Some(left) = self.theirs.get_mut(&gone) {
            *left = None;
        }
    }

    pub(super) fn delete(&mut self, sandbox: &Sandbox, who: u8) {
        if let Some(contact) = self.contact(sandbox, who) {
            sandbox.delete_contact(&id(&contact));
            self.forget(&contact);
        }
    }

    /// An account follows or leaves after the next page of followers, in the middle of a run.
    pub(super) fn turn_meanwhile(&mut self, sandbox: &Sandbox, n: u8, follows: bool) {
        let account = self.account(n);
        if self.suspended.contains(&account) {
            return;
        }
        self.moves(sandbox, &account);
        self.restless.insert(account.clone());
        let change = match follows {
            true => Change::Follow {
                login: format!("login_{account}"),
                name: format!("Ñame {account}"),
                id: account,
            },
            false => Change::Unfollow { id: account },
        };
        sandbox.later("GET /channels/followers", 1, change);
    }

    /// A contact is deleted after so many more pages of contacts or looks at one, in the middle of a run.
    pub(super) fn delete_meanwhile(&mut self, sandbox: &Sandbox, who: u8, searches: u64) {
        if let Some(contact) = self.contact(sandbox, who) {
            let id = id(&contact);
            self.forget(&contact);
            self.doomed.insert(id.clone());
            sandbox.later(
                "POST /contacts/search",
                searches,
                Change::DeleteContact { id },
            );
        }
    }

    /// What was to be deleted in the middle of a run that never came is deleted now, so that the last runs can notice.
    pub(super) fn delete_the_doomed(&self, sandbox: &Sandbox) {
        for contact in &self.doomed {
            if sandbox.contact(contact).is_some() {
                sandbox.delete_contact(contact);
            }
        }
    }

    pub(super) fn merge(&mut self, sandbox: &Sandbox, loser: u8, winner: u8) {
        let both = self
            .contact(sandbox, loser)
            .zip(self.contact(sandbox, winner));
        let Some((loser, winner)) = both.filter(|(loser, winner)| loser != winner) else {
            return;
        };
        let winner_id = id(&winner);
        sandbox.merge_contacts(&id(&loser), &winner_id);
        // A marker that moves just before a create cannot be seen by any reading while the index lags, so it does not lag here.
        if text(&loser, MARKER).is_some() {
            sandbox.settle();
        }
        // What the loser had in a field that the winner had not is the winner's now; its tags too.
        self.edits
            .retain(|(of, _), value| *of != winner_id || value.is_some());
        let moved: Vec<String> = self
            .added
            .iter()
            .filter(|(of, _)| *of == id(&loser))
            .map(|(_, tag)| tag.clone())
            .collect();
        self.forget(&loser);
        self.added
            .extend(moved.into_iter().map(|tag| (winner_id.clone(), tag)));
        self.firmly.retain(|(of, _)| *of != winner_id);
        self.merged.insert(winner_id.clone());
        self.note(sandbox, &winner_id);
    }

    pub(super) fn add_contact(&mut self, sandbox: &Sandbox) {
        let name = self.text();
        let contact = sandbox.add_contact(&name, "By Hand", "", &["walk-in"], &[]);
        let now = sandbox.contact(&contact);
        self.theirs.insert(contact, now);
    }
}

/// Returns whether we know the tag as ours and have seen it there, as of the record's present state.
fn confirmed(reader: &Connection, contact: &str, tag: &str) -> bool {
    reader
        .query_row(
            "SELECT claim.state = 'ours' AND claim.transition = roster.transition AND roster.pending IS NULL
             FROM claim JOIN mirror ON mirror.no = claim.contact_no
             JOIN link ON link.contact_no = mirror.no JOIN roster ON roster.key = link.key
             WHERE mirror.id = ?1 AND claim.tag = ?2",
            [contact, tag],
            |row| row.get(0),
        )
        .optional()
        .unwrap()
        .unwrap_or(false)
}
