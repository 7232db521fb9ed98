//! Our clients and the sandbox, over real sockets: both sides mean the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ghl_sync::apis::highlevel::{self, Keys, NewTask, Search, TagMove, TagOutcome};
use ghl_sync::apis::twitch::{self, Followers, Follows};
use ghl_sync::model::{Clock, Contact, ContactId, FieldKey, LocationId, RecordKey, Tag};
use ghl_sync::net::{
    Auth, Call, CallError, Gate, Line, LineParts, Purpose, Reach, Secret, Tally, Timeouts, Vendor,
};
use ghl_sync::sandbox::{
    BROADCASTER_ID, DeletedAnswer, Fault, FaultKind, HIGHLEVEL_TOKEN, LOCATION_ID, Sandbox,
    Settings, TWITCH_CLIENT_ID, TWITCH_TOKEN,
};
use ghl_sync::store::{Store, Usage};

struct World {
    sandbox: Sandbox,
    clock: Clock,
    store: Store,
    folder: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl World {
    async fn new(settings: Settings) -> World {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ghl-sync-apis-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        let sandbox = Sandbox::start(settings).await.unwrap();
        let leaps_over = std::time::Duration::from_millis(100);
        World {
            clock: Clock::moved(sandbox.clock_offset(), Some(leaps_over)),
            sandbox,
            store: Store::open(&folder).unwrap(),
            folder,
        }
    }

    fn line(&self, vendor: Vendor, base_url: String) -> Line {
        let (token, bucket) = match vendor {
            Vendor::HighLevel => (HIGHLEVEL_TOKEN, "highlevel"),
            Vendor::Twitch => (TWITCH_TOKEN, "twitch"),
        };
        let (store, clock) = (self.store.clone(), self.clock.clone());
        Line::new(LineParts {
            vendor,
            base_url,
            auth: Auth::Fixed(Secret::new(token)),
            proxy: None,
            client_id: (vendor == Vendor::Twitch).then(|| TWITCH_CLIENT_ID.to_owned()),
            gate: Gate::new(store, clock.clone(), vendor, bucket, 5, 1),
            clock,
            tally: Tally::default(),
            reach: Reach::Everything,
            timeouts: Timeouts::default(),
            seed: 1,
        })
        .unwrap()
    }

    fn hub(&self) -> Line {
        self.line(Vendor::HighLevel, self.sandbox.highlevel_url())
    }

    fn helix(&self) -> Line {
        self.line(Vendor::Twitch, self.sandbox.helix_url())
    }
}

async fn ask<T>(line: &Line, call: Call<T>) -> T {
    line.send(&call, Purpose::Announced).await.unwrap().value
}

fn here() -> LocationId {
    LocationId::try_from(LOCATION_ID).unwrap()
}

fn key(name: &str) -> FieldKey {
    FieldKey::try_from(name).unwrap()
}

fn tags(names: &[&str]) -> BTreeSet<Tag> {
    names.iter().map(|name| Tag::new(name).unwrap()).collect()
}

fn by_id(rows: Vec<Contact>) -> BTreeMap<ContactId, Contact> {
    rows.into_iter().map(|row| (row.id.clone(), row)).collect()
}

#[tokio::test]
async fn a_contact_lives_through_every_call() {
    let world = World::new(Settings::default()).await;
    let hub = world.hub();
    let location = ask(&hub, highlevel::location(&here())).await;
    assert_eq!(location.allows_duplicates, Some(false));
    let made = ask(
        &hub,
        highlevel::create_custom_field(&here(), "Twitch user id"),
    )
    .await;
    let defined = ask(&hub, highlevel::custom_fields(&here())).await;
    assert!(defined.contains(&made));
    let managed = [key("firstName"), key("lastName"), key("twitch_user_id")];
    let (keys, lacking) = Keys::of(&managed, &defined);
    assert_eq!(lacking, []);
    let keys = Arc::new(keys);

    let fields = [
        (key("firstName"), "Ann".to_owned()),
        (key("twitch_user_id"), "007".to_owned()),
    ];
    let create = highlevel::create(&here(), &fields.into(), &tags(&["Twitch Follower"]), &keys);
    let created = ask(&hub, create.unwrap()).await;
    let fresh = ask(&hub, highlevel::get(&created.id, &keys)).await;
    for contact in [&created, &fresh] {
        assert_eq!(
            contact.fields.get(&key("twitch_user_id")),
            Some(&Some("007".to_owned()))
        );
        assert_eq!(contact.fields.get(&key("lastName")), Some(&None));
        assert_eq!(contact.tags, Some(tags(&["twitch follower"])));
    }

    let change = [
        (key("lastName"), "Lee".to_owned()),
        (key("twitch_user_id"), "008".to_owned()),
    ];
    let update = highlevel::update(&created.id, &change.into(), &keys).unwrap();
    let updated = ask(&hub, update).await;
    assert_eq!(
        updated.fields.get(&key("lastName")),
        Some(&Some("Lee".to_owned()))
    );
    // Nothing that the update did not name changed.
    assert_eq!(updated.tags, Some(tags(&["twitch follower"])));
    assert_eq!(
        updated.fields.get(&key("firstName")),
        Some(&Some("Ann".to_owned()))
    );

    let nobody = ContactId::try_from("nobody0000000000000x").unwrap();
    let both = [created.id.clone(), nobody.clone()];
    let bulk = highlevel::bulk_tags(
        &here(),
        TagMove::Add,
        &both,
        &tags(&["new", "twitch follower"]),
    );
    let answer = ask(&hub, bulk).await;
    let Some(TagOutcome::Done { added, before, .. }) = answer.outcomes.get(&created.id) else {
        panic!("done: {answer:?}")
    };
    assert_eq!(
        (added, before),
        (&tags(&["new"]), &Some(tags(&["twitch follower"])))
    );
    assert!(
        !matches!(answer.outcomes.get(&nobody), Some(TagOutcome::Done { .. })),
        "{answer:?}"
    );

    world.sandbox.settle();
    let marker = Search::with_field(&key("twitch_user_id"), "008", &keys).unwrap();
    let found = ask(&hub, marker.call(&here(), &keys)).await;
    assert_eq!(
        found.rows.iter().map(|row| &row.id).collect::<Vec<_>>(),
        [&created.id]
    );
}

#[tokio::test]
async fn a_note_and_a_task_live_through_every_call_and_go_with_their_contact() {
    let world = World::new(Settings::default()).await;
    let hub = world.hub();
    let keys = Arc::new(Keys::default());
    let fields = [(key("firstName"), "Ann".to_owned())].into();
    let create = highlevel::create(&here(), &fields, &BTreeSet::new(), &keys).unwrap();
    let ann = ask(&hub, create).await.id;

    let note = ask(&hub, highlevel::create_note(&ann, "She called.")).await;
    assert_eq!(ask(&hub, highlevel::note_of(&ann, &note.id)).await, note);
    assert_eq!(
        ask(&hub, highlevel::notes(&ann)).await,
        std::slice::from_ref(&note)
    );
    assert_eq!(note.text, "She called.");
    ask(&hub, highlevel::delete_note(&ann, &note.id)).await;
    assert_eq!(ask(&hub, highlevel::notes(&ann)).await, []);

    let due = world.sandbox.now();
    let task = ask(
        &hub,
        highlevel::create_task(&ann, &NewTask::due("Call her", due)),
    )
    .await;
    assert_eq!(task.is_completed, Some(false));
    assert_eq!(task.due.map(|at| at.timestamp()), Some(due.timestamp()));
    let done = ask(&hub, highlevel::complete_task(&ann, &task.id)).await;
    assert_eq!(done.is_completed, Some(true));
    assert_eq!(ask(&hub, highlevel::task_of(&ann, &task.id)).await, done);
    assert_eq!(ask(&hub, highlevel::tasks(&ann)).await, [done]);
    ask(&hub, highlevel::delete_task(&ann, &task.id)).await;
    assert_eq!(ask(&hub, highlevel::tasks(&ann)).await, []);

    // The second removal of a contact finds nothing, as every later call does.
    ask(&hub, highlevel::delete(&ann)).await;
    let again = hub.send(&highlevel::delete(&ann), Purpose::Announced).await;
    assert!(
        matches!(again, Err(CallError::NotFound { .. })),
        "{again:?}"
    );
    let get = highlevel::get(&ann, &keys);
    let gone = hub.send(&get, Purpose::Announced).await;
    assert!(matches!(gone, Err(CallError::NotFound { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_list_walk_and_a_search_walk_show_the_same_contacts() {
    let settings = Settings {
        followers: 50,
        contacts: 230,
        twins: 40,
        fields: true,
        ..Settings::default()
    };
    let world = World::new(settings).await;
    let hub = world.hub();
    let defined = ask(&hub, highlevel::custom_fields(&here())).await;
    let managed = [key("firstName"), key("email"), key("twitch_user_id")];
    let keys = Arc::new(Keys::of(&managed, &defined).0);

    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = ask(&hub, highlevel::list(&here(), 100, after.as_ref(), &keys)).await;
        assert_eq!((page.odd.rows, page.total), (0, Some(230)));
        listed.extend(page.rows);
        if page.next.is_none() || page.listed == 0 {
            break;
        }
        after = page.next;
    }
    let mut searched = Vec::new();
    let mut search = Search::by_added().limit(100);
    loop {
        let page = ask(&hub, search.call(&here(), &keys)).await;
        assert_eq!((page.odd.rows, page.total), (0, Some(230)));
        searched.extend(page.rows);
        if page.listed < 100 {
            break;
        }
        search = search.after(page.next);
    }
    let (listed, searched) = (by_id(listed), by_id(searched));
    assert_eq!((listed.len(), searched.len()), (230, 230));
    for (id, whole) in &searched {
        let thin = listed.get(id).unwrap();
        // What the thin row shows is true; what it does not carry is unknown, not empty.
        for (key, value) in &thin.fields {
            assert_eq!(whole.fields.get(key), Some(value), "{id} {key}");
        }
        assert_eq!(thin.tags, whole.tags);
    }
    let marked = searched
        .values()
        .filter(|contact| contact.fields.get(&key("twitch_user_id")) != Some(&None));
    assert_eq!(marked.count(), 40);
}

#[tokio::test]
async fn a_contact_that_is_gone_is_not_found_however_it_is_said() {
    for deleted in [
        DeletedAnswer::BadRequest,
        DeletedAnswer::NotFound,
        DeletedAnswer::StillShown,
    ] {
        let world = World::new(Settings::default()).await;
        world.sandbox.switch(|switches| switches.deleted = deleted);
        let hub = world.hub();
        let id = world.sandbox.add_contact("Ann", "", "", &[], &[]);
        world.sandbox.delete_contact(&id);
        let id = ContactId::try_from(id).unwrap();
        let keys = Arc::new(Keys::of(&[key("firstName")], &[]).0);
        let get = highlevel::get(&id, &keys);
        let error = hub.send(&get, Purpose::Announced).await.unwrap_err();
        assert!(matches!(error, CallError::NotFound { .. }), "{error}");
        let fields = [(key("firstName"), "Bo".to_owned())].into();
        let update = highlevel::update(&id, &fields, &keys).unwrap();
        let error = hub.send(&update, Purpose::Announced).await.unwrap_err();
        assert!(matches!(error, CallError::NotFound { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_duplicate_names_the_contact_and_a_lost_create_is_unsure() {
    let world = World::new(Settings::default()).await;
    let hub = world.hub();
    let id = world
        .sandbox
        .add_contact("Ann", "", "ann@example.com", &[], &[]);
    let keys = Arc::new(Keys::of(&[key("email")], &[]).0);
    let create = |email: &str| {
        let fields = [(key("email"), email.to_owned())].into();
        highlevel::create(&here(), &fields, &BTreeSet::new(), &keys).unwrap()
    };
    let error = hub
        .send(&create("Ann@example.com"), Purpose::Announced)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CallError::Duplicate { contact, .. } if contact.as_str() == id),
        "{error}"
    );
    for (number, kind) in [
        FaultKind::ResetAfter,
        FaultKind::Status500After,
        FaultKind::Html502After,
        FaultKind::Truncated,
        FaultKind::BrokenBody,
        FaultKind::WrongShape,
        FaultKind::NotJson,
    ]
    .into_iter()
    .enumerate()
    {
        world.sandbox.fault(Fault::new(kind).on("POST /contacts/"));
        let before = world.sandbox.contact_count();
        let lost = create(&format!("p{number}@example.com"));
        let error = hub.send(&lost, Purpose::Announced).await.unwrap_err();
        assert!(matches!(error, CallError::Unsure { .. }), "{error}");
        assert_eq!(world.sandbox.contact_count(), before + 1);
    }
}

#[tokio::test]
async fn a_missing_scope_and_a_dead_token_are_told_apart() {
    let settings = Settings {
        highlevel_scopes: vec!["contacts.readonly".to_owned()],
        ..Settings::default()
    };
    let world = World::new(settings).await;
    let hub = world.hub();
    let location = highlevel::location(&here());
    let error = hub.send(&location, Purpose::Announced).await.unwrap_err();
    assert!(matches!(error, CallError::Scope { .. }), "{error}");
    let keys = Arc::new(Keys::default());
    let elsewhere = LocationId::try_from("elsewhere").unwrap();
    let list = highlevel::list(&elsewhere, 100, None, &keys);
    let error = hub.send(&list, Purpose::Announced).await.unwrap_err();
    assert!(matches!(error, CallError::NoAccess { .. }), "{error}");
    world.sandbox.revoke_token(HIGHLEVEL_TOKEN);
    let list = highlevel::list(&here(), 100, None, &keys);
    let error = hub.send(&list, Purpose::Announced).await.unwrap_err();
    assert!(matches!(error, CallError::DeadToken { .. }), "{error}");
}

#[tokio::test]
async fn followers_are_read_to_their_end() {
    let settings = Settings {
        followers: 250,
        ..Settings::default()
    };
    let world = World::new(settings).await;
    let token = ask(
        &world.line(Vendor::Twitch, format!("{}/oauth2", world.sandbox.id_url())),
        twitch::validate(),
    )
    .await;
    let channel = RecordKey::try_from(BROADCASTER_ID).unwrap();
    assert_eq!(token.user_id.as_ref(), Some(&channel));
    assert!(
        token
            .scopes
            .iter()
            .any(|scope| scope == twitch::FOLLOWERS_SCOPE)
    );
    let helix = world.helix();
    let mut after: Option<String> = None;
    let mut seen = BTreeSet::new();
    loop {
        let call = twitch::followers(&channel, after.as_deref());
        let Followers::Page(page) = ask(&helix, call).await else {
            panic!("entitled")
        };
        assert_eq!((page.total, page.odd.rows), (Some(250), 0));
        seen.extend(page.records.into_iter().map(|record| record.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 250);

    let one = seen.first().unwrap().clone();
    let probe = twitch::follows(&channel, &one);
    assert!(matches!(
        ask(&helix, probe).await,
        Follows::Following(Some(_))
    ));
    world.sandbox.unfollow(one.as_str());
    let probe = twitch::follows(&channel, &one);
    assert_eq!(ask(&helix, probe).await, Follows::NotFollowing);
    let ids: Vec<RecordKey> = seen.iter().take(100).cloned().collect();
    assert_eq!(ask(&helix, twitch::users(&ids)).await.len(), 100);
    world.sandbox.suspend(one.as_str());
    assert_eq!(ask(&helix, twitch::users(&ids)).await.len(), 99);
}

#[tokio::test]
async fn a_token_without_the_right_is_noticed_both_ways() {
    let settings = Settings {
        twitch_scopes: Vec::new(),
        ..Settings::default()
    };
    let world = World::new(settings).await;
    let helix = world.helix();
    let channel = RecordKey::try_from(BROADCASTER_ID).unwrap();
    let first = twitch::followers(&channel, None);
    assert_eq!(
        ask(&helix, first).await,
        Followers::NotEntitled { total: 25 }
    );
    let probe = twitch::follows(&channel, &channel);
    let error = helix.send(&probe, Purpose::Announced).await.unwrap_err();
    assert!(
        matches!(
            error,
            CallError::NoPermission { .. } | CallError::Scope { .. }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn the_gate_learns_the_sandboxs_limits_and_its_day() {
    let settings = Settings {
        daily: 100,
        ..Settings::default()
    };
    let world = World::new(settings).await;
    let hub = world.hub();
    let keys = Arc::new(Keys::default());
    let mut made = 0;
    let until = loop {
        let list = highlevel::list(&here(), 100, None, &keys);
        match hub.send(&list, Purpose::Announced).await {
            Ok(_) => made += 1,
            Err(CallError::Spent { until }) => break until,
            Err(error) => panic!("{error}"),
        }
    };
    // 5 % are left to others.
    assert_eq!((made, world.sandbox.too_many()), (95, 0));
    let now = world.clock.now();
    assert!(until > now && until - now <= chrono::TimeDelta::hours(24));
    let usage = Usage::all(&world.store.reader().unwrap(), now).unwrap();
    let usage = usage.first().unwrap();
    assert_eq!((usage.used, usage.limit), (95, Some(100)));
}
