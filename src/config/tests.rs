//! Wrong files and the exact lines that say so.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::model::*;

const MAIN: &str = r#"
[accounts.main]
service = "highlevel"
location = "ve9EPM428h8vShlRW1KT"
token = "env:HIGHLEVEL_TOKEN"

[accounts.my-channel]
service = "twitch"
client_id = "abc123"
token = "file:secrets/twitch"
"#;

/// The least a job says, on seven lines.
const HEAD: &str = r#"name = "NAME"
[from]
source = "twitch.followers"
account = "my-channel"
[to]
destination = "highlevel.contacts"
account = "main"
"#;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(main: &str, jobs: &[(&str, &str)]) -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("ghl-sync-config-{}-{number}", std::process::id()));
        std::fs::create_dir_all(path.join("schedules")).unwrap();
        std::fs::write(path.join("ghl-sync.toml"), main).unwrap();
        for (name, text) in jobs {
            std::fs::write(path.join("schedules").join(name), text).unwrap();
        }
        Folder(path)
    }

    fn load(&self) -> Result<Config, Problems> {
        load(&self.0.join("ghl-sync.toml"))
    }

    /// Returns the problems without the folder in front, hints included.
    fn problems(&self) -> String {
        match self.load() {
            Ok(_) => String::new(),
            Err(problems) => problems
                .to_string()
                .replace(&format!("{}/", self.0.display()), ""),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn head(name: &str) -> String {
    HEAD.replace("NAME", name)
}

/// Returns the problems of a job whose head is followed by `tail` (which begins at line 8), without hints.
fn of_job(tail: &str) -> Vec<String> {
    let text = format!("{}{tail}", head("a"));
    lines(MAIN, &[("a.toml", &text)])
}

/// Returns the problems of a job whose head is preceded by the line `top`, without hints.
fn of_top(top: &str) -> Vec<String> {
    let text = format!("{top}\n{}", head("a"));
    lines(MAIN, &[("a.toml", &text)])
}

fn lines(main: &str, jobs: &[(&str, &str)]) -> Vec<String> {
    let problems = Folder::new(main, jobs).problems();
    problems
        .lines()
        .filter(|line| !line.starts_with("  hint: "))
        .map(|line| {
            line.strip_prefix("schedules/a.toml:")
                .unwrap_or(line)
                .to_owned()
        })
        .collect()
}

fn job_of(tail: &str) -> Job {
    let folder = Folder::new(MAIN, &[("a.toml", &format!("{}{tail}", head("a")))]);
    match folder.load() {
        Ok(config) => config.jobs.into_values().next().unwrap(),
        Err(problems) => panic!("{problems}"),
    }
}

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
            "[on.joined]\nnote = 'x'",
            "8:5: on.joined: unknown key, did you mean `join`?",
        ),
        (
            "[on.join]\nnote = 'x'",
            "9:1: on.join.note: unknown key, expected one of: add_tags, remove_tags",
        ),
        (
            "[limits]\nstrict = true",
            "9:1: limits.strict: unknown key, expected one of: create, update, tag, leave, return",
        ),
        (
            "[on.return]\nremove_tags = ['x']",
            "9:1: on.return.remove_tags: unknown key, expected one of: add_tags",
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
        ("full = '0 0 31 2 *'", "1:8: full: `0 0 31 2 *` never comes due: there is no such day".to_owned()),
        ("timezone = 'America/New_Yrok'", "1:12: timezone: unknown time zone `America/New_Yrok`, did you mean `America/New_York`?".to_owned()),
        ("timezone = 'new york'", "1:12: timezone: unknown time zone `new york`, did you mean `America/New_York`?".to_owned()),
        ("timezone = 'Middle/Earth'", "1:12: timezone: unknown time zone `Middle/Earth`".to_owned()),
        ("full_at_most_every = '30m'", "1:22: full_at_most_every: `30m` is too short, expected at least 1h".to_owned()),
        ("full_at_most_every = 'day'", "1:22: full_at_most_every: `day` is not a duration, expected a whole number with m, h or d, such as \"24h\"".to_owned()),
        ("recheck = 'no'", "1:11: recheck: expected true or false, found a text".to_owned()),
        ("contacts_reader = 'lst'", "1:19: contacts_reader: unknown word `lst`, did you mean `list`?".to_owned()),
        ("shedule = ''", "1:1: shedule: unknown key, did you mean `schedule`?".to_owned()),
    ];
    for (top, expected) in cases {
        assert_eq!(of_top(top), [expected.as_str()], "{top}");
    }
    let refused = of_top("schedule = '61 * * * *'");
    assert!(
        refused[0].starts_with("1:12: schedule: `61 * * * *` is not a cron line: "),
        "{refused:?}"
    );
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
fn a_wrong_main_file_says_so_and_never_shows_a_secret() {
    let highlevel = |line: &str| {
        let rest = [
            "service = 'highlevel'",
            "location = 'abc'",
            "token = 'env:X'",
        ]
        .into_iter()
        .filter(|given| given.split(' ').next() != line.split(' ').next());
        let rest: Vec<&str> = rest.collect();
        lines(&format!("[accounts.a]\n{line}\n{}", rest.join("\n")), &[])
    };
    let twitch = |line: &str| {
        lines(
            &format!("[accounts.a]\n{line}\nservice = 'twitch'\nclient_id = 'a'\ntoken = 'env:X'"),
            &[],
        )
    };
    let at = |said: &str| vec![format!("ghl-sync.toml:{said}")];
    let literal = "2:9: accounts.a.token: a secret does not belong into this file, expected \"env:NAME\" or \"file:PATH\"";
    assert_eq!(highlevel("token = 'pit-0123-secret'"), at(literal));
    assert_eq!(
        highlevel("token = 'env:pit-secret'"),
        at(
            "2:9: accounts.a.token: expected the name of a variable after `env:`: letters, digits and '_'"
        )
    );
    assert_eq!(
        highlevel("location = ''"),
        at(
            "2:12: accounts.a.location: `` is not a location id: expected 1 to 75 letters, digits, '-', '_', '.' or ':'"
        )
    );
    assert_eq!(
        highlevel("reserve = 200000"),
        at("2:11: accounts.a.reserve: 200000 is out of range, expected 0 to 199999 calls a day")
    );
    assert_eq!(
        highlevel("base_url = 'http://example.com'"),
        at(
            "2:12: accounts.a.base_url: `http://example.com` would send the token in the clear, expected https://"
        )
    );
    assert_eq!(
        highlevel("base_url = 'http://127.0.0.1.example.com'"),
        at(
            "2:12: accounts.a.base_url: `http://127.0.0.1.example.com` would send the token in the clear, expected https://"
        )
    );
    assert_eq!(
        highlevel("base_url = 'http://localhost:pass@example.com'"),
        at("2:12: accounts.a.base_url: an address must not hold a user or a password")
    );
    for fine in [
        "https://example.com/",
        "http://127.0.0.1:8080",
        "http://[::1]:1/x",
        "http://localhost:9",
    ] {
        assert!(
            highlevel(&format!("base_url = '{fine}'")).is_empty(),
            "{fine}"
        );
    }
    assert_eq!(
        highlevel("service = 'gohighlevel'"),
        at("2:11: accounts.a.service: unknown word `gohighlevel`, did you mean `highlevel`?")
    );
    assert_eq!(
        twitch("chanel = 'x'"),
        at("2:1: accounts.a.chanel: unknown key, did you mean `channel`?")
    );
    assert_eq!(
        twitch("channel = 'https://twitch.tv/x'"),
        at(
            "2:11: accounts.a.channel: `https://twitch.tv/x` is not a Twitch login: expected 1 to 25 letters, digits and '_', as in twitch.tv/LOGIN"
        )
    );
    assert_eq!(
        twitch("channel_id = 'x1'"),
        at("2:14: accounts.a.channel_id: `x1` is not a Twitch user id: expected digits")
    );
    assert_eq!(
        twitch("channel_id = '1'\nchannel = 'x'"),
        at(
            "2:14: accounts.a.channel_id: `channel` names the channel already, expected one of the two"
        )
    );
    assert_eq!(
        lines("[accounts.A]\n", &[]),
        at(
            "1:11: accounts.A: `A` is not a account name: expected 1 to 64 of a-z, 0-9 and '-', not starting with '-'"
        )
    );
    assert_eq!(
        lines("[accounts.a]\n", &[]),
        at("1:11: accounts.a.service: missing, expected service = \"highlevel\" or \"twitch\"")
    );
    assert_eq!(
        lines("sate = 'x'\n", &[]),
        at("1:1: sate: unknown key, did you mean `state`?")
    );
}

#[test]
fn all_problems_of_all_files_come_at_once_in_a_stable_order() {
    let a = head("same").replace("my-channel", "my-chanel");
    let c = format!("{}[fields]\ncity = 'x'\n", head("same"));
    let d = format!(
        "shedule = ''\n{}[fields]\ncity = 'y'\n",
        head("d").replace("\"main\"", "\"my-channel\"")
    );
    let e = format!("{}[fields]\ncity = 'y'\n", head("e"));
    let folder = Folder::new(
        &format!("stat = 1\n{MAIN}"),
        &[
            ("e.toml", &e),
            ("a.toml", &a),
            ("b.toml", "name = \"b\nfull = 1"),
            ("c.toml", &c),
            ("d.toml", &d),
            ("x.example.toml", "not toml"),
            (".hidden.toml", "not toml"),
            ("README.md", "not toml"),
        ],
    );
    let expected = "\
ghl-sync.toml:1:1: stat: unknown key, did you mean `state`?
schedules/a.toml:4:11: from.account: unknown account `my-chanel`, did you mean `my-channel`?
  hint: accounts are tables [accounts.my-chanel] of ghl-sync.toml
schedules/b.toml:1:10: not TOML: invalid basic string, expected `\"`
schedules/c.toml:1:8: name: `same` is already the name of the job in schedules/a.toml:1
  hint: a job is its name: state in the database belongs to it
schedules/d.toml:1:1: shedule: unknown key, did you mean `schedule`?
schedules/d.toml:8:11: to.account: `my-channel` is an account of twitch, expected one of highlevel
schedules/e.toml:9:1: fields.city: another job fills this field of the same location differently, in schedules/c.toml:9
  hint: two jobs may fill one field only with the same template over the same kind of record";
    assert_eq!(folder.problems(), expected);
    assert_eq!(folder.problems(), expected);
}

#[test]
fn a_main_file_that_does_not_parse_does_not_hide_the_jobs_problems() {
    let job = format!("{}[limts]\n", head("a"));
    assert_eq!(
        lines("[accounts\n", &[("a.toml", &job)]),
        [
            "ghl-sync.toml:1:10: not TOML: unclosed table, expected `]`",
            "8:2: limts: unknown key, did you mean `limits`?"
        ]
    );
    let missing = load(Path::new("/nonexistent/ghl-sync.toml")).unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("/nonexistent/ghl-sync.toml: cannot be read: "),
        "{missing}"
    );
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
fn two_jobs_may_fill_a_field_alike() {
    let job = |name: &str, zone: &str, template: &str| {
        format!(
            "timezone = '{zone}'\n{}[fields]\nx = \"{template}\"\n",
            head(name)
        )
    };
    let problems = |one: &str, other: &str| {
        Folder::new(MAIN, &[("a.toml", one), ("b.toml", other)]).problems()
    };
    assert_eq!(
        problems(
            &job("a", "UTC", "{{ user_id }}"),
            &job("b", "Asia/Tokyo", "{{ user_id }}")
        ),
        ""
    );
    let date = "{{ followed_at | date }}";
    assert_eq!(problems(&job("a", "UTC", date), &job("b", "UTC", date)), "");
    assert!(
        problems(&job("a", "UTC", date), &job("b", "Asia/Tokyo", date)).contains("differently")
    );
}

#[test]
fn limits_are_read_in_every_form() {
    let limits = |text: &str| job_of(&format!("[limits]\n{text}")).limits;
    let counts = |run, day| AtMost {
        run: Share::Count(run),
        day: Share::Count(day),
    };
    let percent = |percent, atleast| Share::Percent { percent, atleast };
    assert_eq!(limits("create = 2000").create, counts(2000, 4000));
    assert_eq!(
        limits("create = { run = 10, day = 12 }").create,
        counts(10, 12)
    );
    assert_eq!(limits("create = { day = 500 }").create, counts(500, 500));
    assert_eq!(limits("create = { day = 5000 }").create, counts(1000, 5000));
    let leave = limits("leave = { percent = 2.5, atleast = 9 }").leave;
    assert_eq!(
        leave,
        AtMost {
            run: percent(2.5, 9),
            day: percent(5.0, 18)
        }
    );
    let leave = limits("leave = { percent = 60, day = { percent = 70, atleast = 1 } }").leave;
    assert_eq!(
        leave,
        AtMost {
            run: percent(60.0, 50),
            day: percent(70.0, 1)
        }
    );
    assert_eq!(
        limits("leave = { percent = 60 }").leave.day,
        percent(100.0, 100)
    );
    assert_eq!(limits(""), Limits::default());
}

#[test]
fn a_job_that_says_little_has_the_documented_defaults() {
    let job = job_of("");
    assert_eq!(job.timezone, chrono_tz::Tz::UTC);
    assert_eq!((job.schedule, job.full), (None, None));
    assert_eq!(job.full_at_most_every.as_secs(), 24 * 60 * 60);
    assert_eq!((job.match_by, job.missing), (vec![By::Link], Missing::Skip));
    assert_eq!(
        (job.recheck, job.create_fields, job.strict),
        (true, false, false)
    );
    assert_eq!(job.contacts_reader, ContactsReader::List);
    assert_eq!(job.location.as_str(), "ve9EPM428h8vShlRW1KT");
    assert_eq!(job.channel, Channel::Own);
}

#[test]
fn accounts_are_read_with_paths_beside_the_file() {
    let folder = Folder::new(MAIN, &[]);
    let config = folder.load().unwrap();
    assert_eq!(config.state, folder.0.join("state"));
    let [Account::HighLevel(main), Account::Twitch(channel)] =
        config.accounts.values().collect::<Vec<_>>()[..]
    else {
        panic!("{config:?}");
    };
    assert_eq!(main.token, SecretSource::Env("HIGHLEVEL_TOKEN".to_owned()));
    assert_eq!(main.reserve, None);
    assert_eq!(main.base_url, "https://services.leadconnectorhq.com");
    assert_eq!(
        channel.token,
        SecretSource::File(folder.0.join("secrets/twitch"))
    );
    assert_eq!(channel.base_url, "https://api.twitch.tv/helix");
    assert_eq!(channel.auth_url, "https://id.twitch.tv/oauth2");
}

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("schedules")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_shipped_files_have_no_problem() {
    let folder = Folder::new(
        &shipped("ghl-sync.example.toml"),
        &[("twitch-followers.toml", &shipped("twitch-followers.toml"))],
    );
    let config = folder
        .load()
        .unwrap_or_else(|problems| panic!("{problems}"));
    let job = config.jobs.values().next().unwrap();
    assert_eq!(job.name.as_str(), "twitch-followers");
    let mapping = crate::plan::wanted::Mapping::new(job).unwrap();
    assert_eq!(mapping.marker().unwrap().as_str(), "twitch_user_id");
    let order: Vec<&str> = job.fields.iter().map(|rule| rule.key.as_str()).collect();
    assert_eq!(
        order,
        [
            "firstName",
            "twitch_user_id",
            "twitch_username",
            "twitch_followed_at"
        ]
    );
}

#[test]
fn every_key_is_documented() {
    let readme = shipped("README.md");
    for key in keys::ALL.iter().copied().flatten() {
        assert!(
            readme.contains(&format!("`{key}`")),
            "`{key}` is not in schedules/README.md"
        );
    }
    for standard in STANDARD_KEYS {
        assert!(
            readme.contains(&format!("`{}`", standard.key)),
            "{}",
            standard.key
        );
    }
}
