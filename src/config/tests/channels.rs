//! Several channels in one file, and the contacts that a job may touch.

use super::*;

/// Two channels of one's own beside the account of the other tests, one of them with its login.
const CHANNELS: &str = r#"
[accounts.one]
service = "twitch"
client_id = "abc123"
channel = "Channel_One"

[accounts.two]
service = "twitch"
client_id = "abc123"
"#;

fn main() -> String {
    format!("{MAIN}{CHANNELS}")
}

/// Returns a job file with this in `[from]`, which begins at line 2; the source stands at line 3.
fn file(source: &str, from: &str, tail: &str) -> String {
    format!(
        "name = \"a\"\n[from]\nsource = \"twitch.{source}\"\n{from}\n[to]\ndestination = \"highlevel.contacts\"\naccount = \"main\"\n{tail}"
    )
}

fn jobs(source: &str, from: &str) -> Vec<Job> {
    let folder = Folder::new(&main(), &[("a.toml", &file(source, from, ""))]);
    match folder.load() {
        Ok(config) => config.jobs.into_values().collect(),
        Err(problems) => panic!("{problems}"),
    }
}

fn problems(source: &str, from: &str, tail: &str) -> Vec<String> {
    lines(&main(), &[("a.toml", &file(source, from, tail))])
}

/// Returns name, account, channel and label.
fn told(job: &Job) -> (&str, &str, Channel, &str) {
    (
        job.name.as_str(),
        job.from.as_str(),
        job.channel.clone(),
        &job.label,
    )
}

fn login(login: &str) -> Channel {
    Channel::Login(login.to_owned())
}

#[test]
fn several_accounts_are_one_job_each() {
    let jobs = jobs("subscribers", "accounts = ['one', 'two']");
    let told: Vec<_> = jobs.iter().map(told).collect();
    assert_eq!(
        told,
        [
            ("a.one", "one", login("channel_one"), "channel_one"),
            ("a.two", "two", Channel::Own, "two"),
        ]
    );
    let file = Some(JobName::try_from("a").unwrap());
    assert!(jobs.iter().all(|job| job.part_of == file));
}

#[test]
fn several_channels_of_followers_are_one_job_each_and_those_of_streams_are_one() {
    let followers = jobs(
        "followers",
        "account = 'two'\nchannels = ['Their_Own', 'other']",
    );
    let told_all: Vec<_> = followers.iter().map(told).collect();
    assert_eq!(
        told_all,
        [
            ("a.other", "two", login("other"), "other"),
            ("a.their_own", "two", login("their_own"), "their_own"),
        ]
    );
    assert!(followers.iter().all(|job| job.channels.is_empty()));
    let streams = jobs(
        "streams",
        "account = 'one'\nchannels = ['Their_Own', 'other']",
    );
    assert_eq!(streams.len(), 1);
    assert_eq!(
        told(&streams[0]),
        ("a", "one", login("channel_one"), "channel_one")
    );
    assert_eq!(streams[0].channels, [login("their_own"), login("other")]);
    assert_eq!(streams[0].part_of, None);
}

#[test]
fn a_list_of_one_is_no_list() {
    let plain = jobs("followers", "account = 'one'");
    assert_eq!(jobs("followers", "accounts = ['one']"), plain);
    let one = jobs(
        "followers",
        "accounts = ['one']\nchannels = ['channel_one']",
    );
    assert_eq!(one, plain);
    assert_eq!((plain[0].name.as_str(), &plain[0].part_of), ("a", &None));
}

#[test]
fn a_name_stands_for_the_job_or_for_all_parts_of_the_file() {
    let text = format!(
        "ping = 'env:PING'\n{}",
        file("vips", "accounts = ['one', 'two']", "")
    );
    let folder = Folder::new(&main(), &[("a.toml", &text), ("b.toml", &head("b"))]);
    let config = folder.load().unwrap();
    let named = |name: &str| -> Vec<String> {
        let named = config.named(&JobName::try_from(name).unwrap());
        named.iter().map(|job| job.name.to_string()).collect()
    };
    assert_eq!(named("a"), ["a.one", "a.two"]);
    assert_eq!(named("a.two"), ["a.two"]);
    assert_eq!(named("b"), ["b"]);
    assert_eq!(named("c"), [""; 0]);
    let pings: Vec<&str> = config.pings.keys().map(JobName::as_str).collect();
    assert_eq!(pings, ["a.one", "a.two"]);
}

#[test]
fn a_bits_leaderboard_has_a_period() {
    let period = |from: &str| jobs("bits", &format!("account = 'one'{from}"))[0].period;
    assert_eq!(period(""), Some(BitsPeriod::All));
    assert_eq!(period("\nperiod = 'month'"), Some(BitsPeriod::Month));
    assert_eq!(jobs("vips", "account = 'one'")[0].period, None);
}

