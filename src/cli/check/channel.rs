//! What Twitch says of a token, of the channel, and of the user's role on it.

use chrono::TimeDelta;

use crate::apis::twitch::{self, FOLLOWERS_SCOPE, Followers, Token, User};
use crate::config::{TwitchAccount, TwitchLogin, scopes};
use crate::model::{Channel, RecordKey};
use crate::net::{CallError, Line, Purpose, Reach, Tally};
use crate::report::{number, plain};

use super::super::status::moment;
use super::super::worlds::Worlds;
use super::online::Asking;

/// Asks a channel: the token, the channel, the role, the followers.
pub(super) async fn ask(asking: &mut Asking<'_>, worlds: &mut Worlds, spoke: &TwitchAccount) {
    if matches!(spoke.login, TwitchLogin::Kept) && asking.login().is_none() {
        let mend = asking.log_in();
        return asking.wrong("not logged in yet", mend);
    }
    let tally = Tally::default();
    let lines = worlds.auth(asking.account).and_then(|auth| {
        let helix = worlds.line(asking.account, Reach::ReadsOnly, auth.clone(), &tally)?;
        Ok((helix, worlds.token_line(asking.account, auth, &tally)?))
    });
    let (helix, auth) = match lines {
        Ok(lines) => lines,
        Err(why) => return asking.no_call(&why),
    };
    let token = match auth.send(&twitch::validate(), Purpose::Announced).await {
        Ok(answer) => answer.value,
        Err(error) => {
            asking.failed(error, FOLLOWERS_SCOPE);
            return asking.clock("Twitch", &auth);
        }
    };
    if let Some((viewer, may_list)) = judge(asking, spoke, &token) {
        let channel = find(asking, spoke, &helix, &viewer).await;
        if let Some(channel) = channel.filter(|_| may_list) {
            role(asking, &helix, &channel, &viewer, &token).await;
        }
        asking.clock("Twitch", &helix);
        asking.budget(worlds.store(), &helix, "Twitch", Some(0));
    } else {
        asking.clock("Twitch", &auth);
    }
}

/// Says what the token is good for; returns whose it is and whether it may list followers, `None` when it is of no use at all.
fn judge(
    asking: &mut Asking<'_>,
    spoke: &TwitchAccount,
    token: &Token,
) -> Option<(RecordKey, bool)> {
    if token.client_id != spoke.client_id {
        asking.wrong(
            format!(
                "the token belongs to client id {}, but `client_id` says {}",
                plain(&token.client_id),
                spoke.client_id
            ),
            match &spoke.login {
                TwitchLogin::Fixed(source) => format!(
                    "set `client_id` in ghl-sync.toml to the token's application, or put a token of the other one into {source}"
                ),
                TwitchLogin::Kept => asking.log_in(),
            },
        );
        return None;
    }
    let Some(viewer) = token.user_id.clone() else {
        let mend = asking.replace();
        asking.wrong(
            "the token is an app token, which cannot list followers",
            mend,
        );
        return None;
    };
    let ends = token.expires_in.and_then(|life| {
        asking
            .now
            .checked_add_signed(TimeDelta::from_std(life).ok()?)
    });
    let life = match ends {
        Some(ends) => format!("good until {}", moment(ends, asking.now)),
        None => "good without an end".to_owned(),
    };
    let what = format!("the token is {}'s and {life}", who(token));
    match &spoke.login {
        TwitchLogin::Fixed(_) if token.expires_in.is_some() => {
            let mend = format!(
                "take `token` out of ghl-sync.toml and {}: such a login is renewed",
                asking.log_in()
            );
            asking.note(format!("{what}; nobody renews it"), Some(mend));
        }
        TwitchLogin::Fixed(_) | TwitchLogin::Kept => asking.well(what),
    }
    let needed = scopes::needed(asking.config, asking.name);
    let lacking: Vec<&str> = needed
        .iter()
        .copied()
        .filter(|scope| !token.scopes.iter().any(|have| have == scope))
        .collect();
    for scope in &lacking {
        let mend = asking.grant(scope);
        asking.wrong(format!("the token lacks the scope {scope}"), mend);
    }
    if lacking.is_empty() {
        asking.well(format!(
            "every needed scope was granted: {}",
            needed.join(", ")
        ));
    }
    Some((viewer, !lacking.contains(&FOLLOWERS_SCOPE)))
}

