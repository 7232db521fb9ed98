//! Addresses that tokens may be sent to.

use std::net::{IpAddr, Ipv6Addr};

/// Checks an address: `https`, or `http` on this machine alone, because tokens travel with every call.
///
/// Errors: a fragment that says what was seen and expected; never a user or a password that stands in the address.
pub(super) fn check_address(address: &str) -> Result<(), String> {
    let shown = address.escape_debug();
    let not_one = || format!("`{shown}` is not an address, expected one such as https://host/path");
    let (scheme, rest) = address.split_once("://").ok_or_else(not_one)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_plain = |part: &str| {
        part.bytes().all(|b| b.is_ascii_graphic())
            && !part.contains(['?', '#', '@', '\\', '"', '<', '>'])
    };
    if authority.contains('@') {
        return Err("an address must not hold a user or a password".to_owned());
    }
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']').ok_or_else(not_one)?;
            host.parse::<Ipv6Addr>().map_err(|_| not_one())?;
            check_port(port).ok_or_else(not_one)?;
            host
        }
        None => {
            let colon = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at(colon);
            check_port(port).ok_or_else(not_one)?;
            host
        }
    };
    if host.is_empty() || !is_plain(host) || !is_plain(path) {
        return Err(not_one());
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback(host) => Ok(()),
        "http" => Err(format!(
            "`{shown}` would send the token in the clear, expected https://"
        )),
        _ => Err(not_one()),
    }
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
