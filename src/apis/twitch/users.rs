//! Users, looked up by id or by login.
//!
//! Source: Twitch API Reference, "Get Users".

use serde::Deserialize;

use super::wire::{Reply, rows};
use crate::apis::loose::Loose;
use crate::model::RecordKey;
use crate::net::{Call, Method};

/// A user that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id, which never changes.
    pub id: RecordKey,
    /// The present login, which may change and be given to somebody else; `None` when blank.
    pub login: Option<String>,
    /// The present display name; `None` when blank.
    pub display_name: Option<String>,
}

/// Looks users up by id, at most 100. Unknown, suspended and deleted ones are left out of the answer.
pub fn users(ids: &[RecordKey]) -> Call<Vec<User>> {
    ids.iter()
        .fold(users_call(), |call, id| call.with("id", id.as_str()))
}

/// Looks users up by login, at most 100. Logins that nobody has are left out of the answer.
pub fn users_by_login(logins: &[String]) -> Call<Vec<User>> {
    logins
        .iter()
        .fold(users_call(), |call, login| call.with("login", &**login))
}

fn users_call() -> Call<Vec<User>> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        id: Loose<'a>,
        #[serde(default)]
        login: Loose<'a>,
        #[serde(default)]
        display_name: Loose<'a>,
    }
    Call::new(Method::Get, "GET /users", "/users", |bytes| {
        let Reply { data, .. } = crate::net::json(bytes)?;
        let rows = rows(data)?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                let wire = Wire::deserialize(row).ok()?;
                Some(User {
                    id: RecordKey::try_from(wire.id.text()?).ok()?,
                    login: wire.login.text().map(str::to_owned),
                    display_name: wire.display_name.text().map(str::to_owned),
                })
            })
            .collect())
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::id;
    use super::*;

    #[test]
    fn users_that_are_gone_are_left_out() {
        let call = users(&[id("1"), id("2")]);
        assert_eq!(call.query, [("id", "1".to_owned()), ("id", "2".to_owned())]);
        let seen = call
            .read(br#"{"data":[{"id":"2","login":"two","display_name":"","view_count":null}]}"#)
            .unwrap();
        assert_eq!(
            seen,
            [User {
                id: id("2"),
                login: Some("two".to_owned()),
                display_name: None
            }]
        );
        assert_eq!(
            users_by_login(&["two".to_owned()]).query,
            [("login", "two".to_owned())]
        );
    }
}