#[test]
fn wrong_lists_of_channels_say_so() {
    let login =
        "is not a Twitch login: expected 1 to 25 letters, digits and '_', as in twitch.tv/LOGIN";
    for (source, from, expected) in [
        ("followers", "accounts = []", "4:12: from.accounts: is empty, expected accounts = [\"<a name of [accounts]>\", …]".to_owned()),
        ("followers", "accounts = ['one', 'one']", "4:20: from.accounts: `one` stands here twice".to_owned()),
        ("followers", "accounts = ['one', 'tow']", "4:20: from.accounts: unknown account `tow`, did you mean `two`?".to_owned()),
        ("followers", "accounts = ['one', 'main']", "4:20: from.accounts: `main` is an account of highlevel, expected one of twitch".to_owned()),
        ("followers", "accounts = ['one']\naccount = 'two'", "5:11: from.account: `accounts` names the accounts already, expected one of the two".to_owned()),
        ("followers", "account = 'one'\nchannels = []", "5:12: from.channels: is empty, expected channels = [\"<login>\", …], as in twitch.tv/LOGIN".to_owned()),
        ("followers", "account = 'one'\nchannels = ['x', 'X']", "5:18: from.channels: `x` stands here twice".to_owned()),
        ("followers", "account = 'one'\nchannels = ['a b']", format!("5:13: from.channels: `a b` {login}")),
        ("followers", "accounts = ['one', 'two']\nchannels = ['x']", "5:12: from.channels: stands beside 2 accounts, and each would read the same channels".to_owned()),
        ("vips", "account = 'one'\nchannels = ['x']", "5:12: from.channels: only a channel's own login lists its VIPs, expected the account of each channel".to_owned()),
        ("vips", "account = 'one'\nperiod = 'day'", "5:10: from.period: only twitch.bits has periods, not twitch.vips".to_owned()),
        ("bits", "account = 'one'\nperiod = 'daily'", "5:10: from.period: unknown word `daily`, expected \"all\", \"day\", \"week\", \"month\" or \"year\"".to_owned()),
    ] {
        assert_eq!(problems(source, from, ""), [expected], "{from}");
    }
    let dotted = head("a").replace("\"a\"", "\"a.b\"");
    assert_eq!(
        lines(MAIN, &[("a.toml", &dotted)]),
        [
            "1:8: name: `a.b` is not a job name: expected 1 to 64 of a-z, 0-9 and '-', not starting with '-'"
        ]
    );
}

#[test]
fn parts_never_fill_a_field_in_turns() {
    let two = "accounts = ['one', 'two']";
    let field = |line: &str| problems("subscribers", two, &format!("[fields]\n{line}"));
    assert_eq!(
        field("tier = '{{ tier }}'"),
        [
            "9:1: fields.tier: `tier` differs from channel to channel, and 2 of them would overwrite each other's"
        ]
    );
    assert_eq!(
        field("of = { value = \"{% if user_id %}{{ channel }}{% endif %}\", own = 'force' }"),
        [
            "9:1: fields.of: `channel` differs from channel to channel, and 2 of them would overwrite each other's"
        ]
    );
    for fine in [
        "who = '{{ user_id }} {{ user_login or user_name }}'",
        "tier = { value = '{{ tier }}', own = 'create' }",
        "tier = { value = '{{ tier }}', own = 'fill' }",
    ] {
        assert_eq!(field(fine), [""; 0], "{fine}");
    }
    let one = problems(
        "subscribers",
        "account = 'one'",
        "[fields]\ntier = '{{ tier }}'",
    );
    assert_eq!(one, [""; 0]);
}

#[test]
fn two_files_never_fill_a_field_in_turns() {
    let both = |one: (&str, &str), other: (&str, &str), line: &str| {
        let fields = format!("[fields]\n{line}");
        let b = file(other.0, &format!("account = '{}'", other.1), &fields);
        lines(
            &main(),
            &[
                (
                    "a.toml",
                    &file(one.0, &format!("account = '{}'", one.1), &fields),
                ),
                ("b.toml", &b.replace("name = \"a\"", "name = \"b\"")),
            ],
        )
    };
    let other = "schedules/b.toml:9:1: fields.x: another job fills this field of the same location";
    let place = "in schedules/a.toml:9";
    let since = "x = '{{ since }}'";
    assert_eq!(
        both(("vips", "one"), ("moderators", "one"), since),
        [format!("{other} with another value, {place}")]
    );
    assert_eq!(
        both(("vips", "one"), ("vips", "two"), since),
        [format!("{other} with another value, {place}")]
    );
    assert_eq!(
        both(("vips", "one"), ("streams", "one"), "x = 'same'"),
        [format!(
            "{other} for other records (people there, channels here), {place}"
        )]
    );
    for (one, two, line) in [
        (
            ("vips", "one"),
            ("moderators", "two"),
            "x = '{{ user_login }}'",
        ),
        (
            ("vips", "one"),
            ("moderators", "one"),
            "x = { value = '{{ since }}', own = 'create' }",
        ),
        (("vips", "one"), ("vips", "one"), since),
        (("streams", "one"), ("streams", "two"), "x = '{{ title }}'"),
        (
            ("vips", "one"),
            ("streams", "one"),
            "x = { value = 'same', own = 'fill' }",
        ),
    ] {
        assert_eq!(both(one, two, line), [""; 0], "{one:?} {two:?} {line}");
    }
}

