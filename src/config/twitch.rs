//! Reading an account of Twitch.

use std::path::Path;

use super::account::{TwitchAccount, TwitchLogin};
use super::accounts::{address, client_id, redirect_uri};
use super::reader::Table;
use super::source::source;
use super::{keys, values};
use crate::model::{AccountName, Channel};

/// Where Twitch's API is. Source: Twitch's API reference.
const API_URL: &str = "https://api.twitch.tv/helix";

/// Where Twitch issues and checks tokens. Source: Twitch's authentication guide.
const AUTH_URL: &str = "https://id.twitch.tv/oauth2";

/// Where a browser comes back to; the usual redirect address of applications that run on one's own machine.
const REDIRECT_URI: &str = "http://localhost:3000";

/// Reads `[accounts.NAME]` with `service = "twitch"`.
pub(super) fn read(table: &Table<'_>, name: &AccountName, folder: &Path) -> Option<TwitchAccount> {
    table.expect_keys(keys::TWITCH, |_| None);
    let client_id = client_id(
        table,
        "client_id = \"<the id of your Twitch application>\"",
        values::check_twitch_client,
    );
    let client_secret = source(table, "client_secret", folder);
    let login = match table.has("token") {
        true => source(table, "token", folder).map(TwitchLogin::Fixed),
        false => Some(TwitchLogin::Kept),
    };
    let channel = channel(table);
    let redirect_uri = redirect_uri(table, REDIRECT_URI);
    let base_url = address(table, "base_url", API_URL);
    let auth_url = address(table, "auth_url", AUTH_URL);
    if table.has("client_secret") && client_secret.is_none() {
        return None;
    }
    Some(TwitchAccount {
        name: name.clone(),
        client_id: client_id?,
        client_secret,
        login: login?,
        channel,
        redirect_uri: redirect_uri?,
        base_url: base_url?,
        auth_url: auth_url?,
    })
}

fn channel(table: &Table<'_>) -> Channel {
    let login = table.text("channel");
    let id = table.text("channel_id");
    match (login, id) {
        (None, None) => Channel::Own,
        (Some(_), Some(id)) => {
            let message = "`channel` names the channel already, expected one of the two".to_owned();
            table.report_at(id.at, "channel_id", message, None);
            Channel::Own
        }
        (Some(login), None) => match values::twitch_login(login.value) {
            Ok(login) => Channel::Login(login),
            Err(message) => {
                table.report_at(login.at, "channel", message, None);
                Channel::Own
            }
        },
        (None, Some(id)) => {
            let is_id = !id.value.is_empty() && id.value.bytes().all(|b| b.is_ascii_digit());
            if !is_id {
                let message = format!(
                    "`{}` is not a Twitch user id: expected digits",
                    id.value.escape_debug()
                );
                table.report_at(id.at, "channel_id", message, None);
            }
            Channel::Id(id.value.to_owned())
        }
    }
}
