//! The demo's stage: a sandbox, a folder with the files that a user would write, and what people do in a day.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;

use crate::model::Clock;
use crate::sandbox::{
    BROADCASTER_LOGIN, Follower, HIGHLEVEL_TOKEN, LOCATION_ID, Sandbox, Settings, TWITCH_CLIENT_ID,
    TWITCH_TOKEN,
};

use super::args::Demo;
use super::error::CliError;

/// The job is the one that the repository ships.
const JOB: &str = include_str!("../../schedules/twitch-followers.toml");

/// How many contacts carry a follower's user id already.
const KNOWN: u64 = 25;

/// Waits that are longer than this are leapt over; shorter ones are the gate's, and the sandbox's limits run in real time.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

const MINUTE: Duration = Duration::from_secs(60);

/// Who follows on the second day: login and name.
const NEWCOMERS: &[(&str, &str)] = &[
    ("zoe_blossom", "Zoë 🌸"),
    ("li_xiaolong", "李小龙"),
    ("layla_plays", "ليلى"),
    ("captain_otter", "Captain 🦦 Otter"),
    ("umlaut_girl", "Ümläut_Görl"),
    ("space_cadet_77", "Space 👩‍🚀 Cadet"),
    ("tihaja_vydra", "Тихая_Выдра"),
    ("noodle_bot", "noodle_bot"),
    ("sora_no_oto", "空の音"),
    ("flag_bearer", "🇧🇷 Flag_Bearer"),
    ("quiet_mole", "Quiet_Mole"),
    ("kimchi_jjigae", "김치찌개"),
];

/// What happened on the second day, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) joined: usize,
    pub(super) left: usize,
    pub(super) renamed: usize,
    pub(super) edited: usize,
    pub(super) both: usize,
    pub(super) untagged: usize,
    pub(super) deleted: usize,
}

/// A sandbox and a folder; dropping it takes both away, the folder only when it was not to be kept.
pub(super) struct Stage {
    pub(super) sandbox: Sandbox,
    folder: PathBuf,
    is_kept: bool,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.is_kept {
            clear(&self.folder);
        }
    }
}

/// Takes a demo's folder away.
pub(super) fn clear(folder: &Path) {
    // A folder that cannot be removed is in the system's folder for what may be forgotten.
    let _ = fs::remove_dir_all(folder);
}

impl Stage {
    /// Starts the sandbox and writes the files.
    ///
    /// Errors: the folder is there and not empty, or cannot be written; the loopback port cannot be opened.
    pub(super) async fn open(args: &Demo) -> Result<Stage, CliError> {
        let known = KNOWN.min(args.contacts).min(args.followers / 4);
        let settings = Settings {
            seed: args.seed,
            start: Utc::now(),
            followers: args.followers,
            contacts: args.contacts - known,
            odd_names: true,
            keep_bodies: false,
            ..Settings::default()
        };
        let folder = match &args.keep {
            Some(folder) => folder.clone(),
            None => std::env::temp_dir().join(format!("ghl-sync-demo-{}", std::process::id())),
        };
        make(&folder, args.keep.is_some()).map_err(CliError::writing(&folder))?;
        let sandbox = Sandbox::start(settings)
            .await
            .map_err(|source| CliError::Io {
                what: "listen on the loopback address".to_owned(),
                source,
            })?;
        let stage = Stage {
            sandbox,
            folder,
            is_kept: args.keep.is_some(),
        };
        stage
            .write_files()
            .map_err(CliError::writing(&stage.folder))?;
        stage.know(known);
        Ok(stage)
    }

    /// Returns the folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns whether the folder stays.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Returns the main file.
    pub(super) fn config(&self) -> PathBuf {
        self.folder.join("ghl-sync.toml")
    }

    /// Returns the sandbox's time.
    pub(super) fn clock(&self) -> Clock {
        Clock::moved(self.sandbox.clock_offset(), Some(LONGEST_WAIT))
    }

    /// Lets a number of minutes pass.
    pub(super) fn minutes_pass(&self, minutes: u32) {
        self.sandbox.advance(MINUTE * minutes);
    }

