//! Small worlds right before a run that writes, and what must be true once everything has healed.

use ghl_sync::run::{Ask, RunError};
use ghl_sync::sandbox::Switches;
use serde_json::Value;

use crate::rig::{JOB, Rig, Told, ask_all, minutes, settings};

/// A run that writes, of every sort that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// Custom fields are made, then three contacts with fields and tags.
    FirstSync,
    /// Three linked contacts get another username.
    Renames,
    /// Four contacts that are there already are found by their marker and get a tag.
    BulkTags,
    /// Two of four followers left: one tag goes, another comes.
    Leaves,
    /// Two people follow, for whom a note is written and a task is made; one who had a task leaves: it is completed, and a note says so.
    Events,
}

/// The rig's job with notes and tasks.
pub(crate) fn events_job() -> String {
    job()
        .replace(
            "[on.leave]",
            "note = \"{{ user_name }} follows since {{ followed_at | date }}\"\n\
             task = { title = \"Greet {{ user_name }}\", body = \"{{ user_login }}\", due = \"2d\" }\n[on.leave]\n\
             complete_task = true\nnote = \"{{ user_name }} left\"",
        )
}

/// Returns the texts of the notes on the contact of a follower, and the titles of its tasks with whether they are done.
pub(crate) fn jotted(rig: &Rig, user_id: &str) -> (Vec<String>, Vec<(String, bool)>) {
    let contacts = rig.sandbox.contacts_by_field("twitch_user_id", user_id);
    let Some(id) = contacts.first().and_then(|contact| contact["id"].as_str()) else {
        return (Vec::new(), Vec::new());
    };
    let notes = rig.sandbox.notes(id).into_iter();
    let notes = notes.map(|note| note["body"].as_str().unwrap_or_default().to_owned());
    let tasks = rig.sandbox.tasks(id).into_iter();
    let tasks = tasks.map(|task| {
        let title = task["title"].as_str().unwrap_or_default().to_owned();
        (title, task["completed"] == true)
    });
    (notes.collect(), tasks.collect())
}

/// A scene that is set, and what it was like before.
pub(crate) struct Set {
    pub(crate) rig: Rig,
    scene: Scene,
    strangers: Vec<Value>,
    left: Vec<String>,
}

/// The rig's job with a tag that no contact has yet.
pub(crate) fn job() -> String {
    JOB.replace(
        r#"add_tags = ["twitch follower"]"#,
        r#"add_tags = ["twitch follower", "synced"]"#,
    )
}

impl Scene {
    /// Sets the scene at an honest vendor; the next run is the one that matters.
    pub(crate) async fn set(self) -> Set {
        self.set_at(Switches::default()).await
    }

    /// Sets the scene at a vendor whose undocumented sides are these.
    pub(crate) async fn set_at(self, switches: Switches) -> Set {
        let (followers, contacts, twins) = match self {
            Scene::FirstSync => (3, 4, 0),
            Scene::Renames => (3, 5, 3),
            Scene::BulkTags => (4, 6, 4),
            Scene::Leaves => (4, 2, 0),
            Scene::Events => (2, 2, 0),
        };
        let mut world = settings(followers, contacts);
        world.twins = twins;
        world.switches = switches;
        let job = match self {
            Scene::Events => events_job(),
            Scene::FirstSync | Scene::Renames | Scene::BulkTags | Scene::Leaves => job(),
        };
        let mut rig = Rig::with_job(world, &job).await;
        let strangers = strangers(&rig);
        let mut left = Vec::new();
        match self {
            Scene::FirstSync | Scene::BulkTags | Scene::Events => {}
            Scene::Renames => {
                rig.apply_all().await;
                rig.advance(minutes(16));
                for follower in rig.sandbox.followers() {
                    let login = format!("renamed_{}", follower.id);
                    rig.sandbox.rename(&follower.id, &login, &follower.name);
                }
            }
            Scene::Leaves => {
                rig.apply_all().await;
                rig.advance(minutes(16));
                for follower in rig.sandbox.followers().into_iter().take(2) {
                    rig.sandbox.unfollow(&follower.id);
                    left.push(follower.id);
                }
                rig.run(Ask {
                    full: true,
                    ..ask_all()
                })
                .await
                .unwrap();
                rig.advance(minutes(3));
            }
        }
        if self == Scene::Events {
            rig.apply_all().await;
            // She follows after the first listing, so she gets a task, and leaves again.
            rig.sandbox.follow("900", "ada", "Ada");
            rig.advance(minutes(16));
            rig.apply_all().await;
            rig.sandbox.unfollow("900");
            left.push("900".to_owned());
            rig.advance(minutes(16));
            rig.run(Ask {
                full: true,
                ..ask_all()
            })
            .await
            .unwrap();
            rig.sandbox.follow("901", "grace", "Grace");
            rig.sandbox.follow("902", "alan", "Alan");
            rig.advance(minutes(3));
        }
        rig.sandbox.clear_calls();
        Set {
            rig,
            scene: self,
            strangers,
            left,
        }
    }
}

