//! What a contact's body may hold, endpoint by endpoint.

use super::*;

fn here() -> LocationId {
    LocationId::try_from("AYg6").unwrap()
}

fn body(json: Value) -> ContactBody {
    ContactBody::of_json(json).unwrap()
}

fn tags(list: &[&str]) -> BTreeSet<Tag> {
    list.iter().map(|tag| Tag::new(tag).unwrap()).collect()
}

#[test]
fn each_endpoint_takes_what_its_schema_names() {
    let takes = |write: ContactWrite| write.properties().collect::<Vec<_>>();
    let update = takes(ContactWrite::Update);
    for fixed in ["locationId", "gender", "companyName", CREATE_ANEW] {
        assert!(!update.contains(&fixed), "{fixed}");
    }
    assert!(!takes(ContactWrite::Create).contains(&CREATE_ANEW));
    assert!(takes(ContactWrite::Upsert).contains(&CREATE_ANEW));
    let gender = body(json!({"gender": "female", "lastName": "Lee"}));
    assert!(gender.encode(ContactWrite::Create, Some(&here())).is_ok());
    let refused = gender.encode(ContactWrite::Update, None).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("an update of a contact does not take `gender`, it takes firstName, "),
        "{refused}"
    );
    assert_eq!(
        ContactBody::of_json(json!({"additionalEmails": []})).unwrap_err(),
        BadBody::Unknown {
            name: "additionalEmails".to_owned()
        }
    );
}

#[test]
fn tags_replace_only_when_somebody_says_so() {
    let tagged = ContactBody::default()
        .set("email", "x@example.com")
        .unwrap()
        .tags(&tags(&["VIP"]));
    let made = tagged.encode(ContactWrite::Create, Some(&here())).unwrap();
    assert_eq!(
        made,
        json!({"email": "x@example.com", "tags": ["vip"], "locationId": "AYg6"})
    );
    for (write, location) in [
        (ContactWrite::Update, None),
        (ContactWrite::Upsert, Some(here())),
    ] {
        assert_eq!(
            tagged.encode(write, location.as_ref()),
            Err(BadBody::WouldReplaceTags)
        );
        let replacing = tagged.clone().replacing_tags();
        let sent = replacing.encode(write, location.as_ref()).unwrap();
        assert_eq!(sent.get("tags"), Some(&json!(["vip"])));
    }
    let emptied = ContactBody::default().replace_tags(&BTreeSet::new());
    assert_eq!(
        emptied.encode(ContactWrite::Update, None).unwrap(),
        json!({"tags": []})
    );
}

#[test]
fn custom_fields_are_written_in_the_one_spelling_that_is_kept() {
    let read = body(json!({"customFields": [
        {"id": "6dvN", "value": "1"},
        {"id": "6dvN", "key": "other", "field_value": ["a", "b"]},
        {"key": "contact.points", "fieldValue": 7},
    ]}))
    .custom_field("7evO", 3);
    assert_eq!(
        read.encode(ContactWrite::Update, None).unwrap(),
        json!({"customFields": [
            {"id": "6dvN", "field_value": "1"},
            {"id": "6dvN", "field_value": ["a", "b"]},
            {"key": "points", "field_value": 7},
            {"id": "7evO", "field_value": 3},
        ]})
    );
    for odd in [
        json!({"customFields": [{"id": "6dvN"}]}),
        json!({"customFields": [{"value": "x"}]}),
        json!({"customFields": [{"id": "6dvN", "value": 1, "field_value": 2}]}),
        json!({"customFields": {"6dvN": 1}}),
        json!({"customFields": ["6dvN"]}),
    ] {
        let refused = ContactBody::of_json(odd).unwrap_err();
        assert!(matches!(refused, BadBody::WrongType { .. }), "{refused}");
    }
}

#[test]
fn a_value_has_the_type_of_its_property() {
    for odd in [
        json!({"firstName": 7}),
        json!({"dnd": "yes"}),
        json!({"dndSettings": []}),
        json!({"tags": "one"}),
        json!({"tags": [""]}),
        json!([]),
    ] {
        let refused = ContactBody::of_json(odd.clone()).unwrap_err();
        assert!(matches!(refused, BadBody::WrongType { .. }), "{odd}");
        assert!(!refused.to_string().contains("yes"), "{refused}");
    }
    let spelled = body(json!({"dndSettings": {"sms": {"status": "active"}, "RCS": {}}}));
    assert_eq!(
        spelled.encode(ContactWrite::Update, None).unwrap(),
        json!({"dndSettings": {"SMS": {"status": "active"}, "RCS": {}}})
    );
}

#[test]
fn null_empties_what_may_be_empty() {
    let cleared = body(json!({"email": null, "assignedTo": null}));
    assert_eq!(
        cleared.encode(ContactWrite::Update, None).unwrap(),
        json!({"email": null, "assignedTo": null})
    );
    let unassigned = body(json!({"lastName": "x", "assignedTo": null}));
    assert!(
        unassigned
            .encode(ContactWrite::Create, Some(&here()))
            .is_err()
    );
    let country = body(json!({"country": null}));
    assert!(country.encode(ContactWrite::Update, None).is_err());
}

#[test]
fn what_a_write_needs_is_asked_for_before_it_is_sent() {
    let create = |json: Value| {
        body(json)
            .encode(ContactWrite::Create, Some(&here()))
            .map(|_| ())
    };
    assert_eq!(create(json!({"name": "Ann Lee"})), Err(BadBody::Nameless));
    assert_eq!(create(json!({"firstName": "  "})), Err(BadBody::Nameless));
    assert_eq!(create(json!({"firstName": null})), Err(BadBody::Nameless));
    assert_eq!(create(json!({"phone": "+15550100001"})), Ok(()));
    assert_eq!(
        create(json!({"phone": "+15550100001", "locationId": "else"})),
        Err(BadBody::OtherLocation)
    );
    let upsert = body(json!({"firstName": "Ann"})).encode(ContactWrite::Upsert, Some(&here()));
    assert_eq!(upsert, Err(BadBody::Unidentified));
    assert_eq!(
        ContactBody::default().encode(ContactWrite::Update, None),
        Err(BadBody::Nothing)
    );
}
