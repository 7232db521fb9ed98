//! Wrong job files, each with the line that says so.

use super::*;

#[test]
fn a_wrong_job_says_where_what_and_what_was_expected() {
    let cases: &[(&str, &str)] = &[
        // Keys.
        (
            "[on.join]\nadd_tag = []",
            "9:1: on.join.add_tag: unknown key, did you mean `add_tags`?",
        ),
        (
            "[limit]\n",
            "8:2: limit: unknown key, did you mean `limits`?",
        ),
        (
            "[on.joined]\nadd_tags = ['x']",
            "8:5: on.joined: unknown key, did you mean `join`?",
        ),
        (
            "[on.join]\ntasks = 'x'",
            "9:1: on.join.tasks: unknown key, did you mean `task`?",
        ),
        (
            "[on.join]\nbody = 'x'",
            "9:1: on.join.body: unknown key, expected one of: add_tags, remove_tags, note, task, complete_task",
        ),
        (
            "[limits]\nstrict = true",
            "9:1: limits.strict: unknown key, expected one of: create, update, tag, leave, return, note, task, drift",
        ),
        (
            "[on.return]\nremove_tags = ['x']",
            "9:1: on.return.remove_tags: unknown key, expected one of: add_tags, note, task, complete_task",
        ),
        (
            "[on.join]\nadd_tags = 'x'",
            "9:12: on.join.add_tags: expected a list such as [\"one\", \"two\"], found a text",
        ),
        (
            "[on.join]\nadd_tags = ['x', 3]",
            "9:18: on.join.add_tags: expected a text in quotes, found a whole number",
        ),
        // Templates.
        (
            "[fields]\ncity = '{{ user_nam }}'",
            "9:8: fields.city: unknown name `user_nam` in the template, did you mean `user_name`?",
        ),
        (
            "[fields]\ncity = '{{ color }}'",
            "9:8: fields.city: unknown name `color` in the template",
        ),
        (
            "[fields]\ncity = '{{ user_name | uper }}'",
            "9:8: fields.city: unknown filter `uper`, did you mean `upper`?",
        ),
        (
            "[fields]\ncity = '{% if not user_id %}{{ user_name | nope }}{% endif %}'",
            "9:8: fields.city: unknown filter `nope`",
        ),
        (
            "[fields]\ncity = '{% if user_id is nope %}x{% endif %}'",
            "9:8: fields.city: unknown test `is nope`",
        ),
        (
            "[fields]\ncity = '{{ user_name'",
            "9:8: fields.city: the template does not parse: unexpected end of input, expected end of variable block",
        ),
        (
            "[fields]\ncity = \"{{ followed_at | date('%Q') }}\"",
            "9:8: fields.city: `%Q` is not a date format",
        ),
        (
            "[fields]\ncity = \"{% if not user_id %}{{ followed_at | date('%Q') }}{% endif %}\"",
            "9:8: fields.city: `%Q` is not a date format",
        ),
        (
            "[fields]\ncity = '{{ user_name | date }}'",
            "9:8: fields.city: fails on an ordinary record: `date` expected a time such as 2024-05-24T22:22:08Z",
        ),
        (
            "[fields]\ncity = '{{ range(9) }}'",
            "9:8: fields.city: unknown name `range` in the template",
        ),
        // Fields.
        (
            "[fields]\ntags = 'x'",
            "9:1: fields.tags: cannot be mapped: writing `tags` would replace every tag the contact has",
        ),
        (
            "[fields]\nname = 'x'",
            "9:1: fields.name: cannot be mapped: HighLevel refuses a contact with `name` alone, and does not say how it splits it",
        ),
        (
            "[fields]\ndnd = 'x'",
            "9:1: fields.dnd: cannot be mapped: consent belongs to the person, not to a job",
        ),
        (
            "[fields]\nfirst_name = 'x'",
            "9:1: fields.first_name: unknown field, did you mean `firstName`?",
        ),
        (
            "[fields]\nfirstNam = 'x'",
            "9:1: fields.firstNam: unknown field, did you mean `firstName`?",
        ),
        (
            "[fields]\n'contact.x' = 'x'",
            "9:1: fields.\"contact.x\": expected the key without `contact.`: `x`",
        ),
        (
            "[fields]\n'a b' = 'x'",
            "9:1: fields.\"a b\": `a b` is not a field key: expected 1 to 75 letters, digits and '_'",
        ),
        (
            "[fields]\ncity = 3",
            "9:8: fields.city: expected a template in quotes, or { value = \"…\", own = \"…\" }, found a whole number",
        ),
        (
            "[fields]\ncity = { own = 'fill' }",
            "9:1: fields.city.value: missing, expected value = \"<template>\"",
        ),
        (
            "[fields]\ncity = { value = 'x', own = 'filled' }",
            "9:29: fields.city.own: unknown word `filled`, did you mean `fill`?",
        ),
        (
            "[fields]\ncompanyName = 'x'",
            "9:1: fields.companyName: HighLevel takes this field only at creation, expected own = \"create\"",
        ),
        (
            "[fields]\ngender = { value = 'x', own = 'force' }",
            "9:1: fields.gender: HighLevel takes this field only at creation, expected own = \"create\"",
        ),
        // Match.
        (
            "[match]\nby = ['link', 'field:x']",
            "9:15: match.by: `x` is not in [fields]",
        ),
        (
            "[match]\nby = ['link', 'email']",
            "9:15: match.by: \"email\" is not available from twitch.followers",
        ),
        (
            "[match]\nby = ['link', 'name']",
            "9:15: match.by: unknown rule \"name\", expected \"link\" or \"field:<key>\"",
        ),
        (
            "[match]\nby = ['link', 'link']",
            "9:15: match.by: \"link\" stands here twice",
        ),
        (
            "[match]\nby = []",
            "9:6: match.by: expected \"link\" first: a record that found its contact once keeps it",
        ),
        (
            "[match]\nby = ['link', 'field:city']\n[fields]\ncity = 'x'",
            "9:15: match.by: `city` does not tell people apart, expected the key of a custom field",
        ),
        (
            "[match]\nmissing = 'make'",
            "9:11: match.missing: unknown word `make`, expected \"create\" or \"skip\"",
        ),
        // Tags.
        (
            "[on.join]\nadd_tags = ['X']\nremove_tags = ['x ']",
            "10:16: on.join.remove_tags: `x` is in add_tags too",
        ),
        (
            "[on.join]\nadd_tags = ['{{ user_id }}']\nremove_tags = ['{{user_id}}']",
            "10:16: on.join.remove_tags: `{{user_id}}` is in add_tags too",
        ),
        (
            "[on.join]\nadd_tags = [' ']",
            "9:13: on.join.add_tags: ` ` comes out empty, expected a tag",
        ),
        (
            "[on.leave]\nadd_tags = ['{{ usr }}']",
            "9:13: on.leave.add_tags: unknown name `usr` in the template",
        ),
        // Limits.
        (
            "[limits]\ncreate = -1",
            "9:10: limits.create: -1 is out of range, expected 0 to 100000000",
        ),
        (
            "[limits]\ncreate = 'x'",
            "9:10: limits.create: expected a whole number, { percent = …, atleast = … } or { run = …, day = … }, found a text",
        ),
        (
            "[limits]\nleave = { percent = 101 }",
            "9:21: limits.leave.percent: 101 is out of range, expected 0 to 100",
        ),
        (
            "[limits]\nleave = { percent = nan }",
            "9:21: limits.leave.percent: nan is out of range, expected 0 to 100",
        ),
        (
            "[limits]\nleave = { atleast = 5 }",
            "9:1: limits.leave.percent: missing, expected percent = 0 to 100",
        ),
        (
            "[limits]\nleave = { run = 5, percent = 5 }",
            "9:9: limits.leave: `run` stands beside `percent` or `atleast`, expected one of the two",
        ),
        (
            "[limits]\ntag = { run = 10, day = 5 }",
            "9:7: limits.tag: a day's limit of 5 is below a run's limit of 10",
        ),
    ];
    for (tail, expected) in cases {
        assert_eq!(of_job(tail), [*expected], "{tail}");
    }
}

