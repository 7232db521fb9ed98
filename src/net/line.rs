//! A line to one vendor with one token: everything a call needs besides itself.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::auth::{Auth, AuthError, TokenKind};
use super::chance::Chance;
use super::gate::Gate;
use super::send;
use super::tally::{Tally, Vendor};
use crate::model::Clock;

/// What a line may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Reads alone: the client of a dry run. A write is refused before anything is sent.
    ReadsOnly,
    /// The calls that make, check and end tokens, and nothing else.
    Tokens,
    /// Reads and writes.
    Everything,
}

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// From the start to the last byte of the answer.
    pub whole: Duration,
}

impl Default for Timeouts {
    /// 10 s to connect, 60 s for the whole call.
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(10),
            whole: Duration::from_secs(60),
        }
    }
}

/// What a line is made of.
#[derive(Clone, Debug)]
pub struct LineParts {
    /// Whom it reaches.
    pub vendor: Vendor,
    /// Where: `https://services.leadconnectorhq.com`, `https://api.twitch.tv/helix`; `http` only on a loopback address.
    pub base_url: String,
    /// Whose token the calls carry.
    pub auth: Auth,
    /// Twitch's `Client-Id`, which must be the token's own.
    pub client_id: Option<String>,
    /// The gate of the vendor bucket.
    pub gate: Gate,
    /// The time.
    pub clock: Clock,
    /// Where calls are counted.
    pub tally: Tally,
    /// What it may be used for.
    pub reach: Reach,
    /// The proxy that calls go through, `http://host:port`; `None` is none, whatever the environment says. Never used on this machine itself.
    pub proxy: Option<String>,
    /// How long a call may take.
    pub timeouts: Timeouts,
    /// Where the jitter of back-off starts.
    pub seed: u64,
}

/// Why a line cannot be made.
#[derive(Debug, PartialEq, Eq)]
pub enum BadLine {
    /// The base URL is not one, or has more than scheme, host, port and path.
    NotAUrl {
        /// The text.
        url: String,
    },
    /// The base URL would send the token in the clear.
    NotHttps {
        /// The text.
        url: String,
    },
    /// The client id cannot be a header.
    NotAHeader {
        /// What it is.
        what: &'static str,
    },
    /// The proxy's address is not one.
    NotAProxy {
        /// The text.
        url: String,
    },
    /// The TLS client could not be built.
    NoClient {
        /// What the library said.
        said: String,
    },
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadLine::NotAUrl { url } => write!(
                f,
                "`{url}` is not a base URL: expected https://host, with a port or a path if need be and nothing else"
            ),
            BadLine::NotHttps { url } => write!(
                f,
                "`{url}` is not encrypted: expected https:// (http:// is taken for localhost and loopback addresses alone)"
            ),
            BadLine::NotAHeader { what } => {
                write!(f, "the {what} holds characters that no header can carry")
            }
            BadLine::NotAProxy { url } => {
                write!(f, "`{url}` is not a proxy: expected http://host:port")
            }
            BadLine::NoClient { said } => write!(
                f,
                "cannot set up TLS: {said}; check that the system's CA certificates are installed"
            ),
        }
    }
}

impl std::error::Error for BadLine {}

/// A line to one vendor; clones share it.
#[derive(Clone, Debug)]
pub struct Line {
    pub(super) parts: Arc<LineParts>,
    pub(super) wire: send::Wire,
    pub(super) chance: Arc<Chance>,
    skew_ms: Arc<AtomicI64>,
}

/// No answer with a `Date` was seen yet.
const NO_SKEW: i64 = i64::MIN;

impl Line {
    /// Makes a line. Nothing is sent yet.
    ///
    /// Errors: every variant of [`BadLine`].
    pub fn new(mut parts: LineParts) -> Result<Line, BadLine> {
        let way = check_base(&parts.base_url)?;
        parts.base_url = parts.base_url.trim_end_matches('/').to_owned();
        let wire = send::Wire::new(&parts, way)?;
        let chance = Arc::new(Chance::new(parts.seed));
        Ok(Line {
            parts: Arc::new(parts),
            wire,
            chance,
            skew_ms: Arc::new(AtomicI64::new(NO_SKEW)),
        })
    }

