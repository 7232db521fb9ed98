//! How accounts log in, where their secrets are, and what their logins ask for.

use super::*;

const LOCATION: &str = "[accounts.a]\nservice = 'highlevel'\nlocation = 'abc'\n";
const AGENCY: &str =
    "[accounts.firm]\nservice = 'highlevel.agency'\nclient_id = 'x-1'\nclient_secret = 'env:S'\n";

/// Returns the problems of a main file, without the file in front.
fn of_main(text: &str) -> Vec<String> {
    lines(text, &[])
        .into_iter()
        .map(|line| line.replacen("ghl-sync.toml:", "", 1))
        .collect()
}

/// Returns the problems of an account of a location with these lines, which begin at line 4.
fn of_location(text: &str) -> Vec<String> {
    of_main(&format!("{LOCATION}{text}"))
}

fn read(main: &str) -> (Folder, Config) {
    let folder = Folder::new(main, &[]);
    let config = folder.load();
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    (folder, config)
}

fn account(config: &Config, name: &str) -> Account {
    config.accounts[&AccountName::try_from(name.to_owned()).unwrap()].clone()
}

fn login(text: &str) -> HubLogin {
    let (_, config) = read(&format!("{LOCATION}{text}\n{AGENCY}"));
    let Account::HighLevel(account) = account(&config, "a") else {
        panic!("{config:?}");
    };
    account.login
}

#[test]
fn a_location_logs_in_in_one_of_four_ways() {
    assert_eq!(login(""), HubLogin::Kept);
    let variable = SecretSource::Env("X".to_owned());
    assert_eq!(login("token = 'env:X'"), HubLogin::Fixed(variable.clone()));
    let firm = AccountName::try_from("firm".to_owned()).unwrap();
    assert_eq!(login("agency = 'firm'"), HubLogin::Agency(firm));
    let app = HubApp {
        client_id: "65f-abc".to_owned(),
        client_secret: variable,
        redirect_uri: "http://localhost:3000/callback".to_owned(),
        authorize_url: "https://marketplace.gohighlevel.com/v2/oauth/chooselocation".to_owned(),
    };
    let given = "client_id = '65f-abc'\nclient_secret = 'env:X'";
    assert_eq!(login(given), HubLogin::App(app.clone()));
    let more = "redirect_uri = 'https://example.com/back/'\nauthorize_url = 'https://marketplace.leadconnectorhq.com/v2/oauth/chooselocation'";
    let white = HubApp {
        redirect_uri: "https://example.com/back/".to_owned(),
        authorize_url: "https://marketplace.leadconnectorhq.com/v2/oauth/chooselocation".to_owned(),
        ..app
    };
    assert_eq!(login(&format!("{given}\n{more}")), HubLogin::App(white));
}

#[test]
fn two_ways_to_log_in_are_a_problem_of_the_second() {
    assert_eq!(
        of_location("token = 'env:X'\nclient_id = 'x'\nclient_secret = 'env:Y'\nagency = 'firm'\n"),
        [
            "5:1: accounts.a.client_id: `token` says already how this account logs in, expected one of `token`, `client_id` and `agency`",
            "7:1: accounts.a.agency: `token` says already how this account logs in, expected one of `token`, `client_id` and `agency`",
        ]
    );
    assert_eq!(
        of_location("client_secret = 'env:Y'\ntoken = 'env:X'\nredirect_uri = 'x'\n"),
        [
            "4:1: accounts.a.client_secret: belongs to an app, but `token` says how this account logs in",
            "6:1: accounts.a.redirect_uri: belongs to an app, but `token` says how this account logs in",
        ]
    );
    assert_eq!(
        of_location("authorize_url = 'https://example.com'\n"),
        [
            "4:1: accounts.a.authorize_url: belongs to an app, expected `client_id` and `client_secret` beside it"
        ]
    );
    assert_eq!(
        of_location("client_secret = 'env:Y'\n"),
        [
            "1:11: accounts.a.client_id: missing, expected client_id = \"<the client id of your HighLevel app>\""
        ]
    );
    assert_eq!(
        of_location("client_id = 'y'\n"),
        [
            "1:11: accounts.a.client_secret: missing, expected client_secret = \"env:NAME\", \"file:PATH\" or \"credential:NAME\""
        ]
    );
}

