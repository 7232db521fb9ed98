//! The browser's part of a login: the address that a person opens, and the one that the browser comes back to.
//!
//! Source: RFC 6749, sections 4.1 and 10.12 (`state`); HighLevel's Authorization page, whose template has no `state`; Twitch, Getting OAuth
//! Access Tokens.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use ring::rand::{SecureRandom, SystemRandom};

use super::super::said::said;
use super::super::send::form_encoded;
use crate::model::Secret;

/// The random bytes of a `state`; printed as twice as many hex digits.
const STATE_BYTES: usize = 16;

/// Where the vendor sends the browser after a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    text: String,
    url: Url,
}

/// The part of a redirect address that one can listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loopback {
    /// Whether the host may be 127.0.0.1.
    pub v4: bool,
    /// Whether the host may be `[::1]`.
    pub v6: bool,
    /// The port.
    pub port: u16,
    /// The path.
    pub path: String,
}

/// Why a text is no redirect address, or has no port that could be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotARedirect {
    /// It is no address.
    NotAUrl,
    /// It is not on this machine, so that its port is not ours to choose.
    NotLoopback,
}

impl fmt::Display for NotARedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotARedirect::NotAUrl => {
                "it is not an address, expected http://localhost:3000/callback or the like"
            }
            NotARedirect::NotLoopback => {
                "it is not on this machine, so that its port cannot be chosen"
            }
        })
    }
}

impl std::error::Error for NotARedirect {}

/// What an address that the browser came back to means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    /// The person agreed.
    Code {
        /// What is exchanged for tokens; good once.
        code: Secret,
        /// The vendor left `state` out, so that nothing proves that it is the answer to our question.
        without_state: bool,
    },
    /// The person or the vendor said no.
    Refused {
        /// The vendor's word, for example `access_denied`, masked.
        error: String,
        /// What the vendor said besides, masked; may be empty.
        said: String,
    },
    /// It is not the answer to our question; it says why.
    Wrong(&'static str),
}

