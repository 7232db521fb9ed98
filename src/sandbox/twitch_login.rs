//! The logins of `id.twitch.tv`: device code, authorization code, renewal and revocation.
//!
//! Sources: Twitch, "Getting OAuth Access Tokens", "Refreshing Access Tokens", "Revoking Access Tokens", and the issue
//! threads about what these pages leave out.

use serde_json::json;

use super::logins::{Consent, DEVICE_LIFE_MS, DeviceState, Pair, Renewal, Spelling};
use super::redirects::{granted, is_registered, send_back};
use super::routes::{Route, Row};
use super::settings::TWITCH_CLIENT_ID;
use super::tokens::Holder;
use super::twitch;
use super::wire::{Answer, Outcome, Request};
use super::world::{Twist, World};

/// How long a user token of a login lives. Source: Twitch's pages show 14,124 s; about four hours.
const TOKEN_LIFE_MS: i64 = 14_400_000;
/// How long the refresh token of a public application may rest. Source: Twitch, "Device code grant flow".
const IDLE_LIFE_MS: i64 = 30 * 86_400_000;
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// What never belongs into a query, where proxies and logs keep it.
const SECRETS: &[&str] = &[
    "client_secret",
    "code",
    "device_code",
    "refresh_token",
    "token",
];

fn refuse<T>(status: u16, message: &str) -> Outcome<T> {
    Err(Box::new(Answer::id(status, message)))
}

/// Answers the calls of `id.twitch.tv`.
pub(crate) fn answer(
    world: &mut World,
    row: &'static Row,
    request: &Request,
    twist: Twist,
) -> Answer {
    let done = match row.route {
        Route::TwitchValidate => Ok(twitch::validate(world, request, twist)),
        Route::TwitchAuthorize => authorize(world, request),
        Route::TwitchDevice => device(world, request),
        Route::TwitchToken => token(world, request, twist),
        Route::TwitchRevoke => revoke(world, request),
        Route::TwitchActivate => activate(world, request),
        // Every other route belongs to another vendor, and so does its path.
        _ => refuse(404, "not found"),
    };
    done.unwrap_or_else(|refusal| *refusal)
}

fn own_client(given: Option<&str>) -> Outcome<()> {
    match given {
        Some(TWITCH_CLIENT_ID) => Ok(()),
        Some(_) => refuse(400, "invalid client"),
        None => refuse(400, "missing client id"),
    }
}

/// Twitch reads these parameters in a query too; the sandbox refuses them there, because a client must not do that.
fn secrets_in_body(request: &Request) -> Outcome<()> {
    let leaked = |name: &&&str| request.param(name).is_some();
    match SECRETS.iter().find(leaked) {
        Some(name) => refuse(400, &format!("{name} belongs into the body")),
        None => Ok(()),
    }
}

fn renewal(world: &World) -> Renewal {
    let settings = &world.settings;
    let public = settings.twitch_client_secret.is_none();
    Renewal {
        access_life_ms: settings
            .twitch_token_life
            .map_or(TOKEN_LIFE_MS, |life| life.as_millis() as i64),
        idle_life_ms: public.then_some(IDLE_LIFE_MS),
        rotates: public || settings.switches.refresh_rotates,
        access: Spelling::Short,
        refresh: Spelling::Long,
    }
}

fn consent(user_id: &str, scopes: Vec<String>) -> Consent {
    Consent {
        holder: Holder::TwitchUser {
            client_id: TWITCH_CLIENT_ID.to_string(),
            user_id: user_id.to_string(),
        },
        scopes,
    }
}

fn pair(pair: &Pair) -> Answer {
    let mut body = json!({
        "access_token": pair.access,
        "expires_in": pair.life_ms / 1000,
        "refresh_token": pair.refresh,
        "token_type": "bearer",
    });
    // A token without scopes has no such key.
    if !pair.consent.scopes.is_empty() {
        body["scope"] = json!(pair.consent.scopes);
    }
    Answer::value(200, &body)
}

