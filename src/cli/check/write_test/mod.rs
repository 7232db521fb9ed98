//! The write test: one throw-away contact is made, changed, tagged, given a note and a task, read back, and removed.
//!
//! It deletes only the contact that it made: the one whose id the create answered, or, when that answer was lost, the one that carries the
//! test's own name, which no other test ever has. What it is about to make, and then its id, are kept in the state (`write-test:LOCATION` in
//! table `kept`), so that whatever kills it, the next test cleans up. Ctrl-C leads to the removal at once.

mod memory;
mod removal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::apis::highlevel::{self, Keys, NewTask, TagMove, TagOutcome};
use crate::config::{Account, HighLevelAccount};
use crate::model::{AccountName, Contact, ContactId, FieldKey, LocationId, Tag};
use crate::net::{Answer, Call, CallError, Line, Purpose, Reach, Tally};
use crate::report::plain;
use crate::run::{Lease, Stop};
use crate::store::{StoreError, tokens};

use super::super::exit::{Exit, of_run_error};
use super::super::runs::holder;
use super::super::shell::Shell;
use super::super::worlds::Worlds;
use super::Typed;
use super::findings::{About, Found};
use super::offline::is_used;
use super::online::{Asking, Next};

use self::memory::{Left, Memory};

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
            lacking: Vec::new(),
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
        Err(why) => return asking.no_call(&why),
    };
    // Two tests at once would take each other's contact for one that was left over.
    let lock = format!("write-test-{}", hub.location);
    let holder = holder("check --write-test", shell.clock.now());
    let _lease = match Lease::take(&asking.config.state, &lock, &holder, None).await {
        Ok(lease) => lease,
        Err(error) => {
            let exit = of_run_error(&error);
            let about = asking.about();
            return asking.found.wrong_as_said(about, &error.to_string(), exit);
        }
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
            Ok(call) => match self.step(&call, "the contact was changed").await {
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
                Some(TagOutcome::Done { .. }) => self.did("the contact was tagged"),
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
            .step(
                &highlevel::create_note(id, WORDS),
                "the contact was given a note",
            )
            .await
        {
            return;
        }
        let due = self.shell.clock.now() + TimeDelta::days(1);
        let task = match self
            .step(
                &highlevel::create_task(id, &NewTask::due(WORDS, due)),
                "the contact was given a task",
            )
            .await
        {
            Step::Done(task) => Some(task),
            Step::Failed => None,
            Step::Over => return,
        };
        if let Some(task) = &task {
            let call = highlevel::complete_task(id, &task.id);
            if let Step::Over = self.step(&call, "its task was completed").await {
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
            self.did("the contact was read back");
        } else {
            let what = format!(
                "write test: the contact was read back without {}",
                lacks.join(" and ")
            );
            self.wrong(what, Exit::OutOfTouch);
        }
    }

    /// Notes where the vendor keeps something else than it was sent.
    fn compare(&mut self, contact: &Contact, sent: &[(&str, &str)]) {
        for what in kept_otherwise(contact, sent) {
            self.asking.note(what, None);
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
        self.asking.well(format!("write test: {what}"));
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

/// Returns where a vendor's answer shows something else than was sent.
fn kept_otherwise(contact: &Contact, sent: &[(&str, &str)]) -> Vec<String> {
    let seen = |key: &str| contact.fields.get(&field(key)).and_then(Option::as_deref);
    sent.iter()
        .filter(|(key, sent)| seen(key) != Some(sent))
        .map(|(key, sent)| {
            let seen = plain(seen(key).unwrap_or_default());
            format!("HighLevel keeps `{key}` as \"{seen}\" where \"{sent}\" was sent")
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_vendor_makes_of_a_value_is_told() {
        let sent = [("firstName", "Ann"), ("source", SOURCE)];
        let mut contact = Contact {
            id: ContactId::try_from("c1").unwrap(),
            fields: fields(&sent)
                .into_iter()
                .map(|(key, value)| (key, Some(value)))
                .collect(),
            tags: None,
            date_added: None,
            date_updated: None,
        };
        assert_eq!(kept_otherwise(&contact, &sent), Vec::<String>::new());
        contact
            .fields
            .insert(field("firstName"), Some("ann".to_owned()));
        contact.fields.insert(field("source"), None);
        assert_eq!(
            kept_otherwise(&contact, &sent),
            [
                "HighLevel keeps `firstName` as \"ann\" where \"Ann\" was sent",
                "HighLevel keeps `source` as \"\" where \"ghl-sync\" was sent",
            ]
        );
    }
}
