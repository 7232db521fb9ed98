//! The HighLevel API: the checks that every call passes, and the contact endpoints.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::fields;
use super::highlevel_login;
use super::jottings;
use super::json::Json;
use super::office;
use super::person::{Dialect, Full, Person, write_full};
use super::routes::{Route, Row, Vendor};
use super::search;
use super::settings::{COMPANY_ID, DeletedAnswer, LOCATION_ID};
use super::store::{Found, Gone};
use super::tags;
use super::tokens::Holder;
use super::wire::{Answer, Outcome, Request, refuse};
use super::world::{Twist, World, too_many};
use super::writes::{self, Form};

/// Answers one HighLevel call. `early` is an answer that a fault puts in place of the real one.
pub(crate) fn answer(
    world: &mut World,
    row: &'static Row,
    values: &[&str],
    request: &Request,
    at: Instant,
    twist: Twist,
    early: Option<Answer>,
) -> Answer {
    let now = world.clock.now();
    let counted = world.settings.switches.refused_calls_counted;
    let permit = world.windows.ask(at, now, counted);
    let mut answer = match early {
        Some(answer) => answer,
        None if !permit.granted => {
            world.calls.too_many += 1;
            let wait = world.settings.switches.retry_after;
            too_many(
                Vendor::HighLevel,
                wait.then_some((permit.wait_ms.max(1) as u64).div_ceil(1000)),
            )
        }
        None => checked(world, row, values, request, twist).unwrap_or_else(|refusal| *refusal),
    };
    if permit.granted && (400..500).contains(&answer.status) && !counted {
        world.windows.give_back();
    }
    answer.headers.extend(permit.headers);
    answer
}

