//! The whole Contacts API: each operation of the vendor's specification is called with our own client over a socket, and what went there and
//! back is held against the vendor's schemas, which are kept in `specs/`.

mod docs;
mod laws;
mod rows;
mod spec;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ghl_sync::apis::highlevel::{self as hl, Keys, NewTask, scope_of};
use ghl_sync::model::{BUSINESS_KEY, BusinessId, ContactId, FieldKey};
use ghl_sync::net::{Line, Purpose, Reach};
use ghl_sync::sandbox::{SeenCall, Settings};
use serde_json::{Value, json};

use self::rows::{ROWS, Row, Scene, here};
use self::spec::{Exchange, Spec, corrections};
use crate::rig::{Rig, settings};

/// A sandbox, a line to it, and what the calls speak of.
struct Stage {
    rig: Rig,
    line: Line,
    scene: Scene,
}

impl Stage {
    async fn new() -> Stage {
        let mut rig = Rig::new(Settings {
            businesses: 2,
            ..settings(0, 8)
        })
        .await;
        let ann = rig
            .sandbox
            .add_contact("Ann", "Lee", "ann@example.com", &["vip"], &[]);
        // One who has next to nothing: the rows of the list show what that is.
        rig.sandbox.add_contact("Fay", "", "", &[], &[]);
        let bea = rig.sandbox.contacts()[0]["id"].clone();
        let business = rig.sandbox.businesses()[0]["id"].clone();
        rig.sandbox.settle();
        let line = rig.world(Reach::Everything).hub_line;
        let ann = ContactId::try_from(ann).unwrap();
        let defined = line
            .send(&hl::custom_fields(&here()), Purpose::Announced)
            .await
            .unwrap()
            .value;
        let managed = [
            "firstName",
            "lastName",
            "email",
            "favorite_game",
            "visits",
            BUSINESS_KEY,
        ];
        let managed = managed.map(|key| FieldKey::try_from(key).unwrap());
        let (keys, lacking) = Keys::of(&managed, &defined);
        assert_eq!(lacking, []);
        let whole = rows::everything_later("ann@example.com");
        let whole = hl::update_raw(&ann, &whole).unwrap();
        line.send(&whole, Purpose::Announced).await.unwrap();
        let now = rig.sandbox.now();
        let note = hl::create_note(&ann, "hello");
        let note = line.send(&note, Purpose::Announced).await.unwrap().value.id;
        let task = hl::create_task(&ann, &NewTask::due("Call", now));
        let task = line.send(&task, Purpose::Announced).await.unwrap().value.id;
        rig.sandbox.settle();
        rig.sandbox.clear_calls();
        let scene = Scene {
            here: here(),
            keys: Arc::new(keys),
            ann,
            bea: ContactId::try_from(bea.as_str().unwrap()).unwrap(),
            note,
            task,
            business: BusinessId::try_from(business.as_str().unwrap()).unwrap(),
            field: rig.sandbox.field_id("favorite_game").unwrap(),
            now,
        };
        Stage { rig, line, scene }
    }

    /// Makes a row's call, and returns it as the sandbox saw it, with the answer.
    async fn play(&self, row: &Row, version: &'static str) -> Exchange {
        self.rig.sandbox.clear_calls();
        let call = (row.call)(&self.scene).version(version);
        let (route, scope) = (call.route, scope_of(call.route));
        assert!(scope.is_some(), "{route} has no scope");
        let answer = self.line.send(&call, Purpose::Announced).await;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", row.operation));
        let calls = self.rig.sandbox.calls();
        let [SeenCall { method, path, .. }] = calls.as_slice() else {
            panic!("{} is {} calls", row.operation, calls.len())
        };
        Exchange {
            method: method.clone(),
            path: path.clone(),
            body: calls[0].body.clone(),
            status: answer.status,
            answer: answer.value,
        }
    }
}

async fn exchanges() -> Vec<(&'static Row, Exchange)> {
    let stage = Stage::new().await;
    let mut all = Vec::new();
    for row in ROWS {
        all.push((row, stage.play(row, hl::VERSION).await));
    }
    all
}

