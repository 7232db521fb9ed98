//! The write test: one throw-away contact is made, changed, tagged, given a note and a task, read back, and removed.
//!
//! It deletes only the contact that it made: the one whose id the create answered, or, when that answer was lost, the one that carries the
//! test's own name, which no other test ever has. What it is about to make, and then its id, are kept in the state (`write-test:LOCATION` in
//! table `kept`), so that whatever kills it, the next test cleans up. Ctrl-C leads to the removal at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::apis::highlevel::{self, Keys, Search, TagMove, TagOutcome};
use crate::config::{Account, HighLevelAccount};
use crate::model::{AccountName, Contact, ContactId, FieldKey, LocationId, Tag};
use crate::net::{Answer, Call, CallError, Line, Purpose, Reach, Tally};
use crate::report::plain;
use crate::run::Stop;
use crate::store::{Store, StoreError, jobs, tokens};

use super::super::exit::Exit;
use super::super::shell::Shell;
use super::super::worlds::Worlds;
use super::Typed;
use super::findings::{About, Found};
use super::offline::is_used;
use super::online::{Asking, Next};

/// What the first Ctrl-C of a write test is answered with.
pub(in crate::cli) const STOPPING: &str = "stopping: the test's contact is removed first; press Ctrl-C again to stop at once, then the next `ghl-sync check --write-test` removes it";

/// The first name of the contact.
const FIRST_NAME: &str = "ghl-sync write test";
/// Its `source`.
const SOURCE: &str = "ghl-sync";
/// The tag that it gets.
const TAG: &str = "ghl-sync write test";
/// The text of its note and the title of its task.
const WORDS: &str = "ghl-sync write test: this goes away by itself";
/// The scope that writing takes.
const SCOPE: &str = "contacts.write";
/// The scope that reading back takes.
const READ_SCOPE: &str = "contacts.readonly";
/// The pauses before the searches for a contact whose create was not answered: new contacts were seen to show after up to a minute.
const LOOKS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(30),
];
/// What the search does not show after this long was never made.
const NEVER_MADE: TimeDelta = TimeDelta::minutes(15);

/// A contact that a test made, or was about to make, and that is not known to be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    /// Its last name when it is made; no two tests have the same.
    name: String,
    /// When the test began, in ms.
    at_ms: i64,
    /// Its id; `None` while the create was not answered.
    contact: Option<ContactId>,
}

/// What tests left in a location, as the state remembers it.
struct Memory {
    store: Store,
    key: String,
    left: Vec<Left>,
}

impl Memory {
    fn open(store: &Store, location: &LocationId) -> Result<Memory, StoreError> {
        let key = format!("write-test:{location}");
        let kept = jobs::kept(&store.reader()?, &key, i64::MIN)?;
        Ok(Memory {
            store: store.clone(),
            key,
            left: kept
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default(),
        })
    }

    /// Remembers this, in place of what was known of the same name.
    async fn note(&mut self, left: Left) -> Result<(), StoreError> {
        self.left.retain(|known| known.name != left.name);
        self.left.push(left);
        self.save().await
    }

    async fn forget(&mut self, name: &str) -> Result<(), StoreError> {
        self.left.retain(|known| known.name != name);
        self.save().await
    }

    async fn save(&self) -> Result<(), StoreError> {
        let key = self.key.clone();
        let text = match self.left.as_slice() {
            [] => None,
            left => Some(serde_json::to_string(left).expect("names and ids are always JSON")),
        };
        let at_ms = self.left.iter().map(|left| left.at_ms).max().unwrap_or(0);
        self.store
            .write(move |db| match text {
                None => jobs::unkeep(db, &key),
                Some(text) => jobs::keep(db, &key, &text, at_ms),
            })
            .await
    }
}

