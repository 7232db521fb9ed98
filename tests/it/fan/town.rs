//! The channel, the location, the six jobs under the daemon, and the clock.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ghl_sync::cli::Worlds;
use ghl_sync::config;
use ghl_sync::model::{Clock, GuardKind, JobName, RecordKey};
use ghl_sync::net::Reach;
use ghl_sync::report::{Outcome, Report};
use ghl_sync::run::{Ask, RunError, Settling, Stop, Watch, World, settle};
use ghl_sync::sandbox::{
    BROADCASTER_ID, ChannelHandle, Crew, Fault, FaultKind, HIGHLEVEL_TOKEN, LOCATION_ID, Sandbox,
    Settings, TWITCH_CLIENT_ID, TWITCH_TOKEN,
};

use super::jobs::{self, JOBS};
use super::script::{
    CHEERERS, CONTACTS, DAYS, Does, FOLLOWERS, MODERATORS, START, SUBSCRIBERS, TWINS, VIPS, WEEK,
    Who, at,
};
use super::witness::Witness;
use crate::rig::{Told, ask_all, run_in};
use crate::served::Served;

/// So often the daemon's clock moves while no stream is near.
const QUIET: i64 = 60;
/// So often while a stream goes on and nothing happens. Twitch says when people followed, and not when a stream ended: who follows more than ten
/// minutes after the last look is not known to follow from the stream.
const LIVE: i64 = 8;
/// So often while something happens on a stream, which is how often the job over streams is due.
const NEAR: i64 = 2;
/// Something happens from so many minutes before a change of a stream until so many after it; what is told of an end waits for ten minutes.
const BEFORE: i64 = 5;
const AFTER: i64 = 7;
const AFTER_END: i64 = 16;

/// What passes by itself. Not among them are refusals, after which a person has to look, and the silence of a poll of streams that lists
/// nothing although one is live: two of them in a row are the end of a stream.
const FAULTS: [FaultKind; 15] = [
    FaultKind::TooMany { retry_after: None },
    FaultKind::TooMany {
        retry_after: Some(3),
    },
    FaultKind::Status500,
    FaultKind::Status500After,
    FaultKind::Status503,
    FaultKind::Html502,
    FaultKind::Html502After,
    FaultKind::ResetBefore,
    FaultKind::ResetAfter,
    FaultKind::Truncated,
    FaultKind::BrokenBody,
    FaultKind::NotJson,
    FaultKind::RepeatedCursor,
    FaultKind::MissingCursor,
    FaultKind::DoubledRow,
];

/// Numbers that look like chance and are the same each time (splitmix64).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// Returns a number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

static TOWNS: AtomicU64 = AtomicU64::new(0);

/// Everything that a week needs.
pub(super) struct Town {
    pub(super) sandbox: Sandbox,
    pub(super) witness: Witness,
    pub(super) served: Served,
    folder: PathBuf,
    clock: Clock,
    /// The ids of the followers of the start, newest first.
    old: Vec<String>,
    ticks: BTreeSet<DateTime<Utc>>,
    /// Happenings that are still to come.
    next: usize,
}

impl Drop for Town {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Town {
    /// Sets everything up; a person let every job go for the first time.
    pub(super) async fn new(patience: TimeDelta, missed: i64) -> Town {
        let crew = Crew {
            subscribers: SUBSCRIBERS,
            vips: VIPS,
            moderators: MODERATORS,
            cheerers: CHEERERS,
        };
        Town::with(FOLLOWERS, &crew, patience, missed).await
    }

