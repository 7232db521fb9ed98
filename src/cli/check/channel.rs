//! What Twitch says of a token, of the channel, and of the user's role on it.

use chrono::TimeDelta;

use crate::apis::twitch::{self, FOLLOWERS_SCOPE, Followers, Token, User};
use crate::config::{TwitchAccount, TwitchLogin, scopes};
use crate::model::{Channel, RecordKey, SourceKind};
use crate::net::{CallError, Line, Purpose, Reach, Tally};
use crate::report::{number, plain};

use super::super::status::moment;
use super::super::worlds::Worlds;
use super::online::Asking;

/// Users are looked up so many at a time. Source: Twitch's API reference, "Get Users".
const A_CALL: usize = 100;

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
    if let Some((viewer, lacking)) = judge(asking, spoke, &token) {
        let watched = Watched::by(asking, spoke);
        for (channel, of) in find(asking, &helix, &viewer, watched).await {
            told(asking, &helix, &channel, &of, (&viewer, &token, &lacking)).await;
        }
        asking.clock("Twitch", &helix);
        asking.budget(worlds.store(), &helix, "Twitch", Some(0));
    } else {
        asking.clock("Twitch", &auth);
    }
}

/// One channel, and what jobs read of it with this account.
struct Watched {
    channel: Channel,
    /// Each once.
    sources: Vec<SourceKind>,
}

impl Watched {
    /// Returns every channel that the account's jobs read, or else the account's own.
    fn by(asking: &Asking<'_>, spoke: &TwitchAccount) -> Vec<Watched> {
        let mut all: Vec<Watched> = Vec::new();
        let jobs = asking.config.jobs.values();
        for job in jobs.filter(|job| job.from == *asking.name) {
            let channels = match job.channels.as_slice() {
                [] => std::slice::from_ref(&job.channel),
                channels => channels,
            };
            for channel in channels {
                let known = all.iter_mut().find(|known| known.channel == *channel);
                match known {
                    Some(known) if known.sources.contains(&job.source) => {}
                    Some(known) => known.sources.push(job.source),
                    None => all.push(Watched {
                        channel: channel.clone(),
                        sources: vec![job.source],
                    }),
                }
            }
        }
        if all.is_empty() {
            // Nobody wrote a job yet; the first one reads followers.
            all.push(Watched {
                channel: spoke.channel.clone(),
                sources: vec![SourceKind::TwitchFollowers],
            });
        }
        all
    }
}

/// Says of a channel that was found what the token may list of it.
async fn told(
    asking: &mut Asking<'_>,
    helix: &Line,
    channel: &User,
    sources: &[SourceKind],
    (viewer, token, lacking): (&RecordKey, &Token, &[&str]),
) {
    let name = name_of(channel);
    let may = |source: &SourceKind| {
        let scopes = source.scopes();
        scopes.is_empty() || !scopes.iter().any(|scope| lacking.contains(scope))
    };
    let own: Vec<&str> = sources
        .iter()
        .filter(|source| source.is_broadcasters_own() && may(source))
        .map(|source| source.plural())
        .collect();
    for source in sources {
        match source {
            SourceKind::TwitchFollowers if may(source) => {
                role(asking, helix, channel, viewer, token).await;
            }
            SourceKind::TwitchStreams => {
                asking.well(format!(
                    "channel {name} is there, and anybody may see when it is live"
                ));
            }
            SourceKind::TwitchFollowers
            | SourceKind::TwitchSubscribers
            | SourceKind::TwitchVips
            | SourceKind::TwitchModerators
            | SourceKind::TwitchBits => {}
        }
    }
    if own.is_empty() {
        return;
    }
    let own = own.join(", ");
    if channel.id == *viewer {
        asking.well(format!(
            "the token is the broadcaster's of {name}, who alone may list its {own}"
        ));
    } else {
        let mend = format!(
            "give {name} an account of its own, which its broadcaster logs in, and name that one in the job; or: {}",
            asking.replace()
        );
        asking.wrong(
            format!(
                "Twitch shows the {own} of {name} to its broadcaster alone, and the token is {}'s",
                who(token)
            ),
            mend,
        );
    }
}

fn name_of(channel: &User) -> String {
    let name = channel.login.clone();
    plain(&name.unwrap_or_else(|| channel.id.to_string()))
}

/// Says what the token is good for; returns whose it is and the scopes that it lacks, `None` when it is of no use at all.
fn judge(
    asking: &mut Asking<'_>,
    spoke: &TwitchAccount,
    token: &Token,
) -> Option<(RecordKey, Vec<&'static str>)> {
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
    let lacking = scopes::lacking(asking.config, asking.name, &token.scopes);
    for scope in &lacking {
        let mend = asking.grant(scope);
        asking.wrong(format!("the token lacks the scope {scope}"), mend);
    }
    if lacking.is_empty() {
        let needed = scopes::needed(asking.config, asking.name);
        asking.well(format!(
            "every needed scope was granted: {}",
            needed.join(", ")
        ));
    }
    Some((viewer, lacking))
}

fn who(token: &Token) -> String {
    match (&token.login, &token.user_id) {
        (Some(login), _) => plain(login),
        (None, Some(id)) => id.to_string(),
        (None, None) => "nobody".to_owned(),
    }
}

/// Looks channels up, a hundred a call; returns those that there are, and what is read of each. Those that there are not were said.
async fn find(
    asking: &mut Asking<'_>,
    helix: &Line,
    viewer: &RecordKey,
    watched: Vec<Watched>,
) -> Vec<(User, Vec<SourceKind>)> {
    let (mut ids, mut logins) = (Vec::new(), Vec::new());
    for watched in &watched {
        match &watched.channel {
            Channel::Own => ids.push(viewer.clone()),
            Channel::Login(login) => logins.push(login.clone()),
            Channel::Id(id) => match RecordKey::try_from(id.clone()) {
                Ok(key) => ids.push(key),
                Err(error) => {
                    asking.wrong(format!("`channel_id`: {error}"), "mend it in ghl-sync.toml");
                }
            },
        }
    }
    let by_id = ids.chunks(A_CALL).map(twitch::users);
    let by_login = logins.chunks(A_CALL).map(twitch::users_by_login);
    let mut there: Vec<User> = Vec::new();
    for call in by_id.chain(by_login) {
        match helix.send(&call, Purpose::Announced).await {
            Ok(answer) => there.extend(answer.value),
            Err(error) => {
                asking.failed(error, FOLLOWERS_SCOPE);
                return Vec::new();
            }
        }
    }
    let mut found = Vec::new();
    for Watched { channel, sources } in watched {
        let wanted = match &channel {
            Channel::Own => viewer.as_str(),
            Channel::Login(text) | Channel::Id(text) => text,
        };
        let is_it = |user: &&User| match &channel {
            Channel::Login(login) => user
                .login
                .as_deref()
                .is_some_and(|seen| seen.eq_ignore_ascii_case(login)),
            Channel::Own | Channel::Id(_) => user.id.as_str() == wanted,
        };
        match there.iter().find(is_it) {
            Some(user) => found.push((user.clone(), sources)),
            None => asking.wrong(
                format!("there is no Twitch channel `{wanted}`"),
                "check `channel` in ghl-sync.toml and `channels` in the job: the login as in twitch.tv/LOGIN; a suspended channel does not show either",
            ),
        }
    }
    found
}

/// Finds out whether the token's user may list the channel's followers.
async fn role(
    asking: &mut Asking<'_>,
    helix: &Line,
    channel: &User,
    viewer: &RecordKey,
    token: &Token,
) {
    let name = name_of(channel);
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
