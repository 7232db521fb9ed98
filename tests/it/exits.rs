//! Every exit code of the manual, reached by a command, and which one speaks for two jobs.

use std::fs::{self, File};

use ghl_sync::sandbox::{Fault, FaultKind, LOCATION_ID, TWITCH_CLIENT_ID};

use crate::program::{now, program, together};
use crate::rig::{JOB, Rig};

#[tokio::test]
async fn a_new_job_waits_for_a_person_and_its_approved_plan_is_done() {
    let rig = Rig::new(now(3, 2)).await;
    program(&rig, &["check"]).await.exits(0);
    let planned = program(&rig, &["plan"]).await.exits(0);
    program(&rig, &["plan", "--exit-code"]).await.exits(7);
    // Held: the report names the one command that lets it go.
    program(&rig, &["apply"])
        .await
        .exits(7)
        .says(&["ghl-sync apply followers --approve "]);
    assert_eq!(rig.sandbox.writes().len(), 0);
    let command = planned
        .out
        .lines()
        .find_map(|line| line.trim().strip_prefix("ghl-sync "))
        .unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    program(&rig, &words).await.exits(0);
    assert_eq!(rig.sandbox.contact_count(), 5);
    program(&rig, &["apply"]).await.exits(0);
    program(&rig, &["plan", "--exit-code"]).await.exits(0);
    // The digest serves once.
    program(&rig, &words)
        .await
        .exits(4)
        .complains(&["carried out already", "run `ghl-sync plan followers`"]);
    rig.sandbox.follow("777", "newcomer", "Newcomer");
    program(&rig, &["plan", "--exit-code"]).await.exits(2);
    program(&rig, &["plan"]).await.exits(0);
    program(&rig, &["status"]).await.exits(0);
}

#[tokio::test]
async fn a_day_that_is_spent_is_out_of_touch_and_says_when_it_goes_on() {
    let mut settings = now(40, 2);
    settings.daily = 30;
    let rig = Rig::new(settings).await;
    let text = fs::read_to_string(rig.config_path()).unwrap();
    fs::write(
        rig.config_path(),
        text.replace("reserve = 0", "reserve = 5"),
    )
    .unwrap();
    let ended = program(&rig, &["apply", "--allow", "first"])
        .await
        .exits(6)
        .says(&[
            "the day's calls are spent",
            "calls to HighLevel are possible again from 20",
        ]);
    // The reads came before; what the run itself wrote did not.
    let (before, _) = ended.out.split_once(" of the day's 30 were used").unwrap();
    let used: u32 = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((3..=8).contains(&used), "{ended}");
    let made = rig.sandbox.contact_count() - 2;
    assert!((1..40).contains(&made), "{made} were made\n{ended}");
    program(&rig, &["apply"])
        .await
        .exits(6)
        .complains(&["the budget of calls is spent until 20", "nothing is lost"]);
    program(&rig, &["show", "2"])
        .await
        .exits(0)
        .says(&["the day's calls were spent"]);
    assert_eq!(rig.sandbox.too_many(), 0);
}

#[tokio::test]
async fn a_wrong_command_line_says_what_is_there() {
    let rig = Rig::new(now(1, 1)).await;
    for (args, said) in [
        (&["apply", "folowers"][..], "did you mean `followers`?"),
        (&["aply"], "apply"),
        (&["apply", "--allow", "everything"], "create"),
        (
            &["apply", "followers", "--approve", "abcdef123456"],
            "run `ghl-sync plan followers` and approve the digest it prints",
        ),
        (&["link", "followers", "1"], "<CONTACT>"),
        (&["retry", "nobody", "1"], "there is no job `nobody`"),
    ] {
        program(&rig, args).await.exits(4).complains(&[said]);
    }
    assert_eq!(rig.sandbox.writes().len(), 0);
}

/// What one of two jobs comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    Busy,
    BadConfig,
    OutOfTouch,
    Failed,
    Waits,
    Held,
    Refused,
    Done,
}

impl Comes {
    const BY_PRECEDENCE: [Comes; 8] = [
        Comes::Busy,
        Comes::BadConfig,
        Comes::OutOfTouch,
        Comes::Failed,
        Comes::Waits,
        Comes::Held,
        Comes::Refused,
        Comes::Done,
    ];

    fn code(self) -> i32 {
        match self {
            Comes::Busy => 8,
            Comes::BadConfig => 4,
            Comes::OutOfTouch => 6,
            Comes::Failed => 1,
            Comes::Waits => 7,
            Comes::Held => 3,
            Comes::Refused => 5,
            Comes::Done => 0,
        }
    }

    /// The job's text: some create, the others only watch.
    fn job(self, name: &str) -> String {
        let job = JOB
            .replace("name = \"followers\"", &format!("name = \"{name}\""))
            .replace("\"channel\"", &format!("\"{name}\""));
        match self {
            Comes::Held => format!("{job}[limits]\ncreate = 1\n"),
            Comes::Waits => job,
            Comes::Refused => skipping(&job),
            Comes::Busy | Comes::BadConfig | Comes::OutOfTouch | Comes::Failed | Comes::Done => {
                // Nothing that it wants is lacking anywhere.
                let quiet: Vec<_> = skipping(&job)
                    .lines()
                    .filter(|line| !line.starts_with("twitch_username"))
                    .map(str::to_owned)
                    .collect();
                quiet.join("\n")
            }
        }
    }

