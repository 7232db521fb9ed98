//! Everything the sandbox knows, and the steps that every call goes through.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::audience::Audience;
use super::base::Base;
use super::calls::{Calls, SeenCall};
use super::clock::{VirtualClock, http_date};
use super::control;
use super::faults::{FaultKind, Faults, PageQuirk};
use super::highlevel;
use super::highlevel_login;
use super::jottings::Jottings;
use super::limits::{Bucket, Windows};
use super::location::Location;
use super::logins::Logins;
use super::office::Office;
use super::person::Person;
use super::routes::{self, Route, Row, Vendor};
use super::script::Later;
use super::search::LastTotal;
use super::settings::{HIGHLEVEL_CLIENT_SECRET, Settings};
use super::store::{Gone, Store};
use super::tokens::Tokens;
use super::twitch;
use super::twitch_login;
use super::wire::{Answer, Delivery, Request};

/// The whole simulated world.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) store: Store,
    pub(crate) location: Location,
    pub(crate) jottings: Jottings,
    pub(crate) office: Office,
    pub(crate) audience: Audience,
    pub(crate) tokens: Tokens,
    pub(crate) logins: Logins,
    /// Account ids that make `GET /users` answer 500.
    pub(crate) poisoned: HashSet<String>,
    pub(crate) windows: Windows,
    /// Twitch's buckets by client id and user.
    pub(crate) buckets: HashMap<String, Bucket>,
    pub(crate) faults: Faults,
    pub(crate) calls: Calls,
    pub(crate) later: Vec<Later>,
    pub(crate) last_total: LastTotal,
    /// Pages of the current walk through each of Twitch's lists, by route.
    pub(crate) pages: HashMap<&'static str, u64>,
    traces: u64,
}

/// What a fault changes inside a handler.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Twist {
    pub(crate) quirk: Option<PageQuirk>,
    pub(crate) expired: bool,
    pub(crate) unpermitted: bool,
    /// The create happens, with or without its custom fields.
    pub(crate) create_with_fields: Option<bool>,
}

impl World {
    pub(crate) fn new(settings: Settings, clock: Arc<VirtualClock>) -> World {
        let base = Arc::new(Base::new(&settings));
        let now = clock.now();
        let mut location = Location::new(base.ids, &settings);
        location.define_twin_tags(&base);
        let mut secrets = vec![HIGHLEVEL_CLIENT_SECRET.to_string()];
        secrets.extend(settings.twitch_client_secret.clone());
        World {
            store: Store::new(Arc::clone(&base)),
            location,
            jottings: Jottings::new(base.ids),
            office: Office::new(&settings),
            audience: Audience::new(base, &settings),
            tokens: Tokens::new(&settings, now),
            logins: Logins::new(settings.seed, secrets),
            poisoned: HashSet::new(),
            windows: Windows::new(settings.speed, settings.daily),
            buckets: HashMap::new(),
            faults: Faults::default(),
            calls: Calls::new(settings.call_log),
            later: Vec::new(),
            last_total: LastTotal::default(),
            pages: HashMap::new(),
            traces: 0,
            clock,
            settings,
        }
    }

    /// Returns a new trace id.
    pub(crate) fn trace(&mut self) -> String {
        self.traces += 1;
        format!("5a9db0c5-0000-4000-8000-{:012x}", self.traces)
    }

    /// Stores a contact's new state; search and list see it after the lag.
    pub(crate) fn save(&mut self, person: Person) -> Arc<Person> {
        let now = self.clock.now();
        let visible_at = now + self.settings.switches.lag.as_millis() as i64;
        // The index hears of older writes on the way, so that no later search has to wait for all of them.
        self.store.index_at(now);
        self.store.put(person, visible_at)
    }

    /// Takes a contact away; search and list see it after the lag.
    pub(crate) fn remove(&mut self, number: u64, how: Gone) {
        let lag = self.settings.switches.lag.as_millis() as i64;
        let visible_at = self.clock.now() + lag;
        self.store.remove(number, how, visible_at);
    }

    /// Answers one call of any vendor and records it.
    pub(crate) fn answer(&mut self, vendor: Vendor, request: &Request, at: Instant) -> Answer {
        if vendor == Vendor::Control {
            return control::answer(self, request);
        }
        let (row, values) = routes::find(vendor, &request.method, &request.path);
        let fault = match row.route {
            Route::Unknown => None,
            _ => self.faults.take(row.name),
        };
        let mut answer = self.hit(vendor, row, &values, request, at, fault);
        answer.headers.push(("date", http_date(self.clock.now())));
        self.calls.add(SeenCall {
            method: request.method.clone(),
            path: with_query(request, row),
            route: row.name,
            status: match answer.delivery {
                Delivery::Dropped => 0,
                Delivery::Whole | Delivery::Broken => answer.status,
            },
            at,
            acted: answer.acted,
            write: row.writes(),
            body: request
                .body
                .clone()
                .filter(|_| self.settings.keep_bodies && !row.logs_in()),
        });
        self.run_later(row.name);
        answer
    }

