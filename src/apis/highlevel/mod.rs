//! HighLevel: the whole Contacts API, and what it needs of its neighbours (locations, custom fields, businesses, users, workflows, campaigns),
//! API version 2021-07-28.
//!
//! Source: HighLevel's OpenAPI files, its Contacts Search API page, and recorded traffic. Encoding goes by an allow-list per endpoint,
//! because an unknown property is refused; decoding takes what is there, because absent, `null` and `""` mean the same.

mod appointments;
mod body;
mod businesses;
mod contacts;
mod enrolment;
mod envelope;
mod keys;
mod location;
mod notes;
mod raw;
mod row;
mod scopes;
mod search;
mod tags;
mod tasks;
mod users;

pub use appointments::appointments;
pub use body::{BadBody, ContactBody, ContactWrite};
pub use businesses::{
    BUSINESS_CONTACTS_LIMIT, BUSINESS_CONTACTS_PAGE, BUSINESS_LIMIT, BUSINESSES_PAGE, Business,
    NewBusiness, bulk_business, business, businesses, businesses_raw, contacts_of_business,
    create_business,
};
pub use contacts::{CannotWrite, LIST_LIMIT, ListCursor, Page, create, delete, get, list, update};
pub use enrolment::{
    add_to_campaign, add_to_workflow, campaigns, remove_from_all_campaigns, remove_from_campaign,
    remove_from_workflow, workflows,
};
pub use keys::Keys;
pub use location::{
    CustomField, Location, NewCustomField, create_custom_field, create_custom_field_raw,
    custom_field_raw, custom_fields, custom_fields_raw, location, location_raw,
};
pub use notes::{
    Note, NoteBody, create_note, create_note_with, delete_note, note_of, notes, notes_raw,
    update_note,
};
pub use raw::{
    RawPage, Upserted, create_raw, duplicate, get_raw, list_raw, search_after, search_raw,
    update_raw, upsert,
};
pub use row::decode;
pub use scopes::scope_of;
pub use search::{SEARCH_LIMIT, Search, SearchCursor};
pub use tags::{
    BulkTags, ContactTags, TagMove, TagOutcome, add_tags, bulk_tags, bulk_tags_raw, location_tags,
    remove_tags,
};
pub use tasks::{
    NewTask, TASKS_LIMIT, Task, TaskChange, TaskSearch, complete_task, create_task, delete_task,
    reopen_task, search_tasks, task_of, tasks, tasks_raw, update_task,
};
pub use users::{ContactFollowers, User, add_followers, remove_followers, users, users_raw};

/// The `Version` header we are written against: the best observed one, without an announced end (HighLevel, Versioning page).
pub const VERSION: &str = "2021-07-28";
