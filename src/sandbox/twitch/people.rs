//! The subscribers, VIPs and moderators of a channel.
//!
//! Sources: Twitch API Reference, "Get Broadcaster Subscriptions", "Get VIPs", "Get Moderators"; issues 480, 717, 757, 1034, 1137 and
//! 1176 of Twitch's tracker.

use super::super::audience::{Accounts, Channel, Subscription};
use super::super::base::Account;
use super::super::chance::mix;
use super::super::json::Json;
use super::super::settings::{Lingering, Switches};
use super::super::wire::{Answer, Outcome};
use super::super::world::World;
use super::Asked;
use super::pages::{self, List, Page};

/// One row of a list of people.
struct Person {
    account: Account,
    subscription: Option<Subscription>,
}

/// What an answer says about the whole list.
struct Whole {
    total: u64,
    points: u64,
}

/// What follows the rows of an answer.
enum Rest {
    /// It was a page: the cursor of the next one.
    Page(Option<String>),
    /// It was a look-up by id.
    LookUp,
}

/// Answers `GET /subscriptions`. The broadcaster has a row and counts for nothing.
pub(super) fn subscriptions(world: &mut World, call: &Asked<'_>) -> Outcome {
    let broadcaster = call.broadcaster()?;
    call.as_broadcaster(broadcaster)?;
    let (channel, switches) = (
        world.audience.channel(broadcaster),
        &world.settings.switches,
    );
    let mut rows: Vec<Subscription> = channel.map_or_else(Vec::new, |channel| {
        let listed = channel.subscriptions.iter();
        let listed = listed.filter(|held| is_listed(world, &held.id));
        listed.cloned().collect()
    });
    let whole = Whole {
        total: rows.len() as u64,
        points: rows.iter().map(Subscription::points).sum(),
    };
    if switches.own_subscription {
        let own = Subscription {
            id: broadcaster.to_string(),
            tier: "3000".to_string(),
            gift: false,
            gifter: None,
        };
        rows.insert(0, own);
    }
    let owner = world.audience.accounts.known(broadcaster);
    shuffle(world, &mut rows, |row| &row.id);
    let (rows, rest) = choose(world, call, broadcaster, rows, |row| &row.id, true)?;
    let people = rows.into_iter().filter_map(|subscription| {
        let account = shown(world, &subscription.id)?;
        let subscription = Some(subscription);
        Some(Person {
            account,
            subscription,
        })
    });
    Ok(answer(world, owner.as_ref(), people, Some(&whole), rest))
}

/// Answers `GET /channels/vips`.
pub(super) fn vips(world: &mut World, call: &Asked<'_>) -> Outcome {
    list(world, call, |channel, _, _| channel.vips.clone())
}

/// Answers `GET /moderation/moderators`.
pub(super) fn moderators(world: &mut World, call: &Asked<'_>) -> Outcome {
    list(world, call, |channel, broadcaster, switches| {
        let own = switches
            .broadcaster_moderates
            .then(|| broadcaster.to_string());
        let stale = channel.stale_moderators.iter();
        let stale = stale.filter(|id| !channel.moderates(id));
        own.into_iter()
            .chain(channel.moderators.iter().chain(stale).cloned())
            .collect()
    })
}

fn list(
    world: &mut World,
    call: &Asked<'_>,
    ids: fn(&Channel, &str, &Switches) -> Vec<String>,
) -> Outcome {
    let broadcaster = call.broadcaster()?;
    call.as_broadcaster(broadcaster)?;
    let channel = world.audience.channel(broadcaster);
    let mut rows = channel.map_or_else(Vec::new, |channel| {
        ids(channel, broadcaster, &world.settings.switches)
    });
    rows.retain(|id| is_listed(world, id));
    shuffle(world, &mut rows, |id| id);
    let (rows, rest) = choose(world, call, broadcaster, rows, |id| id, false)?;
    let people = rows.into_iter().filter_map(|id| {
        Some(Person {
            account: shown(world, &id)?,
            subscription: None,
        })
    });
    Ok(answer(world, None, people, None, rest))
}

