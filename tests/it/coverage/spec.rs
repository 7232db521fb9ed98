//! The vendor's specification as a judge: operations, and schemas that requests and answers are held against.
//!
//! `specs/contacts.json` and `specs/neighbors.json` are the vendor's files, trimmed; `specs/corrections.json` is the one list of where the
//! wire does otherwise, each with its reason. On top of both every object is closed, as the vendor closes its requests (an unknown property
//! is a 422), and whatever stands in the envelope of an answer is required, because the specification marks next to nothing so. A `traceId`
//! may stand in every envelope.

use std::collections::{BTreeMap, BTreeSet};

use boon::{Compiler, SchemaIndex, Schemas};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const CONTACTS: &str = include_str!("../specs/contacts.json");
const NEIGHBORS: &str = include_str!("../specs/neighbors.json");
const CORRECTIONS: &str = include_str!("../specs/corrections.json");

/// Where the wire does not do as the specification says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Correction {
    /// `contacts` or `neighbors`.
    file: String,
    /// JSON pointers into the file; what is missing on the way is made.
    pub(crate) at: Vec<String>,
    /// What stands there instead.
    set: Value,
    pub(crate) why: String,
    /// For a correction that only forbids: a request body that it forbids.
    pub(crate) forbids: Option<Forbidden>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forbidden {
    pub(crate) operation: String,
    pub(crate) body: Value,
}

pub(crate) fn corrections() -> Vec<Correction> {
    serde_json::from_str(CORRECTIONS).unwrap()
}

/// One operation of the specification.
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) scopes: Vec<String>,
    parameters: Vec<Parameter>,
    body: Option<SchemaIndex>,
    status: u16,
    /// `None` where the specification is silent.
    answer: Option<SchemaIndex>,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    #[serde(rename = "in")]
    place: String,
    required: bool,
    schema: Value,
}

/// One call as it went over the wire, with its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    pub(crate) status: u16,
    pub(crate) answer: Value,
}

pub(crate) struct Spec {
    schemas: Schemas,
    /// By operation id; those of the contacts first in the order of their paths.
    pub(crate) operations: BTreeMap<String, Operation>,
}

impl Spec {
    /// Reads both files with these corrections.
    pub(crate) fn with(corrections: &[Correction]) -> Spec {
        let mut spec = Spec {
            schemas: Schemas::new(),
            operations: BTreeMap::new(),
        };
        for (name, text) in [("contacts", CONTACTS), ("neighbors", NEIGHBORS)] {
            let mut file: Value = serde_json::from_str(text).unwrap();
            for correction in corrections {
                for at in correction.at.iter().filter(|_| correction.file == name) {
                    put(&mut file, at, correction.set.clone());
                }
            }
            spec.add(name, file);
        }
        spec
    }

    /// Returns the operations of the contacts file alone, which is the promise; the neighbors are what it needs.
    pub(crate) fn of_contacts() -> Vec<String> {
        let file: Value = serde_json::from_str(CONTACTS).unwrap();
        let ids = operations_in(&file).map(|(_, _, operation)| operation["operationId"].clone());
        ids.map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// Returns the properties that a contact's body may have, straight from the vendor's file.
    pub(crate) fn body_properties(id: &str) -> BTreeSet<String> {
        let file: Value = serde_json::from_str(CONTACTS).unwrap();
        let mut all = operations_in(&file);
        let (_, _, operation) = all.find(|(_, _, one)| one["operationId"] == id).unwrap();
        let named = operation.pointer("/requestBody/content/application~1json/schema/$ref");
        let schema = named
            .and_then(Value::as_str)
            .unwrap()
            .trim_start_matches('#');
        let schema = file.pointer(schema).unwrap();
        schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }

    fn add(&mut self, name: &str, mut file: Value) {
        for (_, envelope) in envelopes(&file) {
            // The envelope of an answer: what it names is there, and a trace id may be.
            let Some(envelope) = file.pointer_mut(&envelope).and_then(Value::as_object_mut) else {
                continue;
            };
            let Some(properties) = envelope
                .get_mut("properties")
                .and_then(Value::as_object_mut)
            else {
                continue;
            };
            let names: Vec<String> = properties.keys().cloned().collect();
            properties.insert("traceId".to_owned(), json!({"type": "string"}));
            envelope.entry("required").or_insert(json!(names));
        }
        close(&mut file);
        let home = format!("https://spec.test/{name}.json");
        let mut compiler = Compiler::new();
        compiler.add_resource(&home, file.clone()).unwrap();
        for (path, method, operation) in operations_in(&file) {
            let own = format!("/paths/{}/{method}", escaped(path));
            let mut compile = |pointer: String| {
                let whole = format!("{home}#{pointer}");
                let compiled = compiler.compile(&whole, &mut self.schemas);
                compiled.unwrap_or_else(|error| panic!("{whole}: {error}"))
            };
            let body = operation.get("requestBody").map(|_| {
                compile(format!(
                    "{own}/requestBody/content/application~1json/schema"
                ))
            });
            let status = answer_status(operation);
            let answer = format!("{own}/responses/{status}/content/application~1json/schema");
            let answer = file.pointer(&answer).is_some().then(|| compile(answer));
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let read = |name: &str| operation.get(name).cloned().unwrap_or(json!([]));
            let before = self.operations.insert(
                id,
                Operation {
                    method: method.to_uppercase(),
                    path: path.to_owned(),
                    scopes: serde_json::from_value(read("scopes")).unwrap(),
                    parameters: serde_json::from_value(read("parameters")).unwrap(),
                    body,
                    status: status.parse().unwrap(),
                    answer,
                },
            );
            assert!(before.is_none(), "two operations of one name");
        }
    }

    /// Says what is wrong with a request, `Ok` when nothing is.
    pub(crate) fn request(&self, id: &str, seen: &Exchange) -> Result<(), String> {
        let operation = &self.operations[id];
        if seen.method != operation.method {
            return Err(format!(
                "{} where {} is asked",
                seen.method, operation.method
            ));
        }
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let parts: Vec<&str> = path.split('/').collect();
        let wanted: Vec<&str> = operation.path.split('/').collect();
        let fits = |(part, wanted): (&&str, &&str)| match wanted.strip_prefix('{') {
            Some(name) => {
                let declared = operation.parameters.iter().find(|parameter| {
                    parameter.place == "path"
                        && Some(parameter.name.as_str()) == name.strip_suffix('}')
                });
                !part.is_empty()
                    && declared.is_some_and(|declared| is_value(part, &declared.schema))
            }
            None => part == wanted,
        };
        if parts.len() != wanted.len() || !parts.iter().zip(&wanted).all(fits) {
            return Err(format!("{path} is no {}", operation.path));
        }
        let pairs: Vec<(&str, &str)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect();
        let in_query = |parameter: &&Parameter| parameter.place == "query";
        for (name, value) in &pairs {
            let mut declared = operation.parameters.iter().filter(in_query);
            let Some(declared) = declared.find(|parameter| parameter.name == *name) else {
                return Err(format!("the query has an unknown `{name}`"));
            };
            if !is_value(value, &declared.schema) {
                return Err(format!("`{name}` of the query is of another type"));
            }
        }
        for parameter in operation.parameters.iter().filter(in_query) {
            let given = pairs.iter().any(|(name, _)| *name == parameter.name);
            if parameter.required && !given {
                return Err(format!("the query lacks `{}`", parameter.name));
            }
        }
        match (operation.body, &seen.body) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err("there is a body, and none is asked".to_owned()),
            (Some(_), None) => Err("there is no body, and one is asked".to_owned()),
            (Some(schema), Some(body)) => self.holds(schema, body),
        }
    }

