//! Logins: what was granted to whom, and every secret that was ever handed out.
//!
//! A grant is one consent of one user. It has a refresh token and the access tokens made with it; the access tokens
//! themselves live in `Tokens`, as those that the sandbox starts with do. Which texts the vendors answer with is not
//! known here.

use std::collections::{HashMap, VecDeque};

use super::chance::Chance;
use super::tokens::{Holder, Token, Tokens};

/// The most living access tokens of one grant; older ones fall out. Source: Twitch, "Refreshing Access Tokens".
const MOST_ACCESS: usize = 50;
/// How long an authorization code may be exchanged, in milliseconds. No vendor says it; ten minutes are the most that
/// RFC 6749 recommends.
const CODE_LIFE_MS: i64 = 600_000;
/// How long a device code may be used, in milliseconds. Source: Twitch's answer, `"expires_in":1800`.
pub(crate) const DEVICE_LIFE_MS: i64 = 1_800_000;

/// What a text that was handed out is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IssuedKind {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
    /// An authorization code.
    Code,
    /// A device code; the user code is no secret.
    DeviceCode,
    /// The secret of an application.
    ClientSecret,
}

/// One text that no log, report or file may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// What it is for.
    pub kind: IssuedKind,
    /// The text itself.
    pub text: String,
}

/// Which vendor's alphabet a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Thirty letters and digits, as Twitch's access tokens.
    Short,
    /// Fifty letters and digits, as Twitch's refresh tokens.
    Long,
    /// Three parts with dots, as HighLevel's tokens.
    Jwt,
}

/// What a user agreed to.
#[derive(Clone, Debug)]
pub(crate) struct Consent {
    pub(crate) holder: Holder,
    pub(crate) scopes: Vec<String>,
}

/// Where a device login stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceState {
    Pending,
    /// By the user with this id.
    Approved(String),
    Denied,
    /// A token was handed out for it.
    Used,
}

/// One device login.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) device_code: String,
    pub(crate) user_code: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) state: DeviceState,
    pub(crate) made_at: i64,
}

impl Device {
    pub(crate) fn is_over(&self, now: i64) -> bool {
        now - self.made_at >= DEVICE_LIFE_MS
    }
}

/// An authorization code that waits to be exchanged.
struct Code {
    consent: Consent,
    redirect: String,
    made_at: i64,
}

/// One consent with what was made of it.
struct Grant {
    consent: Consent,
    /// The living refresh token.
    refresh: Option<String>,
    used_at: i64,
    /// Living access tokens, oldest first; those that died by the clock may still be listed.
    access: VecDeque<String>,
}

/// What a token call hands out.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) consent: Consent,
    pub(crate) life_ms: i64,
}

/// How a vendor renews.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renewal {
    pub(crate) access_life_ms: i64,
    /// A refresh token that rests longer than this is dead; `None` means it may rest for ever.
    pub(crate) idle_life_ms: Option<i64>,
    /// Each use of a refresh token spends it and makes the next one.
    pub(crate) rotates: bool,
    pub(crate) access: Spelling,
    pub(crate) refresh: Spelling,
}

/// All logins.
pub(crate) struct Logins {
    chance: Chance,
    issued: Vec<Issued>,
    codes: HashMap<String, Code>,
    pub(crate) devices: Vec<Device>,
    grants: Vec<Grant>,
}

impl Logins {
    pub(crate) fn new(seed: u64, secrets: Vec<String>) -> Logins {
        let issued = secrets.into_iter().map(|text| Issued {
            kind: IssuedKind::ClientSecret,
            text,
        });
        Logins {
            chance: Chance::new(seed ^ 0x10_61_45),
            issued: issued.collect(),
            codes: HashMap::new(),
            devices: Vec::new(),
            grants: Vec::new(),
        }
    }