fn word(judged: &Result<(), String>) -> &'static str {
    match judged {
        Ok(()) => "ok",
        Err(_) => "WRONG",
    }
}

#[tokio::test]
async fn every_operation_is_asked_and_answered_as_its_schema_says() {
    let spec = Spec::with(&corrections());
    let mut wrong = Vec::new();
    let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    // An empty list is right whatever its rows ought to be; some answer of each operation must show one.
    let (mut lists, mut filled) = (BTreeSet::new(), BTreeSet::new());
    for (row, exchange) in exchanges().await {
        for list in exchange.answer.as_object().into_iter().flatten() {
            if let (_, Value::Array(items)) = list {
                lists.insert(row.operation);
                filled.extend((!items.is_empty()).then_some(row.operation));
            }
        }
        let asked = spec.request(row.operation, &exchange);
        let answered = spec.answer(row.operation, &exchange);
        rows.entry(row.operation).or_default().push(format!(
            "{:<36} {:<22} {:<7} {}",
            row.operation,
            row.command,
            word(&asked),
            word(&answered)
        ));
        for (what, judged) in [("request", asked), ("answer", answered)] {
            if let Err(why) = judged {
                wrong.push(format!("{} ({what}): {why}\n{exchange:#?}", row.operation));
            }
        }
    }
    println!(
        "{:<36} {:<22} {:<7} ANSWER",
        "OPERATION", "COMMAND", "REQUEST"
    );
    for line in rows.values().flatten() {
        println!("{line}");
    }
    let holes: Vec<&String> = spec
        .operations
        .keys()
        .filter(|id| !rows.contains_key(id.as_str()))
        .collect();
    println!(
        "{} operations, {} of them of the contacts; without a row: {}",
        spec.operations.len(),
        Spec::of_contacts().len(),
        holes.len()
    );
    assert_eq!(holes, Vec::<&String>::new(), "operations without a row");
    assert_eq!(lists, filled, "lists that were always empty");
    assert_eq!(Spec::of_contacts().len(), 32);
    assert_eq!(wrong, Vec::<String>::new(), "{}", wrong.join("\n\n"));
}

/// A judge that takes everything would prove nothing: every exchange is spoiled in every way, and must be refused.
#[tokio::test]
async fn the_schemas_refuse_what_is_wrong() {
    let spec = Spec::with(&corrections());
    for (row, right) in exchanges().await {
        let id = row.operation;
        let refused = |what: &str, spoil: &dyn Fn(&mut Exchange)| {
            let mut wrong = right.clone();
            spoil(&mut wrong);
            let judged = spec
                .request(id, &wrong)
                .and_then(|()| spec.answer(id, &wrong));
            assert!(judged.is_err(), "{id} takes {what}: {wrong:#?}");
        };
        refused("another method", &|wrong| wrong.method = "PATCH".to_owned());
        refused("a longer path", &|wrong| {
            let (path, query) = wrong.path.split_once('?').unwrap_or((&wrong.path, ""));
            wrong.path = format!("{path}/more?{query}");
        });
        refused("an unknown parameter", &|wrong| {
            let mark = if wrong.path.contains('?') { '&' } else { '?' };
            wrong.path.push_str(&format!("{mark}shoe=1"));
        });
        if right.path.contains("locationId=") {
            refused("a call without its location", &|wrong| {
                wrong.path = wrong.path.replace("locationId=", "location=");
            });
        }
        refused("another status", &|wrong| wrong.status = 204);
        refused("an empty answer", &|wrong| wrong.answer = json!({}));
        refused("an answer without envelope", &|wrong| {
            wrong.answer = json!([]);
        });
        refused("an unknown word in the answer", &|wrong| {
            wrong.answer["shoe"] = json!(1);
        });
        // Whatever has an id is no answer without it.
        let objects = right.answer.as_object().into_iter().flatten();
        for (name, value) in objects {
            if value.get("id").is_some() {
                refused("an object without its id", &|wrong| {
                    wrong.answer[name].as_object_mut().unwrap().remove("id");
                });
            }
            if value.pointer("/0/id").is_some() {
                refused("a row without its id", &|wrong| {
                    wrong.answer[name][0].as_object_mut().unwrap().remove("id");
                });
            }
        }
        match &right.body {
            None => refused("a body", &|wrong| wrong.body = Some(json!({}))),
            Some(Value::Object(body)) => {
                refused("no body", &|wrong| wrong.body = None);
                refused("an unknown property", &|wrong| {
                    wrong.body.as_mut().unwrap()["shoe"] = json!(1);
                });
                for (key, value) in body {
                    // A number may be text nowhere, and a text no number; what may be `null` is not among the texts.
                    let other = match value {
                        Value::String(_) => json!(7),
                        Value::Null => json!({}),
                        _ => json!("seven"),
                    };
                    refused(key, &|wrong| {
                        wrong.body.as_mut().unwrap()[key] = other.clone();
                    });
                }
            }
            Some(other) => panic!("{id} sends {other}"),
        }
    }
}

