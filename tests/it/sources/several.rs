//! Several jobs over the same people, several channels, and logins that may not list.

use std::sync::Arc;

use ghl_sync::config;
use ghl_sync::model::StepKind;
use ghl_sync::net::Reach;
use ghl_sync::plan::wanted::{Mapping, mapping_hash};
use ghl_sync::run::{Ask, RunError, World};
use ghl_sync::sandbox::{
    BROADCASTER_ID, ChannelSettings, Crew, Holder, Settings, TWITCH_CLIENT_ID, TWITCH_SCOPES,
    TWITCH_TOKEN, Token,
};

use super::{channel, contact, crowd, field, job};
use crate::rig::{self, Rig, Told, ask_all, hours, minutes, run_in};
use crate::scenes::has;

/// Lets one of several jobs of the rig run.
async fn run(rig: &mut Rig, name: &str) -> Result<Told, RunError> {
    let config = config::load(&rig.config_path()).unwrap_or_else(|problems| panic!("{problems}"));
    let mut jobs = config.jobs.values();
    let job = jobs.find(|job| job.name.as_str() == name).unwrap().clone();
    let world = World {
        mapping: Arc::new(Mapping::new(&job).unwrap()),
        digest: mapping_hash(&job),
        job: Arc::new(job),
        ..rig.world(Reach::Everything)
    };
    run_in(&world, &ask_all()).await
}

/// Two jobs that fill the same fields of the same contacts.
async fn followers_and_vips() -> Rig {
    let mut rig = Rig::with_job(crowd(0, 5, 0), rig::JOB).await;
    let vips = job("vips").replace("add_tags = [\"in\"]", "add_tags = [\"vip\"]");
    std::fs::write(rig.folder.join("schedules/vips.toml"), vips).unwrap();
    for name in ["followers", "vips"] {
        run(&mut rig, name).await.unwrap();
        rig.advance(minutes(5));
    }
    rig.advance(hours(1));
    rig.sandbox.clear_calls();
    rig
}

#[tokio::test]
async fn one_person_of_two_sources_is_one_contact() {
    let mut rig = followers_and_vips().await;
    assert_eq!(rig.sandbox.contact_count(), 403);
    let vip = channel(&rig).vips().remove(0);
    let both = contact(&rig, &vip);
    assert!(has(&both, "twitch follower") && has(&both, "vip"), "{both}");
    for name in ["followers", "vips", "followers", "vips"] {
        run(&mut rig, name).await.unwrap();
        rig.advance(minutes(15));
    }
    assert!(rig.sandbox.writes().is_empty());
}

#[tokio::test]
async fn a_new_name_that_one_listing_shows_is_written_once_and_not_back() {
    let mut rig = followers_and_vips().await;
    // She is too far down for a normal pass of the followers to see her.
    let vip = channel(&rig).vips().remove(4);
    for name in ["followers", "vips"] {
        run(&mut rig, name).await.unwrap();
        rig.advance(minutes(15));
    }
    for number in 0..120 {
        let id = format!("9000{number:03}");
        rig.sandbox.follow(&id, &format!("late_{number}"), "Late");
    }
    run(&mut rig, "followers").await.unwrap();
    rig.advance(hours(1));
    run(&mut rig, "followers").await.unwrap();
    rig.sandbox.rename(&vip, "brand_new", "Brand New");
    rig.sandbox.clear_calls();
    rig.advance(minutes(15));
    run(&mut rig, "followers").await.unwrap();
    assert!(
        rig.sandbox.writes().is_empty(),
        "the first page does not show her"
    );
    let told = run(&mut rig, "vips").await.unwrap();
    assert_eq!(told.done(StepKind::Update), 1);
    assert_eq!(field(&rig, &vip, "twitch_username"), "brand_new");
    rig.sandbox.clear_calls();
    for name in ["followers", "vips", "followers", "vips"] {
        rig.advance(minutes(15));
        let told = run(&mut rig, name).await.unwrap();
        assert_eq!(told.report.news, [], "{name}");
    }
    assert!(
        rig.sandbox.writes().is_empty(),
        "{:#?}",
        rig.sandbox.writes()
    );
    assert_eq!(field(&rig, &vip, "twitch_username"), "brand_new");
}

#[tokio::test]
async fn a_login_that_somebody_else_has_now_is_another_person() {
    let mut rig = followers_and_vips().await;
    let vip = channel(&rig).vips().remove(0);
    let login = field(&rig, &vip, "twitch_username");
    rig.sandbox.rename(&vip, "renamed", "Renamed");
    rig.sandbox.recycle_login("71", &login, "Somebody Else");
    channel(&rig).add_vip("71");
    for _ in 0..2 {
        run(&mut rig, "vips").await.unwrap();
        rig.advance(minutes(15));
    }
    assert_eq!(field(&rig, &vip, "twitch_username"), "renamed");
    assert_eq!(field(&rig, "71", "twitch_username"), login);
    assert_ne!(contact(&rig, "71")["id"], contact(&rig, &vip)["id"]);
}