    /// Says what is wrong with an answer, `Ok` when nothing is.
    pub(crate) fn answer(&self, id: &str, seen: &Exchange) -> Result<(), String> {
        let operation = &self.operations[id];
        if seen.status != operation.status {
            return Err(format!(
                "{} where {} is said",
                seen.status, operation.status
            ));
        }
        match operation.answer {
            Some(schema) => self.holds(schema, &seen.answer),
            None => Err("the specification does not say what the answer is".to_owned()),
        }
    }

    /// Says what is wrong with a request body, `Ok` when nothing is.
    pub(crate) fn body(&self, id: &str, body: &Value) -> Result<(), String> {
        let schema = self.operations[id].body;
        self.holds(schema.expect("the operation has a body"), body)
    }

    fn holds(&self, schema: SchemaIndex, value: &Value) -> Result<(), String> {
        self.schemas
            .validate(value, schema)
            .map_err(|error| format!("{error:#}"))
    }
}

/// Yields path, method and operation of a file, in its order.
fn operations_in(file: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = file["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Returns the one status of success that an operation declares.
fn answer_status(operation: &Value) -> String {
    let statuses = operation["responses"].as_object().unwrap();
    assert_eq!(statuses.len(), 1, "one success an operation");
    statuses.keys().next().unwrap().clone()
}

/// Returns the pointers of the schemas that are envelopes of answers, by operation.
fn envelopes(file: &Value) -> Vec<(String, String)> {
    operations_in(file)
        .filter_map(|(path, method, operation)| {
            let status = answer_status(operation);
            let own = format!(
                "/paths/{}/{method}/responses/{status}/content/application~1json/schema",
                escaped(path)
            );
            let schema = file.pointer(&own)?;
            let named = schema.get("$ref").and_then(Value::as_str);
            let at = named.map_or(own, |named| named.trim_start_matches('#').to_owned());
            Some((path.to_owned(), at))
        })
        .collect()
}

/// Turns OpenAPI's `nullable` into JSON Schema, and closes every object that has `properties`.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.remove("nullable") == Some(json!(true))
                && let Some(kind) = map.get_mut("type")
            {
                *kind = json!([kind.clone(), "null"]);
            }
            if map.get("properties").is_some_and(Value::is_object) {
                map.entry("additionalProperties").or_insert(json!(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Tells whether the text of a path or a query is a value of this schema.
fn is_value(text: &str, schema: &Value) -> bool {
    let of_enum = schema.get("enum").and_then(Value::as_array);
    if of_enum.is_some_and(|known| !known.iter().any(|value| value == text)) {
        return false;
    }
    match schema["type"].as_str() {
        Some("number") => text.parse::<f64>().is_ok(),
        Some("boolean") => text.parse::<bool>().is_ok(),
        _ => true,
    }
}

fn escaped(path: &str) -> String {
    path.replace('~', "~0").replace('/', "~1")
}

/// Puts a value at a JSON pointer; `/-` adds to a list.
fn put(file: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    if file.pointer(parent).is_none() {
        put(file, parent, Value::Object(Map::new()));
    }
    let name = name.replace("~1", "/").replace("~0", "~");
    match file.pointer_mut(parent) {
        Some(Value::Array(items)) if name == "-" => items.push(value),
        Some(Value::Object(map)) => {
            map.insert(name, value);
        }
        other => panic!("{pointer} leads nowhere: {other:?}"),
    }
}
