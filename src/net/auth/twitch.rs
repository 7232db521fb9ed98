//! Twitch's token calls. They go to the login host (`auth_url` of the account), with forms in the body: a query would reach the logs of proxies.
//!
//! Source: Twitch, Getting OAuth Access Tokens, Refreshing Access Tokens, Revoking Access Tokens; issues 943, 971, 1037 of its tracker.

use std::time::Duration;

use serde::Deserialize;

use super::super::call::{Call, Method, Unreadable, json};
use super::grant::{self, Grant};
use crate::model::{IfUnsure, Secret};

/// The shortest and the longest interval between two polls that are believed; Twitch asks for 5 s.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(60);

/// A login that waits for a person on another device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What the poll brings back.
    pub device_code: Secret,
    /// What the person types in, or sees confirmed.
    pub user_code: String,
    /// Where; it has the code in it already.
    pub verification_uri: String,
    /// How long the code is good.
    pub expires_in: Duration,
    /// How long to wait between two polls.
    pub interval: Duration,
}

/// Starts a device login for these scopes.
pub fn start_device(client_id: &str, scopes: &[&str]) -> Call<Device> {
    #[derive(Deserialize)]
    struct Wire {
        device_code: String,
        user_code: String,
        verification_uri: String,
        expires_in: Option<u64>,
        interval: Option<u64>,
    }
    Call::new(Method::Post, "POST /device", "/device", |bytes| {
        let wire: Wire = json(bytes)?;
        if wire.device_code.is_empty() || wire.user_code.is_empty() {
            return Err(Unreadable::Shape("the reply has no code".to_owned()));
        }
        Ok(Device {
            device_code: Secret::new(wire.device_code),
            user_code: wire.user_code,
            verification_uri: wire.verification_uri,
            expires_in: Duration::from_secs(wire.expires_in.unwrap_or(1_800)),
            interval: Duration::from_secs(wire.interval.unwrap_or(5)).clamp(SOONEST, LATEST),
        })
    })
    .form("client_id", client_id)
    .form("scopes", scopes.join(" "))
    // A second code is of no harm: nobody knows of the first.
    .if_unsure(IfUnsure::SendAgain)
}

/// Asks whether the person has agreed. Refused with "authorization_pending" until then.
///
/// `client_secret` is for confidential applications; Twitch takes it or leaves it here, and wants it at the renewal.
pub fn poll_device(
    client_id: &str,
    client_secret: Option<&Secret>,
    device_code: &Secret,
    scopes: &[&str],
) -> Call<Grant> {
    // Not sent again by itself: the poll comes again anyway, and a code is good for one token.
    token_call(client_id, client_secret)
        .form("scopes", scopes.join(" "))
        .secret_form("device_code", device_code)
        .form("grant_type", "urn:ietf:params:oauth:grant-type:device_code")
}

/// Exchanges the code of a browser login. A public application cannot do this.
pub fn exchange_code(
    client_id: &str,
    client_secret: &Secret,
    code: &Secret,
    redirect_uri: &str,
) -> Call<Grant> {
    token_call(client_id, Some(client_secret))
        .secret_form("code", code)
        .form("grant_type", "authorization_code")
        .form("redirect_uri", redirect_uri)
}

/// Renews a pair. The refresh token of a public application is good for one use; sending it again after a lost answer is the only way to
/// find out whether it was used.
pub fn renew(client_id: &str, client_secret: Option<&Secret>, refresh: &Secret) -> Call<Grant> {
    token_call(client_id, client_secret)
        .form("grant_type", "refresh_token")
        .secret_form("refresh_token", refresh)
        .if_unsure(IfUnsure::SendAgain)
}

/// Makes a token invalid.
pub fn revoke(client_id: &str, token: &Secret) -> Call<()> {
    Call::new(Method::Post, "POST /revoke", "/revoke", |_| Ok(()))
        .form("client_id", client_id)
        .secret_form("token", token)
        .if_unsure(IfUnsure::SendAgain)
}

fn token_call(client_id: &str, client_secret: Option<&Secret>) -> Call<Grant> {
    let call =
        Call::new(Method::Post, "POST /token", "/token", grant::read).form("client_id", client_id);
    match client_secret {
        Some(secret) => call.secret_form("client_secret", secret),
        None => call,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_login_as_documented() {
        let call = start_device("abc", &["moderator:read:followers", "bits:read"]);
        assert_eq!(
            call.form_body().unwrap(),
            "client_id=abc&scopes=moderator%3Aread%3Afollowers+bits%3Aread"
        );
        let device = call
            .read(br#"{"device_code":"ike3GM8QIdYZs43KdrWPIO36LofILoCyFEzjlQ91","expires_in":1800,"interval":5,"user_code":"ABCDEFGH","verification_uri":"https://www.twitch.tv/activate?device-code=ABCDEFGH"}"#)
            .unwrap();
        assert_eq!(device.user_code, "ABCDEFGH");
        assert_eq!(device.interval, Duration::from_secs(5));
        assert!(!format!("{device:?}").contains("ike3GM8"));
        let odd = call.read(br#"{"device_code":"d","user_code":"u","verification_uri":"v","interval":18446744073709551615}"#);
        assert_eq!(odd.unwrap().interval, LATEST);
    }

    #[test]
    fn no_secret_is_in_an_address() {
        let secret = Secret::new("s3cret");
        for call in [
            renew("abc", Some(&secret), &secret),
            exchange_code("abc", &secret, &secret, "http://localhost:3000"),
            poll_device("abc", Some(&secret), &secret, &["bits:read"]),
        ] {
            assert!(call.query.is_empty());
            assert!(call.form_body().unwrap().contains("s3cret"));
        }
    }
}