/// A correction that nothing needs would hide what the specification says.
#[tokio::test]
async fn every_correction_of_the_specification_is_needed_and_says_why() {
    let all = corrections();
    let seen = exchanges().await;
    let complaints = |spec: &Spec| -> BTreeSet<String> {
        let judged = seen.iter().flat_map(|(row, exchange)| {
            let id = row.operation;
            [spec.request(id, exchange), spec.answer(id, exchange)]
        });
        judged.filter_map(Result::err).collect()
    };
    assert_eq!(complaints(&Spec::with(&all)), BTreeSet::new());
    let mut unneeded = Vec::new();
    for (number, correction) in all.iter().enumerate() {
        let (at, why) = (&correction.at, &correction.why);
        assert!(why.len() > 20 && why.ends_with('.'), "{at:?}: {why}");
        if let Some(forbidden) = &correction.forbids {
            let (id, body) = (&forbidden.operation, &forbidden.body);
            assert!(Spec::with(&all).body(id, body).is_err(), "{at:?}");
            assert_eq!(without(&all, number).body(id, body), Ok(()), "{at:?}");
            continue;
        }
        for (place, at) in at.iter().enumerate() {
            // What only asks for more cannot be missed by what is right; the judge of what is wrong needs it.
            let is_stricter = at.ends_with("/required");
            let mut rest = all.clone();
            rest[number].at.remove(place);
            if !is_stricter && complaints(&Spec::with(&rest)).is_empty() {
                unneeded.push(at);
            }
        }
    }
    assert_eq!(unneeded, Vec::<&String>::new());
}

fn without(all: &[spec::Correction], number: usize) -> Spec {
    let mut rest = all.to_vec();
    rest.remove(number);
    Spec::with(&rest)
}

/// The next version renames flags and the keys of `dndSettings`; our reading of it must not depend on that.
#[tokio::test]
async fn our_reading_does_not_depend_on_the_spelling_of_the_version() {
    let stage = Stage::new().await;
    // `GET /users/` and this spelling of `removeAll` are gone there.
    let gone = ["get-user-by-location", "remove-contact-from-every-campaign"];
    let mut renamed = 0;
    for row in ROWS.iter().filter(|row| !gone.contains(&row.operation)) {
        let exchange = stage.play(row, "v3").await;
        let text = exchange.answer.to_string();
        renamed += u32::from(text.contains("\"whatsApp\"") || !text.contains("succeded"));
    }
    assert!(renamed > 10, "the sandbox did not speak the other version");
}

/// The contact's body is checked before it is sent, by the properties of the schema and no others.
#[test]
fn our_allow_lists_are_those_of_the_schemas() {
    for (write, id) in [
        (hl::ContactWrite::Create, "create-contact"),
        (hl::ContactWrite::Update, "update-contact"),
        (hl::ContactWrite::Upsert, "upsert-contact"),
    ] {
        let ours: BTreeSet<String> = write.properties().map(str::to_owned).collect();
        assert_eq!(ours, Spec::body_properties(id), "{id}");
    }
}
