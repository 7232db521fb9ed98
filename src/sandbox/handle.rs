//! The handle by which programs start, script and question a sandbox.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::audience::FollowRow;
use super::calls::SeenCall;
use super::clock::{VirtualClock, millis_text, moment};
use super::faults::Fault;
use super::person::{KEYS, Person};
use super::script::{Change, Later, NoSuchThing};
use super::server::{Shared, lock, serve};
use super::settings::{Settings, Switches};
use super::store::Found;
use super::tokens::Token;
use super::world::World;

/// A running sandbox; dropping it stops the server and ends its connections.
pub struct Sandbox {
    pub(crate) world: Shared,
    clock: Arc<VirtualClock>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One row of the follower list, as `Sandbox::followers` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    /// The user id; empty in a blank row.
    pub id: String,
    /// The login.
    pub login: String,
    /// The display name.
    pub name: String,
    /// When the account followed; `None` where the row shows no time.
    pub followed_at: Option<DateTime<Utc>>,
}

impl Sandbox {
    /// Starts a sandbox on a free loopback port, served by the current runtime.
    ///
    /// Errors: the port could not be bound.
    pub async fn start(settings: Settings) -> io::Result<Sandbox> {
        Sandbox::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), settings).await
    }

    /// Starts a sandbox on this address, for a process of its own.
    ///
    /// Errors: the address could not be bound.
    pub async fn start_on(address: SocketAddr, settings: Settings) -> io::Result<Sandbox> {
        let clock = Arc::new(VirtualClock::new(settings.start, settings.frozen));
        Sandbox::start_with(address, settings, clock).await
    }

    /// Starts another sandbox beside this one, on the same clock: another channel and another location.
    ///
    /// Errors: the port could not be bound.
    pub async fn start_beside(&self, settings: Settings) -> io::Result<Sandbox> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Sandbox::start_with(address, settings, Arc::clone(&self.clock)).await
    }

    async fn start_with(
        address: SocketAddr,
        settings: Settings,
        clock: Arc<VirtualClock>,
    ) -> io::Result<Sandbox> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(Mutex::new(World::new(settings, Arc::clone(&clock))));
        let server = tokio::spawn(serve(listener, Arc::clone(&world)));
        Ok(Sandbox {
            world,
            clock,
            address,
            server,
        })
    }

    /// Returns where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL of the HighLevel API, without a slash at its end.
    pub fn highlevel_url(&self) -> String {
        format!("http://{}/highlevel", self.address)
    }

    /// Returns the base URL of Helix, without a slash at its end.
    pub fn helix_url(&self) -> String {
        format!("http://{}/helix", self.address)
    }

    /// Returns the base URL of Twitch's identity service; `/oauth2/validate` is below it.
    pub fn id_url(&self) -> String {
        format!("http://{}/id", self.address)
    }

    /// Returns the base URL of the control plane.
    pub fn control_url(&self) -> String {
        format!("http://{}/control", self.address)
    }

    // Time.

    /// Moves virtual time forward.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Returns the virtual time.
    pub fn now(&self) -> DateTime<Utc> {
        moment(self.clock.now())
    }

    /// Returns the milliseconds that `advance` added; a test's own clock can share them.
    pub fn clock_offset(&self) -> Arc<AtomicI64> {
        self.clock.offset()
    }

    /// Makes every write visible to search and list at once.
    pub fn settle(&self) {
        lock(&self.world).store.settle();
    }

    // Twitch, scripted.

    /// Carries out a change; returns the id of a new contact or field.
    ///
    /// Panics when the change speaks of something that is not there: the script is wrong.
    pub fn change(&self, change: Change) -> Option<String> {
        let changed = lock(&self.world).change(change);
        changed
            .unwrap_or_else(|NoSuchThing(what)| panic!("the sandbox was scripted wrongly: {what}"))
    }

    /// Lets an account follow the channel now.
    pub fn follow(&self, id: &str, login: &str, name: &str) {
        let (id, login, name) = (id.to_string(), login.to_string(), name.to_string());
        self.change(Change::Follow { id, login, name });
    }

    /// Lets an account stop following.
    pub fn unfollow(&self, id: &str) {
        self.change(Change::Unfollow { id: id.to_string() });
    }

    /// Gives an account another login and name.
    pub fn rename(&self, id: &str, login: &str, name: &str) {
        let (id, login, name) = (id.to_string(), login.to_string(), name.to_string());
        self.change(Change::Rename { id, login, name });
    }

    /// Suspends an account: it leaves the follower list and `GET /users`.
    pub fn suspend(&self, id: &str) {
        self.change(Change::Suspend { id: id.to_string() });
    }

    /// Lifts a suspension.
    pub fn reinstate(&self, id: &str) {
        self.change(Change::Reinstate { id: id.to_string() });
    }

    /// Deletes an account for good.
    pub fn delete_user(&self, id: &str) {
        self.change(Change::DeleteUser { id: id.to_string() });
    }

    /// Takes away the followers of the start with the indexes `from..to`.
    pub fn purge(&self, from: u64, to: u64) {
        self.change(Change::Purge { from, to });
    }

    /// Puts a row without id and name at this place of the follower list.
    pub fn blank_row(&self, place: u64) {
        self.change(Change::BlankRow { place });
    }

    /// Lists a follower a second time, at this place.
    pub fn duplicate_row(&self, id: &str, place: u64) {
        let id = id.to_string();
        self.change(Change::DuplicateRow { id, place });
    }

    /// Puts a row whose time cannot be read at this place.
    pub fn unreadable_row(&self, id: &str, place: u64) {
        let id = id.to_string();
        self.change(Change::UnreadableRow { id, place });
    }

    /// Takes all rows out of the ordinary away again.
    pub fn clear_odd_rows(&self) {
        lock(&self.world).audience.main_mut().follows.clear_odd();
    }

    /// Lets a change happen between page `page` and the next one of the next follower walk.
    pub fn drift(&self, page: u64, change: Change) {
        self.drift_on("GET /channels/followers", page, change);
    }

    /// Lets a change happen between page `page` and the next one of the next walk through a list of Twitch.
    pub fn drift_on(&self, route: &str, page: u64, change: Change) {
        lock(&self.world).later.push(Later::Page {
            route: route.to_string(),
            page,
            begun: false,
            change,
        });
    }

    /// Lets a change happen after so many more calls of a route.
    pub fn later(&self, route: &str, calls: u64, change: Change) {
        lock(&self.world).later.push(Later::After {
            route: route.to_string(),
            left: calls,
            change,
        });
    }

    /// Makes a user a moderator of the channel.
    pub fn add_moderator(&self, user_id: &str) {
        let id = user_id.to_string();
        self.change(Change::AddModerator { id });
    }

    /// Takes a moderator's role away.
    pub fn remove_moderator(&self, user_id: &str) {
        let id = user_id.to_string();
        self.change(Change::RemoveModerator { id });
    }

    /// Makes `GET /users` answer 500 whenever it is asked for this id.
    pub fn poison_user(&self, id: &str) {
        lock(&self.world).poisoned.insert(id.to_string());
    }

    /// Returns the follower list as it stands, newest first, odd rows included.
    pub fn followers(&self) -> Vec<Follower> {
        let world = lock(&self.world);
        let rows =
            (0..world.audience.main().follows.rows()).filter_map(|place| world.audience.row(place));
        rows.map(|row| match row {
            FollowRow::Follower { account, at } => Follower {
                id: account.id,
                login: account.login,
                name: account.name,
                followed_at: Some(moment(at)),
            },
            FollowRow::Blank { at } => Follower {
                id: String::new(),
                login: String::new(),
                name: String::new(),
                followed_at: Some(moment(at)),
            },
            FollowRow::Unreadable { account } => Follower {
                id: account.id,
                login: account.login,
                name: account.name,
                followed_at: None,
            },
        })
        .collect()
    }

    // HighLevel, scripted.

    /// Adds a contact by hand; empty texts mean none. Returns its id.
    pub fn add_contact(
        &self,
        first: &str,
        last: &str,
        email: &str,
        tags: &[&str],
        fields: &[(&str, &str)],
    ) -> String {
        let change = Change::AddContact {
            first: first.to_string(),
            last: last.to_string(),
            email: email.to_string(),
            tags: tags.iter().map(ToString::to_string).collect(),
            fields: fields
                .iter()
                .map(|(key, value)| (key.to_string(), Value::from(*value)))
                .collect(),
        };
        self.change(change)
            .expect("adding a contact always makes one")
    }

    /// Edits one field by hand: a standard one by its name, or a custom one by its key. Null clears.
    pub fn edit_contact(&self, id: &str, key: &str, value: impl Into<Value>) {
        let (id, key, value) = (id.to_string(), key.to_string(), value.into());
        self.change(Change::EditContact { id, key, value });
    }

    /// Adds a tag by hand.
    pub fn add_tag(&self, id: &str, tag: &str) {
        let (id, tag) = (id.to_string(), tag.to_string());
        self.change(Change::AddTag { id, tag });
    }

    /// Removes a tag by hand.
    pub fn remove_tag(&self, id: &str, tag: &str) {
        let (id, tag) = (id.to_string(), tag.to_string());
        self.change(Change::RemoveTag { id, tag });
    }

    /// Deletes a contact by hand.
    pub fn delete_contact(&self, id: &str) {
        self.change(Change::DeleteContact { id: id.to_string() });
    }

    /// Merges two contacts by hand; the loser's id disappears.
    pub fn merge_contacts(&self, loser: &str, winner: &str) {
        let (loser, winner) = (loser.to_string(), winner.to_string());
        self.change(Change::MergeContacts { loser, winner });
    }

    /// Adds a business by hand. Returns its id.
    pub fn add_business(&self, name: &str) -> String {
        let name = name.to_string();
        self.change(Change::AddBusiness { name })
            .expect("adding a business always makes one")
    }

    /// Returns all businesses, oldest first.
    pub fn businesses(&self) -> Vec<Value> {
        lock(&self.world).office.businesses.clone()
    }

    /// Returns the campaigns and workflows that a contact is in: `campaign ID`, `workflow ID`.
    pub fn enrolments(&self, id: &str) -> Vec<String> {
        let world = lock(&self.world);
        let number = world.store.base.ids.decode(id);
        let enrolled = number.and_then(|number| world.office.enrolled.get(&number));
        enrolled.into_iter().flatten().cloned().collect()
    }

    /// Defines a custom field by hand; the key has no prefix. Returns its id.
    pub fn add_field(&self, key: &str, name: &str, data_type: &str) -> String {
        let (key, name, data_type) = (key.to_string(), name.to_string(), data_type.to_string());
        self.change(Change::AddField {
            key,
            name,
            data_type,
        })
        .expect("adding a field always makes one")
    }

    /// Deletes a custom field with all its values.
    pub fn remove_field(&self, key: &str) {
        self.change(Change::RemoveField {
            key: key.to_string(),
        });
    }

    /// Returns the id of the custom field with this key.
    pub fn field_id(&self, key: &str) -> Option<String> {
        let world = lock(&self.world);
        world
            .location
            .field_by_key(key)
            .map(|field| field.id.to_string())
    }

    /// Returns a contact as it is now, custom fields by key; `None` when it is gone or never was.
    pub fn contact(&self, id: &str) -> Option<Value> {
        let world = lock(&self.world);
        match world.store.find(id) {
            Found::Here(person) => Some(world.truth(&person)),
            Found::Gone(..) | Found::Never => None,
        }
    }

    /// Returns every contact as it is now: those of the start, then the new ones in order.
    pub fn contacts(&self) -> Vec<Value> {
        let world = lock(&self.world);
        let mut all = Vec::new();
        world.store.each(|person| all.push(world.truth(person)));
        all
    }

    /// Returns the contacts whose custom field (by key) or standard field holds exactly this text.
    pub fn contacts_by_field(&self, key: &str, value: &str) -> Vec<Value> {
        lock(&self.world).truths_by_field(key, value)
    }

    /// Returns how many contacts there are.
    pub fn contact_count(&self) -> u64 {
        lock(&self.world).store.count()
    }

    /// Returns the notes of a contact, oldest first.
    pub fn notes(&self, id: &str) -> Vec<Value> {
        let world = lock(&self.world);
        let number = world.store.base.ids.decode(id);
        number
            .and_then(|number| world.jottings.notes.get(&number).cloned())
            .unwrap_or_default()
    }

    /// Returns the tasks of a contact, oldest first.
    pub fn tasks(&self, id: &str) -> Vec<Value> {
        let world = lock(&self.world);
        let number = world.store.base.ids.decode(id);
        number
            .and_then(|number| world.jottings.tasks.get(&number).cloned())
            .unwrap_or_default()
    }

    /// Deletes all tasks of a contact, as a person does.
    pub fn delete_tasks(&self, id: &str) {
        let mut world = lock(&self.world);
        if let Some(number) = world.store.base.ids.decode(id) {
            world.jottings.tasks.remove(&number);
        }
    }

    // Tokens, switches, faults.

    /// Adds a token or replaces it.
    pub fn set_token(&self, text: &str, token: Token) {
        lock(&self.world).tokens.set(text, token);
    }

    /// Kills a token.
    pub fn revoke_token(&self, text: &str) {
        let token = text.to_string();
        self.change(Change::RevokeToken { token });
    }

    /// Changes the switches of the running sandbox.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut lock(&self.world).settings.switches);
    }

    /// Lays a fault in wait.
    pub fn fault(&self, fault: Fault) {
        lock(&self.world).faults.add(fault);
    }

    /// Takes all waiting faults away.
    pub fn clear_faults(&self) {
        lock(&self.world).faults.clear();
    }

    // What was seen.

    /// Returns the latest calls of the vendors' endpoints, oldest first.
    pub fn calls(&self) -> Vec<SeenCall> {
        lock(&self.world).calls.latest().cloned().collect()
    }

    /// Forgets all calls and counts.
    pub fn clear_calls(&self) {
        lock(&self.world).calls.clear();
    }

    /// Returns how often a route was called since the start or the last `clear_calls`.
    pub fn count(&self, route: &str) -> u64 {
        lock(&self.world).calls.count(route)
    }

    /// Returns the latest calls that could change the vendor, whatever became of them.
    pub fn writes(&self) -> Vec<SeenCall> {
        let world = lock(&self.world);
        let writes = world.calls.latest().filter(|call| call.write);
        writes.cloned().collect()
    }

    /// Returns how many calls were answered 429 because they really violated a limit.
    pub fn too_many(&self) -> u64 {
        lock(&self.world).calls.too_many
    }
}