    /// Brings about what it comes to, once the jobs were approved.
    fn bring(self, rig: &Rig, name: &str) -> Option<File> {
        let lock = rig.state().join(format!("job-{name}.lock"));
        match self {
            Comes::Busy => {
                fs::write(&lock, "ghl-sync apply, process 1\n").unwrap();
                let file = File::open(&lock).unwrap();
                file.lock().unwrap();
                return Some(file);
            }
            Comes::BadConfig => fs::remove_file(rig.folder.join(format!("{name}.token"))).unwrap(),
            Comes::OutOfTouch => {
                // Nobody listens there.
                let old = format!("{}\" # {name}", rig.sandbox.helix_url());
                let text = fs::read_to_string(rig.config_path()).unwrap();
                assert!(text.contains(&old));
                let text = text.replace(&old, "http://127.0.0.1:9/helix\"");
                fs::write(rig.config_path(), text).unwrap();
            }
            Comes::Failed => {
                let _ = fs::remove_file(&lock);
                fs::create_dir(lock).unwrap();
            }
            Comes::Waits | Comes::Held | Comes::Refused | Comes::Done => {}
        }
        None
    }
}

fn skipping(job: &str) -> String {
    let mut text = job.replace("missing = \"create\"", "missing = \"skip\"");
    text.truncate(text.find("[on.join]").unwrap());
    text
}

/// Runs the jobs `a` and `b`, which come to these, with one command.
async fn two(a: Comes, b: Comes) {
    let mut rig = Rig::new(now(0, 3)).await;
    fs::remove_file(rig.folder.join("schedules/followers.toml")).unwrap();
    let mut main = format!(
        "[accounts.main]\nservice = \"highlevel\"\nlocation = \"{LOCATION_ID}\"\ntoken = \"file:highlevel.token\"\nbase_url = \"{}\"\n",
        rig.sandbox.highlevel_url()
    );
    for (name, comes) in [("a", a), ("b", b)] {
        let job = rig.folder.join(format!("schedules/{name}.toml"));
        fs::write(job, comes.job(name)).unwrap();
        let token = rig.folder.join(format!("{name}.token"));
        fs::copy(rig.folder.join("twitch.token"), token).unwrap();
        main.push_str(&format!(
            "[accounts.{name}]\nservice = \"twitch\"\nclient_id = \"{TWITCH_CLIENT_ID}\"\ntoken = \"file:{name}.token\"\nauth_url = \"{}/oauth2\"\nbase_url = \"{}\" # {name}\n",
            rig.sandbox.id_url(),
            rig.sandbox.helix_url(),
        ));
    }
    fs::write(rig.config_path(), main).unwrap();
    for (name, comes) in [("a", a), ("b", b)] {
        if comes != Comes::Waits {
            let args = ["apply", name, "--allow", "first"];
            program(&rig, &args).await.exits(0);
        }
    }
    for id in ["1", "2", "3"] {
        rig.sandbox.follow(id, &format!("login_{id}"), "Somebody");
    }
    // One follower has a contact whose username is another one: a conflict for whoever keeps that field.
    let fields = [("twitch_user_id", "1"), ("twitch_username", "another")];
    rig.sandbox.add_contact("Somebody", "", "", &[], &fields);
    rig.sandbox.settle();
    let held: Vec<_> = [a.bring(&rig, "a"), b.bring(&rig, "b")].into();
    let ended = program(&rig, &["apply"]).await;
    assert_eq!(ended.code, Some(a.code()), "{a:?} and {b:?}: {ended}");
    drop(held);
    rig.close();
}

#[tokio::test]
async fn the_gravest_of_two_jobs_speaks_for_both_in_either_order() {
    let mut pairs = Vec::new();
    let all = Comes::BY_PRECEDENCE;
    for pair in all.windows(2) {
        pairs.push(two(pair[0], pair[1]));
    }
    together(pairs).await;
}

#[tokio::test]
async fn a_refused_row_is_told_once_with_exit_5() {
    let rig = Rig::new(now(3, 2)).await;
    program(&rig, &["apply", "--allow", "first"]).await.exits(0);
    let follower = rig.sandbox.followers().remove(0);
    rig.sandbox.rename(&follower.id, "renamed", &follower.name);
    let fault = Fault::new(FaultKind::Unprocessable422);
    rig.sandbox.fault(fault.on("PUT /contacts/{id}"));
    let args = ["apply", "--full"];
    program(&rig, &args).await.exits(5).says(&[
        &follower.id,
        "refused: the sandbox was told to refuse this",
        &format!("ghl-sync retry followers {}", follower.id),
    ]);
    program(&rig, &args).await.exits(0);
    program(&rig, &["retry", "followers", &follower.id])
        .await
        .exits(0);
    program(&rig, &args).await.exits(0);
    let contact = &rig
        .sandbox
        .contacts_by_field("twitch_user_id", &follower.id)[0];
    assert_eq!(contact["fields"]["twitch_username"], "renamed");
}
