//! Notes, tasks, changes and milestones: what is read, and what is refused.

use super::*;

/// Returns a job file over another source, whose head has seven lines too.
fn over(source: &str, tail: &str) -> String {
    format!(
        "{}{tail}",
        head("a").replace("twitch.followers", &format!("twitch.{source}"))
    )
}

fn problems_over(source: &str, tail: &str) -> Vec<String> {
    lines(MAIN, &[("a.toml", &over(source, tail))])
}

fn job_over(source: &str, tail: &str) -> Job {
    let folder = Folder::new(MAIN, &[("a.toml", &over(source, tail))]);
    match folder.load() {
        Ok(config) => config.jobs.into_values().next().unwrap(),
        Err(problems) => panic!("{problems}"),
    }
}

fn note(body: &str) -> EventRule {
    EventRule {
        when: None,
        to: EventTarget::Contact,
        what: EventWhat::Note {
            body: body.to_owned(),
        },
    }
}

#[test]
fn notes_and_tasks_are_read_in_the_order_of_the_file() {
    let job = job_over(
        "subscribers",
        r#"[on.join]
task = { title = "Thank {{ user_name or user_id }}", body = "x", due = "2d", assigned = "u1", to = "channel", when = "{{ is_gift }}" }
note = ["one", { body = "two", when = "{{ tier == '3' }}" }]
[on.return]
note = "back"
[on.leave]
complete_task = { to = "channel" }
note = "gone after {{ months }}"
[[on.change]]
of = "tier"
note = "{{ before }} → {{ tier }}"
[[on.milestone]]
of = "months"
at = [3, 6, 12]
task = [{ title = "{{ milestone }} months", due = "{{ since | date }}" }]
[[on.milestone]]
of = "months"
at = [24]
note = "two years, {{ before }} before"
"#,
    );
    let task = EventWhat::Task {
        title: "Thank {{ user_name or user_id }}".to_owned(),
        body: Some("x".to_owned()),
        due: "2d".to_owned(),
        assigned: Some("u1".to_owned()),
    };
    assert_eq!(
        job.on.join.events,
        [
            EventRule {
                when: Some("{{ is_gift }}".to_owned()),
                to: EventTarget::Channel,
                what: task
            },
            note("one"),
            EventRule {
                when: Some("{{ tier == '3' }}".to_owned()),
                ..note("two")
            },
        ]
    );
    assert_eq!(job.on.returns.events, [note("back")]);
    assert_eq!(
        job.on.leave.events,
        [
            EventRule {
                when: None,
                to: EventTarget::Channel,
                what: EventWhat::CompleteTask
            },
            note("gone after {{ months }}"),
        ]
    );
    assert_eq!(
        job.on.changes,
        [ChangeRule {
            of: "tier".to_owned(),
            events: vec![note("{{ before }} → {{ tier }}")]
        }]
    );
    let at: Vec<&[u64]> = job.on.milestones.iter().map(|one| &*one.at).collect();
    assert_eq!(at, [&[3, 6, 12][..], &[24]]);
    assert!(job.on.milestones.iter().all(|one| one.of == "months"));
}

#[test]
fn what_says_no_more_than_true_or_false_is_read() {
    let tasks = "[on.join]\ntask = { title = 'x', due = '1d' }\n[on.leave]\n";
    let complete = |tail: &str| {
        let job = job_over("followers", &format!("{tasks}{tail}"));
        job.on.leave.events
    };
    let rule = EventRule {
        when: None,
        to: EventTarget::Contact,
        what: EventWhat::CompleteTask,
    };
    assert_eq!(complete("complete_task = true"), [rule]);
    assert_eq!(complete("complete_task = false"), []);
    let job = job_of("");
    assert!(!job.backfill);
    assert_eq!((job.scope, job.business), (None, None));
    let text = format!("backfill = true\n{}", head("a"));
    let folder = Folder::new(MAIN, &[("a.toml", &text)]);
    assert!(
        folder
            .load()
            .unwrap()
            .jobs
            .into_values()
            .next()
            .unwrap()
            .backfill
    );
}

#[test]
fn in_a_job_over_streams_the_record_is_the_channel() {
    let job = job_over(
        "streams",
        "[on.join]\ntask = { title = 'Live', due = '12h', to = 'channel' }\n[on.leave]\ncomplete_task = true\nnote = { body = '{{ minutes }} minutes', to = 'channel' }",
    );
    let events = job.on.join.events.iter().chain(&job.on.leave.events);
    assert!(
        events.clone().count() == 3 && events.clone().all(|rule| rule.to == EventTarget::Contact)
    );
}