impl World {
    /// Shows a contact for comparison: custom fields by key, tags as they are, unset fields absent.
    pub(crate) fn truth(&self, person: &Person) -> Value {
        let mut shown = json!({
            "id": person.id.as_str(),
            "tags": person.tags.iter().map(|tag| &**tag).collect::<Vec<_>>(),
            "dateAdded": millis_text(person.added),
            "dateUpdated": millis_text(person.updated),
        });
        for (name, key) in KEYS {
            if let Some(text) = person.get(*key) {
                shown[name] = Value::from(text);
            }
        }
        if let Some(dnd) = person.dnd {
            shown["dnd"] = Value::from(dnd);
        }
        let mut fields = serde_json::Map::new();
        for (field, value) in &person.custom {
            if let Some(key) = self.location.field_key(*field) {
                fields.insert(key.to_string(), value.clone());
            }
        }
        shown["fields"] = Value::Object(fields);
        shown
    }

    /// Shows the contacts that hold this text now; quick for the marker fields of the start.
    pub(crate) fn truths_by_field(&self, key: &str, value: &str) -> Vec<Value> {
        let standard = KEYS
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, key)| *key);
        let custom = self.location.field_by_key(key).map(|field| field.number);
        let holds = |person: &Person| match (standard, custom) {
            (Some(key), _) => person.get(key) == Some(value),
            (None, Some(field)) => person.field(field).is_some_and(|held| match held {
                Value::String(text) => text == value,
                Value::Number(number) => value.parse().is_ok_and(|parsed| *number == parsed),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
            }),
            (None, None) => false,
        };
        let mut found = Vec::new();
        let named = custom
            .filter(|_| standard.is_none())
            .and_then(|field| self.store.base.holders(field, value));
        match named {
            Some(numbers) => {
                let base = numbers
                    .into_iter()
                    .filter_map(|number| self.store.here(number));
                found.extend(
                    base.filter(|person| holds(person))
                        .map(|person| self.truth(&person)),
                );
                self.store.each_changed(|person| {
                    let shown = self.truth(person);
                    if holds(person) && !found.contains(&shown) {
                        found.push(shown);
                    }
                });
            }
            None => self.store.each(|person| {
                if holds(person) {
                    found.push(self.truth(person));
                }
            }),
        }
        found
    }
}
