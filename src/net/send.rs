//! Sending: the only place that touches the HTTP client, but for `post`, which calls an operator's own addresses.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Once;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use tracing::debug;

use super::auth::AuthError;
use super::call::{Call, Method, Unreadable};
use super::error::CallError;
use super::gate::{Permit, Shut};
use super::hints::Hints;
use super::judge::{LARGEST_DISGUISE, Verdict, judge};
use super::line::{BadLine, Line, LineParts, Reach, Timeouts, Way};
use super::tally::{Counted, Purpose, Vendor};
use crate::model::{IfUnsure, Secret};

/// How often a call is sent at most.
const TRIES: u32 = 5;
/// The pause before the second try; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The largest body that is read. A search page of 500 contacts is about 1 MB.
const LARGEST_BODY_BYTES: usize = 16 * 1024 * 1024;
/// An idle connection is given up before a vendor's front closes it under a write.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// A success.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// The vendor's clock when it answered, in whole seconds: the stamp of what the answer shows.
    pub date: Option<DateTime<Utc>>,
    /// How often the call was sent, at least once.
    pub tries: u32,
    /// The status, 200 to 299.
    pub status: u16,
}

/// The HTTP client with its headers.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    client: reqwest::Client,
    headers: HeaderMap,
}

/// What came back.
struct Reply {
    status: u16,
    hints: Hints,
    body: Vec<u8>,
}

/// What went wrong before a whole answer was there.
enum Broken {
    /// No byte of the request can have arrived.
    NotSent(String),
    /// The request may have arrived.
    Unclear(String),
}

/// What a try came to.
enum Tried<T> {
    /// A value.
    Done(T, Option<DateTime<Utc>>, u16),
    /// Nothing was done; send again after a pause.
    Again(String),
    /// Nothing was done; send again when the gate lets calls through.
    Held,
    /// Nothing was done; one more try tells whether it lasts.
    Once(String),
    /// A success whose shape is wrong.
    Misshapen(String),
    /// It may have been done.
    Unclear(String),
    /// The token is dead, and nothing was done.
    Dead(String),
    /// It is settled.
    Over(CallError),
}

impl Line {
    /// Sends a call and reads its answer; the one function that speaks to a vendor.
    ///
    /// Reads, and writes that are sure not to have arrived, are sent up to five times with jittered pauses; other writes only as
    /// their `if_unsure` allows. The caller may drop the future at any time; a write is then `sent` and its answer lost.
    ///
    /// Errors: every variant of [`CallError`].
    pub async fn send<T>(&self, call: &Call<T>, why: Purpose) -> Result<Answer<T>, CallError> {
        self.send_noting(call, why, &mut false).await
    }

    /// Does what [`Line::send`] does, and sets `maybe_done` once a try of a write may have been carried out: a refusal of a later try says
    /// nothing of that one.
    ///
    /// Errors: every variant of [`CallError`].
    pub(super) async fn send_noting<T>(
        &self,
        call: &Call<T>,
        why: Purpose,
        maybe_done: &mut bool,
    ) -> Result<Answer<T>, CallError> {
        let why_not = match self.parts.reach {
            Reach::ReadsOnly if !call.is_read() => {
                Some("this client only reads, and the call writes")
            }
            Reach::Tokens if !is_of_tokens(&call.path) => {
                Some("this client only asks for tokens, and the call is another one")
            }
            Reach::ReadsOnly | Reach::Tokens | Reach::Everything => None,
        };
        if let Some(why) = why_not {
            let call = call.route;
            return Err(CallError::NotSent { call, why });
        }
        let url = self.url(call)?;
        let may_repeat = call.is_read() || call.if_unsure == IfUnsure::SendAgain;
        // Once a try may have been carried out, the end of all tries is not "nothing happened".
        *maybe_done = false;
        let mut tries = 0;
        let mut once = false;
        let mut renewed = false;
        loop {
            // Before the gate: a renewal takes its time, and needs a permit of its own.
            let bearer = self.bearer(call, *maybe_done).await?;
            let permit = self.permit(call, *maybe_done).await?;
            tries += 1;
            let counted = if tries == 1 {
                why.into()
            } else {
                Counted::Retry
            };
            self.parts
                .tally
                .count(self.parts.vendor, call.route, counted);
            let tried = self
                .attempt(call, url.clone(), permit, bearer.as_ref())
                .await;
            let last = tries >= TRIES;
            let end = match tried {
                Tried::Done(value, date, status) => {
                    return Ok(Answer {
                        value,
                        date,
                        tries,
                        status,
                    });
                }
                Tried::Over(error) => return Err(unless_done(error, *maybe_done, call.route)),
                Tried::Dead(said) => {
                    let dead = bearer.filter(|_| call.bearer.is_none() && !renewed);
                    if self.is_renewed(dead, *maybe_done, call.route).await? {
                        renewed = true;
                        continue;
                    }
                    let error = CallError::DeadToken {
                        call: call.route,
                        said,
                        token: self.token_kind(),
                    };
                    return Err(unless_done(error, *maybe_done, call.route));
                }
                Tried::Held if last => Some("still too many requests".to_owned()),
                Tried::Held => continue,
                Tried::Again(why) if last => Some(why),
                Tried::Once(why) if last || once => Some(why),
                Tried::Once(_) => {
                    once = true;
                    None
                }
                Tried::Again(_) => None,
                Tried::Misshapen(why) if last && call.is_read() => {
                    return Err(CallError::BadReply {
                        call: call.route,
                        why,
                    });
                }
                Tried::Misshapen(why) | Tried::Unclear(why) => {
                    *maybe_done |= !call.is_read();
                    (last || !may_repeat).then_some(why)
                }
            };
            if let Some(why) = end {
                let call = call.route;
                return Err(if *maybe_done {
                    CallError::Unsure { call, why }
                } else {
                    CallError::OutOfTouch { call, why }
                });
            }
            let pause = self.pause(tries);
            debug!(
                call.route = call.route,
                pause_ms = pause.as_millis(),
                "{} is tried again in {} ms",
                call.route,
                pause.as_millis()
            );
            self.parts.clock.sleep(pause).await;
        }
    }

