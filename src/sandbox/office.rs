//! What a location has besides contacts: users, workflows, campaigns, appointments and businesses.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::clock::millis_text;
use super::filters::unknown_keys;
use super::highlevel::{own_location, succeeded};
use super::person::{Dialect, Person};
use super::routes::Route;
use super::settings::{CAMPAIGN_ID, LOCATION_ID, Settings, USER_IDS, WORKFLOW_ID};
use super::wire::{Answer, Outcome, Request, refuse};
use super::world::World;

const BUSINESS_KEYS: &[&str] = &[
    "name",
    "locationId",
    "phone",
    "email",
    "website",
    "address",
    "city",
    "postalCode",
    "state",
    "country",
    "description",
];

/// Everything of the location that is neither a contact nor a definition.
pub(crate) struct Office {
    /// Oldest first, kept as they are shown.
    pub(crate) businesses: Vec<Value>,
    /// The campaigns and workflows that a contact is in, by its number: `campaign ID`, `workflow ID`.
    pub(crate) enrolled: BTreeMap<u64, BTreeSet<String>>,
    /// How many of the contacts of the start have an appointment.
    appointments: u64,
    start: i64,
}

impl Office {
    pub(crate) fn new(settings: &Settings) -> Office {
        let mut office = Office {
            businesses: Vec::new(),
            enrolled: BTreeMap::new(),
            appointments: settings.appointments,
            start: settings.start.timestamp_millis(),
        };
        for number in 1..=settings.businesses {
            let mut body = Map::new();
            body.insert("name".to_string(), json!(format!("Business {number}")));
            let start = office.start;
            office.add_business(body, start);
        }
        office
    }

    /// Makes a business of a body and returns it as it is shown.
    pub(crate) fn add_business(&mut self, body: Map<String, Value>, now: i64) -> Value {
        let number = self.businesses.len() + 1;
        let mut business = json!({
            "id": business_id(number as u64),
            "locationId": LOCATION_ID,
            "createdAt": millis_text(now),
            "updatedAt": millis_text(now),
            "createdBy": {},
            "updatedBy": {},
        });
        for (key, value) in body {
            business[key] = value;
        }
        self.businesses.push(business.clone());
        business
    }

    /// Refuses a business that is not there.
    pub(crate) fn business(&self, id: &str) -> Outcome<&Value> {
        let found = self.businesses.iter().find(|business| business["id"] == id);
        match found {
            Some(business) => Ok(business),
            None => refuse(400, &format!("Business with id {id} not found")),
        }
    }
}

/// Returns the id of the business with this number, 24 hex digits.
pub(crate) fn business_id(number: u64) -> String {
    format!("63771dca{number:016x}")
}

/// Answers `GET /contacts/{id}/appointments`: times have no zone.
pub(crate) fn appointments(world: &mut World, person: &Person) -> Outcome {
    let trace = world.trace();
    let office = &world.office;
    let mut events = Vec::new();
    if person.number < office.appointments {
        let day = millis_text(office.start + 86_400_000);
        let day = day.get(..10).unwrap_or_default();
        let added = millis_text(office.start - 86_400_000);
        events.push(json!({
            "id": format!("sandboxEvent{:08}", person.number),
            "calendarId": "sandboxCalendar00001",
            "status": "booked",
            "title": "A talk",
            "assignedUserId": USER_IDS[0],
            "notes": "",
            "startTime": format!("{day} 11:00:00"),
            "endTime": format!("{day} 11:30:00"),
            "address": "",
            "locationId": LOCATION_ID,
            "contactId": person.id.as_str(),
            "groupId": "sandboxGroup00000001",
            "appointmentStatus": "confirmed",
            "users": [],
            "dateAdded": added,
            "dateUpdated": added,
            "assignedResources": [],
        }));
    }
    Ok(Answer::value(
        200,
        &json!({ "events": events, "traceId": trace }),
    ))
}