fn checked(
    world: &mut World,
    row: &'static Row,
    values: &[&str],
    request: &Request,
    twist: Twist,
) -> Outcome {
    if row.route == Route::Unknown {
        return refuse(404, &format!("Cannot {} {}", request.method, request.path));
    }
    let now = world.clock.now();
    let bearer = request
        .header("authorization")
        .and_then(|text| text.strip_prefix("Bearer "));
    let Some(bearer) = bearer else {
        return refuse(401, "Invalid JWT");
    };
    let token = world.tokens.alive(bearer, now).filter(|token| {
        let other = matches!(
            token.holder,
            Holder::TwitchUser { .. } | Holder::TwitchApp { .. }
        );
        !other && !twist.expired
    });
    let Some(token) = token.cloned() else {
        return Ok(dead_token(world, bearer, twist));
    };
    let dialect = match request.header("version") {
        None => return refuse(401, "version header was not found."),
        Some("2021-04-15" | "2021-07-28" | "2023-02-21") => Dialect::V2,
        Some("v3") => Dialect::V3,
        Some(_) => return refuse(401, "version header is invalid"),
    };
    if twist.unpermitted || !token.has(row.scope) {
        return refuse(401, "The token is not authorized for this scope.");
    }
    let agency = matches!(
        row.route,
        Route::LocationToken | Route::LocationTokenV3 | Route::InstalledLocations
    );
    match &token.holder {
        Holder::Company { .. } if agency => {
            // The paths were renamed with v3, and each is known to its own version alone.
            if (row.route == Route::LocationTokenV3) != (dialect == Dialect::V3) {
                return refuse(404, &format!("Cannot {} {}", request.method, request.path));
            }
            return highlevel_login::agency(world, row.route, request, &token);
        }
        Holder::OtherLocation { .. } if !agency => {
            return refuse(403, "The token does not have access to this location.");
        }
        Holder::Location if !agency => {}
        Holder::Location
        | Holder::OtherLocation { .. }
        | Holder::Company { .. }
        | Holder::TwitchUser { .. }
        | Holder::TwitchApp { .. } => {
            return refuse(
                401,
                "This authClass type is not allowed to access this scope.",
            );
        }
    }
    if request.garbled {
        return refuse(400, "Unexpected token in JSON");
    }
    let id = values.first().copied().unwrap_or("");
    let other = values.get(1).copied().unwrap_or("");
    match row.route {
        Route::ListContacts => {
            require_location(request)?;
            search::list(world, request, twist.quirk)
        }
        Route::Search => search::search(world, request, dialect, twist.quirk),
        Route::Duplicate => duplicate(world, request, dialect),
        Route::Create => create(world, request, dialect, twist),
        Route::Upsert => upsert(world, request, dialect),
        Route::Get => get(world, id, dialect),
        Route::Update => update(world, id, request, dialect),
        Route::Delete => {
            let person = living(world, id)?;
            world.office.enrolled.remove(&person.number);
            world.remove(person.number, Gone::Deleted);
            succeeded(world, dialect)
        }
        Route::AddTags | Route::RemoveTags => {
            tags::change(world, id, request, row.route == Route::AddTags)
        }
        Route::BulkTags => tags::bulk(world, id, request),
        Route::AddFollowers | Route::RemoveFollowers => {
            tags::watch(world, id, request, row.route == Route::AddFollowers)
        }
        Route::ListTags | Route::CreateTag => {
            tags::definitions(world, id, request, row.route == Route::CreateTag)
        }
        Route::ListNotes
        | Route::CreateNote
        | Route::GetNote
        | Route::UpdateNote
        | Route::DeleteNote
        | Route::ListTasks
        | Route::CreateTask
        | Route::GetTask
        | Route::UpdateTask
        | Route::CompleteTask
        | Route::DeleteTask => {
            let person = living(world, id)?;
            jottings::answer(world, row.route, &person, other, request, dialect)
        }
        Route::SearchTasks => {
            own_location(id)?;
            jottings::search_tasks(world, request)
        }
        Route::Appointments => {
            let person = living(world, id)?;
            office::appointments(world, &person)
        }
        // Each spelling is known to its own version alone.
        Route::LeaveAllCampaigns if dialect == Dialect::V3 => {
            refuse(404, &format!("Cannot {} {}", request.method, request.path))
        }
        Route::LeaveAllCampaignsV3 if dialect == Dialect::V2 => {
            refuse(404, &format!("Cannot {} {}", request.method, request.path))
        }
        Route::JoinCampaign
        | Route::LeaveCampaign
        | Route::LeaveAllCampaigns
        | Route::LeaveAllCampaignsV3
        | Route::JoinWorkflow
        | Route::LeaveWorkflow => {
            let person = living(world, id)?;
            office::enrol(world, row.route, &person, other, request, dialect)
        }
        Route::ListUsers | Route::ListWorkflows | Route::ListCampaigns => {
            office::lists(world, row.route, request, dialect)
        }
        Route::ListBusinesses | Route::CreateBusiness | Route::GetBusiness => {
            office::businesses(world, row.route, id, request)
        }
        Route::BulkBusiness => tags::bulk_business(world, request),
        Route::BusinessContacts => {
            require_location(request)?;
            tags::business_contacts(world, id, request)
        }
        Route::GetLocation => {
            own_location(id)?;
            Ok(location(world))
        }
        Route::ListFields
        | Route::CreateField
        | Route::GetField
        | Route::UpdateField
        | Route::DeleteField => {
            own_location(id)?;
            fields::answer(world, row.route, other, request)
        }
        Route::TwitchFollowers
        | Route::TwitchSubscriptions
        | Route::TwitchVips
        | Route::TwitchModerators
        | Route::TwitchBits
        | Route::TwitchStreams
        | Route::TwitchUsers
        | Route::TwitchValidate
        | Route::TwitchAuthorize
        | Route::TwitchDevice
        | Route::TwitchToken
        | Route::TwitchRevoke
        | Route::TwitchActivate
        | Route::ChooseLocation
        | Route::OauthToken
        | Route::LocationToken
        | Route::LocationTokenV3
        | Route::InstalledLocations
        | Route::Control
        | Route::Unknown => refuse(404, "Not Found"),
    }
}

/// Says that a token is dead, in the words for its kind. The tokens of logins die without the key `error`.
fn dead_token(world: &World, bearer: &str, twist: Twist) -> Answer {
    if world.logins.was_access(bearer) {
        let body = json!({ "statusCode": 401, "message": "Invalid JWT" });
        return Answer::value(401, &body);
    }
    let private = bearer.starts_with("pit-") && !twist.expired;
    let message = match private {
        true => "Invalid Private Integration token",
        false => "Invalid token: access token is invalid",
    };
    Answer::refused(401, message)
}

/// Refuses a path of another location.
pub(crate) fn own_location(id: &str) -> Outcome<()> {
    match id == LOCATION_ID {
        true => Ok(()),
        false => refuse(403, "The token does not have access to this location."),
    }
}