    /// Returns the token that the call carries.
    async fn bearer<T>(
        &self,
        call: &Call<T>,
        maybe_done: bool,
    ) -> Result<Option<Secret>, CallError> {
        if let Some(own) = &call.bearer {
            return Ok(Some(own.clone()));
        }
        // Boxed: a renewal sends a call of its own.
        let bearer = Box::pin(self.parts.auth.bearer()).await;
        bearer.map_err(|error| no_token(error, maybe_done, call.route))
    }

    /// Returns whether there is another token in place of the dead one.
    async fn is_renewed(
        &self,
        dead: Option<Secret>,
        maybe_done: bool,
        call: &'static str,
    ) -> Result<bool, CallError> {
        let Some(dead) = dead else { return Ok(false) };
        let other = Box::pin(self.parts.auth.instead_of(&dead)).await;
        let other = other.map_err(|error| no_token(error, maybe_done, call))?;
        Ok(other.is_some())
    }

    /// Waits at the gate.
    async fn permit<T>(&self, call: &Call<T>, maybe_done: bool) -> Result<Permit, CallError> {
        self.parts.gate.permit().await.map_err(|shut| {
            let error = match shut {
                Shut::Spent { until } => CallError::Spent { until },
                Shut::State(error) => CallError::State(error),
            };
            unless_done(error, maybe_done, call.route)
        })
    }

    /// Sends once. The permit ends with the answer, so that nobody waits for our pause.
    async fn attempt<T>(
        &self,
        call: &Call<T>,
        url: reqwest::Url,
        permit: Permit,
        bearer: Option<&Secret>,
    ) -> Tried<T> {
        let exchange = self.wire.exchange(self.parts.vendor, call, url, bearer);
        let reply = match exchange.await {
            Ok(reply) => reply,
            Err(Broken::NotSent(why)) => return Tried::Again(why),
            Err(Broken::Unclear(why)) => return Tried::Unclear(why),
        };
        let Reply {
            status,
            hints,
            body,
        } = reply;
        debug!(
            call.route = call.route,
            call.status = status,
            body_bytes = body.len(),
            "{} answered {status}",
            call.route
        );
        self.saw_date(hints.date);
        let secrets = call.secrets.iter().chain(bearer);
        let heard = without_secrets(&body, status, secrets);
        let verdict = judge(self.parts.vendor, call.kind(), status, &hints, &heard);
        let gate = &self.parts.gate;
        if let Verdict::Wait(pause) = &verdict {
            return match gate.pushed_back(&permit, pause).await {
                Ok(_) => Tried::Held,
                Err(error) => Tried::Over(CallError::State(error)),
            };
        }
        if let Verdict::DaySpent(resets_in) = verdict {
            return Tried::Over(match gate.spent(resets_in).await {
                Ok(until) => CallError::Spent { until },
                Err(error) => CallError::State(error),
            });
        }
        gate.heard(&permit, &hints).await;
        drop(permit);
        if verdict == Verdict::Use {
            return match call.read(&body) {
                Ok(value) => Tried::Done(value, hints.date, status),
                Err(Unreadable::Gone) => Tried::Over(CallError::NotFound { call: call.route }),
                Err(Unreadable::Shape(why)) => Tried::Misshapen(why),
            };
        }
        self.settled(call.route, verdict)
    }