/// Answers the lists that name a location: users, workflows, campaigns.
pub(crate) fn lists(
    world: &mut World,
    route: Route,
    request: &Request,
    dialect: Dialect,
) -> Outcome {
    own_location(request.param("locationId").unwrap_or(""))?;
    let day = millis_text(world.office.start);
    let trace = world.trace();
    let (name, rows) = match route {
        Route::ListUsers if dialect == Dialect::V3 => return refuse(404, "Cannot GET /users/"),
        Route::ListUsers => ("users", users()),
        Route::ListWorkflows => (
            "workflows",
            json!([{
                "id": WORKFLOW_ID,
                "name": "Welcome",
                "status": "published",
                "version": 2,
                "createdAt": day,
                "updatedAt": day,
                "locationId": LOCATION_ID,
            }]),
        ),
        _ => {
            let wanted = request.param("status").unwrap_or("published");
            let campaign = json!({
                "id": CAMPAIGN_ID,
                "name": "Spring",
                "status": "published",
                "locationId": LOCATION_ID,
            });
            let rows = if wanted == "published" {
                json!([campaign])
            } else {
                json!([])
            };
            ("campaigns", rows)
        }
    };
    let mut body = json!({ "traceId": trace });
    body[name] = rows;
    Ok(Answer::value(200, &body))
}

fn users() -> Value {
    let names = [("Ada", "Owner"), ("Bob", "Helper")];
    let users = USER_IDS.iter().zip(names).map(|(id, (first, last))| {
        json!({
            "id": id,
            "name": format!("{first} {last}"),
            "firstName": first,
            "lastName": last,
            "email": format!("{}@example.com", first.to_lowercase()),
            "phone": "",
            "extension": "",
            "roles": { "type": "account", "role": "admin", "locationIds": [LOCATION_ID] },
        })
    });
    users.collect()
}

/// Answers the calls below `/businesses/`.
pub(crate) fn businesses(world: &mut World, route: Route, id: &str, request: &Request) -> Outcome {
    match route {
        Route::ListBusinesses => {
            own_location(request.param("locationId").unwrap_or(""))?;
            let number = |name: &str, default: usize| match request.param(name) {
                None => default,
                Some(text) => text.parse().unwrap_or(default),
            };
            let rows: Vec<&Value> = world
                .office
                .businesses
                .iter()
                .skip(number("skip", 0))
                .take(number("limit", 100))
                .collect();
            Ok(Answer::value(200, &json!({ "businesses": rows })))
        }
        Route::GetBusiness => {
            let business = world.office.business(id)?;
            Ok(Answer::value(200, &json!({ "business": business })))
        }
        _ => {
            let body = request.object();
            let mut problems = Vec::new();
            unknown_keys(&body, BUSINESS_KEYS, &mut problems);
            for key in BUSINESS_KEYS {
                let required = ["name", "locationId"].contains(key);
                let fits = match body.get(*key) {
                    None => !required,
                    Some(value) => value
                        .as_str()
                        .is_some_and(|text| !required || !text.is_empty()),
                };
                if !fits {
                    problems.push(format!("{key} must be a string"));
                }
            }
            if !problems.is_empty() {
                return Err(Box::new(Answer::unprocessable(&problems)));
            }
            own_location(body.get("locationId").and_then(Value::as_str).unwrap_or(""))?;
            let now = world.clock.now();
            let business = world.office.add_business(body, now);
            // The vendor's own spelling.
            let body = json!({ "success": true, "buiseness": business });
            Ok(Answer::value(201, &body))
        }
    }
}

/// Answers the calls that put a contact into campaigns and workflows and take it out.
pub(crate) fn enrol(
    world: &mut World,
    route: Route,
    person: &Person,
    id: &str,
    request: &Request,
    dialect: Dialect,
) -> Outcome {
    let (kind, known, keys): (&str, &str, &[&str]) = match route {
        Route::JoinWorkflow | Route::LeaveWorkflow => {
            ("workflow", WORKFLOW_ID, &["eventStartTime"])
        }
        _ => ("campaign", CAMPAIGN_ID, &[]),
    };
    let mut problems = Vec::new();
    unknown_keys(&request.object(), keys, &mut problems);
    if !problems.is_empty() {
        return Err(Box::new(Answer::unprocessable(&problems)));
    }
    let all = matches!(route, Route::LeaveAllCampaigns | Route::LeaveAllCampaignsV3);
    if !all && id != known {
        let kind = match kind {
            "workflow" => "Workflow",
            _ => "Campaign",
        };
        return refuse(400, &format!("{kind} with id {id} not found"));
    }
    let enrolled = world.office.enrolled.entry(person.number).or_default();
    match route {
        Route::JoinCampaign | Route::JoinWorkflow => {
            enrolled.insert(format!("{kind} {id}"));
        }
        _ if all => enrolled.retain(|entry| !entry.starts_with("campaign ")),
        _ => {
            enrolled.remove(&format!("{kind} {id}"));
        }
    }
    let mut answer = succeeded(world, dialect)?;
    if route == Route::JoinCampaign {
        answer.status = 201;
    }
    Ok(answer)
}