/// Runs the test in every location that a job uses, or in the one that was `chosen`.
pub(super) async fn all(
    found: &mut Found,
    worlds: &mut Worlds,
    chosen: Option<&AccountName>,
    typed: &Typed,
    shell: &Shell,
) {
    let config = worlds.config().clone();
    let logins = match worlds.store().reader().and_then(|db| tokens::all(&db)) {
        Ok(logins) => logins,
        Err(error) => {
            return found.wrong_as_said(About::State, &error.to_string(), Exit::Failed);
        }
    };
    for (name, account) in &config.accounts {
        let is_asked = match chosen {
            Some(chosen) => chosen == name,
            None => is_used(&config, name),
        };
        let Account::HighLevel(hub) = account else {
            if chosen == Some(name) {
                let what = "the write test is for HighLevel locations alone";
                found.note(About::Account(name.clone()), what, None);
            }
            continue;
        };
        if !is_asked {
            continue;
        }
        let mut asking = Asking {
            found,
            config: &config,
            typed,
            name,
            account,
            logins: &logins,
            now: shell.clock.now(),
        };
        if asking.found.is_wrong(&asking.about()) {
            asking.note(
                "the write test was not tried, because of what stands above",
                None,
            );
        } else if shell.stop.is_asked() {
            asking.stopped();
        } else {
            one(&mut asking, worlds, hub, shell).await;
        }
    }
}

/// Runs the test in one location.
async fn one(asking: &mut Asking<'_>, worlds: &mut Worlds, hub: &HighLevelAccount, shell: &Shell) {
    let line = worlds
        .auth(asking.account)
        .and_then(|auth| worlds.line(asking.account, Reach::Everything, auth, &Tally::default()));
    let line = match line {
        Ok(line) => line,
        Err(why) => return asking.cannot(&why),
    };
    let memory = match Memory::open(worlds.store(), &hub.location) {
        Ok(memory) => memory,
        Err(error) => return asking.state(&error),
    };
    let managed = ["firstName", "lastName", "source"].map(field);
    let mut test = Test {
        asking,
        line,
        location: hub.location.clone(),
        keys: Arc::new(Keys::of(&managed, &[]).0),
        memory,
        shell,
    };
    for left in test.memory.left.clone() {
        test.clean_up(&left).await;
    }
    if test.shell.stop.is_asked() {
        test.asking.stopped();
    } else {
        test.run().await;
    }
}

/// A test under way.
struct Test<'a, 'b> {
    asking: &'a mut Asking<'b>,
    line: Line,
    location: LocationId,
    keys: Arc<Keys>,
    memory: Memory,
    shell: &'a Shell,
}

/// What a create came to.
enum Made {
    /// This.
    Contact(Box<Contact>),
    /// Nothing, and that is certain.
    Nothing,
    /// It may have been made; `why` says what happened.
    Maybe { why: String },
}

impl Test<'_, '_> {
    async fn run(&mut self) {
        let now = self.shell.clock.now();
        let name = format!("{}-{}", now.format("%Y%m%dT%H%M%SZ"), std::process::id());
        self.shell.progress.say(&format!(
            "write test of account {}: the contact \"{FIRST_NAME} {name}\" is made in location {}, changed, tagged, given a note and a task, and removed again; workflows of the location that start on new contacts or on tags will see it, and the tag \"{TAG}\" stays in its list of tags",
            self.asking.name, self.location
        ));
        let left = Left {
            name: name.clone(),
            at_ms: now.timestamp_millis(),
            contact: None,
        };
        // Before the create: whatever ends us now, the next test knows what to look for.
        if let Err(error) = self.memory.note(left.clone()).await {
            return self.asking.state(&error);
        }
        let contact = match self.create(&name).await {
            Made::Contact(contact) => contact,
            Made::Nothing => return self.forget(&name).await,
            Made::Maybe { why } => return self.lost(&left, &why).await,
        };
        let id = contact.id.clone();
        let known = Left {
            contact: Some(id.clone()),
            ..left
        };
        if let Err(error) = self.memory.note(known.clone()).await {
            // It is removed all the same, as long as this process lives.
            self.asking.state(&error);
        }
        self.asking
            .well(format!("write test: contact {id} was made"));
        self.compare(
            &contact,
            &[
                ("firstName", FIRST_NAME),
                ("lastName", &name),
                ("source", SOURCE),
            ],
        );
        self.change(&id, &name).await;
        if self.shell.stop.is_asked() {
            self.asking.stopped();
        }
        if self.remove(&id, &known).await {
            self.forget(&name).await;
        }
    }

