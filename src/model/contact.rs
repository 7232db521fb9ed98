//! One contact of the hub, as far as jobs care.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::ids::{ContactId, FieldKey, Tag};

/// Where the picture of a contact came from; decides how far it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// A row of `GET /contacts/`: thin, and behind the writes by up to minutes.
    List,
    /// A row of `POST /contacts/search`: whole, and behind the writes by up to minutes.
    Search,
    /// `GET /contacts/{id}`: whole and fresh.
    Get,
    /// The answer to a create or update: whole and fresh.
    Write,
}

impl Reading {
    /// Returns whether the picture is of this moment, not of an index that lags behind.
    pub fn is_fresh(self) -> bool {
        match self {
            Reading::Get | Reading::Write => true,
            Reading::List | Reading::Search => false,
        }
    }
}

/// One contact as a reading shows it, reduced to the keys that some job manages.
///
/// `fields`: a key that is missing is *unknown* (a thin row does not carry it); `None` is known to be empty.
/// `tags`: `None` is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The vendor's id.
    pub id: ContactId,
    /// The values by managed key.
    pub fields: BTreeMap<FieldKey, Option<String>>,
    /// All tags of the contact, in lower case.
    pub tags: Option<BTreeSet<Tag>>,
    /// When the vendor says the contact was made.
    pub date_added: Option<DateTime<Utc>>,
    /// When the vendor says it last changed; never used as a version (it differs between the index and the store).
    pub date_updated: Option<DateTime<Utc>>,
}

/// A field that every HighLevel contact has, and what may be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandardKey {
    /// The key in requests and in job files.
    pub key: &'static str,
    /// Whether `PUT /contacts/{id}` takes it; what it does not take can only be set at creation.
    pub updatable: bool,
}

/// The standard fields a job may map to.
///
/// `name` is left out on purpose (a contact with `name` alone is refused, and how it is split is undocumented), and so are `tags`
/// (they have their own calls), `dnd` and `type`. Source: the bodies of create and update in HighLevel's OpenAPI files.
pub const STANDARD_KEYS: &[StandardKey] = &[
    StandardKey {
        key: "firstName",
        updatable: true,
    },
    StandardKey {
        key: "lastName",
        updatable: true,
    },
    StandardKey {
        key: "email",
        updatable: true,
    },
    StandardKey {
        key: "phone",
        updatable: true,
    },
    StandardKey {
        key: "address1",
        updatable: true,
    },
    StandardKey {
        key: "city",
        updatable: true,
    },
    StandardKey {
        key: "state",
        updatable: true,
    },
    StandardKey {
        key: "postalCode",
        updatable: true,
    },
    StandardKey {
        key: "country",
        updatable: true,
    },
    StandardKey {
        key: "website",
        updatable: true,
    },
    StandardKey {
        key: "timezone",
        updatable: true,
    },
    StandardKey {
        key: "dateOfBirth",
        updatable: true,
    },
    StandardKey {
        key: "source",
        updatable: true,
    },
    StandardKey {
        key: "assignedTo",
        updatable: true,
    },
    StandardKey {
        key: "companyName",
        updatable: false,
    },
    StandardKey {
        key: "gender",
        updatable: false,
    },
];

/// The key under which a contact shows the id of its business.
///
/// It is read like a standard field and written by a call of its own (`POST /contacts/bulk/business`), so no job can map it. Source: the
/// rows of list, search and get in HighLevel's OpenAPI file of contacts and in recorded traffic.
pub const BUSINESS_KEY: &str = "businessId";

impl FieldKey {
    /// Returns the key of a contact's business, see [`BUSINESS_KEY`].
    pub fn business() -> FieldKey {
        FieldKey::try_from(BUSINESS_KEY).expect("the name of the key is a key")
    }

    /// Returns whether answers show the key beside the custom fields, under its own name.
    pub fn is_shown_by_name(&self) -> bool {
        self.standard().is_some() || self.as_str() == BUSINESS_KEY
    }

    /// Returns the standard field of this key, or `None` for a custom field.
    pub fn standard(&self) -> Option<StandardKey> {
        STANDARD_KEYS
            .iter()
            .copied()
            .find(|standard| standard.key == self.as_str())
    }
}