#[test]
fn the_contacts_that_a_job_may_touch_are_read() {
    let job = |tail: &str| {
        let text = file("vips", "account = 'one'\n", tail);
        let folder = Folder::new(&main(), &[("a.toml", &text)]);
        let loaded = folder.load();
        loaded
            .unwrap_or_else(|problems| panic!("{problems}"))
            .jobs
            .into_values()
            .next()
            .unwrap()
    };
    let tag = Scope::Tag(Tag::new("client").unwrap());
    assert_eq!(job("[scope]\ntag = ' Client '").scope, Some(tag));
    let business = BusinessId::try_from("b1").unwrap();
    let of = Scope::Business(business.clone());
    assert_eq!(job("[scope]\nbusiness = 'b1'").scope, Some(of));
    let to = file("vips", "account = 'one'", "business = 'b1'\n");
    let folder = Folder::new(&main(), &[("a.toml", &to)]);
    let config = folder.load().unwrap();
    let attached = &config.jobs.values().next().unwrap().business;
    assert_eq!(*attached, Some(business));
    for (tail, expected) in [
        (
            "[scope]",
            "8:2: scope.tag: missing, expected tag = \"<a tag>\" or business = \"<a business id>\"",
        ),
        (
            "[scope]\ntag = 'x'\nbusiness = 'b'",
            "10:12: scope.business: `tag` says already which contacts, expected one of the two",
        ),
        (
            "[scope]\ntag = '{{ tier }}'",
            "9:7: scope.tag: is no template: it is one tag for every contact",
        ),
        (
            "[scope]\ntag = ''",
            "9:7: scope.tag: `` is not a tag: expected 1 to 100 characters in lower case without line breaks or spaces around",
        ),
        (
            "[scope]\nbusiness = 'a b'",
            "9:12: scope.business: `a b` is not a business id: expected 1 to 50 letters, digits, '-', '_', '.' or ':'",
        ),
        (
            "[scope]\ntags = 'x'",
            "8:2: scope.tag: missing, expected tag = \"<a tag>\" or business = \"<a business id>\"\n9:1: scope.tags: unknown key, did you mean `tag`?",
        ),
    ] {
        let expected: Vec<&str> = expected.lines().collect();
        assert_eq!(
            problems("vips", "account = 'one'", tail),
            expected,
            "{tail}"
        );
    }
}

#[test]
fn what_a_job_creates_is_in_its_scope() {
    let create = "[match]\nby = ['link', 'field:xid']\nmissing = 'create'\n[fields]\nxid = '{{ user_id }}'\nfirstName = '{{ user_id }}'\n";
    let with =
        |to: &str, tail: &str| problems("vips", "account = 'one'", &format!("{to}{create}{tail}"));
    let outside = "the contacts that missing = \"create\" makes would be outside of the scope";
    assert_eq!(
        with(
            "",
            "[scope]\ntag = 'client'\n[on.join]\nadd_tags = ['vip', '{{ \"client\" }}']"
        ),
        [format!(
            "15:7: scope.tag: {outside}: on.join.add_tags does not add `client`"
        )]
    );
    assert_eq!(
        with(
            "",
            "[scope]\ntag = 'client'\n[on.join]\nadd_tags = ['Client']"
        ),
        [""; 0]
    );
    assert_eq!(
        with("", "[scope]\nbusiness = 'b1'"),
        [format!(
            "15:12: scope.business: {outside}: [to] names no business"
        )]
    );
    assert_eq!(
        with("business = 'b2'\n", "[scope]\nbusiness = 'b1'"),
        [format!(
            "16:12: scope.business: {outside}: to.business is another one, `b2`"
        )]
    );
    assert_eq!(
        with("business = 'b1'\n", "[scope]\nbusiness = 'b1'"),
        [""; 0]
    );
    let skip = problems("vips", "account = 'one'", "[scope]\ntag = 'client'");
    assert_eq!(skip, [""; 0]);
}
