//! Faults on demand: what can go wrong between a client and a vendor.

use std::time::Duration;

use serde_json::Value;

/// A fault that waits for its calls.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The route it concerns, as in `SeenCall::route`; `None` concerns every vendor call.
    pub route: Option<String>,
    /// How many matching calls pass unharmed first.
    pub skip: u64,
    /// How many matching calls are then hit.
    pub times: u64,
    /// What happens to them.
    pub kind: FaultKind,
}

impl Fault {
    /// Returns a fault that hits the next call of any route once.
    pub fn new(kind: FaultKind) -> Fault {
        Fault {
            route: None,
            skip: 0,
            times: 1,
            kind,
        }
    }

    /// Narrows the fault to one route, such as `POST /contacts/`.
    pub fn on(mut self, route: impl Into<String>) -> Fault {
        self.route = Some(route.into());
        self
    }

    /// Lets `skip` matching calls pass first.
    pub fn skip(mut self, skip: u64) -> Fault {
        self.skip = skip;
        self
    }

    /// Hits `times` calls in place of one.
    pub fn times(mut self, times: u64) -> Fault {
        self.times = times;
        self
    }
}

/// What a fault does. "Acts" means that the vendor did what was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// 429 although no limit was violated, with or without `Retry-After` in seconds; does not act.
    TooMany {
        /// The value of `Retry-After`.
        retry_after: Option<u64>,
    },
    /// 500 with a JSON body; does not act.
    Status500,
    /// 500 with a JSON body after it acted.
    Status500After,
    /// 503 with an empty body; does not act.
    Status503,
    /// 502 with a page of HTML, as a gateway sends it; does not act.
    Html502,
    /// 502 with a page of HTML after it acted.
    Html502After,
    /// The connection ends before it acted.
    ResetBefore,
    /// The connection ends without an answer after it acted.
    ResetAfter,
    /// Acts at once and answers after this much real time.
    Slow(Duration),
    /// Acts; the JSON text of the answer is cut in half, in a well-formed HTTP answer.
    Truncated,
    /// Acts; the connection ends in the middle of the answer's body.
    BrokenBody,
    /// Acts; the answer is JSON of another shape.
    WrongShape,
    /// Acts; the answer is no JSON.
    NotJson,
    /// A page names the cursor that it was asked with as the next one.
    RepeatedCursor,
    /// A page names no next cursor although rows follow.
    MissingCursor,
    /// A page has no rows although it should; its cursor goes on.
    EmptyPage,
    /// A page of Twitch lists its first row a second time.
    DoubledRow,
    /// 401 with the text of a dead token.
    ExpiredToken,
    /// The token lacks the permission: 401, or Twitch's silent empty list.
    MissingPermission,
    /// 422 from a create that did happen.
    Unprocessable422Created {
        /// Whether the contact has its custom fields.
        with_fields: bool,
    },
    /// 422 without anything happening.
    Unprocessable422,
}

/// A fault inside a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageQuirk {
    RepeatedCursor,
    MissingCursor,
    Empty,
    Doubled,
}

/// The faults that still wait.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns what happens to this call; every waiting fault counts it.
    pub(crate) fn take(&mut self, route: &str) -> Option<FaultKind> {
        let mut hit = None;
        for fault in &mut self.0 {
            if fault.route.as_deref().is_some_and(|wanted| wanted != route) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if hit.is_none() && fault.times > 0 {
                fault.times -= 1;
                hit = Some(fault.kind.clone());
            }
        }
        self.0.retain(|fault| fault.times > 0);
        hit
    }
}

/// Reads a fault from the control plane: `{"kind":"too_many","route":…,"skip":…,"times":…,…}`.
pub(crate) fn read(value: &Value) -> Option<Fault> {
    let number = |key: &str| value.get(key).and_then(Value::as_u64);
    let kind = match value.get("kind")?.as_str()? {
        "too_many" => FaultKind::TooMany {
            retry_after: number("retry_after"),
        },
        "status_500" => FaultKind::Status500,
        "status_500_after" => FaultKind::Status500After,
        "status_503" => FaultKind::Status503,
        "html_502" => FaultKind::Html502,
        "html_502_after" => FaultKind::Html502After,
        "reset_before" => FaultKind::ResetBefore,
        "reset_after" => FaultKind::ResetAfter,
        "slow" => FaultKind::Slow(Duration::from_millis(number("ms")?)),
        "truncated" => FaultKind::Truncated,
        "broken_body" => FaultKind::BrokenBody,
        "wrong_shape" => FaultKind::WrongShape,
        "not_json" => FaultKind::NotJson,
        "repeated_cursor" => FaultKind::RepeatedCursor,
        "missing_cursor" => FaultKind::MissingCursor,
        "empty_page" => FaultKind::EmptyPage,
        "doubled_row" => FaultKind::DoubledRow,
        "expired_token" => FaultKind::ExpiredToken,
        "missing_permission" => FaultKind::MissingPermission,
        "unprocessable_created" => FaultKind::Unprocessable422Created {
            with_fields: value
                .get("with_fields")
                .and_then(Value::as_bool)
                .unwrap_or(true),
        },
        "unprocessable" => FaultKind::Unprocessable422,
        _ => return None,
    };
    Some(Fault {
        route: value.get("route").and_then(Value::as_str).map(String::from),
        skip: number("skip").unwrap_or(0),
        times: number("times").unwrap_or(1),
        kind,
    })
}