#[test]
fn a_wrong_note_or_task_says_where_what_and_what_was_expected() {
    let task = |rest: &str| format!("[on.join]\ntask = {{ title = 'x', due = '2d'{rest} }}");
    let due = |due: &str| format!("[on.join]\ntask = {{ title = 'x', due = '{due}' }}");
    let when = "does not say when, expected a time such as \"2d\" (with s, m, h or d), a day such as \"2026-12-24\" or a moment such as \"2026-12-24T18:00:00Z\"";
    let cases: &[(&str, String)] = &[
        (
            "[on.join]\nnote = 3",
            "9:8: on.join.note: expected a text in quotes, { body = \"…\", to = \"…\", when = \"…\" } or a list of these, found a whole number".to_owned(),
        ),
        (
            "[on.join]\nnote = ['x', 3]",
            "9:14: on.join.note: expected a text in quotes, { body = \"…\", to = \"…\", when = \"…\" } or a list of these, found a whole number".to_owned(),
        ),
        (
            "[on.join]\nnote = { text = 'x' }",
            "9:8: on.join.note.body: missing, expected body = \"<template>\"\n9:10: on.join.note.text: unknown key, expected one of: body, to, when".to_owned(),
        ),
        (
            "[on.join]\nnote = ' '",
            "9:8: on.join.note: ` ` comes out empty, expected a text".to_owned(),
        ),
        (
            "[on.join]\nnote = { body = 'x', to = 'channels' }",
            "9:27: on.join.note.to: unknown word `channels`, did you mean `channel`?".to_owned(),
        ),
        (
            "[on.join]\nnote = '{{ before }}'",
            "9:8: on.join.note: unknown name `before` in the template".to_owned(),
        ),
        (
            "[on.join]\nnote = { body = 'x', when = '{{ usr }}' }",
            "9:29: on.join.note.when: unknown name `usr` in the template".to_owned(),
        ),
        (
            "[on.join]\ntask = 'x'",
            "9:8: on.join.task: expected { title = \"…\", due = \"2d\" } or a list of these, found a text".to_owned(),
        ),
        (
            "[on.join]\ntask = { }",
            "9:8: on.join.task.title: missing, expected title = \"<template>\"\n9:8: on.join.task.due: missing, expected due = \"2d\", or a day or a moment".to_owned(),
        ),
        (
            "[on.join]\ntask = { title = '{{ user_name }}', due = '2d' }",
            "9:18: on.join.task.title: `{{ user_name }}` can come out empty, and a task needs a title".to_owned(),
        ),
        (&due("2 days"), format!("9:29: on.join.task.due: `2 days` {when}")),
        (&due("2026-02-30"), format!("9:29: on.join.task.due: `2026-02-30` {when}")),
        (
            &due("{{ user_login }}"),
            format!("9:29: on.join.task.due: comes out wrong: `sample` {when}"),
        ),
        (
            &task(", assigned = 'a@example.com'"),
            "9:46: on.join.task.assigned: `a@example.com` is not the id of a HighLevel user: expected letters and digits".to_owned(),
        ),
        (
            &task(", asigned = 'u'"),
            "9:35: on.join.task.asigned: unknown key, did you mean `assigned`?".to_owned(),
        ),
        (
            "[on.leave]\ncomplete_task = true",
            "9:17: on.leave.complete_task: there is nothing to complete: no moment of this job has a `task`".to_owned(),
        ),
        (
            &task("\n}\n[on.leave]\ncomplete_task = { to = 'channel'"),
            "12:17: on.leave.complete_task: there is nothing to complete: no task of this job is for the channel's contact".to_owned(),
        ),
        (
            "[on]\nnote = 'x'",
            "9:1: on.note: unknown key, expected one of: join, leave, return, gone, change, milestone".to_owned(),
        ),
    ];
    for (tail, expected) in cases {
        let expected: Vec<&str> = expected.lines().collect();
        assert_eq!(problems_over("followers", tail), expected, "{tail}");
    }
}