    /// Turns a verdict that is neither a success nor a pause into what follows from it.
    fn settled<T>(&self, call: &'static str, verdict: Verdict) -> Tried<T> {
        let token = self.token_kind();
        Tried::Over(match verdict {
            Verdict::Retry(why) => return Tried::Again(why),
            Verdict::RetryOnce(why) => return Tried::Once(why),
            Verdict::Unsure(why) => return Tried::Unclear(why),
            // Dealt with before, together with the gate and the body.
            Verdict::Use | Verdict::Wait(_) | Verdict::DaySpent(_) => return Tried::Held,
            Verdict::NotFound => CallError::NotFound { call },
            Verdict::Duplicate {
                contact,
                matching_field,
            } => CallError::Duplicate {
                call,
                contact,
                field: matching_field,
            },
            Verdict::DeadToken(said) => return Tried::Dead(said),
            Verdict::Scope(said) => CallError::Scope { call, said, token },
            Verdict::Version(said) => CallError::Version { call, said },
            Verdict::NoAccess(said) => CallError::NoAccess { call, said, token },
            Verdict::NoPermission(said) => CallError::NoPermission { call, said, token },
            Verdict::Refuse { status, said } => CallError::Refused { call, status, said },
        })
    }

    /// Returns the pause after try number `tries`: doubling, with a ceiling, and by chance between half and all of it.
    fn pause(&self, tries: u32) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16));
        doubled
            .min(LONGEST_PAUSE)
            .mul_f64(0.5 + 0.5 * self.chance.next())
    }

    fn url<T>(&self, call: &Call<T>) -> Result<reqwest::Url, CallError> {
        let malformed = CallError::NotSent {
            call: call.route,
            why: "its path is malformed",
        };
        let text = format!("{}{}", self.parts.base_url, call.path);
        let Ok(mut url) = reqwest::Url::parse(&text) else {
            return Err(malformed);
        };
        // An id such as `..` would make it another path.
        let same = text.ends_with(url.path()) && url.path().ends_with(&call.path);
        if !same || !call.path.starts_with('/') {
            return Err(malformed);
        }
        if !call.query.is_empty() {
            // Form encoding: a plus in a phone number or a cursor becomes %2B.
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(url)
    }
}

/// Returns the error, but for one that keeps us from asking again after a try that may have been carried out.
fn unless_done(error: CallError, maybe_done: bool, call: &'static str) -> CallError {
    let stopped = matches!(
        error,
        CallError::Spent { .. } | CallError::State(_) | CallError::Login(_)
    );
    if maybe_done && stopped {
        let why = format!("the answer was lost, and it cannot be sent again now: {error}");
        CallError::Unsure { call, why }
    } else {
        error
    }
}

/// Makes the error of a call that has no token to go with.
fn no_token(error: AuthError, maybe_done: bool, call: &'static str) -> CallError {
    unless_done(CallError::Login(error), maybe_done, call)
}

/// Returns whether a path is one of those that make, check and end tokens, at either vendor.
fn is_of_tokens(path: &str) -> bool {
    matches!(
        path,
        "/token" | "/device" | "/validate" | "/revoke" | "/oauth/token" | "/oauth/locationToken"
    )
}

/// Returns the body of an answer for judging, without the secrets that were sent, should the vendor have echoed one.
///
/// Before anything is cut or masked in it: a part of a secret would not be found any more. Only short successes are judged by their body.
fn without_secrets<'b, 's>(
    body: &'b [u8],
    status: u16,
    secrets: impl Iterator<Item = &'s Secret>,
) -> Cow<'b, [u8]> {
    if (200..300).contains(&status) && body.len() > LARGEST_DISGUISE {
        return Cow::Borrowed(body);
    }
    let text = String::from_utf8_lossy(body);
    let scrubbed = secrets.fold(text.into_owned(), |text, secret| secret.scrub(&text));
    Cow::Owned(scrubbed.into_bytes())
}