    /// Returns the counts of calls, which other lines may share.
    pub fn tally(&self) -> &Tally {
        &self.parts.tally
    }

    /// Returns the gate of the line's bucket.
    pub fn gate(&self) -> &Gate {
        &self.parts.gate
    }

    /// Returns the line as a job uses it, which shares its bucket with `others`: its calls have a lane of their own at the gate.
    #[must_use]
    pub fn of_job(mut self, job: &str, others: Vec<String>) -> Line {
        let gate = self.parts.gate.of_job(job, others);
        self.parts = Arc::new(LineParts {
            gate,
            ..(*self.parts).clone()
        });
        self
    }

    /// Returns what tells the line's token from another one without showing it: the key of all that is kept about a token.
    ///
    /// Errors: there is no token, or it has ended and cannot be renewed.
    pub async fn token_fingerprint(&self) -> Result<String, AuthError> {
        let token = self.parts.auth.bearer().await?;
        Ok(token.map(|token| token.fingerprint()).unwrap_or_default())
    }

    /// Returns what kind of token its calls carry, and with it what can be done when the vendor refuses it.
    pub fn token_kind(&self) -> TokenKind {
        self.parts.auth.kind()
    }

    /// Returns the scopes that its login was granted; empty when that is not known without a call.
    pub fn granted_scopes(&self) -> Vec<String> {
        self.parts.auth.scopes()
    }

    /// Returns by how much the vendor's clock is ahead of ours, to the second, as its last answer showed; `None` before the first.
    pub fn skew(&self) -> Option<TimeDelta> {
        let ms = self.skew_ms.load(Ordering::Relaxed);
        (ms != NO_SKEW).then(|| TimeDelta::milliseconds(ms))
    }

    pub(super) fn saw_date(&self, date: Option<DateTime<Utc>>) {
        if let Some(date) = date {
            let ahead = date - self.parts.clock.now();
            self.skew_ms
                .store(ahead.num_milliseconds(), Ordering::Relaxed);
        }
    }
}

/// How a base URL is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Plain HTTP on this machine: no certificates are needed.
    Plain,
    /// Encrypted, on this machine: no proxy leads there.
    Here,
    /// Encrypted, elsewhere.
    Away,
}

/// Checks a base URL; returns how it is reached.
fn check_base(url: &str) -> Result<Way, BadLine> {
    let bad = || BadLine::NotAUrl {
        url: url.to_owned(),
    };
    let parsed = send::parse_url(url).ok_or_else(bad)?;
    if parsed.has_extras {
        return Err(bad());
    }
    way(&parsed.scheme, &parsed.host).ok_or_else(|| match parsed.scheme.as_str() {
        "http" => BadLine::NotHttps {
            url: url.to_owned(),
        },
        _ => bad(),
    })
}

/// Returns how a host is reached; `None` when it would be in the clear over a network, or by another protocol.
pub(super) fn way(scheme: &str, host: &str) -> Option<Way> {
    let bare = host.trim_matches(['[', ']']);
    let loopback = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match (scheme, loopback) {
        ("https", true) => Some(Way::Here),
        ("https", false) => Some(Way::Away),
        ("http", true) => Some(Way::Plain),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_travel_encrypted_or_not_at_all() {
        for plain in [
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:9/x",
        ] {
            assert_eq!(check_base(plain), Ok(Way::Plain), "{plain}");
        }
        assert_eq!(check_base("https://[::1]:9"), Ok(Way::Here));
        assert_eq!(check_base("https://api.twitch.tv/helix"), Ok(Way::Away));
        for open in [
            "http://services.leadconnectorhq.com",
            "http://10.0.0.1",
            "http://localhost.example.com",
        ] {
            assert!(
                matches!(check_base(open), Err(BadLine::NotHttps { .. })),
                "{open}"
            );
        }
        for wrong in [
            "services.leadconnectorhq.com",
            "ftp://localhost",
            "https://user:word@host",
            "https://host/?q=1",
            "https://host/#x",
            "",
        ] {
            assert!(
                matches!(check_base(wrong), Err(BadLine::NotAUrl { .. })),
                "{wrong}"
            );
        }
    }
}