fn require_location(request: &Request) -> Outcome<()> {
    own_location(request.param("locationId").unwrap_or(""))
}

/// Returns `{"succeeded":true}` in the spelling of the version.
pub(crate) fn succeeded(world: &mut World, dialect: Dialect) -> Outcome {
    let mut body = json!({ "succeeded": true, "succeded": true, "traceId": world.trace() });
    if dialect == Dialect::V3
        && let Some(body) = body.as_object_mut()
    {
        body.remove("succeded");
    }
    Ok(Answer::value(200, &body))
}

/// Finds a contact that is there, or refuses as the switch says.
pub(crate) fn living(world: &World, id: &str) -> Outcome<Arc<Person>> {
    match world.store.find(id) {
        Found::Here(person) => Ok(person),
        Found::Gone(..) | Found::Never => missing(world, id),
    }
}

fn missing<T>(world: &World, id: &str) -> Outcome<T> {
    let status = match world.settings.switches.deleted {
        DeletedAnswer::BadRequest | DeletedAnswer::StillShown => 400,
        DeletedAnswer::NotFound => 404,
    };
    refuse(status, &format!("Contact with id {id} not found"))
}

/// Writes `{"contact":{…}, …, "traceId":…}`.
fn contact(
    world: &mut World,
    person: &Person,
    dialect: Dialect,
    shape: Full,
    flags: &[(&str, bool)],
) -> Vec<u8> {
    let trace = world.trace();
    let mut json = Json::new();
    json.open(b'{');
    for (key, yes) in flags {
        json.key(key).bool(*yes);
    }
    json.key("contact");
    write_full(
        &mut json,
        person,
        &|field| world.location.field_id(field),
        dialect,
        shape,
    );
    json.key("traceId").text(&trace);
    json.close(b'}');
    json.finish()
}

fn get(world: &mut World, id: &str, dialect: Dialect) -> Outcome {
    let still_shown = world.settings.switches.deleted == DeletedAnswer::StillShown;
    match world.store.find(id) {
        Found::Here(person) => Ok(Answer::json(
            200,
            contact(world, &person, dialect, Full::Get, &[]),
        )),
        Found::Gone(person, Gone::Deleted) if still_shown => Ok(Answer::json(
            200,
            contact(world, &person, dialect, Full::Deleted, &[]),
        )),
        Found::Gone(..) | Found::Never => missing(world, id),
    }
}

