//! Every call of ours to HighLevel's contacts and their neighbors, each with the operation it is and the command that makes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use ghl_sync::apis::highlevel::{
    self as hl, ContactBody, Keys, NewBusiness, NewCustomField, NewTask, NoteBody, Search, TagMove,
    TaskChange, TaskSearch,
};
use ghl_sync::model::{
    BusinessId, CampaignId, ContactId, FieldKey, LocationId, NoteId, Tag, TaskId, UserId,
    WorkflowId,
};
use ghl_sync::net::{Call, Unreadable};
use ghl_sync::sandbox::{CAMPAIGN_ID, LOCATION_ID, USER_IDS, WORKFLOW_ID};
use serde_json::{Value, json};

/// What the calls speak of; made before the first of them.
pub(crate) struct Scene {
    pub(crate) here: LocationId,
    pub(crate) keys: Arc<Keys>,
    /// A contact with everything set, and another one.
    pub(crate) ann: ContactId,
    pub(crate) bea: ContactId,
    pub(crate) note: NoteId,
    pub(crate) task: TaskId,
    pub(crate) business: BusinessId,
    pub(crate) field: String,
    pub(crate) now: DateTime<Utc>,
}

/// One call of ours.
pub(crate) struct Row {
    /// The operation of the specification.
    pub(crate) operation: &'static str,
    /// The command of `ghl-sync api`.
    pub(crate) command: &'static str,
    pub(crate) call: fn(&Scene) -> Call<Value>,
}

/// Keeps a call as it is, but for its value: the answer as JSON, after our own reading of it went well.
fn seen<T: 'static>(call: Call<T>) -> Call<Value> {
    let (method, route, path) = (call.method, call.route, call.path.clone());
    let (query, body) = (call.query.clone(), call.body.clone());
    let (version, if_unsure) = (call.version, call.if_unsure);
    let mut whole = Call::new(method, route, path, move |bytes: &[u8]| {
        call.read(bytes)?;
        serde_json::from_slice(bytes).map_err(Unreadable::from)
    });
    for (name, value) in query {
        whole = whole.with(name, value);
    }
    if let Some(body) = body {
        whole = whole.body(body);
    }
    whole
        .version(version.expect("every call of HighLevel's names its version"))
        .if_unsure(if_unsure)
}

const fn row(
    operation: &'static str,
    command: &'static str,
    call: fn(&Scene) -> Call<Value>,
) -> Row {
    Row {
        operation,
        command,
        call,
    }
}

pub(crate) fn here() -> LocationId {
    LocationId::try_from(LOCATION_ID).unwrap()
}

fn tags() -> BTreeSet<Tag> {
    [Tag::new("VIP").unwrap()].into()
}

fn user(number: usize) -> UserId {
    UserId::try_from(USER_IDS[number]).unwrap()
}

fn workflow() -> WorkflowId {
    WorkflowId::try_from(WORKFLOW_ID).unwrap()
}