#[tokio::test]
async fn each_job_looks_for_the_scope_of_its_own_source() {
    let mut rig = Rig::with_job(crowd(1, 1, 0), &job("vips")).await;
    for source in ["subscribers", "bits"] {
        std::fs::write(
            rig.folder.join(format!("schedules/{source}.toml")),
            job(source),
        )
        .unwrap();
    }
    let token = |user: &str, scopes: &[&str]| Token {
        holder: Holder::TwitchUser {
            client_id: TWITCH_CLIENT_ID.to_owned(),
            user_id: user.to_owned(),
        },
        scopes: scopes.iter().map(ToString::to_string).collect(),
        expires_at_ms: None,
    };
    let scopes = ["channel:manage:vips", "bits:read"];
    rig.sandbox
        .set_token(TWITCH_TOKEN, token(BROADCASTER_ID, &scopes));
    // The one that writes may read as well.
    run(&mut rig, "vips").await.unwrap();
    run(&mut rig, "bits").await.unwrap();
    let error = run(&mut rig, "subscribers").await.unwrap_err().to_string();
    assert!(
        error.contains("lacks the scope channel:read:subscriptions")
            && error.contains("ghl-sync auth twitch --account channel"),
        "{error}"
    );
    assert_eq!(
        rig.sandbox.count("GET /oauth2/validate"),
        1,
        "one validation serves all of them"
    );
}

#[tokio::test]
async fn another_users_login_is_told_whose_is_needed() {
    let mut rig = Rig::with_job(crowd(1, 1, 2), &job("vips")).await;
    let main = std::fs::read_to_string(rig.config_path()).unwrap();
    let main = main.replace(
        "[accounts.channel]\n",
        "[accounts.channel]\nchannel = \"sandbox_channel\"\n",
    );
    std::fs::write(rig.config_path(), main).unwrap();
    let moderator = channel(&rig).moderators().remove(1);
    rig.sandbox.set_token(
        TWITCH_TOKEN,
        Token {
            holder: Holder::TwitchUser {
                client_id: TWITCH_CLIENT_ID.to_owned(),
                user_id: moderator,
            },
            scopes: TWITCH_SCOPES.iter().map(ToString::to_string).collect(),
            expires_at_ms: None,
        },
    );
    for (source, what) in [
        ("subscribers", "subscribers"),
        ("vips", "VIPs"),
        ("moderators", "moderators"),
        ("bits", "cheerers"),
    ] {
        std::fs::write(rig.folder.join("schedules/followers.toml"), job(source)).unwrap();
        let error = rig.run(Ask::default()).await.unwrap_err().to_string();
        let said = format!(
            "only the broadcaster's own login may list {what}, and this one is another user's; use a token of the broadcaster `sandbox_channel`"
        );
        assert!(error.contains(&said), "{error}");
    }
    // Followers can be listed by a moderator.
    std::fs::write(rig.folder.join("schedules/followers.toml"), rig::JOB).unwrap();
    rig.plan().await;
}

#[tokio::test]
async fn two_channels_of_one_file_are_two_listings() {
    let other = ChannelSettings {
        id: "5151".to_owned(),
        login: "other_channel".to_owned(),
        name: "Other".to_owned(),
        followers: 4,
        crew: Crew::default(),
    };
    let world = Settings {
        followers: 30,
        channels: vec![other],
        ..crowd(0, 0, 0)
    };
    let text = rig::JOB.replace(
        "account = \"channel\"",
        "account = \"channel\"\nchannels = [\"sandbox_channel\", \"other_channel\"]",
    );
    let text = text.replace("\"twitch follower\"", "\"follower of {{ channel }}\"");
    let mut rig = Rig::with_job(world, &text).await;
    // The login moderates the other channel.
    let moderates = ghl_sync::sandbox::Happening::AddModerator {
        id: BROADCASTER_ID.to_owned(),
    };
    rig.sandbox.channel("5151").happen(moderates);
    let first = run(&mut rig, "followers.sandbox_channel").await.unwrap();
    assert_eq!(first.report.source.listed, 30);
    rig.advance(minutes(6));
    let second = run(&mut rig, "followers.other_channel").await.unwrap();
    assert_eq!(second.report.source.listed, 4);
    assert_eq!(rig.sandbox.contact_count(), 33, "four follow both");
    let both = rig.sandbox.channel("5151").followers().remove(0);
    let contact = contact(&rig, &both);
    assert!(
        has(&contact, "follower of other_channel") && has(&contact, "follower of sandbox_channel")
    );
}
