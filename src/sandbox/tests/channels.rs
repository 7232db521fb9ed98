//! Subscribers, VIPs, moderators, bits and streams, of several channels.

use serde_json::json;

use super::*;

const OTHER: &str = "5151";

fn crowd(subscribers: u64, vips: u64, moderators: u64) -> Settings {
    Settings {
        followers: 300,
        crew: Crew {
            subscribers,
            vips,
            moderators,
            cheerers: 3,
        },
        channels: vec![ChannelSettings {
            id: OTHER.to_string(),
            login: "other_channel".to_string(),
            name: "Other".to_string(),
            followers: 2,
            crew: Crew::default(),
        }],
        ..Settings::default()
    }
}

fn path(endpoint: &str) -> String {
    format!("{endpoint}?broadcaster_id={BROADCASTER_ID}&first=100")
}

fn users(page: &Value) -> Vec<String> {
    let rows = page["data"].as_array().unwrap();
    rows.iter().map(|row| text(&row["user_id"])).collect()
}

/// Reads all pages; returns the ids of each.
async fn pages(bench: &Bench, path: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut after = String::new();
    loop {
        let reply = bench.helix(&format!("{path}{after}"), TWITCH_TOKEN).await;
        let page = reply.json();
        pages.push(users(&page));
        match page["pagination"]["cursor"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn a_full_last_page_of_subscribers_leads_to_an_empty_one() {
    let bench = Bench::new(crowd(199, 100, 0)).await;
    let read = pages(&bench, &path("/subscriptions")).await;
    let sizes: Vec<usize> = read.iter().map(Vec::len).collect();
    assert_eq!(sizes, [100, 100, 0], "199 and the broadcaster");
    assert_eq!(read[0][0], BROADCASTER_ID);
    let first = bench.helix(&path("/subscriptions"), TWITCH_TOKEN).await;
    let first = first.json();
    assert_eq!(first["total"], 199);
    assert_eq!(first["data"][0]["tier"], "3000");
    let tiers = bench.sandbox.channel(BROADCASTER_ID).subscribers().len() as u64;
    assert_eq!(
        (tiers, &first["points"]),
        (199, &json!(159 + 20 * 2 + 20 * 6))
    );
    // The other lists end with their last page.
    let sizes: Vec<usize> = pages(&bench, &path("/channels/vips"))
        .await
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(sizes, [100]);
    bench
        .sandbox
        .switch(|switches| switches.own_subscription = false);
    let read = pages(&bench, &path("/subscriptions")).await;
    assert_eq!(read.concat().len(), 199);
}

#[tokio::test]
async fn a_look_up_of_subscribers_has_no_total_and_an_empty_cursor() {
    let bench = Bench::new(crowd(4, 0, 0)).await;
    let ids = bench.sandbox.channel(BROADCASTER_ID).subscribers();
    let found = bench
        .helix(
            &format!(
                "/subscriptions?broadcaster_id={BROADCASTER_ID}&user_id={}&user_id=77&user_id={}",
                ids[3], ids[0]
            ),
            TWITCH_TOKEN,
        )
        .await
        .json();
    assert_eq!(users(&found), [ids[3].clone(), ids[0].clone()]);
    let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["data", "pagination"]);
    assert_eq!(found["pagination"], json!({ "cursor": "" }));
    let gift = &found["data"][0];
    assert_eq!(
        (&gift["is_gift"], &gift["gifter_id"]),
        (&json!(true), &json!(ids[0]))
    );
    assert_eq!(gift["broadcaster_login"], BROADCASTER_LOGIN);
    let own = &found["data"][1];
    assert_eq!(
        (&own["is_gift"], &own["gifter_login"]),
        (&json!(false), &json!(""))
    );
    let many: String = (0..101).map(|id| format!("&user_id={id}")).collect();
    let refused = bench
        .helix(&(path("/channels/vips") + &many), TWITCH_TOKEN)
        .await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn only_the_broadcaster_with_the_scope_sees_these_lists() {
    let bench = Bench::new(crowd(1, 1, 1)).await;
    let user = |user_id: &str, scopes: &[&str]| Token {
        holder: Holder::TwitchUser {
            client_id: TWITCH_CLIENT_ID.to_string(),
            user_id: user_id.to_string(),
        },
        scopes: scopes.iter().map(ToString::to_string).collect(),
        expires_at_ms: None,
    };
    let moderator = bench.sandbox.channel(BROADCASTER_ID).moderators().remove(0);
    bench
        .sandbox
        .set_token("moderator", user(&moderator, TWITCH_SCOPES));
    bench.sandbox.set_token("bare", user(BROADCASTER_ID, &[]));
    let manage = ["channel:manage:vips", "channel:manage:moderators"];
    bench
        .sandbox
        .set_token("manager", user(BROADCASTER_ID, &manage));
    let lists = [
        ("/subscriptions", "channel:read:subscriptions", 401),
        (
            "/channels/vips",
            "channel:read:vips or channel:manage:vips",
            200,
        ),
        (
            "/moderation/moderators",
            "moderation:read or channel:manage:moderators",
            200,
        ),
    ];
    for (endpoint, scope, managed) in lists {
        let answer = bench.helix(&path(endpoint), "moderator").await;
        assert_eq!(
            (answer.status, answer.message().as_str()),
            (
                401,
                "The ID in broadcaster_id must match the user ID found in the request's OAuth token."
            ),
            "{endpoint}"
        );
        let answer = bench.helix(&path(endpoint), "bare").await;
        assert_eq!(answer.message(), format!("Missing scope: {scope}"));
        assert!(!answer.headers.contains_key("www-authenticate"));
        assert_eq!(
            bench.helix(&path(endpoint), "manager").await.status,
            managed
        );
        assert_eq!(bench.helix(&path(endpoint), TWITCH_TOKEN).await.status, 200);
        let without = bench.helix(endpoint, TWITCH_TOKEN).await;
        assert_eq!(without.status, 400);
        bench
            .sandbox
            .fault(Fault::new(FaultKind::MissingPermission));
        let twisted = bench.helix(&path(endpoint), TWITCH_TOKEN).await;
        assert!(twisted.message().starts_with("Missing scope"));
    }
    let bits = bench.helix("/bits/leaderboard", "bare").await;
    assert_eq!(bits.message(), "Missing scope: bits:read");
    assert_eq!(bench.helix("/streams", "bare").await.status, 200);
    assert_eq!(bench.helix("/streams", "dead").await.status, 401);
}

#[tokio::test]
async fn people_of_a_channel_come_and_go() {
    let bench = Bench::new(crowd(2, 1, 1)).await;
    let channel = bench.sandbox.channel(BROADCASTER_ID);
    for id in ["71", "72", "73"] {
        bench.sandbox.add_user(id, &format!("user{id}"), "Late");
    }
    channel.subscribe("71", "2000");
    channel.gift(Some("71"), &["72", "73"]);
    channel.change_tier("72", "3000");
    let first = channel.subscribers().remove(0);
    channel.unsubscribe(&first);
    let page = bench
        .helix(&path("/subscriptions"), TWITCH_TOKEN)
        .await
        .json();
    assert_eq!(
        (&page["total"], &page["points"]),
        (&json!(4), &json!(2 + 2 + 6 + 1))
    );
    assert_eq!(users(&page)[2..], ["71", "72", "73"]);
    let gift = &page["data"][3];
    assert_eq!(
        (&gift["tier"], &gift["gifter_login"]),
        (&json!("3000"), &json!("user71"))
    );
    channel.add_vip("71");
    channel.add_moderator("72");
    channel.stale_moderator("73");
    let listed =
        async |endpoint: &str| users(&bench.helix(&path(endpoint), TWITCH_TOKEN).await.json());
    assert_eq!(listed("/channels/vips").await[1..], ["71"]);
    assert_eq!(listed("/moderation/moderators").await[1..], ["72", "73"]);
    assert_eq!(channel.moderators().len(), 2, "a stale one has no role");
    channel.remove_vip("71");
    channel.remove_moderator("73");
    assert_eq!(listed("/channels/vips").await.len(), 1);
    assert_eq!(listed("/moderation/moderators").await[1..], ["72"]);
    bench
        .sandbox
        .switch(|switches| switches.broadcaster_moderates = true);
    assert_eq!(listed("/moderation/moderators").await[0], BROADCASTER_ID);
    // A suspended account is away; a deleted one may linger.
    bench.sandbox.suspend("71");
    assert_eq!(listed("/subscriptions").await[2..], ["72", "73"]);
    bench.sandbox.reinstate("71");
    bench.sandbox.delete_user("72");
    assert_eq!(listed("/subscriptions").await[2..], ["71", "73"]);
    bench
        .sandbox
        .switch(|switches| switches.lingering = Lingering::Nameless);
    let page = bench
        .helix(&path("/subscriptions"), TWITCH_TOKEN)
        .await
        .json();
    assert_eq!(
        (&page["data"][3]["user_id"], &page["data"][3]["user_login"]),
        (&json!("72"), &json!(""))
    );
    bench
        .sandbox
        .switch(|switches| switches.lingering = Lingering::Blank);
    assert_eq!(listed("/subscriptions").await[3], "");
}

#[tokio::test]
async fn lists_of_people_have_the_same_faults_as_followers() {
    let bench = Bench::new(crowd(250, 150, 0)).await;
    let list = path("/subscriptions");
    let plain = pages(&bench, &list).await.concat();
    assert_eq!(plain.len(), 251);
    bench.sandbox.switch(|switches| switches.shuffled = true);
    let shuffled = pages(&bench, &list).await.concat();
    assert_ne!(shuffled, plain);
    let sorted = |ids: &[String]| {
        let mut ids = ids.to_vec();
        ids.sort();
        ids
    };
    assert_eq!(sorted(&shuffled), sorted(&plain));
    bench.sandbox.switch(|switches| {
        switches.sliding_rows = true;
        switches.short_pages = true;
        switches.empty_pages = 2;
        switches.last_cursor = true;
    });
    let odd = pages(&bench, &list).await;
    assert!(odd.concat().len() > 251 && odd.iter().any(Vec::is_empty));
    let distinct: std::collections::HashSet<String> = odd.concat().into_iter().collect();
    assert_eq!(distinct.len(), 251);
    bench
        .sandbox
        .switch(|switches| *switches = Switches::default());
    // Issue 1176: exactly 100 rows and no cursor although more are there.
    let cut = Fault::new(FaultKind::MissingCursor).on("GET /channels/vips");
    bench.sandbox.fault(cut);
    let page = bench
        .helix(&path("/channels/vips"), TWITCH_TOKEN)
        .await
        .json();
    assert_eq!((users(&page).len(), &page["pagination"]), (100, &json!({})));
    bench.sandbox.fault(Fault::new(FaultKind::DoubledRow));
    let page = users(&bench.helix(&list, TWITCH_TOKEN).await.json());
    assert_eq!((page.len(), &page[0]), (101, &page[100]));
    let first = bench.helix(&list, TWITCH_TOKEN).await.json();
    let cursor = text(&first["pagination"]["cursor"]);
    let other = format!("{}&after={cursor}", path("/channels/vips"));
    assert_eq!(
        bench.helix(&other, TWITCH_TOKEN).await.status,
        400,
        "a cursor of another list"
    );
    let leave = Change::On {
        channel: BROADCASTER_ID.to_string(),
        what: Happening::Unsubscribe {
            id: plain[1].clone(),
        },
    };
    bench.sandbox.drift_on("GET /subscriptions", 1, leave);
    assert_eq!(
        pages(&bench, &list).await.concat().len(),
        250,
        "one slid over the edge unseen"
    );
}

#[tokio::test]
async fn the_leaderboard_is_cut_in_pacific_standard_time() {
    // It starts on Monday, 2 March 2026, 12:00 UTC: 04:00 in PST.
    let bench = Bench::new(crowd(0, 0, 0)).await;
    let ids = bench.sandbox.channel(BROADCASTER_ID).followers();
    let board = async |query: &str| {
        let reply = bench
            .helix(&format!("/bits/leaderboard{query}"), TWITCH_TOKEN)
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    };
    let all = board("").await;
    assert_eq!(
        users(&all),
        [ids[2].clone(), ids[1].clone(), ids[0].clone()]
    );
    assert_eq!(all["total"], 3);
    assert_eq!(
        all["date_range"],
        json!({ "started_at": "", "ended_at": "" })
    );
    assert_eq!(
        (&all["data"][0]["rank"], &all["data"][0]["score"]),
        (&json!(1), &json!(300))
    );
    // Twenty hours later it is Tuesday there.
    bench.sandbox.advance(Duration::from_secs(20 * 3600));
    bench.sandbox.channel(BROADCASTER_ID).cheer(&ids[0], 10_000);
    let day = board("?period=day&started_at=2026-03-03T00:00:00-08:00").await;
    assert_eq!(users(&day), [ids[0].clone()]);
    assert_eq!(
        day["date_range"],
        json!({ "started_at": "2026-03-03T08:00:00Z", "ended_at": "2026-03-04T08:00:00Z" })
    );
    let before = board("?period=day&started_at=2026-03-03T00:00:00Z").await;
    assert_eq!(
        users(&before).len(),
        3,
        "midnight of UTC is still the day before there"
    );
    let month = board("?period=month&started_at=2026-03-03T00:00:00-08:00&count=1").await;
    assert_eq!(
        (&month["data"][0]["score"], &month["total"]),
        (&json!(10_100), &json!(1))
    );
    let january = board("?period=month&started_at=2026-01-01T00:00:00Z").await;
    assert_eq!(january["date_range"]["started_at"], "2025-12-01T08:00:00Z");
    let week = board("?period=week&started_at=2026-03-05T00:00:00-08:00").await;
    assert_eq!(week["date_range"]["started_at"], "2026-03-02T08:00:00Z");
    let year = board("?period=year&started_at=2026-03-05T00:00:00-08:00").await;
    assert_eq!(year["date_range"]["ended_at"], "2027-01-01T08:00:00Z");
    for wrong in [
        "?period=day",
        "?period=decade&started_at=2026-03-05T00:00:00-08:00",
        "?period=day&started_at=2026-03-05T00:00:00+01:00",
        "?count=101",
    ] {
        let reply = bench
            .helix(&format!("/bits/leaderboard{wrong}"), TWITCH_TOKEN)
            .await;
        assert_eq!(reply.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn streams_begin_change_and_end() {
    let bench = Bench::new(crowd(0, 0, 0)).await;
    let (one, two) = (
        bench.sandbox.channel(BROADCASTER_ID),
        bench.sandbox.channel(OTHER),
    );
    let query = format!("/streams?user_id={BROADCASTER_ID}&user_id={OTHER}&user_id=9&first=100");
    let live = async || bench.helix(&query, TWITCH_TOKEN).await.json()["data"].clone();
    assert_eq!(live().await, json!([]));
    let first = one.go_live("Speedruns", "Celeste");
    two.go_live("Just talking", "");
    two.viewers(70);
    one.viewers(4);
    let rows = live().await;
    assert_eq!(
        rows[0]["user_login"], "other_channel",
        "the most watched comes first"
    );
    assert_eq!(
        (&rows[0]["game_id"], &rows[0]["game_name"]),
        (&json!(""), &json!(""))
    );
    assert_eq!(
        (&rows[1]["id"], &rows[1]["type"]),
        (&json!(first), &json!("live"))
    );
    assert_eq!(
        (&rows[1]["viewer_count"], &rows[1]["game_name"]),
        (&json!(4), &json!("Celeste"))
    );
    one.retitle("Chess now", "Chess");
    assert_eq!(live().await[1]["title"], "Chess now");
    two.end_stream();
    assert_eq!(live().await.as_array().unwrap().len(), 1);
    bench
        .sandbox
        .fault(Fault::new(FaultKind::DoubledRow).on("GET /streams"));
    assert_eq!(live().await.as_array().unwrap().len(), 2);
    bench
        .sandbox
        .fault(Fault::new(FaultKind::EmptyPage).on("GET /streams"));
    assert_eq!(live().await, json!([]));
    one.end_stream();
    assert_ne!(
        one.go_live("Again", "Chess"),
        first,
        "each stream has an id of its own"
    );
    let everybody = bench.helix("/streams?first=1", TWITCH_TOKEN).await.json();
    assert_eq!(users(&everybody), [BROADCASTER_ID]);
}

#[tokio::test]
async fn further_channels_have_people_and_tokens_of_their_own() {
    let bench = Bench::new(crowd(1, 0, 0)).await;
    let token = channel_token(OTHER);
    let followers = format!("/channels/followers?broadcaster_id={OTHER}&first=1");
    let page = bench.helix(&followers, &token).await.json();
    assert_eq!((&page["total"], users(&page).len()), (&json!(2), 1));
    let main = bench.sandbox.followers();
    assert_eq!(users(&page)[0], main[0].id, "one person follows both");
    // Whoever else asks learns the total alone.
    let page = bench.helix(&followers, TWITCH_TOKEN).await.json();
    assert_eq!((&page["total"], &page["data"]), (&json!(2), &json!([])));
    let other = bench.sandbox.channel(OTHER);
    other.unfollow(&main[0].id);
    bench.sandbox.add_user("71", "user71", "Late");
    other.follow("71");
    assert_eq!(other.followers(), ["71".to_string(), main[1].id.clone()]);
    assert_eq!(bench.sandbox.followers().len(), 300);
    let subscribers = format!("/subscriptions?broadcaster_id={OTHER}");
    let page = bench.helix(&subscribers, &token).await.json();
    assert_eq!(
        (users(&page), &page["total"]),
        (vec![OTHER.to_string()], &json!(0))
    );
    assert_eq!(bench.helix(&subscribers, TWITCH_TOKEN).await.status, 401);
    let bits = bench.helix("/bits/leaderboard", &token).await.json();
    assert_eq!(
        bits["data"],
        json!([]),
        "the leaderboard is that of the token's own channel"
    );
}

#[tokio::test]
async fn a_purge_takes_accounts_and_a_login_is_given_away_again() {
    let bench = Bench::new(crowd(0, 0, 0)).await;
    let channel = bench.sandbox.channel(BROADCASTER_ID);
    let before = channel.followers();
    channel.purge_share(30, true);
    let after = channel.followers();
    assert_eq!(after.len(), 210);
    let gone = before.iter().find(|id| !after.contains(id)).unwrap();
    let users_of = async |query: &str| {
        let reply = bench.helix(&format!("/users?{query}"), TWITCH_TOKEN).await;
        reply.json()["data"].clone()
    };
    assert_eq!(users_of(&format!("id={gone}")).await, json!([]));
    channel.purge_share(10, false);
    let left = after
        .iter()
        .find(|id| !channel.followers().contains(id))
        .unwrap();
    assert_eq!(
        users_of(&format!("id={left}"))
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let old = bench.sandbox.followers().remove(0);
    bench.sandbox.rename(&old.id, "renamed", "Renamed");
    bench
        .sandbox
        .recycle_login("71", &old.login, "Somebody else");
    assert_eq!(
        users_of(&format!("login={}", old.login)).await[0]["id"],
        "71"
    );
    assert_eq!(users_of("login=renamed").await[0]["id"], old.id.as_str());
    // Whoever still had it is gone.
    bench.sandbox.recycle_login("72", "renamed", "A third one");
    assert_eq!(users_of("login=renamed").await[0]["id"], "72");
    assert_eq!(users_of(&format!("id={}", old.id)).await, json!([]));
}

#[tokio::test]
async fn another_process_can_script_a_channel() {
    let bench = Bench::new(crowd(0, 0, 0)).await;
    let control = async |path: &str, body: Value| {
        let call = bench.client.post(bench.sandbox.control_url() + path);
        let call = call
            .header("content-type", "application/json")
            .body(body.to_string());
        read(call.send().await.unwrap()).await.unwrap()
    };
    let on = |what: Value| json!({ "do": "on", "channel": OTHER, "what": what });
    let user = json!({ "id": "71", "login": "user71", "name": "Late" });
    assert_eq!(control("/user", user).await.status, 200);
    for what in [
        json!({ "do": "subscribe", "id": "71" }),
        json!({ "do": "gift", "ids": ["71"], "gifter": OTHER }),
        json!({ "do": "add_vip", "id": "71" }),
        json!({ "do": "cheer", "id": "71", "bits": 5 }),
        json!({ "do": "edit_stream", "viewers": 5 }),
        json!({ "do": "add_vip", "id": "99" }),
    ] {
        let good = !what.to_string().contains("99") && what["do"] != "edit_stream";
        let status = control("/change", on(what.clone())).await.status;
        assert_eq!(status == 200, good, "{what}");
    }
    let live = control("/change", on(json!({ "do": "go_live", "title": "Hello" }))).await;
    assert!(live.json()["id"].is_string());
    let edit = json!({ "do": "edit_stream", "viewers": 5, "game": ["1", "Chess"] });
    assert_eq!(control("/change", on(edit)).await.status, 200);
    let page = bench.helix("/streams", TWITCH_TOKEN).await.json();
    assert_eq!(
        (
            &page["data"][0]["viewer_count"],
            &page["data"][0]["game_name"]
        ),
        (&json!(5), &json!("Chess"))
    );
    assert_eq!(bench.sandbox.channel(OTHER).subscribers(), ["71"]);
}
