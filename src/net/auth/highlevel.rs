//! HighLevel's token calls, in their v2 form: a form body, no `Version` header.
//!
//! Source: HighLevel's OpenAPI file of OAuth (v2 and v3) and its Authorization page.

use super::super::call::{Call, Method};
use super::grant::{self, Grant};
use crate::model::{IfUnsure, LocationId, Secret};

/// Whose tokens an authorization gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserType {
    /// One location's.
    Location,
    /// An agency's, from which tokens of its locations are made.
    Company,
}

impl UserType {
    fn word(self) -> &'static str {
        match self {
            UserType::Location => "Location",
            UserType::Company => "Company",
        }
    }
}

/// The `Version` header of the call that makes a location's token.
const VERSION: &str = "2021-07-28";

/// Exchanges the code of a browser login.
pub fn exchange_code(
    client_id: &str,
    client_secret: &Secret,
    code: &Secret,
    redirect_uri: &str,
    user_type: UserType,
) -> Call<Grant> {
    token_call(client_id, client_secret, user_type)
        .form("grant_type", "authorization_code")
        .secret_form("code", code)
        .form("redirect_uri", redirect_uri)
}

/// Renews a pair. A refresh token is good for one use; sending it again after a lost answer is the only way to find out whether it was used.
pub fn renew(
    client_id: &str,
    client_secret: &Secret,
    refresh: &Secret,
    user_type: UserType,
) -> Call<Grant> {
    token_call(client_id, client_secret, user_type)
        .form("grant_type", "refresh_token")
        .secret_form("refresh_token", refresh)
        .if_unsure(IfUnsure::SendAgain)
}

/// Makes a token of one location from the token of its agency, which needs the scope `oauth.write`. It has no refresh token; another one is
/// made in its place.
pub fn location_token(agency: &Secret, company: &str, location: &LocationId) -> Call<Grant> {
    Call::new(
        Method::Post,
        "POST /oauth/locationToken",
        "/oauth/locationToken",
        grant::read,
    )
    .version(VERSION)
    .bearer(agency)
    .form("companyId", company)
    .form("locationId", location.as_str())
    .if_unsure(IfUnsure::SendAgain)
}

fn token_call(client_id: &str, client_secret: &Secret, user_type: UserType) -> Call<Grant> {
    Call::new(
        Method::Post,
        "POST /oauth/token",
        "/oauth/token",
        grant::read,
    )
    .form("client_id", client_id)
    .secret_form("client_secret", client_secret)
    .form("user_type", user_type.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_as_documented() {
        let call = renew(
            "app-1",
            &Secret::new("s3cret"),
            &Secret::new("old"),
            UserType::Location,
        );
        assert_eq!(call.path, "/oauth/token");
        assert_eq!(call.version, None);
        assert_eq!(
            call.form_body().unwrap(),
            "client_id=app-1&client_secret=s3cret&user_type=Location&grant_type=refresh_token&refresh_token=old"
        );
    }
}
