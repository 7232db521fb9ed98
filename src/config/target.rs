//! Reading `[to]` and `[scope]`: the contacts that a job writes to.

use toml::de::DeValue;

use super::account::Account;
use super::accounts::{Accounts, Service};
use super::job::top_level;
use super::keys;
use super::reader::{Spot, Table};
use crate::model::{
    AccountName, BusinessId, Destination, Lifecycle, LocationId, Missing, Scope, Tag,
};

/// The destinations there are.
const DESTINATIONS: &[(&str, Destination)] =
    &[("highlevel.contacts", Destination::HighLevelContacts)];

/// What `[to]` says, as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct Target {
    destination: Option<Destination>,
    account: Option<AccountName>,
    pub(super) location: Option<LocationId>,
    business: Option<BusinessId>,
}

/// What `[to]` says when it is whole.
#[derive(Clone, Debug)]
pub(super) struct WholeTarget {
    pub(super) destination: Destination,
    pub(super) account: AccountName,
    pub(super) location: LocationId,
    pub(super) business: Option<BusinessId>,
}

impl Target {
    /// Returns it when nothing is missing.
    pub(super) fn whole(&self) -> Option<WholeTarget> {
        Some(WholeTarget {
            destination: self.destination?,
            account: self.account.clone()?,
            location: self.location.clone()?,
            business: self.business.clone(),
        })
    }
}

/// Reads `[to]`.
pub(super) fn read(root: &Table<'_>, accounts: &Accounts) -> Target {
    let example = "[to] with destination = \"highlevel.contacts\" and account = \"<name>\"";
    let Some(table) = root.required_table("to", example) else {
        return Target::default();
    };
    table.expect_keys(keys::TO, top_level);
    let destination = table.required_word("destination", DESTINATIONS);
    let service = destination.map(|destination| match destination {
        Destination::HighLevelContacts => Service::HighLevel,
    });
    let name = table.required_id::<AccountName>("account", "account = \"<a name of [accounts]>\"");
    let account = name
        .as_ref()
        .and_then(|name| accounts.get(&table, "account", name, service));
    let location = account.and_then(|account| match account {
        Account::HighLevel(account) => Some(account.location.clone()),
        Account::Agency(_) | Account::Twitch(_) => None,
    });
    Target {
        destination,
        account: name.map(|name| name.value),
        location,
        business: table.id("business").map(|spot| spot.value),
    }
}

/// Reads `[scope]`, `None` when there is none or it is not as it must be.
pub(super) fn scope(root: &Table<'_>) -> Option<Spot<Scope>> {
    let table = root.table("scope")?;
    table.expect_keys(keys::SCOPE, top_level);
    if table.has("tag")
        && let Some(business) = table.value("business")
    {
        let message = "`tag` says already which contacts, expected one of the two".to_owned();
        table.report_at(business.at, "business", message, None);
        return None;
    }
    if table.has("business") {
        let business = table.id("business")?;
        return Some(Spot {
            value: Scope::Business(business.value),
            at: business.at,
        });
    }
    let text = table.required_text("tag", "tag = \"<a tag>\" or business = \"<a business id>\"")?;
    let refuse = |message: String| {
        table.report_at(text.at, "tag", message, None);
        None
    };
    if text.value.contains(['{', '}']) {
        return refuse("is no template: it is one tag for every contact".to_owned());
    }
    match Tag::new(text.value) {
        Ok(tag) => Some(Spot {
            value: Scope::Tag(tag),
            at: text.at,
        }),
        Err(refused) => refuse(refused.to_string()),
    }
}

/// Checks that what a job creates is in its own scope, because it could not find it again otherwise.
pub(super) fn check(
    root: &Table<'_>,
    to: &Target,
    scope: Option<&Spot<Scope>>,
    missing: Missing,
    on: &Lifecycle,
) {
    let (Some(scope), Missing::Create) = (scope, missing) else {
        return;
    };
    let Some(table) = root.table("scope") else {
        return;
    };
    let outside = "the contacts that missing = \"create\" makes would be outside of the scope";
    match &scope.value {
        Scope::Tag(tag) => {
            let is_added =
                |text: &String| !text.contains('{') && Tag::new(text).as_ref() == Ok(tag);
            // Tags that are no list were reported.
            let is_list = || match root.table("on").and_then(|on| on.table("join")) {
                None => true,
                Some(join) => join
                    .value("add_tags")
                    .is_none_or(|value| matches!(value.value, DeValue::Array(_))),
            };
            if !on.join.add_tags.iter().any(is_added) && is_list() {
                let message = format!("{outside}: on.join.add_tags does not add `{tag}`");
                let hint = format!(
                    "[on.join] add_tags = [\"{}\", …], or missing = \"skip\"",
                    tag.as_str().escape_debug()
                );
                table.report_at(scope.at, "tag", message, Some(hint));
            }
        }
        Scope::Business(business) => {
            if to.business.as_ref() == Some(business) {
                return;
            }
            // A business that is no id was reported.
            let is_reported =
                to.business.is_none() && root.table("to").is_some_and(|to| to.has("business"));
            if is_reported {
                return;
            }
            let message = match &to.business {
                Some(other) => format!("{outside}: to.business is another one, `{other}`"),
                None => format!("{outside}: [to] names no business"),
            };
            let hint = format!("[to] business = \"{business}\", or missing = \"skip\"");
            table.report_at(scope.at, "business", message, Some(hint));
        }
    }
}
