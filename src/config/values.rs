//! Single values of the files, checked by themselves: by the readers of the files, and where a person is asked for one.
//!
//! Each says in a fragment what was seen and expected; what could be a secret that was pasted by mistake is never shown.

use chrono::{DateTime, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::plan::due::Line;
use crate::plan::spelling;

pub use super::address::check_address;

/// Checks the client id of a Twitch application.
///
/// Errors: what was expected.
pub fn check_twitch_client(text: &str) -> Result<(), String> {
    check_client(text, "letters and digits", |b| b.is_ascii_alphanumeric())
}

/// Checks the client id of an app of HighLevel's marketplace.
///
/// Errors: what was expected.
pub fn check_highlevel_client(text: &str) -> Result<(), String> {
    check_client(text, "letters, digits and '-'", |b| {
        b.is_ascii_alphanumeric() || b == b'-'
    })
}

fn check_client(text: &str, expected: &str, is_id: impl Fn(u8) -> bool) -> Result<(), String> {
    if !text.is_empty() && text.bytes().all(is_id) {
        Ok(())
    } else {
        Err(format!(
            "expected the client id itself: {expected} (it is no secret)"
        ))
    }
}

/// Reads a Twitch login, in lower case.
///
/// Errors: what was seen and expected.
pub fn twitch_login(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let is_login = (1..=25).contains(&lower.len())
        && lower
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_login {
        Ok(lower)
    } else {
        Err(format!(
            "`{}` is not a Twitch login: expected 1 to 25 letters, digits and '_', as in twitch.tv/LOGIN",
            text.escape_debug()
        ))
    }
}

/// Reads the IANA name of a time zone.
///
/// Errors: what was seen, and what may have been meant.
pub fn time_zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| match near_zone(text) {
        Some(near) => format!("unknown time zone `{text}`, did you mean `{near}`?"),
        None => format!("unknown time zone `{}`", text.escape_debug()),
    })
}

fn near_zone(seen: &str) -> Option<&'static str> {
    let city = |zone: &'static str| zone.rsplit('/').next().unwrap_or(zone);
    let seen_city = seen.rsplit('/').next().unwrap_or(seen);
    let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
    let in_a_region = || names().filter(|name| name.contains('/'));
    let plain = |name: &str| name.replace([' ', '_'], "").to_lowercase();
    spelling::near(seen, names())
        .or_else(|| in_a_region().find(|name| plain(city(name)) == plain(seen_city)))
        .or_else(|| {
            let near = spelling::near(seen_city, in_a_region().map(city))?;
            in_a_region().find(|name| city(name) == near)
        })
}

/// Checks a cron line, and that there is a day it names.
///
/// Errors: what was seen and expected.
pub fn check_cron_line(text: &str, zone: Tz) -> Result<(), String> {
    let line = Line::parse(text).map_err(|refused| refused.to_string())?;
    match line.next(zone, DateTime::<Utc>::UNIX_EPOCH) {
        Some(_) => Ok(()),
        None => Err(format!("`{text}` never comes due: there is no such day")),
    }
}