impl Set {
    /// The run that matters.
    pub(crate) async fn run(&mut self) -> Result<Told, RunError> {
        self.rig.run(ask_all()).await
    }

    /// Runs again and again, as a timer would, until everything is true; then once more, which must be silent.
    ///
    /// Returns what the runs told, the silent one last.
    pub(crate) async fn heal(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        for round in 0.. {
            self.rig.advance(minutes(16));
            match self
                .rig
                .run(Ask {
                    full: matches!(self.scene, Scene::Leaves | Scene::Events),
                    ..ask_all()
                })
                .await
            {
                Ok(run) => told.push(run),
                Err(RunError::OutOfTouch { .. }) => {}
                Err(error) => panic!("{:?}: {error}", self.scene),
            }
            let wrong = self.wrong();
            if wrong.is_empty() && self.unsettled() == 0 {
                break;
            }
            assert!(round < 8, "{:?} does not heal: {wrong:#?}", self.scene);
        }
        self.rig.sandbox.clear_calls();
        self.rig.advance(minutes(16));
        let last = self.rig.apply_all().await;
        assert!(
            self.rig.sandbox.writes().is_empty(),
            "{:?}: the last run is not silent: {:#?}",
            self.scene,
            self.rig.sandbox.writes()
        );
        assert_eq!(last.report.news, [], "{:?}", self.scene);
        self.strangers_are_untouched();
        told.push(last);
        told
    }

