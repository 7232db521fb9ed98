//! Tasks of a contact.
//!
//! Source: HighLevel's OpenAPI files of contacts and locations (the same shapes in both versions) and recorded traffic. The tasks of a
//! contact have no pages; those of a location are searched, and have.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::VERSION;
use super::body::BadBody;
use super::envelope::{self, succeeded};
use super::row::moment;
use crate::apis::loose::Loose;
use crate::model::{BusinessId, ContactId, IfUnsure, LocationId, TaskId, UserId};
use crate::net::{Call, Method, Unreadable};

/// How many tasks a page of the search has when nobody says (HighLevel's OpenAPI file of locations); no greatest number is documented.
pub const TASKS_LIMIT: u32 = 25;

/// A task of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// Its text; `None` when it has none or the answer does not show it.
    pub body: Option<String>,
    /// When it is due.
    pub due: Option<DateTime<Utc>>,
    /// The user that it is assigned to.
    pub assigned: Option<UserId>,
    /// Whether it is done; `None` when the answer does not say.
    pub is_completed: Option<bool>,
    /// The contact that it belongs to, when the answer says.
    pub contact: Option<ContactId>,
    /// The task as the vendor shows it, whole.
    pub raw: Value,
}

/// What a task is made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTask {
    /// The title.
    pub title: String,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// When it is due; sent in whole seconds.
    #[serde(rename = "dueDate", serialize_with = "seconds")]
    pub due: DateTime<Utc>,
    /// The user that it is assigned to.
    #[serde(
        default,
        rename = "assignedTo",
        skip_serializing_if = "Option::is_none"
    )]
    pub assigned: Option<UserId>,
    /// Whether it is done from the start.
    #[serde(default)]
    pub completed: bool,
}

impl NewTask {
    /// Makes a task that is not done, has no text and is assigned to nobody.
    pub fn due(title: impl Into<String>, due: DateTime<Utc>) -> NewTask {
        NewTask {
            title: title.into(),
            body: None,
            due,
            assigned: None,
            completed: false,
        }
    }
}

/// What a task is changed to: only what is set is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TaskChange {
    /// The title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// When it is due; sent in whole seconds.
    #[serde(
        rename = "dueDate",
        serialize_with = "maybe_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub due: Option<DateTime<Utc>>,
    /// The user that it is assigned to.
    #[serde(rename = "assignedTo", skip_serializing_if = "Option::is_none")]
    pub assigned: Option<UserId>,
    /// Whether it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<bool>,
}

/// Which tasks of a location to look for: all conditions that are set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TaskSearch {
    /// Tasks of these contacts.
    #[serde(rename = "contactId", skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<ContactId>,
    /// Tasks that are done, or that are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<bool>,
    /// Tasks assigned to these users.
    #[serde(rename = "assignedTo", skip_serializing_if = "Vec::is_empty")]
    pub assigned: Vec<UserId>,
    /// Tasks with this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The most tasks of the page; the vendor takes [`TASKS_LIMIT`] when it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How many tasks to leave out before the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<u32>,
    /// Tasks of this business's contacts.
    #[serde(rename = "businessId", skip_serializing_if = "Option::is_none")]
    pub business: Option<BusinessId>,
}

/// Makes a task. Needs `contacts.write`.
///
/// A second call makes a second task, so a lost answer is looked for in [`tasks`].
pub fn create_task(contact: &ContactId, task: &NewTask) -> Call<Task> {
    let path = format!("/contacts/{contact}/tasks");
    Call::new(Method::Post, "POST /contacts/{id}/tasks", path, one)
        .body(json!(task))
        .if_unsure(IfUnsure::LookFirst)
        .version(VERSION)
}

/// Reads all tasks of a contact, fresh. Needs `contacts.readonly`.
///
/// Tasks without a usable id are left out.
pub fn tasks(contact: &ContactId) -> Call<Vec<Task>> {
    listed(contact, |bytes| {
        let tasks = envelope::list(bytes, "tasks")?;
        Ok(tasks.into_iter().filter_map(task).collect())
    })
}

/// Reads all tasks of a contact as the vendor shows them, fresh. Needs `contacts.readonly`.
pub fn tasks_raw(contact: &ContactId) -> Call<Vec<Value>> {
    listed(contact, |bytes| envelope::list(bytes, "tasks"))
}

fn listed<T: 'static>(contact: &ContactId, read: fn(&[u8]) -> Result<T, Unreadable>) -> Call<T> {
    let path = format!("/contacts/{contact}/tasks");
    Call::new(Method::Get, "GET /contacts/{id}/tasks", path, read).version(VERSION)
}

/// Reads one task of a contact, fresh. Needs `contacts.readonly`.
pub fn task_of(contact: &ContactId, task: &TaskId) -> Call<Task> {
    let path = format!("/contacts/{contact}/tasks/{task}");
    Call::new(Method::Get, "GET /contacts/{id}/tasks/{taskId}", path, one).version(VERSION)
}