    /// Lets a day pass in which people do what people do.
    pub(super) fn a_day_passes(&self) -> Day {
        let sandbox = &self.sandbox;
        let mut day = Day::default();
        let followers: Vec<Follower> = sandbox.followers();
        for (index, (login, name)) in NEWCOMERS.iter().enumerate() {
            // Accounts are older or younger than those of the start, so that a short report shows some of each.
            let first = if index % 4 == 0 {
                11_000_001
            } else {
                90_000_001
            };
            sandbox.follow(&(first + index).to_string(), login, name);
            self.minutes_pass(60);
            day.joined += 1;
        }
        // Some from all over the list, none twice; a short list has fewer of each.
        let step = (followers.len() / 13).max(1);
        let mut some = followers.iter().step_by(step);
        for follower in some.by_ref().take(1) {
            sandbox.rename(&follower.id, "brand_new_name", "Brand_New_Name ✨");
            day.renamed += 1;
        }
        for id in some
            .by_ref()
            .take(1)
            .filter_map(|follower| self.contact_of(follower))
        {
            sandbox.delete_contact(&id);
            day.deleted += 1;
        }
        for follower in some.by_ref().take(8) {
            sandbox.unfollow(&follower.id);
            day.left += 1;
        }
        for id in some
            .by_ref()
            .take(1)
            .filter_map(|follower| self.contact_of(follower))
        {
            sandbox.edit_contact(&id, "twitch_username", "ask her on discord");
            day.edited += 1;
        }
        for follower in some.by_ref().take(1) {
            if let Some(id) = self.contact_of(follower) {
                sandbox.edit_contact(&id, "twitch_username", "the_real_one");
                sandbox.rename(&follower.id, "second_thoughts", "Second_Thoughts");
                day.both += 1;
            }
        }
        for id in some
            .by_ref()
            .take(1)
            .filter_map(|follower| self.contact_of(follower))
        {
            sandbox.remove_tag(&id, "twitch follower");
            day.untagged += 1;
        }
        self.minutes_pass(24 * 60 - 60 * u32::try_from(NEWCOMERS.len()).unwrap_or(0));
        day
    }

    fn contact_of(&self, follower: &Follower) -> Option<String> {
        let found = self
            .sandbox
            .contacts_by_field("twitch_user_id", &follower.id);
        Some(found.first()?.get("id")?.as_str()?.to_owned())
    }

    /// Adds contacts that carry a follower's user id, as a person might have typed it.
    fn know(&self, known: u64) {
        self.sandbox
            .add_field("twitch_user_id", "Twitch User Id", "TEXT");
        let followers = self.sandbox.followers();
        let known = usize::try_from(known).unwrap_or(0);
        let step = followers.len() / known.max(1);
        for (index, follower) in followers
            .iter()
            .step_by(step.max(1))
            .take(known)
            .enumerate()
        {
            let email = format!("fan{index}@example.com");
            let fields = [("twitch_user_id", follower.id.as_str())];
            self.sandbox
                .add_contact("Fan", &format!("Number {index}"), &email, &["vip"], &fields);
        }
        // Long enough ago for search and list to show them.
        self.minutes_pass(30);
    }

    fn write_files(&self) -> std::io::Result<()> {
        let main = format!(
            "# The demo's accounts: a sandbox on this machine, which ends with the demo.\n\n\
             [accounts.main]\nservice  = \"highlevel\"\nlocation = \"{LOCATION_ID}\"\ntoken    = \"file:highlevel.token\"\nbase_url = \"{}\"\n\n\
             [accounts.my-channel]\nservice   = \"twitch\"\nclient_id = \"{TWITCH_CLIENT_ID}\"\ntoken     = \"file:twitch.token\"\n\
             channel   = \"{BROADCASTER_LOGIN}\"\nbase_url  = \"{}\"\nauth_url  = \"{}/oauth2\"\n",
            self.sandbox.highlevel_url(),
            self.sandbox.helix_url(),
            self.sandbox.id_url(),
        );
        write(&self.config(), &main)?;
        write(&self.folder.join("highlevel.token"), HIGHLEVEL_TOKEN)?;
        write(&self.folder.join("twitch.token"), TWITCH_TOKEN)?;
        let schedules = self.folder.join("schedules");
        make(&schedules, true)?;
        write(&schedules.join("twitch-followers.toml"), JOB)
    }
}

/// Makes a folder for this user alone; one that is there is taken when it `may_exist` and is empty.
fn make(folder: &Path, may_exist: bool) -> std::io::Result<()> {
    let made = DirBuilder::new()
        .mode(0o700)
        .recursive(false)
        .create(folder);
    match made {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && may_exist => {
            match fs::read_dir(folder)?.next() {
                None => Ok(()),
                Some(_) => Err(std::io::Error::new(
                    error.kind(),
                    "it is there and not empty",
                )),
            }
        }
        made => made,
    }
}

/// Writes a new file for this user alone.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}