impl Redirect {
    /// Reads a redirect address, with another port when one is named. Vendors compare it letter by letter, so nothing else of it changes.
    ///
    /// Errors: every variant of [`NotARedirect`].
    pub fn new(text: &str, port: Option<u16>) -> Result<Redirect, NotARedirect> {
        let url = Url::parse(text).map_err(|_| NotARedirect::NotAUrl)?;
        let redirect = Redirect {
            text: text.to_owned(),
            url,
        };
        let Some(port) = port else {
            return Ok(redirect);
        };
        if !redirect.is_loopback() {
            return Err(NotARedirect::NotLoopback);
        }
        let (scheme, rest) = text.split_once("://").ok_or(NotARedirect::NotAUrl)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let host_end = match authority.rfind(']') {
            Some(bracket) => bracket + 1,
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let host = authority.get(..host_end).ok_or(NotARedirect::NotAUrl)?;
        Redirect::new(&format!("{scheme}://{host}:{port}{path}"), None)
    }

    /// Returns it as the vendor has it registered.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns where to listen for the browser; `None` when it does not come back to this machine, or only by TLS.
    pub fn loopback(&self) -> Option<Loopback> {
        if self.url.scheme() != "http" || !self.is_loopback() {
            return None;
        }
        let host = self.url.host_str()?;
        Some(Loopback {
            v4: host != "[::1]",
            // A browser takes either for `localhost`.
            v6: matches!(host, "localhost" | "[::1]"),
            port: self.url.port_or_known_default()?,
            path: self.url.path().to_owned(),
        })
    }

    fn is_loopback(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let bare = host.trim_matches(['[', ']']);
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Reads the address that the browser came back to, or that a person pasted.
    ///
    /// It has to be this redirect address (same scheme, host, port and path) and carry the `state` that was sent; with `may_lack_state` it may
    /// carry none, but never another one.
    pub fn read(&self, address: &str, state: &Secret, may_lack_state: bool) -> Back {
        let address = address.trim();
        // Browsers hide the scheme, and some copy what they show.
        let whole = match address.contains("://") {
            true => address.to_owned(),
            false => format!("{}://{address}", self.url.scheme()),
        };
        let Ok(url) = Url::parse(&whole) else {
            return Back::Wrong("it is not an address");
        };
        let place = |url: &Url| {
            let host = url.host_str().map(str::to_ascii_lowercase);
            (
                url.scheme().to_owned(),
                host,
                url.port_or_known_default(),
                url.path().to_owned(),
            )
        };
        if place(&url) != place(&self.url) {
            return Back::Wrong("it is not the redirect address");
        }
        let all = |name: &str| -> Vec<String> {
            let pairs = url.query_pairs().filter(|(key, _)| key == name);
            pairs.map(|(_, value)| value.into_owned()).collect()
        };
        let one = |name: &str| match all(name).as_slice() {
            [] => Ok(None),
            [value] => Ok(Some(value.clone()).filter(|value| !value.is_empty())),
            _ => Err(Back::Wrong("it names something twice")),
        };
        let (given, code, error) = match (one("state"), one("code"), one("error")) {
            (Ok(given), Ok(code), Ok(error)) => (given, code, error),
            (Err(wrong), ..) | (_, Err(wrong), _) | (.., Err(wrong)) => return wrong,
        };
        let without_state = match given {
            Some(given) if given == state.reveal() => false,
            Some(_) => return Back::Wrong("its `state` is that of another login"),
            None if may_lack_state => true,
            None => return Back::Wrong("it has no `state`"),
        };
        if let Some(error) = error {
            let description = all("error_description");
            return Back::Refused {
                error: said(&error),
                said: said(description.first().map_or("", String::as_str)),
            };
        }
        match code {
            Some(code) if code.bytes().all(|b| b.is_ascii_graphic()) => Back::Code {
                code: Secret::new(code),
                without_state,
            },
            Some(_) | None => Back::Wrong("it has no code"),
        }
    }
}

/// Makes a `state` that nobody can guess.
pub fn new_state() -> Secret {
    let mut bytes = [0; STATE_BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system gives random bytes");
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Secret::new(digits.collect::<String>())
}

/// Makes the address that a person opens to log in.
pub fn authorize_address(
    page: &str,
    client_id: &str,
    redirect: &Redirect,
    scopes: &[&str],
    state: &Secret,
) -> String {
    let query = form_encoded(&[
        ("response_type", "code".to_owned()),
        ("client_id", client_id.to_owned()),
        ("redirect_uri", redirect.as_str().to_owned()),
        ("scope", scopes.join(" ")),
        ("state", state.reveal().to_owned()),
    ]);
    // HighLevel's page reads its address by itself, and a plus is a space in forms alone.
    format!("{page}?{}", query.replace('+', "%20"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(text: &str) -> Redirect {
        Redirect::new(text, None).unwrap()
    }

    #[test]
    fn another_port_changes_nothing_else() {
        for (text, changed) in [
            ("http://localhost:3000", "http://localhost:4000"),
            (
                "http://localhost/callback/",
                "http://localhost:4000/callback/",
            ),
            ("http://127.0.0.1:3000/a:b", "http://127.0.0.1:4000/a:b"),
            ("http://[::1]:3000/", "http://[::1]:4000/"),
            ("http://[::1]", "http://[::1]:4000"),
        ] {
            assert_eq!(Redirect::new(text, Some(4000)).unwrap().as_str(), changed);
        }
        assert_eq!(
            Redirect::new("https://example.com/x", Some(4000)),
            Err(NotARedirect::NotLoopback)
        );
    }

    #[test]
    fn one_listens_on_this_machine_alone() {
        let local = |text: &str| {
            let local = redirect(text).loopback()?;
            Some((local.v4, local.v6, local.port, local.path))
        };
        let root = "/".to_owned();
        assert_eq!(
            local("http://localhost:3000"),
            Some((true, true, 3000, root.clone()))
        );
        assert_eq!(
            local("http://127.0.0.1:3000/callback"),
            Some((true, false, 3000, "/callback".to_owned()))
        );
        assert_eq!(local("http://[::1]/"), Some((false, true, 80, root)));
        assert_eq!(local("https://localhost:3000"), None);
        assert_eq!(local("https://example.com/callback"), None);
    }

    #[test]
    fn an_answer_is_taken_at_the_redirect_address_with_the_state_that_was_sent() {
        let redirect = redirect("http://localhost:3000/callback");
        let state = Secret::new("5ta7e");
        let read = |query: &str, may_lack| {
            redirect.read(
                &format!("http://localhost:3000/callback{query}"),
                &state,
                may_lack,
            )
        };
        let code = |without_state| Back::Code {
            code: Secret::new("c0de"),
            without_state,
        };
        assert_eq!(read("?code=c0de&state=5ta7e", false), code(false));
        assert_eq!(read("?code=c0de&state=5ta7e", true), code(false));
        assert_eq!(read("?code=c0de", true), code(true));
        assert_eq!(read("?code=c0de&state=", true), code(true));
        for (query, may_lack) in [
            ("?code=c0de", false),
            ("?code=c0de&state=other", false),
            ("?code=c0de&state=other", true),
            ("?code=c0de&state=5ta7e&state=5ta7e", true),
            ("?code=c0de&code=d&state=5ta7e", true),
            ("?state=5ta7e", true),
            ("?code=a%20b&state=5ta7e", true),
            ("?error=access_denied&state=other", true),
            ("", true),
        ] {
            let back = read(query, may_lack);
            assert!(matches!(back, Back::Wrong(_)), "{query}: {back:?}");
        }
        assert_eq!(
            read(
                "?error=access_denied&error_description=The+user+denied+you+access&state=5ta7e",
                false
            ),
            Back::Refused {
                error: "access_denied".to_owned(),
                said: "The user denied you access".to_owned()
            }
        );
        for elsewhere in [
            "https://localhost:3000/callback?code=c0de&state=5ta7e",
            "http://127.0.0.1:3000/callback?code=c0de&state=5ta7e",
            "http://localhost:3001/callback?code=c0de&state=5ta7e",
            "http://localhost:3000/other?code=c0de&state=5ta7e",
            "http://localhost:3000/callback/?code=c0de&state=5ta7e",
            "http://localhost:3000@example.com/callback?code=c0de&state=5ta7e",
            "c0de",
        ] {
            let back = redirect.read(elsewhere, &state, true);
            assert!(matches!(back, Back::Wrong(_)), "{elsewhere}: {back:?}");
        }
        let copied = " localhost:3000/callback?code=c0de&state=5ta7e#x \n";
        assert_eq!(redirect.read(copied, &state, false), code(false));
    }

    #[test]
    fn the_address_that_is_opened_names_everything_and_spells_spaces_as_pages_read_them() {
        let redirect = redirect("http://localhost:3000/callback");
        let address = authorize_address(
            "https://example.com/choose",
            "app-1",
            &redirect,
            &["contacts.readonly", "locations/customFields.readonly"],
            &Secret::new("5ta7e"),
        );
        assert_eq!(
            address,
            "https://example.com/choose?response_type=code&client_id=app-1&redirect_uri=http%3A%2F%2Flocalhost%3A3000%2Fcallback&scope=contacts.readonly%20locations%2FcustomFields.readonly&state=5ta7e"
        );
    }

    #[test]
    fn no_two_states_are_the_same() {
        let (one, other) = (new_state(), new_state());
        assert_eq!(one.reveal().len(), STATE_BYTES * 2);
        assert_ne!(one, other);
    }
}