    async fn create(&mut self, name: &str) -> Made {
        let fields = fields(&[
            ("firstName", FIRST_NAME),
            ("lastName", name),
            ("source", SOURCE),
        ]);
        let call = highlevel::create(&self.location, &fields, &BTreeSet::new(), &self.keys);
        let call = match call {
            Ok(call) => call,
            Err(error) => {
                self.wrong(
                    format!("the write test cannot be made: {error}"),
                    Exit::Failed,
                );
                return Made::Nothing;
            }
        };
        match self.line.send(&call, Purpose::Announced).await {
            Ok(answer) => Made::Contact(Box::new(answer.value)),
            Err(error) if error.nothing_happened() => {
                self.asking.failed(error, SCOPE);
                Made::Nothing
            }
            Err(error) => Made::Maybe {
                why: error.to_string(),
            },
        }
    }

    /// Does to the contact what jobs do, and reads all of it back; ends early when the vendor is gone or a person wants it to.
    async fn change(&mut self, id: &ContactId, name: &str) {
        let changed = format!("{name} changed");
        let wanted = [("lastName", changed.as_str())];
        match highlevel::update(id, &fields(&wanted), &self.keys) {
            Ok(call) => match self.step(&call, "changed").await {
                Step::Done(contact) => self.compare(&contact, &wanted),
                Step::Failed => {}
                Step::Over => return,
            },
            Err(error) => {
                self.wrong(
                    format!("the write test cannot be made: {error}"),
                    Exit::Failed,
                );
            }
        }
        let tags: BTreeSet<Tag> = Tag::new(TAG).into_iter().collect();
        let call = highlevel::bulk_tags(
            &self.location,
            TagMove::Add,
            std::slice::from_ref(id),
            &tags,
        );
        match self.send(&call).await {
            Step::Done(answer) => match answer.outcomes.get(id) {
                Some(TagOutcome::Done { .. }) => self.did("tagged"),
                Some(TagOutcome::Refused(said)) => {
                    self.wrong(
                        format!("write test: the tag was refused ({said})"),
                        Exit::OutOfTouch,
                    );
                }
                Some(TagOutcome::NotFound) | None => self.wrong(
                    "write test: the call that tags says nothing of the contact".to_owned(),
                    Exit::OutOfTouch,
                ),
            },
            Step::Failed => {}
            Step::Over => return,
        }
        if let Step::Over = self
            .step(&highlevel::create_note(id, WORDS), "given a note")
            .await
        {
            return;
        }
        let due = self.shell.clock.now() + TimeDelta::days(1);
        let task = match self
            .step(&highlevel::create_task(id, WORDS, due), "given a task")
            .await
        {
            Step::Done(task) => Some(task),
            Step::Failed => None,
            Step::Over => return,
        };
        if let Some(task) = &task {
            let call = highlevel::complete_task(id, &task.id);
            if let Step::Over = self.step(&call, "rid of its task: it is completed").await {
                return;
            }
        }
        self.read_back(id).await;
    }

    async fn read_back(&mut self, id: &ContactId) {
        let mut lacks = Vec::new();
        match self.send(&highlevel::get(id, &self.keys)).await {
            Step::Done(contact) => {
                let tag = |tag: &Tag| tag.as_str() == TAG;
                if !contact.tags.is_some_and(|tags| tags.iter().any(tag)) {
                    lacks.push("its tag");
                }
            }
            Step::Failed => {}
            Step::Over => return,
        }
        match self.send(&highlevel::notes(id)).await {
            Step::Done(notes) if notes.iter().any(|note| note.text.contains(WORDS)) => {}
            Step::Done(_) => lacks.push("its note"),
            Step::Failed => {}
            Step::Over => return,
        }
        match self.send(&highlevel::tasks(id)).await {
            Step::Done(tasks) => match tasks.iter().find(|task| task.title == WORDS) {
                Some(task) if task.is_completed == Some(false) => {
                    lacks.push("the completion of its task");
                }
                Some(_) => {}
                None => lacks.push("its task"),
            },
            Step::Failed => {}
            Step::Over => return,
        }
        if lacks.is_empty() {
            self.did("read back");
        } else {
            let what = format!(
                "write test: the contact was read back without {}",
                lacks.join(" and ")
            );
            self.wrong(what, Exit::OutOfTouch);
        }
    }