    fn hit(
        &mut self,
        vendor: Vendor,
        row: &'static Row,
        values: &[&str],
        request: &Request,
        at: Instant,
        fault: Option<FaultKind>,
    ) -> Answer {
        let mut twist = Twist::default();
        match &fault {
            Some(FaultKind::ResetBefore) => {
                let mut answer = Answer::json(500, Vec::new());
                answer.delivery = Delivery::Dropped;
                return answer;
            }
            Some(FaultKind::RepeatedCursor) => twist.quirk = Some(PageQuirk::RepeatedCursor),
            Some(FaultKind::MissingCursor) => twist.quirk = Some(PageQuirk::MissingCursor),
            Some(FaultKind::EmptyPage) => twist.quirk = Some(PageQuirk::Empty),
            Some(FaultKind::DoubledRow) => twist.quirk = Some(PageQuirk::Doubled),
            Some(FaultKind::ExpiredToken) => twist.expired = true,
            Some(FaultKind::MissingPermission) => twist.unpermitted = true,
            Some(FaultKind::Unprocessable422Created { with_fields }) => {
                twist.create_with_fields = Some(*with_fields)
            }
            _ => {}
        }
        let early = match &fault {
            Some(FaultKind::TooMany { retry_after }) => Some(too_many(vendor, *retry_after)),
            Some(FaultKind::Status500) => Some(broken(vendor)),
            Some(FaultKind::Status503) => Some(Answer::json(503, Vec::new())),
            Some(FaultKind::Html502) => Some(html()),
            Some(FaultKind::Unprocessable422) => Some(Answer::unprocessable(&[
                "the sandbox was told to refuse this".to_string(),
            ])),
            _ => None,
        };
        let mut answer = match vendor {
            Vendor::HighLevel if highlevel_login::is_open(row.route) => {
                early.unwrap_or_else(|| highlevel_login::open(self, row.route, request, twist))
            }
            Vendor::HighLevel => highlevel::answer(self, row, values, request, at, twist, early),
            Vendor::Helix => twitch::helix(self, row, request, at, twist, early),
            Vendor::Id => early.unwrap_or_else(|| twitch_login::answer(self, row, request, twist)),
            Vendor::Control | Vendor::Nobody => Answer::refused(404, "Not Found"),
        };
        let acts = row.writes() || row.logs_in();
        answer.acted = answer.acted || (acts && (200..400).contains(&answer.status));
        match fault {
            Some(FaultKind::ResetAfter) => answer.delivery = Delivery::Dropped,
            Some(FaultKind::BrokenBody) => answer.delivery = Delivery::Broken,
            Some(FaultKind::Slow(delay)) => answer.delay = delay,
            Some(FaultKind::Status500After) => replace(&mut answer, broken(vendor)),
            Some(FaultKind::Html502After) => replace(&mut answer, html()),
            Some(FaultKind::Truncated) => answer.body.truncate(answer.body.len() / 2),
            Some(FaultKind::WrongShape) => {
                answer.body =
                    br#"{"contacts":"soon","contact":7,"data":{"0":true},"total":"many"}"#.to_vec();
            }
            Some(FaultKind::NotJson) => {
                answer.content_type = "text/plain";
                answer.body = b"OK".to_vec();
            }
            _ => {}
        }
        answer
    }
}

/// Shows the path with its query; what a login's query holds is not kept.
fn with_query(request: &Request, row: &Row) -> String {
    if request.query.is_empty() {
        return request.path.clone();
    }
    let pairs: Vec<String> = request
        .query
        .iter()
        .map(|(name, value)| match row.logs_in() {
            true => name.clone(),
            false => format!("{name}={value}"),
        })
        .collect();
    format!("{}?{}", request.path, pairs.join("&"))
}

/// Puts another answer in place of one that was acted on.
fn replace(answer: &mut Answer, other: Answer) {
    let acted = answer.acted;
    let headers = std::mem::take(&mut answer.headers);
    *answer = other;
    answer.acted = acted;
    answer.headers.extend(headers);
}

/// The 429 of a vendor.
pub(crate) fn too_many(vendor: Vendor, retry_after: Option<u64>) -> Answer {
    let answer = match vendor {
        Vendor::HighLevel => Answer::value(
            429,
            &json!({ "statusCode": 429, "message": "Too Many Requests" }),
        ),
        _ => Answer::helix(429, "Too many requests"),
    };
    match retry_after {
        Some(seconds) => answer.with("retry-after", seconds.to_string()),
        None => answer,
    }
}

fn broken(vendor: Vendor) -> Answer {
    match vendor {
        Vendor::HighLevel => Answer::value(
            500,
            &json!({ "statusCode": 500, "message": "Internal server error" }),
        ),
        _ => Answer::helix(500, ""),
    }
}

fn html() -> Answer {
    let mut answer = Answer::json(
        502,
        b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>".to_vec(),
    );
    answer.content_type = "text/html; charset=UTF-8";
    answer
}
