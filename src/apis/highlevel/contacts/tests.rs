//! What is sent for contacts and how answers are read, against the vendor's recorded JSON.

use super::super::location::CustomField;
use super::*;

fn here() -> LocationId {
    LocationId::try_from("AYg6").unwrap()
}

fn key(name: &str) -> FieldKey {
    FieldKey::try_from(name).unwrap()
}

fn keys() -> Arc<Keys> {
    let defined = [("6dvN", "twitch_user_id"), ("7evO", "points")].map(|(id, name)| CustomField {
        id: id.to_owned(),
        key: key(name),
        name: name.to_owned(),
        data_type: "TEXT".to_owned(),
    });
    let managed = ["firstName", "lastName", "address1", "companyName"]
        .into_iter()
        .chain(["dateOfBirth", "twitch_user_id", "points"])
        .map(key)
        .collect::<Vec<_>>();
    Arc::new(Keys::of(&managed, &defined).0)
}

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<FieldKey, String> {
    pairs
        .iter()
        .map(|(name, value)| (key(name), (*value).to_owned()))
        .collect()
}

/// Shows a contact's fields as `key=value`, `-` for known to be empty; what is unknown does not show.
fn shown(contact: &Contact) -> String {
    let all: Vec<String> = contact
        .fields
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or("-")))
        .collect();
    all.join(" ")
}

#[test]
fn every_list_page_names_location_limit_and_both_cursors() {
    let first = list(&here(), 100, None, &keys());
    assert_eq!(first.path, "/contacts/");
    assert_eq!(
        first.query,
        [
            ("locationId", "AYg6".to_owned()),
            ("limit", "100".to_owned())
        ]
    );
    let cursor = ListCursor {
        start_after: 1_784_284_702_661,
        start_after_id: "TY3N".to_owned(),
    };
    let next = list(&here(), 500, Some(&cursor), &keys());
    assert_eq!(
        next.query.get(1..),
        Some(
            [
                ("limit", "100".to_owned()),
                ("startAfter", "1784284702661".to_owned()),
                ("startAfterId", "TY3N".to_owned())
            ]
            .as_slice()
        )
    );
}

#[test]
fn a_list_row_is_thin() {
    let call = list(&here(), 100, None, &keys());
    let page = call
        .read(
            br#"{"contacts":[
            {"id":"a","firstName":"ann","lastName":"lee","firstNameRaw":"Ann","tags":["VIP"],"address":null,
             "dateAdded":"2026-07-17T10:38:22.661Z","customFields":[{"id":"6dvN","value":"11111"},{"id":"else","value":1}]},
            {"id":"b"}],
            "meta":{"total":167623,"nextPageUrl":"http://localhost:5058/x","startAfter":1784284702661,"startAfterId":"b"},"count":2}"#,
        )
        .unwrap();
    assert_eq!(page.total, Some(167_623));
    assert_eq!(
        page.next,
        Some(ListCursor {
            start_after: 1_784_284_702_661,
            start_after_id: "b".to_owned()
        })
    );
    let [ann, thin] = page.rows.as_slice() else {
        panic!("two rows")
    };
    assert_eq!(
        shown(ann),
        "address1=- firstName=Ann points=- twitch_user_id=11111"
    );
    assert_eq!(ann.tags.as_ref().map(BTreeSet::len), Some(1));
    assert_eq!((shown(thin).as_str(), &thin.tags), ("", &None));
}