/// The page where the user says yes, and does so at once.
fn authorize(world: &mut World, request: &Request) -> Outcome {
    own_client(request.param("client_id"))?;
    let Some(address) = request.param("redirect_uri") else {
        return refuse(400, "missing redirect uri");
    };
    if !is_registered(&world.settings, &world.settings.twitch_redirects, address) {
        let body = json!({
            "status": 400,
            "error": "redirect_mismatch",
            "message": "Parameter redirect_uri does not match registered URI",
        });
        return Ok(Answer::value(400, &body));
    }
    if request.param("response_type") != Some("code") {
        return refuse(400, "invalid response type");
    }
    if world.settings.switches.login_denied {
        let pairs = [
            ("error", "access_denied"),
            ("error_description", "The user denied you access"),
        ];
        return Ok(send_back(world, request, address, &pairs, false));
    }
    let scopes = granted(world, request.param("scope").unwrap_or(""));
    let shown = scopes.join(" ");
    let user = world.settings.switches.login_user.clone();
    let now = world.clock.now();
    let code = world.logins.code(consent(&user, scopes), address, now);
    let pairs = [("code", code.as_str()), ("scope", shown.as_str())];
    Ok(send_back(world, request, address, &pairs, false))
}

fn device(world: &mut World, request: &Request) -> Outcome {
    secrets_in_body(request)?;
    own_client(request.form("client_id"))?;
    // The list is called `scopes` here and `scope` elsewhere; the wrong name gives a token without any.
    let scopes = granted(world, request.form("scopes").unwrap_or(""));
    let now = world.clock.now();
    let device = world.logins.device(scopes, now);
    let host = request.header("host").unwrap_or("localhost");
    let address = format!("http://{host}/id/activate?device-code={}", device.user_code);
    let body = json!({
        "device_code": device.device_code,
        "expires_in": DEVICE_LIFE_MS / 1000,
        "interval": world.settings.device_interval.as_secs(),
        "user_code": device.user_code,
        "verification_uri": address,
    });
    Ok(Answer::value(200, &body))
}

/// The page where the user approves a device; opening it is saying yes.
fn activate(world: &mut World, request: &Request) -> Outcome {
    let code = request.param("device-code").unwrap_or("").to_string();
    let (user, denied) = {
        let switches = &world.settings.switches;
        (switches.login_user.clone(), switches.login_denied)
    };
    let done = match denied {
        true => world.deny(&code),
        false => world.approve(&code, &user),
    };
    Ok(match (done, denied) {
        (true, false) => Answer::page(200, "The device is connected. You can close this page."),
        (true, true) => Answer::page(200, "The device was refused."),
        (false, _) => Answer::page(404, "No device waits for this code."),
    })
}

fn token(world: &mut World, request: &Request, twist: Twist) -> Outcome {
    secrets_in_body(request)?;
    own_client(request.form("client_id"))?;
    let secret = own_secret(world, request)?;
    match request.form("grant_type") {
        Some(DEVICE_GRANT) => poll(world, request),
        Some("refresh_token") => refresh(world, request, secret, twist),
        Some("authorization_code") => exchange(world, request, secret),
        Some(_) => refuse(400, "invalid grant type"),
        None => refuse(400, "missing grant type"),
    }
}

/// What a call says about the application's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Secret {
    Right,
    Missing,
}

fn own_secret(world: &World, request: &Request) -> Outcome<Secret> {
    let known = world.settings.twitch_client_secret.as_deref();
    match request.form("client_secret") {
        None => Ok(Secret::Missing),
        Some(given) if Some(given) == known => Ok(Secret::Right),
        Some(_) => {
            let forbidden = world.settings.switches.wrong_secret_403;
            refuse(if forbidden { 403 } else { 400 }, "invalid client secret")
        }
    }
}

fn poll(world: &mut World, request: &Request) -> Outcome {
    let Some(code) = request.form("device_code") else {
        return refuse(400, "missing device_code");
    };
    let now = world.clock.now();
    let mut devices = world.logins.devices.iter_mut();
    let Some(device) = devices.find(|device| device.device_code == code) else {
        return refuse(400, "invalid device code");
    };
    let switches = &mut world.settings.switches;
    if device.is_over(now) {
        let named = switches.expiry_named && device.state == DeviceState::Pending;
        let message = ["invalid device code", "expired_token"][usize::from(named)];
        return refuse(400, message);
    }
    match device.state.clone() {
        DeviceState::Pending if switches.slow_downs > 0 => {
            switches.slow_downs -= 1;
            refuse(400, "slow_down")
        }
        DeviceState::Pending if switches.pending_says_invalid => refuse(400, "invalid device code"),
        DeviceState::Pending => refuse(400, "authorization_pending"),
        DeviceState::Denied => refuse(400, "access_denied"),
        DeviceState::Used => refuse(400, "invalid device code"),
        DeviceState::Approved(user) => {
            device.state = DeviceState::Used;
            let agreed = consent(&user, device.scopes.clone());
            let renewal = renewal(world);
            let made = world.logins.grant(&mut world.tokens, agreed, renewal, now);
            Ok(pair(&made))
        }
    }
}