#[test]
fn changes_and_milestones_know_their_attributes() {
    let change = |rest: &str| format!("[[on.change]]\nof = {rest}\nnote = 'x'");
    let milestone = |of: &str, at: &str| {
        format!("[[on.milestone]]\nof = '{of}'\nat = {at}\nnote = '{{{{ milestone }}}}'")
    };
    let names = "tier, plan, is_gift, gifter_id, gifter_login, gifter_name, since, months";
    let cases: &[(&str, &str, String)] = &[
        ("subscribers", "[on.change]\nof = 'tier'", "8:1: on.change: expected tables in double brackets, [[on.change]], found a table".to_owned()),
        ("subscribers", "[[on.change]]\nnote = 'x'", "8:1: on.change.of: missing, expected of = \"<an attribute>\"".to_owned()),
        ("subscribers", &change("'teir'"), "9:6: on.change.of: `teir` does not change, did you mean `tier`?".to_owned()),
        ("subscribers", &change("'user_id'"), format!("9:6: on.change.of: `user_id` does not change, expected one of: user_login, user_name, {names}")),
        ("vips", &change("'channel'"), "9:6: on.change.of: `channel` does not change, expected one of: user_login, user_name, since".to_owned()),
        ("subscribers", "[[on.change]]\nof = 'tier'", "9:6: on.change.of: nothing happens then, expected a `note`, a `task` or `complete_task`".to_owned()),
        ("subscribers", &format!("{}\n{}", change("'tier'"), change("'tier'")), "12:6: on.change.of: `tier` has a table [[on.change]] above already".to_owned()),
        ("subscribers", "[[on.change]]\nof = 'tier'\nadd_tags = ['x']", "9:6: on.change.of: nothing happens then, expected a `note`, a `task` or `complete_task`\n10:1: on.change.add_tags: unknown key, expected one of: of, note, task, complete_task".to_owned()),
        ("subscribers", "[[on.change]]\nof = 'tier'\nnote = '{{ milestone }}'", "10:8: on.change.note: unknown name `milestone` in the template".to_owned()),
        ("subscribers", &milestone("tier", "[1]"), "9:6: on.milestone.of: `tier` does not reach a milestone, expected one of: months".to_owned()),
        ("vips", &milestone("since", "[1]"), "9:6: on.milestone.of: nothing that twitch.vips tells is a number to reach".to_owned()),
        ("bits", &milestone("score", "[]"), "10:6: on.milestone.at: is empty, expected numbers such as [3, 6, 12]".to_owned()),
        ("bits", &milestone("score", "[0, 5]"), "10:7: on.milestone.at: 0 is out of order, expected numbers from 1".to_owned()),
        ("bits", &milestone("score", "[-3]"), "10:7: on.milestone.at: -3 is out of order, expected numbers from 1".to_owned()),
        ("bits", &milestone("score", "[5, 5]"), "10:10: on.milestone.at: 5 is out of order, expected numbers that rise".to_owned()),
        ("bits", &milestone("score", "['5']"), "10:7: on.milestone.at: expected whole numbers such as [3, 6, 12], found a text".to_owned()),
        ("bits", "[[on.milestone]]\nof = 'score'\nnote = 'x'", "8:1: on.milestone.at: missing, expected at = [3, 6, 12]".to_owned()),
        ("bits", &format!("{}\n{}", milestone("score", "[5, 9]"), milestone("score", "[7, 9]")), "14:6: on.milestone.at: 9 is a milestone of `score` above already".to_owned()),
    ];
    for (source, tail, expected) in cases {
        let expected: Vec<&str> = expected.lines().collect();
        assert_eq!(problems_over(source, tail), expected, "{tail}");
    }
}

#[test]
fn what_could_never_happen_is_refused_with_the_reason() {
    let ranking =
        "nobody leaves twitch.bits: it is a ranking, and who is not in it may still cheer";
    let tags = "\nadd_tags = ['x']";
    for (source, tail, expected) in [
        ("bits", format!("[on.leave]{tags}"), format!("8:1: on.leave: {ranking}")),
        ("bits", format!("[on.gone]{tags}"), format!("8:1: on.gone: {ranking}")),
        ("bits", format!("[on.return]{tags}"), format!("8:1: on.return: {ranking}")),
        ("bits", "[limits]\nleave = 5".to_owned(), format!("9:9: limits.leave: {ranking}")),
        (
            "streams",
            format!("[on.return]{tags}"),
            "8:1: on.return: every stream joins anew, so none returns".to_owned(),
        ),
        (
            "streams",
            format!("[on.gone]{tags}"),
            "8:1: on.gone: twitch.streams tells no suspended channel from one that ended its stream".to_owned(),
        ),
    ] {
        assert_eq!(problems_over(source, &tail), [expected], "{tail}");
    }
    for (source, key, reason) in [
        (
            "bits",
            "full = '0 4 * * 0'",
            "a leaderboard is read whole at every run",
        ),
        (
            "streams",
            "full = '0 4 * * 0'",
            "every run asks for all of the channels",
        ),
    ] {
        let text = format!("{key}\n{}", over(source, ""));
        let expected = format!("1:8: full: twitch.{source} has no full pass: {reason}");
        assert_eq!(lines(MAIN, &[("a.toml", &text)]), [expected]);
    }
}

#[test]
fn a_condition_may_come_out_empty_and_a_plain_tag_may_not() {
    for fine in [
        "{% if tier == '9' %}never{% endif %}",
        "{{ 'gift' if is_gift == 'no' else '' }}",
    ] {
        job_over(
            "subscribers",
            &format!("[on.join]\nadd_tags = [\"{fine}\"]"),
        );
    }
    let said = problems_over("subscribers", "[on.join]\nadd_tags = [\"{{ '' }}\"]");
    assert_eq!(
        said,
        ["9:13: on.join.add_tags: `{{ '' }}` comes out empty, expected a tag"]
    );
    let said = problems_over(
        "subscribers",
        "[on.join]\nadd_tags = ['m {{ months | int }}']",
    );
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("fails on a record that has nothing but its key"),
        "{said:?}"
    );
}

#[test]
fn a_channel_is_created_by_its_own_marker() {
    let create = "[match]\nby = ['link']\nmissing = 'create'\n[fields]\ncity = 'x'\n";
    let folder = Folder::new(MAIN, &[("a.toml", &over("streams", create))]);
    let said = folder.problems();
    for words in [
        "no custom field holds `channel_id`",
        "twitch_channel_id = \"{{ channel_id }}\"",
        "{{ channel_name or channel_login or 'twitch ' ~ channel_id }}",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert!(!said.contains("user_"), "{said}");
}
