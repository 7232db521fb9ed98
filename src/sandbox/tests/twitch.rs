//! Followers, users and tokens.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_token_without_permission_sees_a_total_and_no_rows() {
    let bench = Bench::new(Settings::default()).await;
    let app = Token {
        holder: Holder::TwitchApp {
            client_id: TWITCH_CLIENT_ID.to_string(),
        },
        scopes: Vec::new(),
        expires_at_ms: None,
    };
    bench.sandbox.set_token("app", app);
    let path = format!("/channels/followers?broadcaster_id={BROADCASTER_ID}&first=100");
    let reply = bench.helix(&path, "app").await;
    assert_eq!(
        reply.json(),
        json!({ "total": 25, "data": [], "pagination": {} })
    );
    let someone = bench.sandbox.followers()[3].id.clone();
    let probe = format!("{path}&user_id={someone}");
    assert_eq!(bench.helix(&probe, "app").await.status, 401);
    let reply = bench.helix(&probe, TWITCH_TOKEN).await;
    assert_eq!(reply.json()["data"][0]["user_id"], someone);
    assert_eq!(reply.json()["total"], 25);
    bench.sandbox.unfollow(&someone);
    assert_eq!(
        bench.helix(&probe, TWITCH_TOKEN).await.json()["data"],
        json!([])
    );
    let dead = bench.helix(&path, "dead").await;
    assert_eq!(dead.json()["message"], "Invalid OAuth token");
    assert!(
        dead.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("invalid_token")
    );
    assert_eq!(
        bench
            .helix(&path.replace("100", "101"), TWITCH_TOKEN)
            .await
            .status,
        400
    );
}

async fn walk(bench: &Bench, first: u64) -> Vec<String> {
    let path = format!("/channels/followers?broadcaster_id={BROADCASTER_ID}&first={first}");
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = bench
            .helix(&format!("{path}{after}"), TWITCH_TOKEN)
            .await
            .json();
        let rows = page["data"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| text(&row["user_id"])));
        match page["pagination"]["cursor"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => return seen,
        }
    }
}

#[tokio::test]
async fn follower_pages_drift_while_one_walks() {
    let bench = Bench::new(Settings::default()).await;
    let before: Vec<String> = bench
        .sandbox
        .followers()
        .into_iter()
        .map(|row| row.id)
        .collect();
    assert_eq!(walk(&bench, 10).await, before);
    let join = |id: &str| Change::Follow {
        id: id.to_string(),
        login: "late".to_string(),
        name: "Late".to_string(),
    };
    bench.sandbox.drift(1, join("77"));
    let seen = walk(&bench, 10).await;
    assert_eq!(seen.len(), 26, "one row is seen twice");
    assert_eq!(seen[9], seen[10]);
    bench.sandbox.drift(
        2,
        Change::Unfollow {
            id: "77".to_string(),
        },
    );
    let seen = walk(&bench, 10).await;
    assert_eq!(
        seen.len(),
        25,
        "one row is skipped: 26 less the one that slid over the edge"
    );
    bench.sandbox.switch(|switches| {
        switches.last_cursor = true;
        switches.empty_pages = 2;
        switches.short_pages = true;
    });
    assert_eq!(walk(&bench, 10).await, before);
}

#[tokio::test]
async fn suspended_accounts_vanish_and_return() {
    let bench = Bench::new(Settings::default()).await;
    let followers = bench.sandbox.followers();
    let (one, two) = (&followers[4].id, &followers[5].id);
    bench.sandbox.suspend(one);
    bench.sandbox.unfollow(two);
    let users = bench
        .helix(&format!("/users?id={one}&id={two}"), TWITCH_TOKEN)
        .await
        .json();
    assert_eq!(
        users["data"].as_array().unwrap().len(),
        1,
        "one left, one is suspended"
    );
    assert_eq!(users["data"][0]["id"], two.as_str());
    assert_eq!(walk(&bench, 100).await.len(), 23);
    let path = format!("/channels/followers?broadcaster_id={BROADCASTER_ID}");
    bench.sandbox.switch(|switches| switches.ghosts = true);
    assert_eq!(
        bench.helix(&path, TWITCH_TOKEN).await.json()["total"],
        25,
        "23, one ghost, one suspended"
    );
    bench.sandbox.reinstate(one);
    assert_eq!(bench.sandbox.followers()[4].id, *one);
    bench.sandbox.poison_user(two);
    let poisoned = bench
        .helix(&format!("/users?id={one}&id={two}"), TWITCH_TOKEN)
        .await;
    assert_eq!(poisoned.status, 500);
}

#[tokio::test]
async fn cursors_grow_stale() {
    let bench = Bench::new(Settings::default()).await;
    let path = format!("/channels/followers?broadcaster_id={BROADCASTER_ID}&first=10");
    let first = bench.helix(&path, TWITCH_TOKEN).await.json();
    let next = format!("{path}&after={}", text(&first["pagination"]["cursor"]));
    assert_eq!(bench.helix(&next, TWITCH_TOKEN).await.status, 200);
    bench.sandbox.advance(Duration::from_secs(3_600));
    assert_eq!(bench.helix(&next, TWITCH_TOKEN).await.status, 400);
    bench
        .sandbox
        .switch(|switches| switches.stale_after = StaleAfter::FirstPage);
    assert_eq!(
        bench.helix(&next, TWITCH_TOKEN).await.json()["data"],
        first["data"]
    );
}

#[tokio::test]
async fn odd_rows_stand_in_the_list() {
    let bench = Bench::new(Settings::default()).await;
    let twice = bench.sandbox.followers()[0].id.clone();
    bench.sandbox.blank_row(1);
    bench.sandbox.duplicate_row(&twice, 3);
    bench.sandbox.unreadable_row(&twice, 27);
    let seen = walk(&bench, 5).await;
    assert_eq!(seen.len(), 28);
    assert_eq!(
        (seen[1].as_str(), &seen[3], &seen[27]),
        ("", &twice, &twice)
    );
}

#[tokio::test]
async fn tokens_are_validated_until_they_die() {
    let bench = Bench::new(Settings {
        twitch_token_life: Some(Duration::from_secs(14_400)),
        ..Settings::default()
    })
    .await;
    let validate = async || {
        let url = bench.sandbox.id_url() + "/oauth2/validate";
        let call = bench
            .client
            .get(url)
            .header("authorization", format!("OAuth {TWITCH_TOKEN}"));
        read(call.send().await.unwrap()).await.unwrap()
    };
    let body = validate().await.json();
    assert_eq!(body["user_id"], BROADCASTER_ID);
    assert_eq!(body["scopes"], json!(TWITCH_SCOPES));
    bench.sandbox.advance(Duration::from_secs(14_400));
    assert_eq!(validate().await.json()["message"], "invalid access token");
}
