//! What the login pages of both vendors have in common: where they may send the browser, and with what.

use super::settings::Settings;
use super::wire::{Answer, Request};
use super::world::World;

/// Tells whether an application may be sent back to this address: it equals a registered one or, when the setting
/// allows, differs from it only in the port of the loopback host.
pub(crate) fn is_registered(settings: &Settings, registered: &[String], address: &str) -> bool {
    let loose = |known: &str| {
        settings.any_loopback_port
            && loopback_rest(known).is_some_and(|rest| loopback_rest(address) == Some(rest))
    };
    registered
        .iter()
        .any(|known| known == address || loose(known))
}

/// Returns what follows the port of a loopback address.
fn loopback_rest(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("http://")?;
    let rest = ["localhost:", "127.0.0.1:"]
        .into_iter()
        .find_map(|host| rest.strip_prefix(host))?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    Some(&rest[digits..])
        .filter(|after| digits > 0 && matches!(after.bytes().next(), None | Some(b'/')))
}

/// Sends the browser back with these pairs and the state.
pub(crate) fn send_back(
    world: &World,
    request: &Request,
    address: &str,
    pairs: &[(&str, &str)],
    without_state: bool,
) -> Answer {
    let state = request.param("state").filter(|_| !without_state);
    let changed = state.map(|state| format!("{state}-changed"));
    let state = match world.settings.switches.state_changed {
        true => changed.as_deref(),
        false => state,
    };
    let mut pairs = pairs.to_vec();
    pairs.extend(state.map(|state| ("state", state)));
    Answer::redirect(address, &pairs)
}

/// Splits a list of scopes and leaves out those that no login gets.
pub(crate) fn granted(world: &World, asked: &str) -> Vec<String> {
    let withheld = &world.settings.switches.withheld_scopes;
    let mut scopes: Vec<String> = asked.split_whitespace().map(String::from).collect();
    scopes.retain(|scope| !withheld.contains(scope));
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_compared_letter_by_letter_or_but_for_its_port() {
        let mut settings = Settings::default();
        let registered = settings.highlevel_redirects.clone();
        let fits = |settings: &Settings, address| is_registered(settings, &registered, address);
        assert!(fits(&settings, "http://localhost:3000/callback"));
        assert!(!fits(&settings, "http://localhost:3000/callback/"));
        assert!(!fits(&settings, "http://localhost:3001/callback"));
        settings.any_loopback_port = true;
        assert!(fits(&settings, "http://127.0.0.1:3001/callback"));
        assert!(!fits(&settings, "http://127.0.0.1:3001/"));
        assert!(!fits(
            &settings,
            "http://127.0.0.1:80@evil.example/callback"
        ));
        assert!(!fits(&settings, "http://evil.example:3000/callback"));
    }
}
