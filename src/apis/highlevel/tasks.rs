//! Tasks of a contact.
//!
//! Source: HighLevel's OpenAPI files of contacts (the same shapes in both versions) and recorded traffic. There are no pages.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::VERSION;
use super::contacts::succeeded;
use super::row::moment;
use crate::apis::loose::Loose;
use crate::model::{ContactId, IfUnsure, TaskId};
use crate::net::{Call, Method, Unreadable};

/// A task of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// When it is due.
    pub due: Option<DateTime<Utc>>,
    /// Whether it is done; `None` when the answer does not say.
    pub is_completed: Option<bool>,
}

/// Makes a task that is not done yet. Needs `contacts.write`.
///
/// A second call makes a second task, so a lost answer is looked for in [`tasks`].
pub fn create_task(contact: &ContactId, title: &str, due: DateTime<Utc>) -> Call<Task> {
    let path = format!("/contacts/{contact}/tasks");
    // Without milliseconds, with which an update is refused (n8n, GenericFunctions of its HighLevel node).
    let due = due.to_rfc3339_opts(SecondsFormat::Secs, true);
    Call::new(Method::Post, "POST /contacts/{id}/tasks", path, one)
        .body(json!({"title": title, "dueDate": due, "completed": false}))
        .if_unsure(IfUnsure::LookFirst)
        .version(VERSION)
}

/// Reads all tasks of a contact, fresh. Needs `contacts.readonly`.
///
/// Tasks without a usable id are left out.
pub fn tasks(contact: &ContactId) -> Call<Vec<Task>> {
    #[derive(Deserialize)]
    struct Reply {
        tasks: Vec<Value>,
    }
    let path = format!("/contacts/{contact}/tasks");
    Call::new(Method::Get, "GET /contacts/{id}/tasks", path, |bytes| {
        let Reply { tasks } = crate::net::json(bytes)?;
        Ok(tasks.iter().filter_map(task).collect())
    })
    .version(VERSION)
}

/// Reads one task of a contact, fresh. Needs `contacts.readonly`.
pub fn task_of(contact: &ContactId, task: &TaskId) -> Call<Task> {
    let path = format!("/contacts/{contact}/tasks/{task}");
    Call::new(Method::Get, "GET /contacts/{id}/tasks/{taskId}", path, one).version(VERSION)
}

/// Marks a task as done. Needs `contacts.write`. Sending it twice does no harm.
pub fn complete_task(contact: &ContactId, task: &TaskId) -> Call<Task> {
    let path = format!("/contacts/{contact}/tasks/{task}/completed");
    Call::new(
        Method::Put,
        "PUT /contacts/{id}/tasks/{taskId}/completed",
        path,
        one,
    )
    .body(json!({"completed": true}))
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

fn one(bytes: &[u8]) -> Result<Task, Unreadable> {
    #[derive(Deserialize)]
    struct Reply {
        task: Value,
    }
    let reply: Reply = crate::net::json(bytes)?;
    task(&reply.task).ok_or_else(|| Unreadable::Shape("the task has no id".to_owned()))
}

fn task(value: &Value) -> Option<Task> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow)]
        id: Loose<'a>,
        #[serde(default)]
        title: Loose<'a>,
        #[serde(default)]
        due_date: Loose<'a>,
        #[serde(default)]
        completed: Loose<'a>,
    }
    let wire = Wire::deserialize(value).ok()?;
    Some(Task {
        id: TaskId::try_from(wire.id.text()?).ok()?,
        title: wire.title.text().unwrap_or_default().to_owned(),
        due: wire.due_date.text().and_then(moment),
        is_completed: wire.completed.text().and_then(|text| text.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> ContactId {
        ContactId::try_from("TY3N").unwrap()
    }

    fn due() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_784_538_000_123).unwrap()
    }

    #[test]
    fn a_task_is_made_with_what_is_required_and_without_milliseconds() {
        let call = create_task(&ann(), "First Task", due());
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
        assert!(made.due.is_some());
        assert!(call.read(br#"{"task":null}"#).is_err());
    }

    #[test]
    fn a_task_is_completed_read_and_removed() {
        let task = TaskId::try_from("T1").unwrap();
        let done = complete_task(&ann(), &task);
        assert_eq!(done.path, "/contacts/TY3N/tasks/T1/completed");
        assert_eq!(done.body, Some(json!({"completed": true})));
        let seen = done.read(br#"{"task":{"id":"T1","completed":"true"}}"#);
        assert_eq!(seen.unwrap().is_completed, Some(true));
        assert_eq!(task_of(&ann(), &task).path, "/contacts/TY3N/tasks/T1");
        let gone = delete_task(&ann(), &task);
        assert_eq!(
            (gone.method, gone.kind()),
            (Method::Delete, crate::net::CallKind::Write)
        );
        assert_eq!(gone.read(br#"{"succeded":true}"#), Ok(()));
    }

    #[test]
    fn the_tasks_of_a_contact_as_the_vendor_documents_them() {
        let seen = tasks(&ann())
            .read(
                br#"{"tasks":[{"id":"lJpz","title":"test","body":"testing","assignedTo":"hxHG","dueDate":"2020-10-25T11:00:00Z",
                "completed":true,"contactId":"TY3N"}, {"title":"no id"}, null]}"#,
            )
            .unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen.first().unwrap().title, "test");
    }
}