#[test]
fn a_wrong_line_above_the_tables_says_so() {
    let five = "expected five: minute, hour, day of month, month, day of week";
    let cases: &[(&str, String)] = &[
        ("schedule = '* * * *'", format!("1:12: schedule: `* * * *` has 4 fields, {five}")),
        ("schedule = '0 */5 * * * *'", format!("1:12: schedule: `0 */5 * * * *` has 6 fields, {five}")),
        ("schedule = '@daily'", format!("1:12: schedule: `@daily` has 1 field, {five}")),
        ("schedule = '61 * * * *'", "1:12: schedule: `61 * * * *` is not a cron line: `61` is not a minute, expected *, 0 to 59, a list, a range or a step".to_owned()),
        ("full = '0 4 * * MUN'", "1:8: full: `0 4 * * MUN` is not a cron line: `MUN` is not a day of week, expected *, 0 to 7 or SUN to SAT, a list, a range or a step".to_owned()),
        ("schedule = '*/75 * * * *'", "1:12: schedule: `*/75 * * * *` is not a cron line: a step of 75 leaves the minute field, expected at most 59".to_owned()),
        ("full = '0 0 31 2 *'", "1:8: full: `0 0 31 2 *` never comes due: there is no such day".to_owned()),
        ("timezone = 'America/New_Yrok'", "1:12: timezone: unknown time zone `America/New_Yrok`, did you mean `America/New_York`?".to_owned()),
        ("timezone = 'new york'", "1:12: timezone: unknown time zone `new york`, did you mean `America/New_York`?".to_owned()),
        ("timezone = 'Middle/Earth'", "1:12: timezone: unknown time zone `Middle/Earth`".to_owned()),
        ("full_at_most_every = '30m'", "1:22: full_at_most_every: `30m` is too short, expected at least 1h".to_owned()),
        ("full_at_most_every = 'day'", "1:22: full_at_most_every: `day` is not a duration, expected a whole number with s, m, h or d, such as \"24h\"".to_owned()),
        ("recheck = 'no'", "1:11: recheck: expected true or false, found a text".to_owned()),
        ("contacts_reader = 'lst'", "1:19: contacts_reader: unknown word `lst`, did you mean `list`?".to_owned()),
        ("shedule = ''", "1:1: shedule: unknown key, did you mean `schedule`?".to_owned()),
    ];
    for (top, expected) in cases {
        assert_eq!(of_top(top), [expected.as_str()], "{top}");
    }
}

