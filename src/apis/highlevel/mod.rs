//! HighLevel: locations, custom fields, contacts and their tags, API version 2021-07-28.
//!
//! Source: HighLevel reference sections 6 to 10. Encoding goes by an allow-list per endpoint, because an unknown property is refused;
//! decoding takes what is there, because absent, `null` and `""` mean the same.

mod contacts;
mod keys;
mod location;
mod row;
mod search;
mod tags;

pub use contacts::{CannotWrite, LIST_LIMIT, ListCursor, Page, create, get, list, update};
pub use keys::{Keys, same_value};
pub use location::{CustomField, Location, create_custom_field, custom_fields, location};
pub use row::decode;
pub use search::{SEARCH_LIMIT, Search, SearchCursor};
pub use tags::{BulkTags, MAX_BULK, TagMove, TagOutcome, bulk_tags};

/// The address of both API versions.
pub const BASE_URL: &str = "https://services.leadconnectorhq.com";

/// The `Version` header we are written against: the best observed one, without an announced end (reference section 1).
pub const VERSION: &str = "2021-07-28";
