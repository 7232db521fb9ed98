//! Subscribers, VIPs, moderators and cheerers of a channel, end to end.

mod bits;
mod kills;
mod order;
mod roles;
mod several;
mod subscribers;

use ghl_sync::run::RunError;
use ghl_sync::sandbox::{BROADCASTER_ID, ChannelHandle, Crew, Settings};
use serde_json::Value;

use crate::rig::{Rig, ask_all, minutes, settings};
use crate::scenes::{has, number};

/// A job over one source: a tag while somebody is in, another once they left, and a task for whoever joins after the first listing.
pub(crate) fn job(source: &str) -> String {
    let own = match source {
        "subscribers" => {
            "twitch_tier = \"{{ tier }}\"\ntwitch_months = \"{{ months }}\"\ntwitch_gifter = \"{{ gifter_login }}\"\n"
        }
        "bits" => "twitch_bits = \"{{ score }}\"\ntwitch_rank = \"{{ rank }}\"\n",
        _ => "",
    };
    let life = match source {
        // Nobody leaves a ranking.
        "bits" => "",
        _ => {
            "[on.leave]\nremove_tags = [\"in\"]\nadd_tags = [\"was in\"]\n[on.gone]\nadd_tags = [\"gone\"]\n"
        }
    };
    format!(
        "name = \"{source}\"\ntimezone = \"UTC\"\ncreate_fields = true\n\
         [from]\nsource = \"twitch.{source}\"\naccount = \"channel\"\n\
         [to]\ndestination = \"highlevel.contacts\"\naccount = \"main\"\n\
         [match]\nby = [\"link\", \"field:twitch_user_id\"]\nmissing = \"create\"\n\
         [fields]\nfirstName = {{ value = \"{{{{ user_name or user_login or 'twitch ' ~ user_id }}}}\", own = \"fill\" }}\n\
         twitch_user_id = \"{{{{ user_id }}}}\"\ntwitch_username = \"{{{{ user_login }}}}\"\n{own}\
         [on.join]\nadd_tags = [\"in\"]\ntask = {{ title = \"Greet {{{{ user_login }}}}\", due = \"2d\" }}\n{life}"
    )
}

/// A world of 400 people of whom some are something to the channel, and who have no contacts yet.
pub(crate) fn crowd(subscribers: u64, vips: u64, moderators: u64) -> Settings {
    Settings {
        crew: Crew {
            subscribers,
            vips,
            moderators,
            cheerers: 0,
        },
        ..settings(400, 3)
    }
}

/// A job whose first listing is through; an hour later.
pub(crate) async fn settled(world: Settings, source: &str) -> Rig {
    let mut rig = Rig::with_job(world, &job(source)).await;
    rig.apply_all().await;
    rig.advance(minutes(60));
    rig.apply_all().await;
    rig.advance(minutes(15));
    rig.sandbox.clear_calls();
    rig
}

pub(crate) fn channel(rig: &Rig) -> ChannelHandle<'_> {
    rig.sandbox.channel(BROADCASTER_ID)
}

/// Runs after so many minutes.
pub(crate) async fn pass(rig: &mut Rig, after: u64) -> crate::rig::Told {
    rig.advance(minutes(after));
    rig.apply_all().await
}

pub(crate) async fn failed_pass(rig: &mut Rig, after: u64) -> RunError {
    rig.advance(minutes(after));
    rig.run(ask_all()).await.unwrap_err()
}

pub(crate) fn contact(rig: &Rig, id: &str) -> Value {
    let contacts = rig.sandbox.contacts_by_field("twitch_user_id", id);
    assert_eq!(contacts.len(), 1, "{contacts:?}");
    contacts[0].clone()
}

pub(crate) fn is_in(rig: &Rig, id: &str) -> bool {
    has(&contact(rig, id), "in")
}

/// Returns whether somebody counts as one who left.
pub(crate) fn has_left(rig: &Rig, id: &str) -> bool {
    let contact = contact(rig, id);
    has(&contact, "was in") && !has(&contact, "in")
}

pub(crate) fn field(rig: &Rig, id: &str, name: &str) -> String {
    let contact = contact(rig, id);
    let value = &contact["fields"][name];
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns the titles of a contact's tasks.
pub(crate) fn tasks(rig: &Rig, id: &str) -> Vec<String> {
    let contact = contact(rig, id);
    let tasks = rig.sandbox.tasks(contact["id"].as_str().unwrap());
    let titles = tasks.iter().map(|task| task["title"].as_str().unwrap());
    titles.map(str::to_owned).collect()
}

/// Returns the paths of the calls to Twitch, without what tells one page from another.
pub(crate) fn at_twitch(rig: &Rig) -> Vec<String> {
    let calls = rig.sandbox.calls();
    let calls = calls.iter().filter(|call| {
        let routes = [
            "/subscriptions",
            "/channels/",
            "/moderation/",
            "/bits/",
            "/users",
        ];
        routes.iter().any(|route| call.path.starts_with(route))
    });
    calls
        .map(|call| {
            let path = call.path.split('?').next().unwrap();
            let looks_up = path != "/users" && call.path.contains("user_id=");
            format!("{path}{}", if looks_up { " by id" } else { "" })
        })
        .collect()
}

/// Returns how many records wait to be confirmed as gone, or are.
pub(crate) fn absent(rig: &mut Rig) -> (i64, i64) {
    let marked = "SELECT count(*) FROM roster WHERE missing_walk IS NOT NULL";
    let out = "SELECT count(*) FROM roster WHERE coalesce(pending, state) != 'in'";
    (number(rig, marked), number(rig, out))
}