    /// Removes the contact, and looks that it is gone; returns whether that is certain. What is left over is said.
    async fn remove(&mut self, id: &ContactId, left: &Left) -> bool {
        match self
            .line
            .send(&highlevel::delete(id), Purpose::Announced)
            .await
        {
            Ok(_) | Err(CallError::NotFound { .. }) => {}
            Err(error) => {
                self.asking.failed(error, SCOPE);
                self.left_over(left);
                return false;
            }
        }
        let get = highlevel::get(id, &self.keys);
        match self.line.send(&get, Purpose::Announced).await {
            Err(CallError::NotFound { .. }) => {
                self.asking
                    .well(format!("write test: contact {id} was removed and is gone"));
                true
            }
            Ok(_) => {
                self.wrong(
                    format!("write test: contact {id} was removed and is still shown"),
                    Exit::OutOfTouch,
                );
                self.left_over(left);
                false
            }
            Err(error) => {
                self.asking.failed(error, READ_SCOPE);
                self.left_over(left);
                false
            }
        }
    }

    /// Looks for a contact whose create was not answered, and removes it.
    async fn lost(&mut self, left: &Left, why: &str) {
        self.wrong(format!("write test: {why}"), Exit::OutOfTouch);
        for pause in LOOKS {
            if self.shell.stop.is_asked() {
                break;
            }
            self.shell.clock.sleep(pause).await;
            match self.look_for(left).await {
                Ok(Some(id)) => return self.remove_found(left, id).await,
                Ok(None) => {}
                Err(error) => {
                    self.asking.failed(error, READ_SCOPE);
                    break;
                }
            }
        }
        self.left_over(left);
    }

    /// Removes what an earlier test left behind.
    async fn clean_up(&mut self, left: &Left) {
        if let Some(id) = left.contact.clone() {
            return self.remove_found(left, id).await;
        }
        match self.look_for(left).await {
            Ok(Some(id)) => self.remove_found(left, id).await,
            Ok(None) => {
                let began = DateTime::from_timestamp_millis(left.at_ms).unwrap_or_default();
                if self.shell.clock.now() - began > NEVER_MADE {
                    self.asking.well(format!(
                        "an earlier write test's contact \"{FIRST_NAME} {}\" was never made",
                        left.name
                    ));
                    self.forget(&left.name).await;
                } else {
                    self.left_over(left);
                }
            }
            Err(error) => {
                self.asking.failed(error, READ_SCOPE);
                self.left_over(left);
            }
        }
    }

    async fn remove_found(&mut self, left: &Left, id: ContactId) {
        let left = Left {
            contact: Some(id.clone()),
            ..left.clone()
        };
        if let Err(error) = self.memory.note(left.clone()).await {
            self.asking.state(&error);
        }
        if self.remove(&id, &left).await {
            self.forget(&left.name).await;
        }
    }

    /// Looks for the contact of a test by its name, which is the test's own. The index lags: that it is not found proves nothing yet.
    async fn look_for(&self, left: &Left) -> Result<Option<ContactId>, CallError> {
        let Some(search) = Search::with_field(&field("lastName"), &left.name, &self.keys) else {
            return Ok(None);
        };
        let call = search.limit(10).call(&self.location, &self.keys);
        let page = self.line.send(&call, Purpose::Recovery).await?.value;
        let shows = |contact: &Contact, key: &str, value: &str| {
            let seen = contact.fields.get(&field(key)).and_then(Option::as_deref);
            seen == Some(value)
        };
        let ours = |contact: &&Contact| {
            shows(contact, "firstName", FIRST_NAME)
                && shows(contact, "lastName", &left.name)
                && shows(contact, "source", SOURCE)
        };
        Ok(page
            .rows
            .iter()
            .find(ours)
            .map(|contact| contact.id.clone()))
    }

