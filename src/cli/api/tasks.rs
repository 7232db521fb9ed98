//! `api tasks`.

use serde_json::{Map, Value, json};

use crate::apis::highlevel::{self, NewTask, RawPage, TASKS_LIMIT, Task, TaskChange, TaskSearch};
use crate::cli::error::CliError;
use crate::model::ContactId;

use super::args::{CreateTask, OneTask, SearchTasks, TaskFlags, TasksDo, UpdateTask};
use super::body::{bad, put, typed};
use super::contacts;
use super::deed::{Deed, READ, TASKS, WRITE};
use super::desk::{Desk, Shown, succeeded};
use super::input;

/// Carries out one command.
pub(super) async fn run(desk: &mut Desk<'_>, what: &TasksDo) -> Result<(), CliError> {
    match what {
        TasksDo::List(args) => {
            let id = &args.contact;
            let call = highlevel::tasks_raw(id);
            desk.rows(Deed::new(call, READ, contacts::of(id), contacts::get(id)))
                .await
        }
        TasksDo::Get(args) => {
            let call = highlevel::task_of(&args.of.contact, &args.task);
            desk.one(deed(call, READ, args), raw, Shown::Plain).await
        }
        TasksDo::Create(args) => create(desk, args).await,
        TasksDo::Update(args) => update(desk, args).await,
        TasksDo::Complete(args) => {
            let call = highlevel::complete_task(&args.of.contact, &args.task);
            desk.one(deed(call, WRITE, args), raw, Shown::Plain).await
        }
        TasksDo::Reopen(args) => {
            let call = highlevel::reopen_task(&args.of.contact, &args.task);
            desk.one(deed(call, WRITE, args), raw, Shown::Plain).await
        }
        TasksDo::Delete(args) => {
            let (contact, task) = (&args.of.contact, &args.task);
            desk.agreed(&format!(
                "this deletes task {task} of contact {contact}, and cannot be taken back"
            ))
            .await?;
            let call = highlevel::delete_task(contact, task);
            desk.done(deed(call, WRITE, args), succeeded()).await
        }
        TasksDo::Search(args) => search(desk, args).await,
    }
}

async fn create(desk: &mut Desk<'_>, args: &CreateTask) -> Result<(), CliError> {
    let CreateTask { of, flags, input } = args;
    let body = with_flags(desk, input::body(input)?, flags)?;
    let lacks = ["title", "dueDate"];
    if lacks.iter().any(|key| !body.contains_key(*key)) {
        return Err(CliError::usage(
            "a new task needs --title and --due (or `title` and `dueDate` in --input)",
        ));
    }
    let task: NewTask = typed(body)?;
    let id = &of.contact;
    let call = highlevel::create_task(id, &task);
    let deed = Deed::new(call, WRITE, contacts::of(id), list(id));
    desk.one(deed, raw, Shown::Plain).await
}

async fn update(desk: &mut Desk<'_>, args: &UpdateTask) -> Result<(), CliError> {
    let UpdateTask { one, flags, input } = args;
    let body = with_flags(desk, input::body(input)?, flags)?;
    let change: TaskChange = typed(body)?;
    let call = highlevel::update_task(&one.of.contact, &one.task, &change).map_err(bad)?;
    desk.one(deed(call, WRITE, one), raw, Shown::Plain).await
}

async fn search(desk: &mut Desk<'_>, args: &SearchTasks) -> Result<(), CliError> {
    let SearchTasks {
        contacts,
        assigned,
        business,
        query,
        completed,
        open,
        many,
        input,
    } = args;
    let mut body = input::body(input)?;
    if !contacts.is_empty() {
        body.insert("contactId".to_owned(), json!(contacts));
    }
    if !assigned.is_empty() {
        body.insert("assignedTo".to_owned(), json!(assigned));
    }
    put(
        &mut body,
        "businessId",
        business.as_ref().map(|id| json!(id)),
    );
    put(&mut body, "query", query.clone());
    if *completed || *open {
        body.insert("completed".to_owned(), json!(completed));
    }
    let wanted: TaskSearch = typed(body)?;
    let first = wanted.skip.unwrap_or(0);
    let location = desk.location();
    let page = |limit: u16, after: Option<&u32>| {
        let skip = after.copied().unwrap_or(first);
        let search = TaskSearch {
            limit: Some(u32::from(limit)),
            skip: Some(skip),
            ..wanted.clone()
        };
        let call = highlevel::search_tasks(&location, &search);
        Ok(Deed::new(call, TASKS, "tasks", "api tasks search"))
    };
    let most = u16::try_from(TASKS_LIMIT).unwrap_or(u16::MAX);
    let behind = |rows: Vec<Value>, after: Option<&u32>| {
        let skip = after.copied().unwrap_or(first);
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        RawPage {
            rows,
            total: None,
            next: Some(skip.saturating_add(count)),
        }
    };
    desk.pages_of("tasks", *many, most, Shown::Plain, page, behind)
        .await
}

/// Puts the flags into a body.
fn with_flags(
    desk: &Desk<'_>,
    mut body: Map<String, Value>,
    flags: &TaskFlags,
) -> Result<Map<String, Value>, CliError> {
    let TaskFlags {
        title,
        body: text,
        due,
        assigned,
    } = flags;
    put(&mut body, "title", title.clone());
    put(&mut body, "body", text.clone());
    put(
        &mut body,
        "assignedTo",
        assigned.as_ref().map(|id| json!(id)),
    );
    if let Some(due) = due {
        let due = due
            .moment(desk.shell.clock.now())
            .ok_or_else(|| CliError::usage("--due is too far away"))?;
        body.insert("dueDate".to_owned(), json!(due));
    }
    Ok(body)
}

fn deed<T>(call: crate::net::Call<T>, scope: &'static str, one: &OneTask) -> Deed<T> {
    let contact = &one.of.contact;
    let what = format!("task {} of contact {contact}", one.task);
    Deed::new(call, scope, what, list(contact))
}

fn list(contact: &ContactId) -> String {
    format!("api tasks list {contact}")
}

fn raw(task: Task) -> Value {
    task.raw
}