/// Changes a task: what the change does not name stays. Needs `contacts.write`.
///
/// Errors: [`BadBody::Nothing`].
pub fn update_task(
    contact: &ContactId,
    task: &TaskId,
    change: &TaskChange,
) -> Result<Call<Task>, BadBody> {
    if *change == TaskChange::default() {
        return Err(BadBody::Nothing);
    }
    let path = format!("/contacts/{contact}/tasks/{task}");
    let call = Call::new(Method::Put, "PUT /contacts/{id}/tasks/{taskId}", path, one);
    Ok(call
        .body(json!(change))
        .if_unsure(IfUnsure::SendAgain)
        .version(VERSION))
}

/// Marks a task as done. Needs `contacts.write`. Sending it twice does no harm.
pub fn complete_task(contact: &ContactId, task: &TaskId) -> Call<Task> {
    completed(contact, task, true)
}

/// Marks a task as not done. Needs `contacts.write`. Sending it twice does no harm. No job does.
pub fn reopen_task(contact: &ContactId, task: &TaskId) -> Call<Task> {
    completed(contact, task, false)
}

fn completed(contact: &ContactId, task: &TaskId, is_completed: bool) -> Call<Task> {
    let path = format!("/contacts/{contact}/tasks/{task}/completed");
    Call::new(
        Method::Put,
        "PUT /contacts/{id}/tasks/{taskId}/completed",
        path,
        one,
    )
    .body(json!({"completed": is_completed}))
    .if_unsure(IfUnsure::SendAgain)
    .version(VERSION)
}

/// Deletes a task. Needs `contacts.write`. No job does.
pub fn delete_task(contact: &ContactId, task: &TaskId) -> Call<()> {
    let path = format!("/contacts/{contact}/tasks/{task}");
    Call::new(
        Method::Delete,
        "DELETE /contacts/{id}/tasks/{taskId}",
        path,
        succeeded,
    )
    .if_unsure(IfUnsure::SendAgain)
    .version(VERSION)
}

/// Looks for tasks among all contacts of a location; the only listing across contacts. Needs `locations/tasks.readonly`.
///
/// The rows are whole, and not of the shape that the tasks of a contact have: the id can stand under `_id`. A page shorter than its limit is
/// the last.
pub fn search_tasks(location: &LocationId, search: &TaskSearch) -> Call<Vec<Value>> {
    let path = format!("/locations/{location}/tasks/search");
    Call::new(
        Method::Post,
        "POST /locations/{id}/tasks/search",
        path,
        |bytes| envelope::list(bytes, "tasks"),
    )
    .body(json!(search))
    .version(VERSION)
}

