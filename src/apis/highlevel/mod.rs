//! HighLevel: locations, custom fields, contacts with their tags, notes and tasks, API version 2021-07-28.
//!
//! Source: HighLevel's OpenAPI files, its Contacts Search API page, and recorded traffic. Encoding goes by an allow-list per endpoint,
//! because an unknown property is refused; decoding takes what is there, because absent, `null` and `""` mean the same.

mod contacts;
mod keys;
mod location;
mod notes;
mod row;
mod search;
mod tags;
mod tasks;

pub use contacts::{CannotWrite, LIST_LIMIT, ListCursor, Page, create, delete, get, list, update};
pub use keys::Keys;
pub use location::{CustomField, Location, create_custom_field, custom_fields, location};
pub use notes::{Note, create_note, delete_note, note_of, notes};
pub use row::decode;
pub use search::{SEARCH_LIMIT, Search, SearchCursor};
pub use tags::{BulkTags, TagMove, TagOutcome, bulk_tags};
pub use tasks::{Task, complete_task, create_task, delete_task, task_of, tasks};

/// The `Version` header we are written against: the best observed one, without an announced end (HighLevel, Versioning page).
pub const VERSION: &str = "2021-07-28";
