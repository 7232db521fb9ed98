//! A renewed pair that the state would not take is in a file beside it until the next run.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use ghl_sync::net::Keeper;
use ghl_sync::sandbox::{Fault, FaultKind};

use super::{assert_silent, full, renewals};
use crate::logged::{
    KEYED, Way, assert_everyone_once, keeper, log_in, logged_with, run, worlds, write_config,
};
use crate::rig::{Rig, minutes, settings};
use crate::secrets::{assert_lacks, secrets};

/// Renews while another program locks the state as soon as the vendor has spent the refresh token; returns what is said.
async fn renewed_in_vain(rig: &Rig, way: Way, keeper: &Keeper) -> String {
    let slow = FaultKind::Slow(Duration::from_millis(50));
    rig.sandbox.fault(Fault::new(slow).on(way.route()));
    rig.sandbox.expire_access_tokens();
    let other = rusqlite::Connection::open(rig.state().join("ghl-sync.db")).unwrap();
    let before = renewals(rig, way);
    let locking = async {
        while renewals(rig, way) == before {
            tokio::task::yield_now().await;
        }
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
    };
    let (renewed, ()) = tokio::join!(keeper.renew(), locking);
    other.execute_batch("COMMIT").unwrap();
    renewed.unwrap_err().to_string()
}

#[tokio::test]
async fn a_pair_that_a_locked_state_would_not_take_is_taken_up_by_the_next_run() {
    for way in [Way::TwitchPublic, Way::Location] {
        for (before, after) in [("", ""), (KEYED, KEYED), ("", KEYED)] {
            let case = format!("{way:?}, {before:?} and then {after:?}");
            let rig = logged_with(way, settings(3, 2), before).await;
            let mut opened = worlds(&rig).await;
            let short = |db: &rusqlite::Connection| Ok(db.busy_timeout(Duration::from_millis(1))?);
            opened.store().write(short).await.unwrap();
            let keeper = keeper(&mut opened, &way.account());
            rig.advance(minutes(1));
            let said = renewed_in_vain(&rig, way, &keeper).await;
            assert!(
                said.contains("is locked by another program"),
                "{case}: {said}"
            );
            assert_eq!(renewals(&rig, way), 1, "{case}");
            let path = rig.state().join(format!("token-{}.pair", way.account()));
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{case}");
            let bytes = std::fs::read(&path).unwrap();
            match before {
                "" => assert!(String::from_utf8(bytes).unwrap().contains("\"refresh\":")),
                _ => assert_lacks(&bytes, &secrets(&rig), &case),
            }
            drop((keeper, opened));
            write_config(&rig, way, after);
            run(&rig, &full()).await.unwrap();
            assert!(!path.exists(), "{case}");
            assert_eq!(renewals(&rig, way), 1, "{case}");
            assert_everyone_once(&rig, 2, &case);
            assert_silent(&rig, &case).await;
        }
    }
}

#[tokio::test]
async fn the_process_that_set_a_pair_aside_takes_it_up_itself() {
    for way in [Way::TwitchPublic, Way::Location] {
        let rig = logged_with(way, settings(3, 2), "").await;
        let mut opened = worlds(&rig).await;
        let short = |db: &rusqlite::Connection| Ok(db.busy_timeout(Duration::from_millis(1))?);
        opened.store().write(short).await.unwrap();
        let keeper = keeper(&mut opened, &way.account());
        rig.advance(minutes(1));
        renewed_in_vain(&rig, way, &keeper).await;
        let path = rig.state().join(format!("token-{}.pair", way.account()));
        assert!(path.exists(), "{way:?}");
        let dead = keeper.facts().unwrap().unwrap();
        assert!(dead.renewing.is_some(), "{way:?}");
        let vault = opened.vault().clone();
        let access = vault.load(&way.account()).unwrap().unwrap().access;
        keeper.instead_of(&access).await.unwrap();
        let facts = keeper.facts().unwrap().unwrap();
        assert!(facts.obtained > dead.obtained, "{way:?}");
        assert_eq!(facts.renewing, None, "{way:?}");
        assert_eq!(renewals(&rig, way), 1, "{way:?}");
        assert!(!path.exists(), "{way:?}");
        // A new login and the end of one take away what was set aside.
        for forgets in [false, true] {
            std::fs::write(&path, "left").unwrap();
            match forgets {
                true => assert!(keeper.forget().await.unwrap().is_some()),
                false => log_in(&rig, way).await,
            }
            assert!(!path.exists(), "{way:?}, {forgets}");
        }
    }
}
