//! How programs steer the logins of a running sandbox: approve, expire, revoke, and list what was handed out.

use super::base::Account;
use super::handle::Sandbox;
use super::logins::Issued;
use super::script::Change;
use super::server::lock;
use super::settings::{COMPANY_ID, LOCATION_ID};
use super::tokens::Holder;
use super::world::World;

impl Sandbox {
    /// Returns the address of HighLevel's page where a location is chosen, without a query.
    pub fn authorize_url(&self) -> String {
        format!("{}/oauth/chooselocation", self.highlevel_url())
    }

    /// Returns the base URL of Twitch's OAuth endpoints, as a configuration's `auth_url`.
    pub fn auth_url(&self) -> String {
        format!("{}/oauth2", self.id_url())
    }

    /// Kills every access token that a login handed out; refresh tokens live on, and so do the tokens of the start.
    pub fn expire_access_tokens(&self) {
        self.change(Change::ExpireTokens);
    }

    /// Ends the logins of a holder (a Twitch user id, a location id or a company id), or all when `None`.
    pub fn revoke_login(&self, holder: Option<&str>) {
        self.change(Change::RevokeLogin {
            holder: holder.map(String::from),
        });
    }

    /// Kills every refresh token; access tokens live on.
    pub fn kill_refresh_tokens(&self) {
        self.change(Change::KillRefreshTokens);
    }

    /// Lets a user approve the device that shows this code.
    ///
    /// Panics when no device waits for it: the script is wrong.
    pub fn approve_device(&self, user_code: &str, user_id: &str) {
        let done = lock(&self.world).approve(user_code, user_id);
        assert!(done, "no device waits for the code {user_code}");
    }

    /// Lets the user refuse the device that shows this code.
    ///
    /// Panics when no device waits for it: the script is wrong.
    pub fn deny_device(&self, user_code: &str) {
        let done = lock(&self.world).deny(user_code);
        assert!(done, "no device waits for the code {user_code}");
    }

    /// Returns the user codes of the devices that wait for a user, oldest first.
    pub fn pending_devices(&self) -> Vec<String> {
        let world = lock(&self.world);
        let now = world.clock.now();
        world.logins.pending_codes(now)
    }

    /// Returns every access token, refresh token, code, device code and application secret that was ever handed out,
    /// oldest first. The constant tokens of the start are not among them.
    pub fn issued_tokens(&self) -> Vec<Issued> {
        lock(&self.world).logins.issued().to_vec()
    }

    /// Tells whether a text is an access token or a refresh token that still lives.
    pub fn is_alive(&self, text: &str) -> bool {
        let world = lock(&self.world);
        let now = world.clock.now();
        world.logins.is_refresh(text) || world.tokens.alive(text, now).is_some()
    }

    /// Adds a Twitch user who follows nobody, or gives one another name.
    pub fn add_user(&self, id: &str, login: &str, name: &str) {
        lock(&self.world).audience.accounts.set(Account {
            id: id.to_string(),
            login: login.to_string(),
            name: name.to_string(),
        });
    }
}

impl World {
    /// Ends the logins of a holder, or all.
    pub(crate) fn end_logins(&mut self, wanted: Option<&str>) {
        self.logins.end(&mut self.tokens, |holder| {
            let id = match holder {
                Holder::Location => LOCATION_ID,
                Holder::OtherLocation { location_id } => location_id,
                Holder::Company { .. } => COMPANY_ID,
                Holder::TwitchUser { user_id, .. } => user_id,
                Holder::TwitchApp { client_id } => client_id,
            };
            wanted.is_none_or(|wanted| wanted == id)
        });
    }
}