/// Without milliseconds, with which an update is refused (n8n, GenericFunctions of its HighLevel node).
fn seconds<S: Serializer>(due: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&due.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn maybe_seconds<S: Serializer>(
    due: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match due {
        Some(due) => seconds(due, serializer),
        None => serializer.serialize_none(),
    }
}

fn one(bytes: &[u8]) -> Result<Task, Unreadable> {
    let object = envelope::object(bytes, &["task"])?;
    task(object).ok_or_else(|| Unreadable::Shape("the task has no id".to_owned()))
}

fn task(raw: Value) -> Option<Task> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow)]
        id: Loose<'a>,
        #[serde(default)]
        title: Loose<'a>,
        #[serde(default)]
        body: Loose<'a>,
        #[serde(default)]
        due_date: Loose<'a>,
        #[serde(default)]
        assigned_to: Loose<'a>,
        #[serde(default)]
        completed: Loose<'a>,
        #[serde(default)]
        contact_id: Loose<'a>,
    }
    let wire = Wire::deserialize(&raw).ok()?;
    Some(Task {
        id: TaskId::try_from(wire.id.text()?).ok()?,
        title: wire.title.text().unwrap_or_default().to_owned(),
        body: wire.body.text().map(str::to_owned),
        due: wire.due_date.text().and_then(moment),
        assigned: wire
            .assigned_to
            .text()
            .and_then(|id| UserId::try_from(id).ok()),
        is_completed: wire.completed.text().and_then(|text| text.parse().ok()),
        contact: wire
            .contact_id
            .text()
            .and_then(|id| ContactId::try_from(id).ok()),
        raw,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> ContactId {
        ContactId::try_from("TY3N").unwrap()
    }

    fn t1() -> TaskId {
        TaskId::try_from("T1").unwrap()
    }

    fn due() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_784_538_000_123).unwrap()
    }

    #[test]
    fn a_task_is_made_with_what_is_required_and_without_milliseconds() {
        let call = create_task(&ann(), &NewTask::due("First Task", due()));
        assert_eq!(call.path, "/contacts/TY3N/tasks");
        assert_eq!(
            call.body,
            Some(
                json!({"title": "First Task", "dueDate": "2026-07-20T09:00:00Z", "completed": false})
            )
        );
        assert_eq!(call.if_unsure, IfUnsure::LookFirst);
        let made = call
            .read(
                br#"{"task":{"id":"T1","title":"First Task","dueDate":"2026-07-20T10:00:00.000Z","completed":false,
                "contactId":"TY3N"},"traceId":"x"}"#,
            )
            .unwrap();
        assert_eq!((made.id.as_str(), made.is_completed), ("T1", Some(false)));
        assert_eq!((made.contact, made.assigned), (Some(ann()), None));
        assert!(made.due.is_some());
        assert!(call.read(br#"{"task":null}"#).is_err());
    }

    #[test]
    fn a_task_can_have_a_text_and_somebody_to_do_it() {
        let json = json!({"title": "Call", "body": "Ask her.", "dueDate": "2026-07-20T11:00:00.123+02:00", "assignedTo": "hxHG"});
        let task: NewTask = serde_json::from_value(json).unwrap();
        assert_eq!(
            create_task(&ann(), &task).body,
            Some(
                json!({"title": "Call", "body": "Ask her.", "dueDate": "2026-07-20T09:00:00Z", "assignedTo": "hxHG", "completed": false})
            )
        );
        assert!(serde_json::from_value::<NewTask>(json!({"title": "x"})).is_err());
        let typo = json!({"title": "x", "dueDate": "2026-07-20T09:00:00Z", "asigned": "y"});
        assert!(serde_json::from_value::<NewTask>(typo).is_err());
    }

    #[test]
    fn a_change_sends_what_is_set() {
        let change = TaskChange {
            due: Some(due()),
            completed: Some(false),
            ..TaskChange::default()
        };
        let call = update_task(&ann(), &t1(), &change).unwrap();
        assert_eq!(
            (call.method, &*call.path),
            (Method::Put, "/contacts/TY3N/tasks/T1")
        );
        assert_eq!(
            call.body,
            Some(json!({"dueDate": "2026-07-20T09:00:00Z", "completed": false}))
        );
        assert_eq!(call.if_unsure, IfUnsure::SendAgain);
        assert_eq!(
            update_task(&ann(), &t1(), &TaskChange::default()).err(),
            Some(BadBody::Nothing)
        );
    }

    #[test]
    fn a_task_is_completed_reopened_read_and_removed() {
        let done = complete_task(&ann(), &t1());
        assert_eq!(done.path, "/contacts/TY3N/tasks/T1/completed");
        assert_eq!(done.body, Some(json!({"completed": true})));
        let seen = done.read(br#"{"task":{"id":"T1","completed":"true"}}"#);
        assert_eq!(seen.unwrap().is_completed, Some(true));
        assert_eq!(
            reopen_task(&ann(), &t1()).body,
            Some(json!({"completed": false}))
        );
        assert_eq!(task_of(&ann(), &t1()).path, "/contacts/TY3N/tasks/T1");
        let gone = delete_task(&ann(), &t1());
        assert_eq!(
            (gone.method, gone.kind()),
            (Method::Delete, crate::net::CallKind::Write)
        );
        assert_eq!(gone.read(br#"{"succeded":true}"#), Ok(()));
    }

    #[test]
    fn the_tasks_of_a_contact_as_the_vendor_documents_them() {
        let reply = br#"{"tasks":[{"id":"lJpz","title":"test","body":"testing","assignedTo":"hxHG","dueDate":"2020-10-25T11:00:00Z",
                "completed":true,"contactId":"TY3N"}, {"title":"no id"}, null]}"#;
        let seen = tasks(&ann()).read(reply).unwrap();
        let [task] = seen.as_slice() else {
            panic!("one task")
        };
        assert_eq!(task.title, "test");
        assert_eq!(task.body.as_deref(), Some("testing"));
        assert_eq!(task.assigned.as_ref().map(UserId::as_str), Some("hxHG"));
        assert_eq!(tasks_raw(&ann()).read(reply).unwrap().len(), 3);
    }

    #[test]
    fn the_tasks_of_a_location_are_searched_and_that_is_a_read() {
        let here = LocationId::try_from("AYg6").unwrap();
        let all = search_tasks(&here, &TaskSearch::default());
        assert_eq!(all.path, "/locations/AYg6/tasks/search");
        assert!(all.is_read());
        assert_eq!(all.body, Some(json!({})));
        let search = TaskSearch {
            contacts: vec![ann()],
            completed: Some(false),
            limit: Some(50),
            skip: Some(50),
            ..TaskSearch::default()
        };
        let call = search_tasks(&here, &search);
        assert_eq!(
            call.body,
            Some(json!({"contactId": ["TY3N"], "completed": false, "limit": 50, "skip": 50}))
        );
        let seen = call.read(br#"{"tasks":[{"_id":"T1"}],"traceId":"x"}"#);
        assert_eq!(seen.unwrap(), [json!({"_id": "T1"})]);
    }
}