#[test]
fn an_agency_is_named_by_locations_and_by_no_job() {
    let after = |text: &str| of_main(&format!("{AGENCY}{LOCATION}{text}"));
    assert_eq!(after("agency = 'firm'\n"), [""; 0]);
    assert_eq!(
        after("agency = 'frm'\n"),
        ["8:10: accounts.a.agency: unknown account `frm`, did you mean `firm`?"]
    );
    assert_eq!(
        after("agency = 'a'\n"),
        [
            "8:10: accounts.a.agency: `a` is an account of highlevel, expected one of highlevel.agency"
        ]
    );
    assert_eq!(
        of_main(&format!("{AGENCY}location = 'abc'\n")),
        [
            "5:1: accounts.firm.location: unknown key, expected one of: service, client_id, client_secret, redirect_uri, authorize_url, base_url"
        ]
    );
    let main = format!("{AGENCY}{MAIN}");
    let job = head("a").replace("\"main\"", "\"firm\"");
    assert_eq!(
        lines(&main, &[("a.toml", &job)]),
        ["7:11: to.account: `firm` is an account of highlevel.agency, expected one of highlevel"]
    );
    // A location whose agency is wrong is no account that anything could be done with.
    let folder = Folder::new(&format!("{LOCATION}agency = 'b'\n"), &[]);
    let (config, problems) = load_partly(&folder.0.join("ghl-sync.toml")).unwrap();
    assert_eq!((config.accounts.len(), problems.0.len()), (0, 1));
}

#[test]
fn a_channel_logs_in_unless_a_token_is_given() {
    let twitch = "[accounts.c]\nservice = 'twitch'\nclient_id = 'abc'\n";
    let read_one = |text: &str| {
        let (folder, config) = read(&format!("{twitch}{text}"));
        let account = account(&config, "c");
        let sources: Vec<String> = account
            .sources()
            .into_iter()
            .map(|(key, source)| format!("{key}={source}"))
            .collect();
        let shown = sources
            .join(" ")
            .replace(&folder.0.display().to_string(), "");
        (account, shown)
    };
    let (account, sources) = read_one("");
    assert_eq!((account.token(), sources.as_str()), (None, ""));
    let (account, sources) = read_one("token = 'env:T'\nclient_secret = 'file:s'\n");
    assert_eq!(account.token(), Some(&SecretSource::Env("T".to_owned())));
    assert_eq!(sources, "token=env:T client_secret=file:/s");
    let (account, sources) = read_one("client_secret = 'credential:tw'\n");
    assert_eq!(account.token(), None);
    assert_eq!(sources, "client_secret=credential:tw");
    for (line, said) in [
        (
            "redirect_uri = 'http://example.com'",
            "4:16: accounts.c.redirect_uri: `http://example.com` would send the code of a login in the clear, expected https://",
        ),
        (
            "client_secret = 'abcdef'",
            "4:17: accounts.c.client_secret: a secret does not belong into this file, expected \"env:NAME\", \"file:PATH\" or \"credential:NAME\"",
        ),
    ] {
        assert_eq!(of_main(&format!("{twitch}{line}\n")), [said]);
    }
}

#[test]
fn keys_and_a_proxy_stand_at_the_top() {
    let (folder, config) = read(
        "token_key = 'credential:key'\nold_token_key = 'file:old.key'\nproxy = 'http://10.0.0.1:3128/'\n",
    );
    assert_eq!(
        config.token_key,
        Some(SecretSource::Credential {
            name: "key".to_owned(),
            fallback: folder.0.join("credentials"),
        })
    );
    assert_eq!(
        config.old_token_key,
        Some(SecretSource::File(folder.0.join("old.key")))
    );
    assert_eq!(config.proxy.as_deref(), Some("http://10.0.0.1:3128"));
    for fine in ["http://proxy:80", "http://[::1]:3128"] {
        assert_eq!(of_main(&format!("proxy = '{fine}'")), [""; 0], "{fine}");
    }
    for wrong in [
        "proxy:3128",
        "https://proxy:3128",
        "socks5://proxy:3128",
        "http://proxy",
        "http://proxy:0",
        "http://proxy:3128/path",
        "http://",
    ] {
        let said = format!(
            "1:9: proxy: `{wrong}` is not the address of a proxy, expected http://host:port"
        );
        assert_eq!(of_main(&format!("proxy = '{wrong}'")), [said]);
    }
    for wrong in [
        "http://user:very-secret@proxy:1",
        "user:very-secret@proxy:1",
    ] {
        assert_eq!(
            of_main(&format!("proxy = '{wrong}'")),
            ["1:9: proxy: an address must not hold a user or a password"]
        );
    }
}

#[test]
fn a_pasted_secret_is_never_shown_whatever_key_it_is_pasted_into() {
    let pasted = "0123456789abcdef0123456789abcdef!very-secret";
    for text in [
        format!("token_key = '{pasted}'"),
        format!("old_token_key = '{pasted}'"),
        format!("token_key = 'env:{pasted}'"),
        format!("token_key = 'credential:{pasted}'"),
        format!("proxy = '{pasted}@host:1'"),
        format!("{LOCATION}token = '{pasted}'"),
        format!("{LOCATION}client_id = 'a'\nclient_secret = '{pasted}'"),
        format!("{LOCATION}client_id = '{pasted}'\nclient_secret = 'env:A'"),
        format!("[accounts.b]\nservice = 'twitch'\nclient_id = '{pasted}'"),
        format!("[accounts.b]\nservice = 'twitch'\nclient_id = 'a'\ntoken = '{pasted}'"),
    ] {
        let problems = Folder::new(&text, &[]).problems();
        assert_eq!(problems.lines().filter(|l| !l.starts_with("  ")).count(), 1);
        assert!(!problems.contains("very-secret"), "{problems}");
        assert!(!problems.contains("0123456789"), "{problems}");
    }
}