fn campaign() -> CampaignId {
    CampaignId::try_from(CAMPAIGN_ID).unwrap()
}

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<FieldKey, String> {
    let pair =
        |(key, value): &(&str, &str)| (FieldKey::try_from(*key).unwrap(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

/// Returns every property that a contact can be made with.
fn everything(email: &str) -> Value {
    json!({
        "firstName": "Ann", "lastName": "Lee", "name": "Ann Lee", "email": email, "gender": "female", "phone": "+1 555 010 0001",
        "address1": "Road 1", "city": "Town", "state": "NY", "postalCode": "12345", "website": "https://example.com",
        "timezone": "America/New_York", "dnd": false,
        "dndSettings": {"sms": {"status": "active", "message": "no", "code": "1"}, "WhatsApp": {"status": "inactive"}},
        "inboundDndSettings": {"all": {"status": "inactive", "message": "no"}},
        "source": "test", "dateOfBirth": "1990-12-31", "country": "US", "companyName": "Acme", "assignedTo": USER_IDS[0],
        "customFields": [{"key": "favorite_game", "field_value": "Chess"}, {"key": "visits", "field_value": 7}],
    })
}

/// Returns every property that a contact can be changed to.
pub(crate) fn everything_later(email: &str) -> ContactBody {
    let mut body = everything(email);
    let map = body.as_object_mut().unwrap();
    for fixed in ["gender", "companyName"] {
        map.remove(fixed);
    }
    ContactBody::of_json(body).unwrap()
}

/// Returns a whole note.
fn note() -> NoteBody {
    NoteBody {
        body: Some("She called.".to_owned()),
        user_id: Some(user(0)),
        title: Some("Call".to_owned()),
        color: Some("#FFAA00".to_owned()),
        pinned: Some(true),
    }
}

/// Returns a whole task.
fn task(scene: &Scene) -> NewTask {
    NewTask {
        body: Some("Ask her.".to_owned()),
        assigned: Some(user(0)),
        completed: false,
        ..NewTask::due("Call her", scene.now + TimeDelta::days(1))
    }
}

/// The calls in the order in which they are made: what is deleted goes last.
pub(crate) const ROWS: &[Row] = &[
    row("get-contacts", "contacts list", |s| {
        seen(hl::list(&s.here, 100, None, &s.keys))
    }),
    row("get-contacts", "contacts list", |s| {
        let cursor = hl::ListCursor {
            start_after: s.now.timestamp_millis(),
            start_after_id: s.ann.as_str().to_owned(),
        };
        seen(hl::list_raw(&s.here, 5, Some(&cursor), Some("a+b c")))
    }),
    row("search-contacts-advanced", "contacts search", |s| {
        seen(Search::by_added().limit(3).call(&s.here, &s.keys))
    }),
    row("search-contacts-advanced", "contacts search", |s| {
        let since = s.now - TimeDelta::days(300);
        let cursor = hl::SearchCursor::stored(r#"[0, "00000000000000000000"]"#);
        let search = Search::updated_since(since).after(cursor);
        seen(search.call(&s.here, &s.keys))
    }),
    row("search-contacts-advanced", "contacts search", |s| {
        let body = json!({
            "page": 1, "query": "a", "sort": [{"field": "dateAdded", "direction": "desc"}],
            "filters": [{"group": "OR", "filters": [
                {"field": "tags", "operator": "contains", "value": ["vip"]},
                {"field": format!("customFields.{}", s.field), "operator": "exists"},
            ]}],
        });
        seen(hl::search_raw(&s.here, body).unwrap())
    }),
    row("get-duplicate-contact", "contacts duplicate", |s| {
        seen(hl::duplicate(&s.here, Some("ann@example.com"), None).unwrap())
    }),
    row("get-duplicate-contact", "contacts duplicate", |s| {
        seen(hl::duplicate(&s.here, None, Some("+15559999999")).unwrap())
    }),
    row("create-contact", "contacts create", |s| {
        let fields = fields(&[("firstName", "Cid"), ("favorite_game", "Go")]);
        seen(hl::create(&s.here, &fields, &tags(), &s.keys).unwrap())
    }),
    row("create-contact", "contacts create", |s| {
        let mut body = everything("dan@example.com");
        body["phone"] = json!("+15550100002");
        let body = ContactBody::of_json(body).unwrap().tags(&tags());
        seen(hl::create_raw(&s.here, &body).unwrap())
    }),
    row("get-contact", "contacts get", |s| {
        seen(hl::get(&s.ann, &s.keys))
    }),
    row("get-contact", "contacts get", |s| seen(hl::get_raw(&s.bea))),
    row("update-contact", "contacts update", |s| {
        let fields = fields(&[("lastName", "Lee"), ("visits", "8")]);
        seen(hl::update(&s.ann, &fields, &s.keys).unwrap())
    }),
    row("update-contact", "contacts update", |s| {
        let body = everything_later("ann@example.com").replace_tags(&tags());
        seen(hl::update_raw(&s.ann, &body).unwrap())
    }),
    row("update-contact", "contacts update", |s| {
        let body =
            json!({"website": null, "assignedTo": null, "dateOfBirth": null, "source": null});
        seen(hl::update_raw(&s.bea, &ContactBody::of_json(body).unwrap()).unwrap())
    }),
    row("upsert-contact", "contacts upsert", |s| {
        let body = ContactBody::of_json(everything("ann@example.com")).unwrap();
        let body = body.set("createNewIfDuplicateAllowed", false).unwrap();
        seen(hl::upsert(&s.here, &body.replace_tags(&tags())).unwrap())
    }),
    row("upsert-contact", "contacts upsert", |s| {
        let mut body = everything("eve@example.com");
        body["phone"] = json!("+15550100004");
        seen(hl::upsert(&s.here, &ContactBody::of_json(body).unwrap()).unwrap())
    }),
    row("get-all-tasks", "tasks list", |s| seen(hl::tasks(&s.ann))),
    row("get-all-tasks", "tasks list", |s| {
        seen(hl::tasks_raw(&s.bea))
    }),
    row("create-task", "tasks create", |s| {
        seen(hl::create_task(&s.ann, &NewTask::due("Call", s.now)))
    }),
    row("create-task", "tasks create", |s| {
        seen(hl::create_task(&s.ann, &task(s)))
    }),
    row("get-task", "tasks get", |s| {
        seen(hl::task_of(&s.ann, &s.task))
    }),
    row("update-task", "tasks update", |s| {
        let change = TaskChange {
            title: Some("Write".to_owned()),
            body: Some("To her.".to_owned()),
            due: Some(s.now + TimeDelta::milliseconds(86_400_123)),
            assigned: Some(user(1)),
            completed: Some(false),
        };
        seen(hl::update_task(&s.ann, &s.task, &change).unwrap())
    }),
    row("update-task", "tasks update", |s| {
        let change = TaskChange {
            title: Some("Write again".to_owned()),
            ..TaskChange::default()
        };
        seen(hl::update_task(&s.ann, &s.task, &change).unwrap())
    }),
    row("update-task-completed", "tasks complete", |s| {
        seen(hl::complete_task(&s.ann, &s.task))
    }),
    row("update-task-completed", "tasks reopen", |s| {
        seen(hl::reopen_task(&s.ann, &s.task))
    }),
    row("get-all-notes", "notes list", |s| seen(hl::notes(&s.ann))),
    row("get-all-notes", "notes list", |s| {
        seen(hl::notes_raw(&s.bea))
    }),
    row("create-note", "notes create", |s| {
        seen(hl::create_note(&s.ann, "hello"))
    }),
    row("create-note", "notes create", |s| {
        seen(hl::create_note_with(&s.ann, &note()).unwrap())
    }),
    row("get-note", "notes get", |s| {
        seen(hl::note_of(&s.ann, &s.note))
    }),
    row("update-note", "notes update", |s| {
        seen(hl::update_note(&s.ann, &s.note, &note()).unwrap())
    }),
    row("update-note", "notes update", |s| {
        let pin = NoteBody {
            pinned: Some(false),
            ..NoteBody::default()
        };
        seen(hl::update_note(&s.ann, &s.note, &pin).unwrap())
    }),
    row("get-appointments-for-contact", "appointments list", |s| {
        seen(hl::appointments(&s.bea))
    }),
    row("add-tags", "tags add", |s| {
        seen(hl::add_tags(&s.ann, &tags()))
    }),
    row("remove-tags", "tags remove", |s| {
        seen(hl::remove_tags(&s.ann, &tags()))
    }),
    row("create-association", "tags bulk-add", |s| {
        let all = [s.ann.clone(), s.bea.clone()];
        seen(hl::bulk_tags(&s.here, TagMove::Add, &all, &tags()))
    }),
    row("create-association", "tags bulk-remove", |s| {
        let all = [s.ann.clone(), ContactId::try_from("nobody").unwrap()];
        seen(hl::bulk_tags_raw(&s.here, TagMove::Remove, &all, &tags()))
    }),
    row(
        "add-remove-contact-from-business",
        "businesses attach",
        |s| {
            let all = [s.ann.clone(), s.bea.clone()];
            seen(hl::bulk_business(&s.here, Some(&s.business), &all))
        },
    ),
    row("get-contacts-by-businessId", "businesses contacts", |s| {
        seen(hl::contacts_of_business(&s.here, &s.business, 25, 0, None))
    }),
    row("get-contacts-by-businessId", "businesses contacts", |s| {
        seen(hl::contacts_of_business(
            &s.here,
            &s.business,
            1,
            1,
            Some("a"),
        ))
    }),
    row(
        "add-remove-contact-from-business",
        "businesses detach",
        |s| seen(hl::bulk_business(&s.here, None, &[s.bea.clone()])),
    ),
    row("add-followers-contact", "followers add", |s| {
        seen(hl::add_followers(&s.ann, &[user(0), user(1)]))
    }),
    row("get-contact", "contacts get", |s| seen(hl::get_raw(&s.ann))),
    row("remove-followers-contact", "followers remove", |s| {
        seen(hl::remove_followers(&s.ann, &[user(1)]))
    }),
    row("add-contact-to-campaign", "campaigns add", |s| {
        seen(hl::add_to_campaign(&s.ann, &campaign()))
    }),
    row("remove-contact-from-campaign", "campaigns remove", |s| {
        seen(hl::remove_from_campaign(&s.ann, &campaign()))
    }),
    row(
        "remove-contact-from-every-campaign",
        "campaigns remove-all",
        |s| seen(hl::remove_from_all_campaigns(&s.ann)),
    ),
    row("add-contact-to-workflow", "workflows add", |s| {
        seen(hl::add_to_workflow(&s.ann, &workflow(), None))
    }),
    row("add-contact-to-workflow", "workflows add", |s| {
        let start = s.now.fixed_offset();
        seen(hl::add_to_workflow(&s.ann, &workflow(), Some(start)))
    }),
    row("delete-contact-from-workflow", "workflows remove", |s| {
        seen(hl::remove_from_workflow(&s.ann, &workflow()))
    }),
    // The neighbors.
    row("get-location", "location get", |s| {
        seen(hl::location(&s.here))
    }),
    row("get-location", "location get", |s| {
        seen(hl::location_raw(&s.here))
    }),
    row("get-custom-fields", "fields list", |s| {
        seen(hl::custom_fields(&s.here))
    }),
    row("get-custom-fields", "fields list", |s| {
        seen(hl::custom_fields_raw(&s.here))
    }),
    row("get-custom-field", "fields get", |s| {
        seen(hl::custom_field_raw(&s.here, &s.field))
    }),
    row("get-custom-field", "fields get", |s| {
        seen(hl::custom_field_raw(&s.here, "contact.favorite_game"))
    }),
    row("create-custom-field", "fields create", |s| {
        seen(hl::create_custom_field(&s.here, "Twitch user id"))
    }),
    row("create-custom-field", "fields create", |s| {
        let field = NewCustomField {
            name: "Papers".to_owned(),
            data_type: "FILE_UPLOAD".to_owned(),
            placeholder: Some("here".to_owned()),
            position: Some(0),
            accepted_format: Some(vec![".pdf".to_owned()]),
            is_multiple_file: Some(true),
            max_number_of_files: Some(2),
            text_box_list_options: Some(vec![json!({"label": "First", "prefillValue": ""})]),
        };
        seen(hl::create_custom_field_raw(&s.here, &field))
    }),
    row("get-location-tags", "tags list", |s| {
        seen(hl::location_tags(&s.here))
    }),
    row("task-search", "tasks search", |s| {
        seen(hl::search_tasks(&s.here, &TaskSearch::default()))
    }),
    row("task-search", "tasks search", |s| {
        let search = TaskSearch {
            contacts: vec![s.ann.clone()],
            completed: Some(false),
            assigned: vec![user(0)],
            query: Some("call".to_owned()),
            limit: Some(5),
            skip: Some(0),
            business: Some(s.business.clone()),
        };
        seen(hl::search_tasks(&s.here, &search))
    }),
    row("get-businesses-by-location", "businesses list", |s| {
        seen(hl::businesses(&s.here, 100, 0))
    }),
    row("get-businesses-by-location", "businesses list", |s| {
        seen(hl::businesses_raw(&s.here, 1, 1))
    }),
    row("get-business", "businesses get", |s| {
        seen(hl::business(&s.business))
    }),
    row("create-business", "businesses create", |s| {
        let text = |text: &str| Some(text.to_owned());
        let business = NewBusiness {
            name: "Acme".to_owned(),
            phone: text("+15550100003"),
            email: text("acme@example.com"),
            website: text("example.com"),
            address: text("Road 2"),
            city: text("Town"),
            postal_code: text("12345"),
            state: text("NY"),
            country: text("us"),
            description: text("They make things."),
        };
        seen(hl::create_business(&s.here, &business).unwrap())
    }),
    row("get-workflow", "workflows list", |s| {
        seen(hl::workflows(&s.here))
    }),
    row("get-campaigns", "campaigns list", |s| {
        seen(hl::campaigns(&s.here))
    }),
    row("get-user-by-location", "users list", |s| {
        seen(hl::users(&s.here))
    }),
    row("get-user-by-location", "users list", |s| {
        seen(hl::users_raw(&s.here))
    }),
    // What takes away.
    row("delete-note", "notes delete", |s| {
        seen(hl::delete_note(&s.ann, &s.note))
    }),
    row("delete-task", "tasks delete", |s| {
        seen(hl::delete_task(&s.ann, &s.task))
    }),
    row("delete-contact", "contacts delete", |s| {
        seen(hl::delete(&s.ann))
    }),
];