/// Puts the rows into any order, which stays the same from page to page.
fn shuffle<T>(world: &World, rows: &mut [T], id: impl Fn(&T) -> &String) {
    if world.settings.switches.shuffled {
        let seed = world.settings.seed;
        rows.sort_by_key(|row| mix(seed ^ id(row).parse().unwrap_or(0)));
    }
}

/// Returns the rows that the call asks for: by id in the order asked, or a page and its cursor.
fn choose<T: Clone>(
    world: &mut World,
    call: &Asked<'_>,
    broadcaster: &str,
    rows: Vec<T>,
    id: impl Fn(&T) -> &String,
    full_goes_on: bool,
) -> Outcome<(Vec<T>, Rest)> {
    let first = call.number("first", 20)?;
    let asked = call.ids("user_id")?;
    if !asked.is_empty() {
        let found = asked.iter().filter_map(|asked| {
            let mut rows = rows.iter();
            rows.find(|row| id(row) == asked).cloned()
        });
        return Ok((found.collect(), Rest::LookUp));
    }
    let list = List {
        rows: rows.len() as u64,
        first,
        full_goes_on,
    };
    let Page { places, next } = pages::turn(world, call, broadcaster, list)?;
    let rows = places.into_iter().map(|place| rows[place as usize].clone());
    Ok((rows.collect(), Rest::Page(next)))
}

/// Tells whether an account has a row: suspended ones have none, deleted ones may linger.
fn is_listed(world: &World, id: &str) -> bool {
    shown(world, id).is_some()
}

/// Returns an account as lists show it.
fn shown(world: &World, id: &str) -> Option<Account> {
    let accounts: &Accounts = &world.audience.accounts;
    if !accounts.is_deleted(id) {
        return accounts.get(id);
    }
    let blank = |id: &str| Account {
        id: id.to_string(),
        login: String::new(),
        name: String::new(),
    };
    match world.settings.switches.lingering {
        Lingering::No => None,
        Lingering::Nameless => Some(blank(id)),
        Lingering::Blank => Some(blank("")),
    }
}

/// Writes the answer; `owner` and `whole` are of subscriptions alone.
fn answer(
    world: &World,
    owner: Option<&Account>,
    people: impl Iterator<Item = Person>,
    whole: Option<&Whole>,
    rest: Rest,
) -> Answer {
    let mut json = Json::new();
    json.open(b'{');
    json.key("data").open(b'[');
    for person in people {
        json.open(b'{');
        if let (Some(subscription), Some(owner)) = (&person.subscription, owner) {
            json.key("broadcaster_id").text(&owner.id);
            json.key("broadcaster_login").text(&owner.login);
            json.key("broadcaster_name").text(&owner.name);
            write(world, subscription, owner, &mut json);
        }
        json.key("user_id").text(&person.account.id);
        json.key("user_login").text(&person.account.login);
        json.key("user_name").text(&person.account.name);
        json.close(b'}');
    }
    json.close(b']');
    // A look-up of subscriptions says neither, and its cursor is an empty text.
    if let (Some(whole), Rest::Page(_)) = (whole, &rest) {
        json.key("total").number(whole.total as i64);
        json.key("points").number(whole.points as i64);
    }
    let cursor = match &rest {
        Rest::Page(next) => next.as_deref(),
        Rest::LookUp => owner.map(|_| ""),
    };
    pages::pagination(&mut json, cursor);
    json.close(b'}');
    Answer::json(200, json.finish())
}

fn write(world: &World, subscription: &Subscription, owner: &Account, json: &mut Json) {
    let gifter = subscription.gifter.as_deref();
    let gifter = gifter.and_then(|id| world.audience.accounts.known(id));
    let plan = match subscription.tier.as_str() {
        "1000" => format!("Channel Subscription ({})", owner.login),
        tier => format!("Channel Subscription ({}): ${tier}", owner.login),
    };
    let part = |text: fn(&Account) -> &String| gifter.as_ref().map_or("", |account| text(account));
    json.key("tier").text(&subscription.tier);
    json.key("plan_name").text(&plan);
    json.key("is_gift").bool(subscription.gift);
    json.key("gifter_id").text(part(|account| &account.id));
    json.key("gifter_login")
        .text(part(|account| &account.login));
    json.key("gifter_name").text(part(|account| &account.name));
}