#[test]
fn the_business_of_a_contact_is_read_when_it_is_asked_for() {
    let keys = Arc::new(Keys::of(&[FieldKey::business()], &[]).0);
    let page = list(&here(), 100, None, &keys)
        .read(br#"{"contacts":[{"id":"a","businessId":"B1"},{"id":"b","businessId":null},{"id":"c"}]}"#)
        .unwrap();
    let seen: Vec<String> = page.rows.iter().map(shown).collect();
    // A row of the list that does not carry it says nothing of it; an answer that shows all of the contact does.
    assert_eq!(seen, ["businessId=B1", "businessId=-", ""]);
    let id = ContactId::try_from("TY3N").unwrap();
    let whole = get(&id, &keys);
    for (reply, expected) in [
        (
            r#"{"contact":{"id":"TY3N","businessId":"B1"}}"#,
            "businessId=B1",
        ),
        (r#"{"contact":{"id":"TY3N"}}"#, "businessId=-"),
    ] {
        assert_eq!(shown(&whole.read(reply.as_bytes()).unwrap()), expected);
    }
    let other = list(&here(), 100, None, &self::keys())
        .read(br#"{"contacts":[{"id":"a","businessId":"B1"}]}"#)
        .unwrap();
    assert_eq!(other.rows.first().map(shown).as_deref(), Some(""));
}

#[test]
fn a_full_list_page_without_both_cursors_goes_on_behind_its_last_row() {
    let call = list(&here(), 1, None, &keys());
    let next = |meta: &str| {
        let json = format!(
            r#"{{"contacts":[{{"id":"a","dateAdded":"2026-07-17T10:38:22.661Z"}}]{meta}}}"#
        );
        call.read(json.as_bytes()).unwrap().next
    };
    let behind_a = Some(ListCursor {
        start_after: 1_784_284_702_661,
        start_after_id: "a".to_owned(),
    });
    for half in [
        "",
        r#","meta":null"#,
        r#","meta":{"startAfter":1784284702661}"#,
        r#","meta":{"startAfterId":"z","startAfter":null}"#,
    ] {
        assert_eq!(next(half), behind_a, "{half}");
    }
    let last = call
        .read(br#"{"contacts":[],"meta":{"startAfter":null,"startAfterId":null}}"#)
        .unwrap();
    assert_eq!(last.next, None);
    assert!(call.read(br#"{"contacts":[{"id":"a"}]}"#).is_err());
}

#[test]
fn a_recorded_create_is_whole() {
    let call = create(
        &here(),
        &fields(&[("firstName", "Nango Dryrun"), ("twitch_user_id", "11111")]),
        &[Tag::new("Twitch Follower").unwrap()].into(),
        &keys(),
    )
    .unwrap();
    assert_eq!((call.method, &*call.path), (Method::Post, "/contacts/"));
    assert_eq!(
        call.body,
        Some(json!({
            "locationId": "AYg6", "firstName": "Nango Dryrun", "tags": ["twitch follower"],
            "customFields": [{"id": "6dvN", "field_value": "11111"}],
        }))
    );
    assert_eq!(call.if_unsure, IfUnsure::LookFirst);
    let made = call
        .read(
            br#"{"contact":{"id":"MB7tx4NBjFJKvmnYjcly","dateAdded":"2026-07-17T10:26:20.635Z",
             "dateUpdated":"2026-07-17T10:26:20.635Z","deleted":false,"tags":[],"type":"lead","customFields":[],
             "locationId":"AYg6","firstName":"Nango Dryrun","firstNameLowerCase":"nango dryrun",
             "fullNameLowerCase":"nango dryrun","email":"dryrun@example.com","emailLowerCase":"dryrun@example.com",
             "bounceEmail":false,"unsubscribeEmail":false,"country":"US","createdBy":{"source":"INTEGRATION"},
             "lastSessionActivityAt":"x","validEmail":null,"validEmailDate":null},"traceId":"d32f"}"#,
        )
        .unwrap();
    assert_eq!(made.id.as_str(), "MB7tx4NBjFJKvmnYjcly");
    assert_eq!(
        shown(&made),
        "address1=- companyName=- dateOfBirth=- firstName=Nango Dryrun lastName=- points=- twitch_user_id=-"
    );
    // A success without the new contact's id is no answer.
    assert!(call.read(br#"{"traceId":"x"}"#).is_err());
    assert!(call.read(br#"{"contact":{}}"#).is_err());
}

#[test]
fn a_contact_without_a_name_is_not_sent() {
    let none = BTreeSet::new();
    let create = |pairs: &[(&str, &str)]| create(&here(), &fields(pairs), &none, &keys()).err();
    assert_eq!(create(&[("city", "x")]), Some(CannotWrite::Nameless));
    assert_eq!(create(&[("firstName", " ")]), Some(CannotWrite::Nameless));
    assert_eq!(
        create(&[("lastName", "x"), ("nowhere", "y")]),
        Some(CannotWrite::NoSuchField(key("nowhere")))
    );
}

#[test]
fn an_update_sends_the_owned_keys_and_nothing_else() {
    let id = ContactId::try_from("TY3N").unwrap();
    let call = update(&id, &fields(&[("lastName", "X"), ("points", "7")]), &keys()).unwrap();
    assert_eq!((call.method, &*call.path), (Method::Put, "/contacts/TY3N"));
    assert_eq!(
        call.body,
        Some(json!({"lastName": "X", "customFields": [{"id": "7evO", "field_value": "7"}]}))
    );
    assert_eq!(call.if_unsure, IfUnsure::SendAgain);
    for flag in [r#""succeded":true,"#, r#""succeeded":true,"#, ""] {
        let reply = format!(r#"{{{flag}"contact":{{"id":"TY3N","lastName":"X"}}}}"#);
        assert!(call.read(reply.as_bytes()).is_ok());
    }
    assert_eq!(
        update(&id, &fields(&[("companyName", "x")]), &keys()).err(),
        Some(CannotWrite::OnlyAtCreation(key("companyName")))
    );
    assert_eq!(
        update(&id, &BTreeMap::new(), &keys()).err(),
        Some(CannotWrite::Nothing)
    );
    assert_eq!(
        update(&id, &fields(&[("businessId", "b")]), &keys()).err(),
        Some(CannotWrite::Never(FieldKey::business()))
    );
}

#[test]
fn a_get_shows_every_managed_key_whatever_its_type() {
    let id = ContactId::try_from("TY3N").unwrap();
    let call = get(&id, &keys());
    assert_eq!(call.path, "/contacts/TY3N");
    let seen = call
        .read(
            br#"{"contact":{"id":"TY3N","firstName":"","address1":"Road 1","dateOfBirth":"1990-12-31T00:00:00.000Z",
            "customFields":[{"id":"6dvN","value":["a","b"]},{"id":"7evO","value":7}]},"traceId":"x"}"#,
        )
        .unwrap();
    assert_eq!(
        shown(&seen),
        r#"address1=Road 1 companyName=- dateOfBirth=1990-12-31 firstName=- lastName=- points=7 twitch_user_id=["a","b"]"#
    );
    // Without `customFields` they are known to be empty, too; tags are not.
    let bare = call.read(br#"{"contact":{"id":"TY3N"}}"#).unwrap();
    assert!(shown(&bare).ends_with("points=- twitch_user_id=-"));
    assert_eq!(bare.tags, None);
    assert_eq!(
        call.read(br#"{"contact":{"id":"TY3N","deleted":true}}"#),
        Err(Unreadable::Gone)
    );
}
