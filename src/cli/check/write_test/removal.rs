//! The end of a write test: its contact is removed, also one whose create was not answered, and what is left over is said.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};

use crate::apis::highlevel::{self, Search};
use crate::model::{Contact, ContactId};
use crate::net::{CallError, Purpose};

use super::super::super::exit::Exit;
use super::memory::Left;
use super::{FIRST_NAME, READ_SCOPE, SCOPE, SOURCE, Test, asked, field};

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

impl Test<'_, '_> {
    /// Removes the contact, and looks that it is gone; returns whether that is certain. What is left over is said.
    pub(super) async fn remove(&mut self, id: &ContactId, left: &Left) -> bool {
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
    pub(super) async fn lost(&mut self, left: &Left, why: &str) {
        self.wrong(format!("write test: {why}"), Exit::OutOfTouch);
        for pause in LOOKS {
            if self.shell.stop.is_asked() {
                break;
            }
            tokio::select! {
                () = self.shell.clock.sleep(pause) => {}
                () = asked(&self.shell.stop) => break,
            }
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
    pub(super) async fn clean_up(&mut self, left: &Left) {
        if let Some(id) = left.contact.clone() {
            return self.clean_up_known(left, id).await;
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

    /// Removes the contact that an earlier test made, when it still is that: people rename contacts, and merge them with others.
    async fn clean_up_known(&mut self, left: &Left, id: ContactId) {
        let get = highlevel::get(&id, &self.keys);
        match self.line.send(&get, Purpose::Recovery).await {
            Ok(answer) if is_of(&answer.value, left) => self.remove_found(left, id).await,
            Ok(_) => {
                let what = format!(
                    "contact {id}, which an earlier write test made, is somebody else's by now and stays"
                );
                self.asking.note(what, None);
                self.forget(&left.name).await;
            }
            Err(CallError::NotFound { .. }) => {
                self.asking
                    .well(format!("an earlier write test's contact {id} is gone"));
                self.forget(&left.name).await;
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
        let ours = |contact: &&Contact| {
            is_of(contact, left)
                && shown(contact, "lastName") == Some(&left.name)
                && shown(contact, "source") == Some(SOURCE)
        };
        Ok(page
            .rows
            .iter()
            .find(ours)
            .map(|contact| contact.id.clone()))
    }

    pub(super) async fn forget(&mut self, name: &str) {
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
}

fn shown<'c>(contact: &'c Contact, key: &str) -> Option<&'c str> {
    contact.fields.get(&field(key)).and_then(Option::as_deref)
}

/// Returns whether a contact has the names that a test gives to its own, before or after it changes them.
fn is_of(contact: &Contact, left: &Left) -> bool {
    let is_tests = |name: &str| name.starts_with(&left.name);
    shown(contact, "firstName") == Some(FIRST_NAME)
        && shown(contact, "lastName").is_some_and(is_tests)
}
