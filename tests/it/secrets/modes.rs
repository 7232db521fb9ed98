//! Who can open the files that hold tokens.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ghl_sync::sandbox::{Fault, FaultKind};

use super::{assert_lacks, secrets};
use crate::logged::{KEYED, Way, log_in, logged_with, write_config};
use crate::program::{Running, command, now, program};
use crate::rig::Rig;

/// Returns a command that runs with this umask.
fn with_umask(rig: &Rig, umask: &str, args: &[&str]) -> Command {
    let program = command(rig, args);
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("umask {umask}; exec \"$0\" \"$@\""))
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(&rig.folder)
        .stdin(Stdio::null());
    shell
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn what_holds_tokens_is_its_owners_alone_whatever_the_umask() {
    for umask in ["0", "022", "077"] {
        let rig = Rig::new(now(30, 3)).await;
        write_config(&rig, Way::Location, "");
        let slow = FaultKind::Slow(Duration::from_millis(200));
        rig.sandbox
            .fault(Fault::new(slow).on("GET /channels/followers"));
        // Nobody is logged in yet, and the state is made all the same.
        Running::of(&rig, with_umask(&rig, umask, &["plan"]))
            .end()
            .await
            .exits(4);
        log_in(&rig, Way::Location).await;
        rig.sandbox.expire_access_tokens();
        let mut running = Running::of(
            &rig,
            with_umask(&rig, umask, &["apply", "--allow", "first"]),
        );
        running
            .until(|_| rig.sandbox.count("GET /channels/followers") > 0)
            .await;
        let look = || {
            assert_eq!(mode(&rig.state()), 0o700, "umask {umask}");
            let mut names = Vec::new();
            for entry in fs::read_dir(rig.state()).unwrap() {
                let path = entry.unwrap().path();
                assert_eq!(mode(&path), 0o600, "umask {umask}: {}", path.display());
                names.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
            names
        };
        let names = look();
        for name in [
            "ghl-sync.db",
            "ghl-sync.db-wal",
            "ghl-sync.db-shm",
            "token-main.lock",
            "job-followers.lock",
        ] {
            assert!(names.iter().any(|seen| seen == name), "{name}: {names:?}");
        }
        running.end().await.exits(0);
        look();
        // One that a careless copy opened is closed, and said.
        set_mode(&rig.state().join("ghl-sync.db"), 0o644);
        let ended = program(&rig, &["plan"]).await.exits(0);
        look();
        assert!(ended.err.contains("open to other users"), "{ended}");
    }
}

#[tokio::test]
async fn a_secret_file_that_others_can_read_is_refused_with_the_line_that_closes_it() {
    let cases = [
        (Way::Location, "highlevel.secret"),
        (Way::Location, "twitch.token"),
        (Way::TwitchConfidential, "twitch.secret"),
        (Way::TwitchPublic, "highlevel.token"),
        (Way::Agency, "highlevel.secret"),
        (Way::Agency, "key"),
    ];
    for (way, name) in cases {
        let rig = logged_with(way, now(2, 1), KEYED).await;
        let path = rig.folder.join(name);
        set_mode(&path, 0o604);
        let mends = format!("chmod 600 {}", path.display());
        let ended = program(&rig, &["plan"]).await.exits(4);
        assert!(ended.err.contains(&mends), "{ended}");
        assert_lacks(ended.err.as_bytes(), &secrets(&rig), "the message");
        assert_eq!(rig.sandbox.calls().len(), 0, "{way:?}, {name}");
        set_mode(&path, 0o600);
        program(&rig, &["plan"]).await.exits(0);
    }
}