    fn letters(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length)
            .map(|_| char::from(self.chance.pick(alphabet)))
            .collect()
    }

    fn issue(&mut self, kind: IssuedKind, spelling: Spelling) -> String {
        const SMALL: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        const ALL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let text = match spelling {
            Spelling::Short => self.letters(SMALL, 30),
            Spelling::Long => self.letters(SMALL, 50),
            Spelling::Jwt => format!(
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{}.{}",
                self.letters(ALL, 64),
                self.letters(ALL, 43)
            ),
        };
        self.issued.push(Issued {
            kind,
            text: text.clone(),
        });
        text
    }

    /// Returns everything that was ever handed out, oldest first.
    pub(crate) fn issued(&self) -> &[Issued] {
        &self.issued
    }

    /// Tells whether a text was handed out as an access token, whatever became of it.
    pub(crate) fn was_access(&self, text: &str) -> bool {
        let mut issued = self.issued.iter();
        issued.any(|known| known.kind == IssuedKind::Access && known.text == text)
    }

    // Codes.

    /// Makes an authorization code that is good once, for this redirect address.
    pub(crate) fn code(&mut self, consent: Consent, redirect: &str, now: i64) -> String {
        let text = self.issue(IssuedKind::Code, Spelling::Short);
        let code = Code {
            consent,
            redirect: redirect.to_string(),
            made_at: now,
        };
        self.codes.insert(text.clone(), code);
        text
    }

    /// Tells for which redirect address a living code was made.
    pub(crate) fn code_redirect(&self, text: &str, now: i64) -> Option<&str> {
        let code = self.codes.get(text);
        code.filter(|code| now - code.made_at < CODE_LIFE_MS)
            .map(|code| code.redirect.as_str())
    }

    /// Takes a code and returns what was agreed to.
    pub(crate) fn take_code(&mut self, text: &str) -> Option<Consent> {
        self.codes.remove(text).map(|code| code.consent)
    }

    // Devices.

    /// Begins a device login and returns it.
    pub(crate) fn device(&mut self, scopes: Vec<String>, now: i64) -> Device {
        let device = Device {
            device_code: self.issue(IssuedKind::DeviceCode, Spelling::Long),
            user_code: self.letters(b"BCDFGHJKLMNPQRSTVWXYZ", 8),
            scopes,
            state: DeviceState::Pending,
            made_at: now,
        };
        self.devices.push(device.clone());
        device
    }

    /// Returns the login that waits for this user code.
    pub(crate) fn pending(&mut self, user_code: &str, now: i64) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| {
            device.user_code == user_code
                && device.state == DeviceState::Pending
                && !device.is_over(now)
        })
    }

    /// Returns the user codes that wait, oldest first.
    pub(crate) fn pending_codes(&self, now: i64) -> Vec<String> {
        let pending = self
            .devices
            .iter()
            .filter(|device| device.state == DeviceState::Pending && !device.is_over(now));
        pending.map(|device| device.user_code.clone()).collect()
    }

    // Grants.

    /// Begins a grant and hands out its first pair.
    pub(crate) fn grant(
        &mut self,
        tokens: &mut Tokens,
        consent: Consent,
        renewal: Renewal,
        now: i64,
    ) -> Pair {
        let refresh = self.issue(IssuedKind::Refresh, renewal.refresh);
        self.grants.push(Grant {
            consent,
            refresh: Some(refresh),
            used_at: now,
            access: VecDeque::new(),
        });
        self.hand_out(tokens, self.grants.len() - 1, renewal, now)
    }

    /// Hands out an access token without a refresh token.
    pub(crate) fn lone(
        &mut self,
        tokens: &mut Tokens,
        consent: Consent,
        renewal: Renewal,
        now: i64,
    ) -> Pair {
        self.grants.push(Grant {
            consent,
            refresh: None,
            used_at: now,
            access: VecDeque::new(),
        });
        self.hand_out(tokens, self.grants.len() - 1, renewal, now)
    }

    fn holding(&self, refresh: &str, renewal: Renewal, now: i64) -> Option<usize> {
        let place = self
            .grants
            .iter()
            .position(|grant| grant.refresh.as_deref() == Some(refresh))?;
        let idle = now - self.grants[place].used_at;
        let is_fresh = renewal.idle_life_ms.is_none_or(|life| idle < life);
        is_fresh.then_some(place)
    }

    /// Returns what a living refresh token stands for, without using it.
    pub(crate) fn consent(&self, refresh: &str, renewal: Renewal, now: i64) -> Option<&Consent> {
        let place = self.holding(refresh, renewal, now)?;
        Some(&self.grants[place].consent)
    }

    /// Uses a refresh token; `None` means that it is unknown, spent, revoked or has rested too long.
    pub(crate) fn renew(
        &mut self,
        tokens: &mut Tokens,
        refresh: &str,
        renewal: Renewal,
        now: i64,
    ) -> Option<Pair> {
        let place = self.holding(refresh, renewal, now)?;
        if renewal.rotates {
            let next = self.issue(IssuedKind::Refresh, renewal.refresh);
            self.grants[place].refresh = Some(next);
        }
        self.grants[place].used_at = now;
        Some(self.hand_out(tokens, place, renewal, now))
    }

    fn hand_out(&mut self, tokens: &mut Tokens, place: usize, renewal: Renewal, now: i64) -> Pair {
        let access = self.issue(IssuedKind::Access, renewal.access);
        let grant = &mut self.grants[place];
        let token = Token {
            holder: grant.consent.holder.clone(),
            scopes: grant.consent.scopes.clone(),
            expires_at_ms: Some(now + renewal.access_life_ms),
        };
        tokens.set(&access, token);
        grant
            .access
            .retain(|text| tokens.alive(text, now).is_some());
        grant.access.push_back(access.clone());
        while grant.access.len() > MOST_ACCESS
            && let Some(oldest) = grant.access.pop_front()
        {
            tokens.revoke(&oldest);
        }
        Pair {
            access,
            refresh: grant.refresh.clone(),
            consent: grant.consent.clone(),
            life_ms: renewal.access_life_ms,
        }
    }

    // Ends.

    /// Kills every access token that was handed out; refresh tokens live on.
    pub(crate) fn expire_access(&mut self, tokens: &mut Tokens) {
        for grant in &mut self.grants {
            for text in grant.access.drain(..) {
                tokens.revoke(&text);
            }
        }
    }

    /// Kills every refresh token; access tokens live on.
    pub(crate) fn kill_refresh(&mut self) {
        for grant in &mut self.grants {
            grant.refresh = None;
        }
    }

    /// Ends the logins whose holder fits, with all their tokens and codes.
    pub(crate) fn end(&mut self, tokens: &mut Tokens, fits: impl Fn(&Holder) -> bool) {
        for grant in &mut self.grants {
            if fits(&grant.consent.holder) {
                grant.refresh = None;
                for text in grant.access.drain(..) {
                    tokens.revoke(&text);
                }
            }
        }
        self.codes.retain(|_, code| !fits(&code.consent.holder));
    }

    /// Kills one access token and, when asked, the whole login that it came from.
    pub(crate) fn revoke(&mut self, tokens: &mut Tokens, access: &str, login_too: bool) {
        tokens.revoke(access);
        let found = self
            .grants
            .iter_mut()
            .find(|grant| grant.access.iter().any(|known| known == access));
        let Some(grant) = found else {
            return;
        };
        grant.access.retain(|known| known != access);
        if login_too {
            grant.refresh = None;
            for text in grant.access.drain(..) {
                tokens.revoke(&text);
            }
        }
    }

    /// Tells whether a text is a living refresh token, however long it has rested.
    pub(crate) fn is_refresh(&self, text: &str) -> bool {
        let mut grants = self.grants.iter();
        grants.any(|grant| grant.refresh.as_deref() == Some(text))
    }
}