fn who(token: &Token) -> String {
    match (&token.login, &token.user_id) {
        (Some(login), _) => plain(login),
        (None, Some(id)) => id.to_string(),
        (None, None) => "nobody".to_owned(),
    }
}

/// Looks the channel up; `None` when there is none, which was said.
async fn find(
    asking: &mut Asking<'_>,
    spoke: &TwitchAccount,
    helix: &Line,
    viewer: &RecordKey,
) -> Option<User> {
    let (call, wanted) = match &spoke.channel {
        Channel::Own => (
            twitch::users(std::slice::from_ref(viewer)),
            viewer.to_string(),
        ),
        Channel::Login(login) => (
            twitch::users_by_login(std::slice::from_ref(login)),
            login.clone(),
        ),
        Channel::Id(id) => match RecordKey::try_from(id.clone()) {
            Ok(key) => (twitch::users(&[key]), id.clone()),
            Err(error) => {
                asking.wrong(format!("`channel_id`: {error}"), "mend it in ghl-sync.toml");
                return None;
            }
        },
    };
    match helix.send(&call, Purpose::Announced).await {
        Ok(answer) => {
            let channel = answer.value.into_iter().next();
            if channel.is_none() {
                asking.wrong(
                    format!("there is no Twitch channel `{wanted}`"),
                    "check `channel` in ghl-sync.toml: the login as in twitch.tv/LOGIN; a suspended channel does not show either",
                );
            }
            channel
        }
        Err(error) => {
            asking.failed(error, FOLLOWERS_SCOPE);
            None
        }
    }
}

/// Finds out whether the token's user may list the channel's followers.
async fn role(
    asking: &mut Asking<'_>,
    helix: &Line,
    channel: &User,
    viewer: &RecordKey,
    token: &Token,
) {
    let name = channel
        .login
        .clone()
        .unwrap_or_else(|| channel.id.to_string());
    let name = plain(&name);
    let is_own = channel.id == *viewer;
    // With `user_id` a missing right is 401; without it, it is a silent empty list.
    let probe = twitch::follows(&channel.id, viewer);
    match helix.send(&probe, Purpose::Announced).await {
        Ok(_) => {}
        Err(CallError::NoPermission { .. }) => return lost_role(asking, &name, token, is_own),
        Err(error) => {
            asking.failed(error, FOLLOWERS_SCOPE);
            return;
        }
    }
    match helix
        .send(&twitch::followers(&channel.id, None), Purpose::Announced)
        .await
    {
        Ok(answer) => match answer.value {
            Followers::Page(page) => {
                let role = match is_own {
                    true => "broadcaster",
                    false => "moderator",
                };
                let total = page.total.unwrap_or(page.listed);
                asking.well(format!(
                    "channel {name} has {} followers, and {} may list them as its {role}",
                    number(total),
                    who(token)
                ));
            }
            Followers::NotEntitled { .. } => lost_role(asking, &name, token, is_own),
        },
        Err(error) => {
            asking.failed(error, FOLLOWERS_SCOPE);
        }
    }
}

fn lost_role(asking: &mut Asking<'_>, channel: &str, token: &Token, is_own: bool) {
    let who = who(token);
    if is_own {
        let mend = asking.replace();
        return asking.wrong(
            format!("Twitch does not show the followers of {channel} to its broadcaster"),
            mend,
        );
    }
    let mend = format!(
        "let the broadcaster make {who} a moderator again (`/mod {who}` in the chat of {channel}), or log in as the broadcaster: {}",
        asking.replace()
    );
    asking.wrong(
        format!("{who} is neither the broadcaster nor a moderator of {channel}, so Twitch lists no followers"),
        mend,
    );
}