/// Encodes the fields of a form.
pub(super) fn form_encoded(fields: &[(&'static str, String)]) -> String {
    // The one encoder in the tree; the address around it is thrown away.
    let mut url = reqwest::Url::parse("http://form/").expect("the address is a constant");
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap_or_default().to_owned()
}

impl Wire {
    /// Builds the client for the way that the base URL is reached.
    pub(super) fn new(parts: &LineParts, way: Way) -> Result<Wire, BadLine> {
        let client = client(way, parts.proxy.as_deref(), parts.timeouts)?;
        Ok(Wire {
            client,
            headers: headers(parts)?,
        })
    }

    async fn exchange<T>(
        &self,
        vendor: Vendor,
        call: &Call<T>,
        url: reqwest::Url,
        bearer: Option<&Secret>,
    ) -> Result<Reply, Broken> {
        let method = match call.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = self
            .client
            .request(method, url)
            .headers(self.headers.clone());
        if let Some(bearer) = bearer {
            let bearer = format!("Bearer {}", bearer.reveal());
            let mut bearer = HeaderValue::try_from(bearer).map_err(|_| {
                Broken::NotSent("the token holds characters that no header can carry".to_owned())
            })?;
            bearer.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, bearer);
        }
        if let Some(version) = call.version {
            request = request.header("version", version);
        }
        if let Some(form) = call.form_body() {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form);
        } else if let Some(body) = &call.body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        let mut response = request.send().await.map_err(|error| {
            let why = innermost(&error);
            if error.is_connect() || error.is_builder() {
                Broken::NotSent(why)
            } else if error.is_timeout() {
                Broken::Unclear("timed out".to_owned())
            } else {
                Broken::Unclear(why)
            }
        })?;
        let status = response.status().as_u16();
        let hints = Hints::read(vendor, |name| response.headers().get(name)?.to_str().ok());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    if body.len() + chunk.len() > LARGEST_BODY_BYTES {
                        return Err(Broken::Unclear(format!(
                            "the answer is larger than {LARGEST_BODY_BYTES} bytes"
                        )));
                    }
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => break,
                Err(error) if error.is_timeout() => {
                    return Err(Broken::Unclear("the answer timed out half-way".to_owned()));
                }
                Err(error) => {
                    return Err(Broken::Unclear(format!(
                        "the answer broke off: {}",
                        innermost(&error)
                    )));
                }
            }
        }
        Ok(Reply {
            status,
            hints,
            body,
        })
    }
}

/// Builds the client for the way that an address is reached: no redirects, nothing sent twice, no proxy but the one that is named.
pub(super) fn client(
    way: Way,
    proxy: Option<&str>,
    timeouts: Timeouts,
) -> Result<reqwest::Client, BadLine> {
    install_ring();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("ghl-sync/", env!("CARGO_PKG_VERSION")))
        // A redirected POST loses its body, and a redirect could take the token elsewhere.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        // What is sent twice is decided here and nowhere else.
        .retry(reqwest::retry::never())
        .http1_only()
        .https_only(way != Way::Plain)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(60))
        .pool_idle_timeout(KEEP_IDLE)
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.whole);
    match (way, proxy) {
        (Way::Plain, _) => builder = builder.tls_certs_only([]),
        (Way::Away, Some(proxy)) => {
            let bad = || BadLine::NotAProxy {
                url: proxy.to_owned(),
            };
            let https = reqwest::Proxy::https(proxy).map_err(|_| bad())?;
            builder = builder.proxy(https);
        }
        // Nothing leaves this machine.
        (Way::Here, _) | (Way::Away, None) => {}
    }
    builder.build().map_err(|error| BadLine::NoClient {
        said: innermost(&error),
    })
}

/// The parts of a base URL that are checked.
pub(super) struct BaseUrl {
    pub(super) scheme: String,
    pub(super) host: String,
    /// Whether there is a user, a query or a fragment.
    pub(super) has_extras: bool,
}

/// Takes a base URL apart; `None` when it is not a URL with a host.
pub(super) fn parse_url(text: &str) -> Option<BaseUrl> {
    let url = reqwest::Url::parse(text).ok()?;
    let has_extras = !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some();
    Some(BaseUrl {
        scheme: url.scheme().to_owned(),
        host: url.host_str()?.to_owned(),
        has_extras,
    })
}

fn headers(parts: &LineParts) -> Result<HeaderMap, BadLine> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(client_id) = &parts.client_id {
        let value = HeaderValue::try_from(client_id)
            .map_err(|_| BadLine::NotAHeader { what: "client id" })?;
        headers.insert(HeaderName::from_static("client-id"), value);
    }
    Ok(headers)
}

/// Makes ring the process's TLS provider, once. Another provider that is there already stays.
fn install_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Returns the text of an error's innermost cause, which names no address: "Connection refused (os error 111)".
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: Option<&dyn Error> = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(inner.to_string());
        cause = inner.source();
    }
    super::said(&text.unwrap_or_else(|| "the request failed".to_owned()))
}

#[cfg(test)]
mod tests;