#[test]
fn creating_without_a_marker_is_refused_with_an_example() {
    let create = "[match]\nby = ['link']\nmissing = 'create'\n[fields]\nfirstName = 'x'\n";
    let problem = |tail: &str| {
        let text = format!("{}{tail}", head("a"));
        Folder::new(MAIN, &[("a.toml", &text)]).problems()
    };
    let needs = "schedules/a.toml:10:11: match.missing: \"create\" needs a marker, by which a contact is found again: ";
    assert_eq!(
        problem(create),
        format!(
            "{needs}no custom field holds `user_id`\n  hint: in [fields]: twitch_user_id = \"{{{{ user_id }}}}\" \
             and in [match]: by = [\"link\", \"field:twitch_user_id\"]"
        )
    );
    assert_eq!(
        problem(&format!("{create}who = '{{{{ user_id }}}}'")),
        format!("{needs}[match] does not name `who`\n  hint: by = [\"link\", \"field:who\"]")
    );
    assert_eq!(
        problem(&format!(
            "{create}who = {{ value = '{{{{ user_id }}}}', own = 'fill' }}"
        )),
        format!("{needs}`who` is not owned\n  hint: in [fields]: who = \"{{{{ user_id }}}}\"")
    );
    let whole =
        "[match]\nby = ['link', 'field:who']\nmissing = 'create'\n[fields]\nwho = '{{user_id}}'\n";
    for (field, is_enough) in [
        ("firstName = \"{{ user_name or 'x' }}\"", true),
        ("lastName = '{{ user_id }}'", true),
        ("firstName = '{{ user_name }}'", false),
        ("city = 'x'", false),
    ] {
        let said = problem(&format!("{whole}{field}"));
        let complains =
            said.contains("needs a firstName, lastName, email or phone that is never empty");
        assert_eq!(complains, !is_enough, "{field}: {said}");
        assert_eq!(said.is_empty(), is_enough, "{field}: {said}");
    }
}

#[test]
fn an_empty_job_names_everything_it_lacks() {
    assert_eq!(
        lines(MAIN, &[("a.toml", "")]),
        [
            " name: missing, expected name = \"twitch-followers\"",
            " from: missing, expected [from] with source = \"twitch.followers\" and account = \"<name>\"",
            " to: missing, expected [to] with destination = \"highlevel.contacts\" and account = \"<name>\"",
        ]
    );
}

#[test]
fn hints_say_how_to_mend_it() {
    let hint = |tail: &str| {
        let folder = Folder::new(MAIN, &[("a.toml", &format!("{}{tail}", head("a")))]);
        folder
            .load()
            .unwrap_err()
            .0
            .remove(0)
            .hint
            .unwrap_or_default()
    };
    for (tail, expected) in [
        (
            "[fields]\ncity = '{{ color }}'",
            "the names there are: user_id, user_login, user_name, followed_at, stream_id, stream_title, stream_game, stream_started_at, channel",
        ),
        (
            "[limits]\nstrict = true",
            "`strict` is a key of the job itself: write it above the first [table]",
        ),
        (
            "[on]\nadd_tags = []",
            "tags belong to a moment: [on.join], [on.leave]",
        ),
        (
            "[on.return]\nremove_tags = []",
            "a return only adds: what has to go while a record is in stands in on.join.remove_tags",
        ),
        (
            "[fields]\ntags = ''",
            "use add_tags and remove_tags of [on.join] and [on.leave]",
        ),
        (
            "[match]\nby = ['field:x']\n[fields]\ny = ''",
            "custom fields in [fields]: \"y\"",
        ),
    ] {
        assert_eq!(hint(tail), expected, "{tail}");
    }
}

#[test]
fn columns_count_characters_and_lines_may_end_as_on_windows() {
    assert_eq!(
        of_job("[on]\r\njoin.add_tags = ['é', 3]\r\n"),
        ["9:23: on.join.add_tags: expected a text in quotes, found a whole number"]
    );
}