fn exchange(world: &mut World, request: &Request, secret: Secret) -> Outcome {
    // A public application has no secret, so that it always fails here. Source: twitch-cli#314.
    if secret == Secret::Missing {
        return refuse(400, "missing client secret");
    }
    let Some(code) = request.form("code") else {
        return refuse(400, "missing code");
    };
    let Some(address) = request.form("redirect_uri") else {
        return refuse(400, "missing redirect uri");
    };
    let now = world.clock.now();
    let Some(made_for) = world.logins.code_redirect(code, now) else {
        return refuse(400, "Invalid authorization code");
    };
    if made_for != address {
        return refuse(400, "Parameter redirect_uri does not match registered URI");
    }
    let Some(agreed) = world.logins.take_code(code) else {
        return refuse(400, "Invalid authorization code");
    };
    if !matches!(agreed.holder, Holder::TwitchUser { .. }) {
        return refuse(400, "Invalid authorization code");
    }
    let renewal = renewal(world);
    let made = world.logins.grant(&mut world.tokens, agreed, renewal, now);
    Ok(pair(&made))
}

fn refresh(world: &mut World, request: &Request, secret: Secret, twist: Twist) -> Outcome {
    if secret == Secret::Missing && world.settings.twitch_client_secret.is_some() {
        return refuse(400, "missing client secret");
    }
    let Some(text) = request.form("refresh_token") else {
        return refuse(400, "missing refresh token");
    };
    let (now, renewal) = (world.clock.now(), renewal(world));
    let consent = world.logins.consent(text, renewal, now);
    let ours = consent.is_some_and(|consent| matches!(consent.holder, Holder::TwitchUser { .. }));
    let made = match ours && !twist.expired {
        true => world.logins.renew(&mut world.tokens, text, renewal, now),
        false => None,
    };
    match made {
        Some(made) => Ok(pair(&made)),
        None => refuse(400, "Invalid refresh token"),
    }
}

/// Source: Twitch, "Revoking Access Tokens": 400 for an unknown token, 404 for an unknown client.
fn revoke(world: &mut World, request: &Request) -> Outcome {
    secrets_in_body(request)?;
    match request.form("client_id") {
        Some(TWITCH_CLIENT_ID) => {}
        Some(_) => return refuse(404, "client does not exist"),
        None => return refuse(400, "missing client id"),
    }
    let Some(text) = request.form("token") else {
        return refuse(400, "missing oauth token");
    };
    let now = world.clock.now();
    let holder = world.tokens.alive(text, now).map(|token| &token.holder);
    match holder {
        Some(Holder::TwitchUser { .. } | Holder::TwitchApp { .. }) => {}
        Some(Holder::Location | Holder::OtherLocation { .. } | Holder::Company { .. }) | None => {
            return refuse(400, "Invalid token");
        }
    }
    let login_too = world.settings.switches.revoke_ends_login;
    world.logins.revoke(&mut world.tokens, text, login_too);
    Ok(Answer::json(200, Vec::new()))
}

impl World {
    /// Lets a user approve the device that shows this code; false means that none waits.
    pub(crate) fn approve(&mut self, user_code: &str, user_id: &str) -> bool {
        self.decide(user_code, DeviceState::Approved(user_id.to_string()))
    }

    /// Lets a user refuse the device that shows this code; false means that none waits.
    pub(crate) fn deny(&mut self, user_code: &str) -> bool {
        self.decide(user_code, DeviceState::Denied)
    }

    fn decide(&mut self, user_code: &str, state: DeviceState) -> bool {
        let now = self.clock.now();
        match self.logins.pending(user_code, now) {
            Some(device) => {
                device.state = state;
                true
            }
            None => false,
        }
    }
}