fn duplicate(world: &mut World, request: &Request, dialect: Dialect) -> Outcome {
    require_location(request)?;
    let (email, number) = (request.param("email"), request.param("number"));
    if email.is_none() && number.is_none() {
        return refuse(400, "Pass at least one of number, email query parameter");
    }
    let phone = number.map(writes::e164);
    let found = email
        .and_then(|email| world.store.by_email(email))
        .or_else(|| world.store.by_phone(phone.as_deref()?));
    match found {
        Some(person) => {
            let mut body = contact(world, &person, dialect, Full::Get, &[]);
            body.pop();
            body.extend_from_slice(br#","matchingField":"contactId"}"#);
            Ok(Answer::json(200, body))
        }
        None => {
            let trace = world.trace();
            Ok(Answer::value(
                200,
                &json!({ "contact": null, "traceId": trace }),
            ))
        }
    }
}

/// Returns the contact that already has the email or, after it, the phone.
fn twin(world: &World, person: &Person) -> Option<(Arc<Person>, &'static str)> {
    use super::person::Key;
    let by_email = person
        .get(Key::Email)
        .and_then(|email| world.store.by_email(email));
    if let Some(found) = by_email.filter(|found| found.number != person.number) {
        return Some((found, "email"));
    }
    let by_phone = person
        .get(Key::Phone)
        .and_then(|phone| world.store.by_phone(phone));
    by_phone
        .filter(|found| found.number != person.number)
        .map(|found| (found, "phone"))
}

fn refuse_twin(world: &mut World, person: &Person) -> Outcome<()> {
    if world.settings.switches.allow_duplicates {
        return Ok(());
    }
    let Some((found, field)) = twin(world, person) else {
        return Ok(());
    };
    let body = json!({
        "statusCode": 400,
        "message": "This location does not allow duplicated contacts.",
        "meta": {
            "contactId": found.id.as_str(),
            "contactName": found.full_name(),
            "matchingField": field,
        },
        "traceId": world.trace(),
    });
    Err(Box::new(Answer::value(400, &body)))
}

fn body_location(body: &Map<String, Value>) -> Outcome<()> {
    own_location(body.get("locationId").and_then(Value::as_str).unwrap_or(""))
}

fn create(world: &mut World, request: &Request, dialect: Dialect, twist: Twist) -> Outcome {
    let body = request.object();
    let form = writes::read(&body, Form::Create, dialect, &world.location)?;
    body_location(&body)?;
    if !form.names_someone() {
        return refuse(
            422,
            "Contacts without email, phone, firstName and lastName are not allowed.",
        );
    }
    let now = world.clock.now();
    let mut person = world.store.blank(now);
    person.by_app = true;
    form.apply(&mut person, world);
    refuse_twin(world, &person)?;
    if let Some(with_fields) = twist.create_with_fields {
        if !with_fields {
            person.custom.clear();
        }
        world.save(person);
        let mut answer = Answer::unprocessable(&["Unable to process the request".to_string()]);
        answer.acted = true;
        return Ok(answer);
    }
    let person = world.save(person);
    Ok(Answer::json(
        201,
        contact(world, &person, dialect, Full::Created, &[]),
    ))
}

fn update(world: &mut World, id: &str, request: &Request, dialect: Dialect) -> Outcome {
    let form = writes::read(&request.object(), Form::Update, dialect, &world.location)?;
    let mut person = Person::clone(&*living(world, id)?);
    form.apply(&mut person, world);
    refuse_twin(world, &person)?;
    person.updated = world.clock.now();
    let person = world.save(person);
    let flags: &[(&str, bool)] = match dialect {
        Dialect::V2 => &[("succeded", true), ("succeeded", true)],
        Dialect::V3 => &[("succeeded", true)],
    };
    Ok(Answer::json(
        200,
        contact(world, &person, dialect, Full::Get, flags),
    ))
}

fn upsert(world: &mut World, request: &Request, dialect: Dialect) -> Outcome {
    use super::person::Key;
    let body = request.object();
    let mut form = writes::read(&body, Form::Upsert, dialect, &world.location)?;
    body_location(&body)?;
    let now = world.clock.now();
    let mut wanted = world.store.blank(now);
    form.apply(&mut wanted, world);
    if wanted.get(Key::Email).is_none() && wanted.get(Key::Phone).is_none() {
        return refuse(400, "Pass at least one of number, email query parameter");
    }
    let anew = form.create_anew && world.settings.switches.allow_duplicates;
    let found = twin(world, &wanted).filter(|_| !anew);
    let (person, new) = match found {
        Some((found, matched)) => {
            // What belongs to somebody else is left out without a word, and so is the gender.
            let other = if matched == "email" {
                Key::Phone
            } else {
                Key::Email
            };
            let taken = match other {
                Key::Phone => wanted
                    .get(other)
                    .and_then(|phone| world.store.by_phone(phone)),
                _ => wanted
                    .get(other)
                    .and_then(|email| world.store.by_email(email)),
            };
            if taken.is_some_and(|taken| taken.number != found.number) {
                form.forget(other);
            }
            form.forget(Key::Gender);
            let mut person = Person::clone(&found);
            form.apply(&mut person, world);
            person.updated = now;
            (person, false)
        }
        None => {
            wanted.by_app = true;
            (wanted, true)
        }
    };
    let person = world.save(person);
    let flags: &[(&str, bool)] = match dialect {
        Dialect::V2 => &[("new", new), ("succeded", true), ("succeeded", true)],
        Dialect::V3 => &[("new", new)],
    };
    Ok(Answer::json(
        200,
        contact(world, &person, dialect, Full::Get, flags),
    ))
}

fn location(world: &mut World) -> Answer {
    let trace = world.trace();
    Answer::value(
        200,
        &json!({
            "location": {
                "id": LOCATION_ID,
                "companyId": COMPANY_ID,
                "name": "Sandbox Location",
                "country": "US",
                "timezone": "America/New_York",
                "email": "owner@example.com",
                "settings": {
                    "allowDuplicateContact": world.settings.switches.allow_duplicates,
                    "contactUniqueIdentifiers": ["email", "phone"],
                    "allowDuplicateOpportunity": false,
                    "allowFacebookNameMerge": false,
                    "disableContactTimezone": false,
                },
            },
            "traceId": trace,
        }),
    )
}
