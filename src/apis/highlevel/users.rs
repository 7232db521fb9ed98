//! Users of a location: who works in the CRM, and who follows which contact there.
//!
//! A contact's *followers* are ids of users. They have nothing to do with the followers of a Twitch channel.
//!
//! Source: HighLevel's OpenAPI files of contacts and users. `GET /users/` is absent from API v3.

use serde_json::{Value, json};

use super::VERSION;
use super::envelope;
use crate::model::{ContactId, IfUnsure, LocationId, UserId};
use crate::net::{Call, Method, Unreadable};

/// A user of a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their id, which tasks and notes name.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// The user as the vendor shows them, whole.
    pub raw: Value,
}

/// Who follows a contact after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactFollowers {
    /// The users that follow it now.
    pub followers: Vec<UserId>,
    /// Those that the call added or removed; `None` when the answer does not say.
    pub moved: Option<Vec<UserId>>,
    /// The answer as the vendor gave it.
    pub raw: Value,
}

/// Reads all users of a location. Needs `users.readonly`. There are no pages.
///
/// Users without a usable id are left out; [`users_raw`] has all.
pub fn users(location: &LocationId) -> Call<Vec<User>> {
    listed(location, |bytes| {
        let rows = envelope::list(bytes, "users")?;
        Ok(rows.into_iter().filter_map(user).collect())
    })
}

/// Reads all users of a location as the vendor shows them. Needs `users.readonly`. There are no pages.
pub fn users_raw(location: &LocationId) -> Call<Vec<Value>> {
    listed(location, |bytes| envelope::list(bytes, "users"))
}

fn listed<T: 'static>(location: &LocationId, read: fn(&[u8]) -> Result<T, Unreadable>) -> Call<T> {
    Call::new(Method::Get, "GET /users/", "/users/", read)
        .with("locationId", location.as_str())
        .version(VERSION)
}

/// Lets users follow a contact. Needs `contacts.write`. Sending it twice does no harm.
pub fn add_followers(contact: &ContactId, users: &[UserId]) -> Call<ContactFollowers> {
    moved(
        Method::Post,
        "POST /contacts/{id}/followers",
        contact,
        users,
        |bytes| answer(bytes, "followersAdded"),
    )
}

/// Lets users no longer follow a contact: a DELETE with a body. Needs `contacts.write`. Sending it twice does no harm.
pub fn remove_followers(contact: &ContactId, users: &[UserId]) -> Call<ContactFollowers> {
    moved(
        Method::Delete,
        "DELETE /contacts/{id}/followers",
        contact,
        users,
        |bytes| answer(bytes, "followersRemoved"),
    )
}

fn moved(
    method: Method,
    route: &'static str,
    contact: &ContactId,
    users: &[UserId],
    read: fn(&[u8]) -> Result<ContactFollowers, Unreadable>,
) -> Call<ContactFollowers> {
    let path = format!("/contacts/{contact}/followers");
    Call::new(method, route, path, read)
        .body(json!({ "followers": users }))
        .if_unsure(IfUnsure::SendAgain)
        .version(VERSION)
}

fn answer(bytes: &[u8], moved: &str) -> Result<ContactFollowers, Unreadable> {
    let raw: Value = crate::net::json(bytes)?;
    let ids = |name: &str| {
        let ids = raw.get(name)?.as_array()?;
        let id = |id: &Value| UserId::try_from(id.as_str()?).ok();
        Some(ids.iter().filter_map(id).collect::<Vec<_>>())
    };
    let followers = ids("followers")
        .ok_or_else(|| Unreadable::Shape("the reply holds no `followers`".to_owned()))?;
    Ok(ContactFollowers {
        followers,
        moved: ids(moved),
        raw,
    })
}

fn user(raw: Value) -> Option<User> {
    let id = raw.get("id").and_then(Value::as_str)?;
    let text = |name: &str| raw.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = match text("name") {
        "" => format!("{} {}", text("firstName"), text("lastName")),
        name => name.to_owned(),
    };
    Some(User {
        id: UserId::try_from(id).ok()?,
        name: name.trim().to_owned(),
        raw,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: &[&str]) -> Vec<UserId> {
        list.iter()
            .map(|id| UserId::try_from(*id).unwrap())
            .collect()
    }

    #[test]
    fn the_users_of_a_location() {
        let here = LocationId::try_from("AYg6").unwrap();
        let call = users(&here);
        assert_eq!(call.query, [("locationId", "AYg6".to_owned())]);
        let reply = br#"{"users":[{"id":"u1","name":"John Deo","email":"john@example.com"},
            {"id":"u2","firstName":"Ann","lastName":""},{"name":"no id"}],"traceId":"x"}"#;
        let seen = call.read(reply).unwrap();
        let names: Vec<&str> = seen.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["John Deo", "Ann"]);
        assert_eq!(users_raw(&here).read(reply).unwrap().len(), 3);
    }

    #[test]
    fn users_follow_a_contact_and_leave_it() {
        let ann = ContactId::try_from("TY3N").unwrap();
        let add = add_followers(&ann, &ids(&["u1", "u2"]));
        assert_eq!(
            (add.method, &*add.path),
            (Method::Post, "/contacts/TY3N/followers")
        );
        assert_eq!(add.body, Some(json!({"followers": ["u1", "u2"]})));
        assert_eq!(add.if_unsure, IfUnsure::SendAgain);
        let after = add
            .read(br#"{"followers":["u1","u2"],"followersAdded":["u2"],"traceId":"x"}"#)
            .unwrap();
        assert_eq!(after.followers, ids(&["u1", "u2"]));
        assert_eq!(after.moved, Some(ids(&["u2"])));
        let remove = remove_followers(&ann, &ids(&["u2"]));
        assert_eq!(remove.method, Method::Delete);
        assert_eq!(remove.body, Some(json!({"followers": ["u2"]})));
        let after = remove.read(br#"{"followers":[]}"#).unwrap();
        assert_eq!((after.followers.len(), after.moved), (0, None));
        assert!(remove.read(b"{}").is_err());
    }
}