    async fn forget(&mut self, name: &str) {
        if let Err(error) = self.memory.forget(name).await {
            self.asking.state(&error);
        }
    }

    /// Says what is left behind and how it goes away.
    fn left_over(&mut self, left: &Left) {
        let test = self.asking.typed.command(&format!(
            "check --write-test --account {}",
            self.asking.name
        ));
        let name = format!("\"{FIRST_NAME} {}\"", left.name);
        let (what, mend) = match &left.contact {
            Some(id) => (
                format!(
                    "contact {id} ({name}) may be left in location {}",
                    self.location
                ),
                format!(
                    "run `{test}` again, which removes it first, or delete it in HighLevel by hand"
                ),
            ),
            None => (
                format!(
                    "a contact {name} may have been made in location {}, and the search, which shows new contacts up to a minute late, does not show it",
                    self.location
                ),
                format!(
                    "run `{test}` again in some minutes, which looks for it first, or look for it in HighLevel and delete it"
                ),
            ),
        };
        self.asking
            .found
            .wrong(self.asking.about(), what, mend, Exit::OutOfTouch);
    }

    /// Notes where the vendor keeps something else than it was sent.
    fn compare(&mut self, contact: &Contact, sent: &[(&str, &str)]) {
        for (key, sent) in sent {
            let seen = contact.fields.get(&field(key)).and_then(Option::as_deref);
            if seen != Some(sent) {
                let what = format!(
                    "HighLevel keeps `{key}` as \"{}\" where \"{sent}\" was sent",
                    plain(seen.unwrap_or_default())
                );
                self.asking.note(what, None);
            }
        }
    }

    /// Makes one call and says how it went.
    async fn step<T>(&mut self, call: &Call<T>, done: &str) -> Step<T> {
        let step = self.send(call).await;
        if let Step::Done(_) = &step {
            self.did(done);
        }
        step
    }

    /// Makes one call, unless a person wants it to end; a failure is said.
    async fn send<T>(&mut self, call: &Call<T>) -> Step<T> {
        let scope = match call.is_read() {
            true => READ_SCOPE,
            false => SCOPE,
        };
        let sent = self.line.send(call, Purpose::Announced);
        // Dropping a call half-way does no harm here: whatever it did goes with the contact.
        let answer: Option<Result<Answer<T>, CallError>> = tokio::select! {
            biased;
            () = asked(&self.shell.stop) => None,
            answer = sent => Some(answer),
        };
        match answer {
            None => Step::Over,
            Some(Ok(answer)) => Step::Done(answer.value),
            Some(Err(error)) => match self.asking.failed(error, scope) {
                Next::GoOn => Step::Failed,
                Next::Stop => Step::Over,
            },
        }
    }

    fn did(&mut self, what: &str) {
        self.asking
            .well(format!("write test: the contact was {what}"));
    }

    fn wrong(&mut self, what: String, exit: Exit) {
        let mend = "run it again; if it stays, please report it";
        self.asking
            .found
            .wrong(self.asking.about(), what, mend, exit);
    }
}

/// What one call of the test came to.
enum Step<T> {
    /// It was answered.
    Done(T),
    /// It failed, and the next one may go well.
    Failed,
    /// The rest makes no sense.
    Over,
}

impl Asking<'_> {
    /// Says that a person wanted it to end.
    fn stopped(&mut self) {
        let what = "the write test was stopped before its end";
        self.found
            .wrong(self.about(), what, "run it again", Exit::Failed);
    }

    fn state(&mut self, error: &StoreError) {
        self.found
            .wrong_as_said(About::State, &error.to_string(), Exit::Failed);
    }
}

/// Waits until a person wants it to end.
async fn asked(stop: &Stop) {
    while !stop.is_asked() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn field(name: &str) -> FieldKey {
    FieldKey::try_from(name).expect("the names of standard fields are keys")
}

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<FieldKey, String> {
    pairs
        .iter()
        .map(|(key, value)| (field(key), (*value).to_owned()))
        .collect()
}
