//! Addresses that tokens may be sent to, and those that a login or a connection passes through.

use std::net::{IpAddr, Ipv6Addr};

/// Checks an address: `https`, or `http` on this machine alone, because `carried` travels with every call.
///
/// Errors: a fragment that says what was seen and expected; never a user or a password that stands in the address.
pub fn check_address(address: &str, carried: &str) -> Result<(), String> {
    let shown = address.escape_debug();
    let not_one = || format!("`{shown}` is not an address, expected one such as https://host/path");
    let parts = parts(address, not_one)?;
    match parts.scheme {
        "https" => Ok(()),
        "http" if is_loopback(parts.host) => Ok(()),
        "http" => Err(format!(
            "`{shown}` would send the {carried} in the clear, expected https://"
        )),
        _ => Err(not_one()),
    }
}

/// Checks the address of a proxy: `http://host:port` and nothing else.
///
/// Errors: as [`check_address`].
pub(super) fn check_proxy(address: &str) -> Result<(), String> {
    let not_one = || {
        format!(
            "`{}` is not the address of a proxy, expected http://host:port",
            address.escape_debug()
        )
    };
    let parts = parts(address, not_one)?;
    if parts.scheme == "http" && parts.has_port && parts.path.is_none_or(str::is_empty) {
        Ok(())
    } else {
        Err(not_one())
    }
}

struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    has_port: bool,
    path: Option<&'a str>,
}

fn parts(address: &str, not_one: impl Fn() -> String) -> Result<Parts<'_>, String> {
    let (scheme, rest) = match address.split_once("://") {
        Some(parts) => parts,
        // Shown only when nothing in it can be a password.
        None if address.contains('@') => return Err(holds_a_user()),
        None => return Err(not_one()),
    };
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, Some(path)),
        None => (rest, None),
    };
    if rest.contains('@') {
        return Err(holds_a_user());
    }
    let is_plain = |part: &str| {
        part.bytes().all(|b| b.is_ascii_graphic())
            && !part.contains(['?', '#', '\\', '"', '<', '>'])
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']').ok_or_else(&not_one)?;
            host.parse::<Ipv6Addr>().map_err(|_| not_one())?;
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    check_port(port).ok_or_else(&not_one)?;
    if host.is_empty() || !is_plain(host) || !is_plain(path.unwrap_or("")) {
        return Err(not_one());
    }
    Ok(Parts {
        scheme,
        host,
        has_port: !port.is_empty(),
        path,
    })
}

fn holds_a_user() -> String {
    "an address must not hold a user or a password".to_owned()
}

fn check_port(port: &str) -> Option<()> {
    if port.is_empty() {
        return Some(());
    }
    let number = port.strip_prefix(':')?;
    let port: u16 = number.parse().ok()?;
    (port > 0 && !number.starts_with('+')).then_some(())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