    /// Says what is not yet as it should be.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let sandbox = &self.rig.sandbox;
        let mut wrong = Vec::new();
        for follower in sandbox.followers() {
            match sandbox
                .contacts_by_field("twitch_user_id", &follower.id)
                .as_slice()
            {
                [only] => {
                    if only["fields"]["twitch_username"] != follower.login.as_str() {
                        wrong.push(format!("{} has another username: {only}", follower.id));
                    }
                    if only["firstName"].as_str().unwrap_or_default().is_empty() {
                        wrong.push(format!("{} has no name: {only}", follower.id));
                    }
                    if !has(only, "twitch follower")
                        || !has(only, "synced")
                        || has(only, "twitch unfollowed")
                    {
                        wrong.push(format!("{} has wrong tags: {only}", follower.id));
                    }
                }
                others => wrong.push(format!("{} has {} contacts", follower.id, others.len())),
            }
        }
        for id in &self.left {
            match sandbox.contacts_by_field("twitch_user_id", id).as_slice() {
                [only] if has(only, "twitch unfollowed") && !has(only, "twitch follower") => {}
                others => wrong.push(format!("{id} left, and its contacts are {others:?}")),
            }
        }
        if self.scene == Scene::Events {
            wrong.extend(self.wrong_events());
        }
        let people = sandbox.followers().len() + self.left.len() + self.strangers.len();
        if sandbox.contact_count() != people as u64 {
            let count = sandbox.contact_count();
            wrong.push(format!("{count} contacts where {people} belong"));
        }
        wrong
    }

    /// Says which notes and tasks are not there, or not once.
    fn wrong_events(&self) -> Vec<String> {
        let expected = |name: &str, has_left: bool| {
            let mut notes = vec![format!("{name} follows since ")];
            if has_left {
                notes.push(format!("{name} left"));
            }
            (notes, vec![(format!("Greet {name}"), has_left)])
        };
        let people = [
            ("900", "Ada", true),
            ("901", "Grace", false),
            ("902", "Alan", false),
        ];
        let mut wrong = Vec::new();
        for (id, name, has_left) in people {
            let (mut notes, tasks) = jotted(&self.rig, id);
            // The day is that of the test.
            for note in &mut notes {
                if let Some((start, _)) = note.split_once("since ") {
                    *note = format!("{start}since ");
                }
            }
            if (notes.clone(), tasks.clone()) != expected(name, has_left) {
                wrong.push(format!("{name} has {notes:?} and {tasks:?}"));
            }
        }
        let first = self.rig.sandbox.followers();
        for follower in first
            .iter()
            .filter(|follower| !follower.id.starts_with("90"))
        {
            let (notes, tasks) = jotted(&self.rig, &follower.id);
            if !notes.is_empty() || !tasks.is_empty() {
                wrong.push(format!(
                    "{} of the first listing has {notes:?}",
                    follower.id
                ));
            }
        }
        wrong
    }

    /// Contacts that no record matches are byte for byte what they were.
    pub(crate) fn strangers_are_untouched(&self) {
        assert_eq!(strangers(&self.rig), self.strangers, "{:?}", self.scene);
    }

    /// Counts the steps whose outcome is not known.
    pub(crate) fn unsettled(&mut self) -> i64 {
        unsettled(&mut self.rig)
    }
}

/// Tries 0, 1, 2, … some at the same time, until one says that it was past the end; returns that one.
pub(crate) async fn every<T>(attempt: impl Fn(u32) -> T) -> u32
where
    T: Future<Output = bool> + 'static,
{
    const AT_ONCE: u32 = 8;
    let here = tokio::task::LocalSet::new();
    for first in (0..).step_by(AT_ONCE as usize) {
        let tries: Vec<_> = (first..first + AT_ONCE)
            .map(|number| (number, here.spawn_local(attempt(number))))
            .collect();
        let ends = here.run_until(async {
            let mut past = None;
            for (number, attempt) in tries {
                match attempt.await {
                    Ok(true) => past = past.or(Some(number)),
                    Ok(false) => {}
                    Err(panic) => panic!("number {number}: {panic}"),
                }
            }
            past
        });
        if let Some(past) = ends.await {
            return past;
        }
    }
    unreachable!("no run is endless")
}

/// Counts the steps whose outcome is not known.
pub(crate) fn unsettled(rig: &mut Rig) -> i64 {
    number(
        rig,
        "SELECT count(*) FROM step WHERE mark IN ('sent', 'unknown')",
    )
}

/// Asks the state for one number.
pub(crate) fn number(rig: &mut Rig, sql: &str) -> i64 {
    let reader = rig.store().reader().unwrap();
    reader.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Returns whether a contact has a tag.
pub(crate) fn has(contact: &Value, tag: &str) -> bool {
    contact["tags"]
        .as_array()
        .unwrap()
        .iter()
        .any(|known| known == tag)
}

/// Returns the contacts that picture no follower.
pub(crate) fn strangers(rig: &Rig) -> Vec<Value> {
    let mut contacts = rig.sandbox.contacts();
    contacts.retain(|contact| contact["fields"]["twitch_user_id"].is_null());
    contacts
}
