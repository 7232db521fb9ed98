//! The endpoints of custom-field definitions.

use serde_json::{Value, json};

use super::filters::unknown_keys;
use super::location::slug;
use super::routes::Route;
use super::wire::{Answer, Outcome, Request, refuse};
use super::world::World;

const TYPES: &[&str] = &[
    "TEXT",
    "LARGE_TEXT",
    "NUMERICAL",
    "PHONE",
    "MONETORY",
    "CHECKBOX",
    "SINGLE_OPTIONS",
    "MULTIPLE_OPTIONS",
    "DATE",
    "TEXTBOX_LIST",
    "FILE_UPLOAD",
    "RADIO",
    "EMAIL",
];
const KNOWN: &[&str] = &[
    "name",
    "dataType",
    "placeholder",
    "acceptedFormat",
    "isMultipleFile",
    "maxNumberOfFiles",
    "textBoxListOptions",
    "position",
    "model",
    "parentId",
    "fieldKey",
    "description",
    "options",
];

/// Answers the calls below `/locations/{id}/customFields`.
pub(crate) fn answer(world: &mut World, route: Route, id: &str, request: &Request) -> Outcome {
    let trace = world.trace();
    match route {
        Route::ListFields => {
            let model = request.param("model").unwrap_or("contact");
            let fields: Vec<Value> = match model {
                "contact" | "all" => world
                    .location
                    .fields
                    .iter()
                    .map(|field| field.to_value())
                    .collect(),
                "opportunity" => Vec::new(),
                _ => {
                    return refuse(
                        422,
                        "model must be one of the following values: contact, opportunity, all",
                    );
                }
            };
            Ok(Answer::value(
                200,
                &json!({ "customFields": fields, "traceId": trace }),
            ))
        }
        Route::CreateField => create(world, request, &trace),
        _ => {
            let found = world
                .location
                .field_by_id(id)
                .or_else(|| world.location.field_by_key(id));
            let Some(number) = found.map(|field| field.number) else {
                return refuse(400, &format!("Custom field with id {id} not found"));
            };
            match route {
                Route::UpdateField => rename(world, number, request)?,
                Route::DeleteField => {
                    world.location.fields.retain(|field| field.number != number);
                    return Ok(Answer::value(
                        200,
                        &json!({ "succeded": true, "traceId": trace }),
                    ));
                }
                _ => {}
            }
            let field = world
                .location
                .fields
                .iter()
                .find(|field| field.number == number);
            let field = field.map(|field| field.to_value());
            Ok(Answer::value(
                200,
                &json!({ "customField": field, "traceId": trace }),
            ))
        }
    }
}

fn create(world: &mut World, request: &Request, trace: &str) -> Outcome {
    let body = request.object();
    let mut problems = Vec::new();
    unknown_keys(&body, KNOWN, &mut problems);
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or("");
    if text("name").trim().is_empty() {
        problems.push("name must be a string".to_string());
    }
    if !TYPES.contains(&text("dataType")) {
        problems.push(format!(
            "dataType must be one of the following values: {}",
            TYPES.join(", ")
        ));
    }
    if !problems.is_empty() {
        return Err(Box::new(Answer::unprocessable(&problems)));
    }
    let wanted = match text("fieldKey") {
        "" => slug(text("name")),
        key => key.strip_prefix("contact.").unwrap_or(key).to_string(),
    };
    if world.location.field_by_key(&wanted).is_some() {
        return refuse(
            400,
            &format!("Custom field with key contact.{wanted} already exists"),
        );
    }
    let now = world.clock.now();
    let field = world
        .location
        .define(&wanted, text("name"), text("dataType"), now);
    let body = json!({ "customField": field.to_value(), "traceId": trace });
    Ok(Answer::value(201, &body))
}

fn rename(world: &mut World, number: u16, request: &Request) -> Outcome<()> {
    let body = request.object();
    let mut problems = Vec::new();
    unknown_keys(&body, KNOWN, &mut problems);
    let name = body.get("name").and_then(Value::as_str).unwrap_or("");
    if name.is_empty() {
        problems.push("name must be a string".to_string());
    }
    if !problems.is_empty() {
        return Err(Box::new(Answer::unprocessable(&problems)));
    }
    // The key survives a rename.
    if let Some(field) = world
        .location
        .fields
        .iter_mut()
        .find(|field| field.number == number)
    {
        field.name = name.to_string();
    }
    Ok(())
}
