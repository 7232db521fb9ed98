//! The main file, and several files side by side.

use super::*;

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
    let literal = "2:9: accounts.a.token: a secret does not belong into this file, expected \"env:NAME\", \"file:PATH\" or \"credential:NAME\"";
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
            "1:11: accounts.A: `A` is not an account name: expected 1 to 64 of a-z, 0-9 and '-', not starting with '-'"
        )
    );
    assert_eq!(
        lines("[accounts.a]\n", &[]),
        at(
            "1:11: accounts.a.service: missing, expected service = \"highlevel\", \"highlevel.agency\" or \"twitch\""
        )
    );
    assert_eq!(
        lines("sate = 'x'\n", &[]),
        at("1:1: sate: unknown key, did you mean `state`?")
    );
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
    let variable = SecretSource::Env("HIGHLEVEL_TOKEN".to_owned());
    assert_eq!(main.login, HubLogin::Fixed(variable));
    assert_eq!(main.reserve, None);
    assert_eq!(main.base_url, "https://services.leadconnectorhq.com");
    let file = SecretSource::File(folder.0.join("secrets/twitch"));
    assert_eq!(channel.login, TwitchLogin::Fixed(file));
    assert_eq!(channel.client_secret, None);
    assert_eq!(channel.redirect_uri, "http://localhost:3000");
    assert_eq!(
        (&config.token_key, &config.old_token_key, &config.proxy),
        (&None, &None, &None)
    );
    assert_eq!(channel.base_url, "https://api.twitch.tv/helix");
    assert_eq!(channel.auth_url, "https://id.twitch.tv/oauth2");
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
fn a_folder_of_jobs_that_is_not_there_is_a_problem_and_an_empty_one_is_not() {
    assert!(Folder::new(MAIN, &[]).load().unwrap().jobs.is_empty());
    let folder = Folder::new("schedules = \"jobs\"\n", &[]);
    let problems = folder.load().unwrap_err().0;
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert_eq!(
        (problem.line, problem.column, problem.key.as_str()),
        (1, 13, "schedules")
    );
    assert!(
        problem.message.contains("/jobs cannot be read: "),
        "{problem}"
    );
}

#[test]
fn a_job_file_that_is_not_text_is_a_problem_of_its_own() {
    let folder = Folder::new(MAIN, &[("b.toml", "shedule = ''")]);
    std::fs::write(folder.0.join("schedules/a.toml"), b"name = \"\xff\"").unwrap();
    let problems = folder.problems();
    assert!(
        problems.starts_with("schedules/a.toml: not UTF-8 text: byte 8 is the first that is not\nschedules/b.toml: name: missing"),
        "{problems}"
    );
}

#[test]
fn the_file_that_is_named_is_the_file_that_is_loaded() {
    let named = Path::new("/somewhere/else.toml");
    assert_eq!(find(Some(named)), named);
}
