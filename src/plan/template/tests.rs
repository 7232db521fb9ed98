use super::*;
use crate::model::RecordKey;

const NEW_YORK: Tz = chrono_tz::America::New_York;

fn record(attributes: &[(&str, &str)]) -> Record {
    Record {
        key: RecordKey::try_from("42").unwrap(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn whole() -> Record {
    record(&[
        ("user_id", "42"),
        ("user_login", "ada"),
        ("user_name", "Ada"),
        ("followed_at", "2024-06-01T02:30:00Z"),
    ])
}

fn render(template: &str, record: &Record) -> Result<String, String> {
    let mut templates = Templates::new(SourceKind::TwitchFollowers, NEW_YORK);
    let compiled = templates.compile(template).unwrap();
    templates.render(&compiled, &templates.row(record))
}

#[test]
fn templates_say_what_jinja_says() {
    for (template, expected) in [
        ("plain", "plain"),
        ("{{ user_login }}", "ada"),
        ("{{user_login}} is {{ user_id }}!", "ada is 42!"),
        ("{{ user_name or user_login }}", "Ada"),
        ("{{ 'twitch ' ~ user_id }}", "twitch 42"),
        ("{{ user_login | upper }}", "ADA"),
        ("{{ '  x ' | trim }}", "x"),
        ("{{ user_name | default('x') | lower }}", "ada"),
        ("{% if user_name %}yes{% else %}no{% endif %}", "yes"),
        ("{{ 'a' if user_name is defined else 'b' }}", "a"),
        ("{# a note #}x", "x"),
        ("<b> & {{ user_name }}", "<b> & Ada"),
        // 02:30 in UTC is the evening before in New York.
        ("{{ followed_at | date }}", "2024-05-31"),
        ("{{ followed_at | date('%Y-%m') }}", "2024-05"),
        ("{{ followed_at|date(\"%H:%M %Z\") }}", "22:30 EDT"),
        ("{{ (followed_at or '') | date('%d.%m.') }}", "31.05."),
    ] {
        assert_eq!(render(template, &whole()).unwrap(), expected, "{template}");
    }
}

#[test]
fn an_attribute_that_a_record_lacks_is_an_empty_text() {
    let bare = record(&[("user_id", "42")]);
    for (template, expected) in [
        (
            "{{ user_name or user_login or 'twitch ' ~ user_id }}",
            "twitch 42",
        ),
        ("{{ user_name }}", ""),
        ("{{ user_name | upper }}", ""),
        ("{{ followed_at | date }}", ""),
        ("cohort {{ followed_at | date('%Y') }}", "cohort "),
        (
            "{% if followed_at %}{{ followed_at | date }}{% endif %}",
            "",
        ),
    ] {
        assert_eq!(render(template, &bare).unwrap(), expected, "{template}");
    }
}

#[test]
fn an_attribute_without_a_visible_character_counts_as_none() {
    for blank in ["", "  ", "\u{200b}", "\u{3164}", "\u{2800}\u{200d}", "\t\n"] {
        let record = record(&[("user_id", "42"), ("user_name", blank)]);
        assert_eq!(
            render("{{ user_name or 'x' }}", &record).unwrap(),
            "x",
            "{blank:?}"
        );
    }
}

#[test]
fn the_short_way_and_the_engine_agree() {
    let records = [
        whole(),
        record(&[("user_id", "42")]),
        record(&[
            ("user_id", "1"),
            ("user_name", "{{ user_id }}"),
            ("followed_at", "yesterday"),
        ]),
    ];
    for template in [
        "{{ user_name }}",
        "a\n{{ user_name }}\n",
        "a } b",
        "}} {{ user_id }} }}",
        "twitch cohort {{ followed_at | date('%Y-%m') }}",
        "{{ followed_at | date }}",
        "{{followed_at|date( '%j' )}}",
    ] {
        let mut templates = Templates::new(SourceKind::TwitchFollowers, NEW_YORK);
        let short = templates.compile(template).unwrap();
        assert!(matches!(short.shape, Shape::Pieces(_)), "{template}");
        let engine = Template {
            shape: Shape::Jinja {
                name: "t0".to_owned(),
            },
        };
        for record in &records {
            let row = templates.row(record);
            let (one, other) = (
                templates.render(&short, &row),
                templates.render(&engine, &row),
            );
            assert_eq!(one.map(clean), other.map(clean), "{template}");
        }
    }
}

#[test]
fn an_error_never_holds_a_value() {
    let record = record(&[("user_id", "42"), ("followed_at", "secret-person")]);
    for template in [
        "{{ followed_at | date }}",
        "{{ followed_at | int }}",
        "{{ followed_at + 1 }}",
    ] {
        let said = render(template, &record).unwrap_err();
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn only_the_bare_attribute_is_the_attribute() {
    let mut templates = Templates::new(SourceKind::TwitchFollowers, NEW_YORK);
    let mut is_key = |source: &str| templates.compile(source).unwrap().is_attribute("user_id");
    assert!(is_key("{{ user_id }}"));
    assert!(is_key("{{user_id}}"));
    for other in [
        "x{{ user_id }}",
        "{{ user_id | lower }}",
        "{{ user_login }}",
        "user_id",
        "",
    ] {
        assert!(!is_key(other), "{other}");
    }
}

#[test]
fn every_unknown_name_of_a_template_is_told() {
    let mut templates = Templates::new(SourceKind::TwitchFollowers, NEW_YORK);
    let problems = templates
        .compile("{{ b | nope }}{{ user_id is odder }}{% if false %}{{ a }}{% endif %}")
        .unwrap_err();
    let messages: Vec<String> = problems
        .into_iter()
        .map(|problem| problem.message)
        .collect();
    assert_eq!(
        messages,
        [
            "unknown name `a` in the template",
            "unknown name `b` in the template",
            "unknown filter `nope`",
            "unknown test `is odder`",
        ]
    );
}

#[test]
fn odd_names_pass_and_lines_are_made_one() {
    let long = "é".repeat(200);
    for name in [
        long.as_str(),
        "محمد علي",
        "👩‍👩‍👧 Ada 🎉",
        "O'Neil <b>",
        "\u{202e}abc",
    ] {
        assert_eq!(clean(name.to_owned()).as_deref(), Some(name));
    }
    assert_eq!(
        clean(" a\r\nb\u{0}c\u{2028}d\t".to_owned()).as_deref(),
        Some("a b c d")
    );
    assert_eq!(clean(" \u{200b}\n".to_owned()), None);
}