#[test]
fn a_credential_has_a_name_and_no_path() {
    let parse = |text: &str| SecretSource::parse(text, Path::new("etc"));
    for fine in ["a", "twitch.token", "A-b_c.9", ".hidden"] {
        let source = parse(&format!("credential:{fine}")).unwrap();
        assert_eq!(source.to_string(), format!("credential:{fine}"));
    }
    for wrong in ["", ".", "..", "a/b", "../a", "a b", "ä"] {
        let said = parse(&format!("credential:{wrong}")).unwrap_err();
        assert!(said.contains("letters, digits, '.', '_' and '-'"), "{said}");
    }
    assert!(parse("env:1A").is_err());
    assert!(parse("file:").is_err());
    assert_eq!(parse("file:/a").unwrap().to_string(), "file:/a");
    assert_eq!(parse("file:a").unwrap().to_string(), "file:etc/a");
}

#[test]
fn a_login_asks_for_what_the_jobs_need_and_no_more() {
    let main = format!("{AGENCY}{LOCATION}agency = 'firm'\n{MAIN}");
    let needed = |jobs: &[(&str, &str)], account: &str| {
        let config = Folder::new(&main, jobs).load().unwrap();
        scopes::needed(&config, &AccountName::try_from(account.to_owned()).unwrap())
    };
    let location = [
        "contacts.readonly",
        "contacts.write",
        "locations.readonly",
        "locations/customFields.readonly",
    ];
    let followers = ["moderator:read:followers"];
    let plain = head("plain");
    let making = format!("create_fields = true\n{}", head("making"));
    let of_agency = making.replace("\"main\"", "\"a\"");

    assert_eq!(needed(&[], "main"), location);
    assert_eq!(needed(&[], "my-channel"), followers);
    assert_eq!(needed(&[], "nobody"), [""; 0]);
    let jobs = [("plain.toml", plain.as_str())];
    assert_eq!(needed(&jobs, "main"), location);
    assert_eq!(needed(&jobs, "my-channel"), followers);
    let firm = [&location[..], &["oauth.write"]].concat();
    assert_eq!(needed(&jobs, "firm"), firm);

    let making = needed(&[("making.toml", &making)], "main");
    let write = "locations/customFields.write";
    assert_eq!(making, [&location[..], &[write]].concat());
    let jobs = [("making.toml", of_agency.as_str())];
    let firm = [&location[..], &[write, "oauth.write"]].concat();
    assert_eq!(needed(&jobs, "firm"), firm);
    assert_eq!(needed(&jobs, "main"), location);
}

#[test]
fn what_is_granted_is_enough_when_it_is_one_of_those_that_the_source_takes() {
    let jobs = |sources: &[&str]| {
        let texts: Vec<(String, String)> = sources
            .iter()
            .map(|source| {
                let text = head(source).replace("twitch.followers", &format!("twitch.{source}"));
                (format!("{source}.toml"), text)
            })
            .collect();
        let texts: Vec<(&str, &str)> = texts.iter().map(|(a, b)| (&**a, &**b)).collect();
        Folder::new(MAIN, &texts).load().unwrap()
    };
    let lacking = |config: &Config, granted: &[&str]| {
        let granted: Vec<String> = granted.iter().map(ToString::to_string).collect();
        scopes::lacking(config, &"my-channel".try_into().unwrap(), &granted)
    };
    let people = jobs(&["vips", "moderators", "bits", "subscribers"]);
    let all = [
        "bits:read",
        "channel:read:subscriptions",
        "channel:read:vips",
        "moderation:read",
    ];
    assert_eq!(
        scopes::needed(&people, &"my-channel".try_into().unwrap()),
        all
    );
    assert_eq!(lacking(&people, &all), [""; 0]);
    assert_eq!(lacking(&people, &[]), all);
    let others = ["channel:manage:vips", "bits:read", "moderation:read"];
    assert_eq!(lacking(&people, &others), ["channel:read:subscriptions"]);
    // Streams are public; without any job followers are expected.
    assert_eq!(lacking(&jobs(&["streams"]), &[]), [""; 0]);
    assert_eq!(lacking(&jobs(&[]), &[]), ["moderator:read:followers"]);
}