    /// Sets up a channel of another size.
    pub(super) async fn with(
        followers: u64,
        crew: &Crew,
        patience: TimeDelta,
        missed: i64,
    ) -> Town {
        let sandbox = Sandbox::start(Settings {
            start: DateTime::parse_from_rfc3339(START).unwrap().to_utc(),
            followers,
            crew: crew.clone(),
            contacts: CONTACTS,
            twins: TWINS,
            // The vendors' own rates, and waits that are leaps.
            speed: 1.0,
            limits_in_virtual_time: true,
            keep_bodies: false,
            ..Settings::default()
        });
        let sandbox = sandbox.await.unwrap();
        let memory = PathBuf::from("/dev/shm");
        let base = Some(memory).filter(|memory| memory.is_dir());
        let base = base.unwrap_or_else(std::env::temp_dir);
        let number = TOWNS.fetch_add(1, Ordering::SeqCst);
        let folder = base.join(format!("ghl-sync-fan-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        write_files(&folder, &sandbox);
        let offset = sandbox.clock_offset();
        let leaps = Some(Duration::from_millis(20));
        let clock = Clock::starting_at(sandbox.now(), offset, leaps);
        let (witness, old) = first_sight(&sandbox, crew, patience, missed);
        approve(&folder, &clock).await;
        let served = Served::start(&folder.join("ghl-sync.toml"), &clock).await;
        Town {
            sandbox,
            witness,
            served,
            folder,
            clock,
            old,
            ticks: ticks(),
            next: 0,
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Returns the channel.
    pub(super) fn channel(&self) -> ChannelHandle<'_> {
        self.sandbox.channel(BROADCASTER_ID)
    }

    /// Lets the clock show a moment, unless it is past.
    pub(super) fn wait_until(&self, moment: DateTime<Utc>) {
        if let Ok(wait) = (moment - self.now()).to_std() {
            // The clock moves by whole milliseconds, and the moment is to be reached.
            self.sandbox.advance(wait + Duration::from_millis(1));
        }
    }

    /// Lets the clock move on.
    pub(super) fn wait_for(&self, time: TimeDelta) {
        self.sandbox.advance(time.to_std().unwrap());
    }

    /// Lets everything happen up to the next moment at which the daemon looks; `None` once the week is over.
    pub(super) async fn next_moment(&mut self) -> Option<DateTime<Utc>> {
        let moment = self.ticks.pop_first()?;
        while let Some((day, time, what)) = WEEK.get(self.next) {
            let due = at(*day, time);
            if due > moment {
                break;
            }
            self.wait_until(due);
            self.next += 1;
            self.happens(what.clone()).await;
        }
        self.wait_until(moment);
        self.witness.looks(moment);
        self.answers().await;
        Some(moment)
    }

    /// Lets the daemon do what is due until the clock has moved on by so much.
    pub(super) async fn pass(&mut self, time: TimeDelta) {
        let until = self.now() + time;
        while self.now() < until {
            let minute = self.now().timestamp() / (60 * QUIET) + 1;
            let moment = DateTime::from_timestamp(minute * 60 * QUIET, 0).unwrap();
            self.wait_until(moment);
            self.answers().await;
            self.served.settle().await;
        }
    }

    /// Tries again what only a person may: a create that was sent twice, whose answers were lost both times, and that is not there.
    async fn answers(&mut self) {
        let asks: Vec<(String, String)> = {
            let db = self.served.store().reader().unwrap();
            let sql = "SELECT j.name, s.key FROM step s JOIN plan p ON p.no = s.plan_no JOIN job j ON j.no = p.job_no
                       WHERE s.mark = 'asks' AND s.kind = 'create'";
            let mut statement = db.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
            rows.unwrap().map(Result::unwrap).collect()
        };
        for (job, key) in asks {
            self.witness.is_tried_again(&key);
            let world = self.world(&job).await;
            let keys = vec![RecordKey::try_from(key.as_str()).unwrap()];
            let retry = Settling::Retry { keys };
            let said = settle(&world.store, &world.job, &world.clock, "a person", retry).await;
            let expected = "is tried again in the next run; what was sent for it before counts as never carried out";
            assert_eq!(said.unwrap(), format!("record {key} of {job} {expected}"));
        }
    }

    fn ids(&self, who: Who) -> Vec<String> {
        match who {
            Who::Old(range) => range
                .map(|place| self.old[usize::try_from(place).unwrap()].clone())
                .collect(),
            Who::New(range) => range.map(new_id).collect(),
        }
    }

    /// Lets accounts exist that do not yet.
    fn meet(&mut self, ids: &[String]) {
        for id in ids {
            if self.witness.people.contains_key(id) {
                continue;
            }
            let number = id.trim_start_matches('9').trim_start_matches('0');
            let (login, name) = (format!("new_{number}"), format!("New_{number}"));
            self.sandbox.add_user(id, &login, &name);
            self.witness.meets(id, &login, &name);
        }
    }

    /// Lets something happen, before the eyes of the witness.
    async fn happens(&mut self, what: Does) {
        let now = self.now();
        match what {
            Does::Follow(who) => {
                let ids = self.ids(who);
                self.meet(&ids);
                for id in ids {
                    self.channel().follow(&id);
                    self.witness.follows(&id, now, false);
                }
            }
            Does::Unfollow(who) => {
                let mut ids = self.ids(who);
                // Twitch may have taken some of them away before.
                let followers = self.channel().followers();
                ids.retain(|id| followers.contains(id));
                for id in ids {
                    self.channel().unfollow(&id);
                    self.witness.unfollows(&id);
                }
            }
            Does::Subscribe(who, tier) => {
                let ids = self.ids(who);
                self.meet(&ids);
                for id in ids {
                    self.channel().subscribe(&id, &format!("{tier}000"));
                    self.witness.subscribes(&id, tier, None, now, false);
                }
            }
            Does::Gift(giver, who) => {
                let ids = self.ids(who);
                self.meet(&ids);
                let giver = giver.map(|giver| self.ids(Who::Old(giver..giver + 1)).remove(0));
                let texts: Vec<&str> = ids.iter().map(String::as_str).collect();
                self.channel().gift(giver.as_deref(), &texts);
                for id in ids {
                    let gift = Some(giver.as_deref());
                    self.witness.subscribes(&id, 1, gift, now, false);
                }
            }
            Does::Tier(who, tier) => {
                for id in self.ids(who) {
                    self.channel().change_tier(&id, &format!("{tier}000"));
                    self.witness.changes_tier(&id, tier);
                }
            }
            Does::Unsubscribe(who) => {
                for id in self.ids(who) {
                    self.channel().unsubscribe(&id);
                    self.witness.unsubscribes(&id);
                }
            }
            Does::Vip(who) => {
                for id in self.ids(who) {
                    self.channel().add_vip(&id);
                    self.witness.is_vip(&id, now, false);
                }
            }
            Does::NoVip(who) => {
                for id in self.ids(who) {
                    self.channel().remove_vip(&id);
                    self.witness.is_no_vip(&id);
                }
            }
            Does::Moderator(who) => {
                for id in self.ids(who) {
                    self.channel().add_moderator(&id);
                    self.witness.moderates(&id, now, false);
                }
            }
            Does::NoModerator(who) => {
                for id in self.ids(who) {
                    self.channel().remove_moderator(&id);
                    self.witness.moderates_no_more(&id);
                }
            }
            Does::Cheer(who, bits) => {
                for id in self.ids(who) {
                    self.channel().cheer(&id, bits);
                    self.witness.cheers(&id, bits, false);
                }
            }
            Does::Rename(who) => {
                for id in self.ids(who) {
                    let (login, name) = (format!("other_{id}"), format!("Other_{id}"));
                    self.sandbox.rename(&id, &login, &name);
                    self.witness.is_renamed(&id, &login, &name);
                }
            }
            Does::Recycle(old, new) => {
                let (old, new) = (self.ids(Who::Old(old..old + 1)).remove(0), new_id(new));
                let login = self.witness.people[&old].login.clone();
                self.sandbox.recycle_login(&new, &login, "Heir");
                self.witness.is_gone(&old);
                self.witness.meets(&new, &login, "Heir");
                self.channel().follow(&new);
                self.witness.follows(&new, now, false);
            }
            Does::Suspend(who) => {
                for id in self.ids(who) {
                    self.sandbox.suspend(&id);
                    self.witness.is_gone(&id);
                }
            }
            Does::Reinstate(who) => {
                for id in self.ids(who) {
                    self.sandbox.reinstate(&id);
                    assert!(self.channel().followers().contains(&id));
                    self.witness.is_back(&id);
                }
            }
            Does::Purge(percent) => {
                let before = self.channel().followers();
                self.channel().purge_share(percent, false);
                let after: BTreeSet<String> = self.channel().followers().into_iter().collect();
                for id in before.iter().filter(|id| !after.contains(*id)) {
                    self.witness.unfollows(id);
                }
            }
            Does::Live(title, game) => {
                self.channel().go_live(title, game);
                self.witness.goes_live(title, game, now);
            }
            Does::Viewers(count) => {
                self.channel().viewers(count);
                self.witness.is_watched_by(count);
            }
            Does::Game(game) => {
                let title = self.witness.title();
                self.channel().retitle(&title, game);
                self.witness.plays(game);
            }
            Does::End => {
                self.channel().end_stream();
                self.witness.ends(now);
            }
            Does::Types(old, name) => {
                let (id, contact) = self.contact(old);
                self.sandbox.edit_contact(&contact, "firstName", name);
                self.witness.types(&id, name);
            }
            Does::TakesOff(old, tag) => {
                let (id, contact) = self.contact(old);
                self.sandbox.remove_tag(&contact, tag);
                self.witness.takes_off(&id, tag);
            }
            Does::Deletes(old) => {
                let (id, contact) = self.contact(old);
                self.sandbox.delete_contact(&contact);
                self.witness.deletes(&id);
            }
            Does::Allow => self.allow().await,
        }
    }

    /// Returns the user id of a follower of the start and the id of its contact.
    fn contact(&self, old: u64) -> (String, String) {
        let id = self.ids(Who::Old(old..old + 1)).remove(0);
        let contacts = self.sandbox.contacts_by_field("twitch_user_id", &id);
        let [only] = contacts.as_slice() else {
            panic!("{id} has {} contacts", contacts.len())
        };
        (id, only["id"].as_str().unwrap().to_owned())
    }

    /// Looks at the purge that the guard holds, and lets it go with the command that the report names.
    async fn allow(&mut self) {
        for contact in self.sandbox.contacts() {
            let tags = contact["tags"].as_array().unwrap();
            let has = |tag: &str| tags.iter().any(|known| known == tag);
            // Six left on Friday, and nobody who left since then was told.
            assert!(
                !has("twitch unfollowed") || self.left_before(&contact),
                "{contact}"
            );
        }
        let told = self
            .run(
                "twitch-followers",
                Ask {
                    apply: true,
                    ..Ask::default()
                },
            )
            .await;
        let held = told.report.guards.iter().find(|finding| finding.held);
        let held = held.unwrap_or_else(|| panic!("nothing is held: {:?}", told.report));
        assert_eq!(
            held.guard,
            GuardKind::Leave,
            "{:?} {:?}",
            told.report.guards,
            told.rows.iter().take(5).collect::<Vec<_>>()
        );
        assert!(held.count > held.limit && held.limit == 50, "{held:?}");
        assert_eq!(
            held.command, "ghl-sync apply twitch-followers --allow leave",
            "the one command that lets it go"
        );
        // A listing that was cut short proves no leave, and its report says so; then a person tries again.
        let mut tries = Vec::new();
        while tries.len() < 5 {
            let told = self
                .run(
                    "twitch-followers",
                    Ask {
                        apply: true,
                        allow: [GuardKind::Leave].into(),
                        ..Ask::default()
                    },
                )
                .await;
            assert!(
                !told.report.guards.iter().any(|finding| finding.held),
                "{:?}",
                told.report.guards
            );
            let left = told.rows.iter().filter(|row| row.reason == "left").count();
            if u64::try_from(left).unwrap() >= held.count {
                return;
            }
            let Report {
                source,
                outcome,
                remarks,
                ..
            } = told.report;
            assert!(
                source.ended != "complete" || outcome != Outcome::Finished,
                "{left} left, and it says nothing of it: {source:?} {remarks:?}"
            );
            tries.push((left, source, outcome, remarks));
        }
        panic!("the purge does not go through: {tries:#?}");
    }

    fn left_before(&self, contact: &serde_json::Value) -> bool {
        let gone = self.ids(Who::Old(60..66));
        gone.iter()
            .any(|id| contact["fields"]["twitch_user_id"] == id.as_str())
    }

    /// Runs a job as a person does: when a vendor is out of touch, they try again a minute later.
    pub(super) async fn run(&self, job: &str, ask: Ask) -> Told {
        let mut tries = 1;
        loop {
            match run_in(&self.world(job).await, &ask).await {
                Ok(told) => return told,
                Err(RunError::OutOfTouch { .. }) if tries < 5 => tries += 1,
                Err(error) => panic!("{job}: {error}"),
            }
            self.wait_for(TimeDelta::minutes(1));
        }
    }

    async fn world(&self, job: &str) -> World {
        let config = config::load(&self.folder.join("ghl-sync.toml")).unwrap();
        let worlds = Worlds::open(config, self.clock.clone()).await.unwrap();
        let name = JobName::try_from(job.to_owned()).unwrap();
        let world = worlds.world(&name, Reach::Everything, Stop::default(), Watch::nobody());
        world.unwrap()
    }

    /// Lets every tenth call of the week fail, in any of the ways that pass by themselves, before the vendor acted or after.
    pub(super) fn every_tenth_call_fails(&self, seed: u64) {
        let mut chance = Chance(seed);
        for ten in 0..1_500 {
            let kind = FAULTS[usize::try_from(chance.below(FAULTS.len() as u64)).unwrap()].clone();
            let fault = Fault::new(kind).skip(10 * ten + chance.below(10));
            self.sandbox.fault(fault);
        }
    }

    /// Returns what the state says of creates that are not through and of findings that stand, for whoever looks into a failure.
    pub(super) fn open_ends(&mut self) -> Vec<String> {
        let db = self.served.store().reader().unwrap();
        let sql = "SELECT 'create ' || key || ' ' || mark || ' tries ' || tries || ' looks ' || looks || ': ' || coalesce(why, '')
                     FROM step s WHERE kind = 'create' AND mark != 'done' AND plan_no = (SELECT max(plan_no) FROM step n WHERE n.key = s.key)
                   UNION ALL SELECT 'finding ' || job_no || ' ' || key || ' ' || kind || ': ' || what FROM finding
                   UNION ALL SELECT 'link ' || key || ' ' || state FROM link WHERE state != 'linked'";
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Returns how many steps are not known to have come through.
    pub(super) fn unsettled(&mut self) -> i64 {
        let db = self.served.store().reader().unwrap();
        let sql = "SELECT count(*) FROM step WHERE mark IN ('sent', 'unknown', 'asks')";
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

fn new_id(number: u64) -> String {
    (900_000_000 + number).to_string()
}

/// Returns the moments at which the daemon looks.
fn ticks() -> BTreeSet<DateTime<Utc>> {
    let start = DateTime::parse_from_rfc3339(START).unwrap().to_utc();
    let end = start + TimeDelta::days(DAYS);
    let mut ticks = BTreeSet::new();
    let mut add = |from: DateTime<Utc>, until: DateTime<Utc>, every: i64| {
        let step = 60 * every;
        let first = (from.timestamp() + step - 1) / step * step;
        let all = (first..=until.timestamp()).step_by(usize::try_from(step).unwrap());
        ticks.extend(all.map(|second| DateTime::from_timestamp(second, 0).unwrap()));
    };
    add(start, end, QUIET);
    let mut began = start;
    for (day, time, what) in WEEK {
        let moment = at(*day, time);
        let after = match what {
            Does::Live(..) => {
                began = moment;
                AFTER
            }
            Does::Viewers(_) | Does::Game(_) => AFTER,
            Does::End => {
                add(began, moment, LIVE);
                AFTER_END
            }
            _ => continue,
        };
        let (before, after) = (TimeDelta::minutes(BEFORE), TimeDelta::minutes(after));
        add(moment - before, moment + after, NEAR);
    }
    ticks
}

/// Tells a witness who is there at the start.
fn first_sight(
    sandbox: &Sandbox,
    crew: &Crew,
    patience: TimeDelta,
    missed: i64,
) -> (Witness, Vec<String>) {
    let mut witness = Witness::new(sandbox, patience, missed);
    let followers = sandbox.followers();
    let old: Vec<String> = followers.iter().map(|row| row.id.clone()).collect();
    for follower in followers {
        witness.meets(&follower.id, &follower.login, &follower.name);
        witness.follows(&follower.id, follower.followed_at.unwrap(), true);
    }
    let twins = sandbox.contacts();
    for twin in &twins {
        if let Some(id) = twin["fields"]["twitch_user_id"].as_str() {
            let tags = twin["tags"].as_array().unwrap().iter();
            let tags: Vec<&str> = tags.map(|tag| tag.as_str().unwrap()).collect();
            witness.was_there(id, &tags);
        }
    }
    let now = sandbox.now();
    for (place, id) in (0..).zip(&old) {
        if place < crew.subscribers {
            // As the sandbox begins: every tenth at the second tier, every tenth at the third, every fourth a gift.
            let tier = match place % 10 {
                1 => 2,
                5 => 3,
                _ => 1,
            };
            let gift = (place % 4 == 3).then_some(Some(old[0].as_str()));
            witness.subscribes(id, tier, gift, now, true);
        }
        if place < crew.vips {
            witness.is_vip(id, now, true);
        }
        if place < crew.moderators {
            witness.moderates(id, now, true);
        }
        if place < crew.cheerers {
            witness.cheers(id, 100 * (place + 1), true);
        }
    }
    (witness, old)
}

fn write_files(folder: &std::path::Path, sandbox: &Sandbox) {
    fs::create_dir_all(folder.join("schedules")).unwrap();
    for (name, token) in [
        ("highlevel.token", HIGHLEVEL_TOKEN),
        ("twitch.token", TWITCH_TOKEN),
    ] {
        let path = folder.join(name);
        fs::write(&path, token).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let main = format!(
        "[accounts.main]\nservice = \"highlevel\"\nlocation = \"{LOCATION_ID}\"\ntoken = \"file:highlevel.token\"\nbase_url = \"{}\"\nreserve = 0\n\
         [accounts.my-channel]\nservice = \"twitch\"\nclient_id = \"{TWITCH_CLIENT_ID}\"\ntoken = \"file:twitch.token\"\nbase_url = \"{}\"\nauth_url = \"{}/oauth2\"\n",
        sandbox.highlevel_url(),
        sandbox.helix_url(),
        sandbox.id_url(),
    );
    fs::write(folder.join("ghl-sync.toml"), main).unwrap();
    jobs::write(folder);
}

/// Lets a person carry every first sync out.
async fn approve(folder: &std::path::Path, clock: &Clock) {
    let config = config::load(&folder.join("ghl-sync.toml"));
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    let worlds = Worlds::open(config, clock.clone()).await.unwrap();
    for (name, _) in JOBS {
        let name = JobName::try_from(name.to_owned()).unwrap();
        let world = worlds.world(&name, Reach::Everything, Stop::default(), Watch::nobody());
        run_in(&world.unwrap(), &ask_all()).await.unwrap();
    }
}
