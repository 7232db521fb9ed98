//! What a service needs: schedules with their bounds, who is told, figures, upkeep.

use chrono::NaiveTime;

use super::*;

fn of_main(tail: &str) -> Vec<String> {
    let line = 1 + MAIN.matches('\n').count();
    lines(&format!("{MAIN}{tail}"), &[])
        .into_iter()
        .map(|problem| problem.replace(&format!("ghl-sync.toml:{line}:"), "ghl-sync.toml:FIRST:"))
        .collect()
}

#[test]
fn a_job_says_how_its_schedule_is_kept() {
    let top = "jitter = '90s'\ntime_budget = '10m'\nquiet = ['22:00-07:00', '12:00-12:30']\nping = 'file:ping'\n";
    let folder = Folder::new(MAIN, &[("a.toml", &format!("{top}{}", head("a")))]);
    let config = folder.load().unwrap();
    let (name, job) = config.jobs.iter().next().unwrap();
    assert_eq!(job.jitter.as_secs(), 90);
    assert_eq!(job.time_budget.unwrap().as_secs(), 600);
    assert_eq!(job.quiet.len(), 2);
    let at = |hour, minute| NaiveTime::from_hms_opt(hour, minute, 0).unwrap();
    let night = job.quiet[0];
    for (time, is_quiet) in [
        (at(21, 59), false),
        (at(22, 0), true),
        (at(0, 0), true),
        (at(6, 59), true),
        (at(7, 0), false),
    ] {
        assert_eq!(night.holds(time), is_quiet, "{time}");
    }
    assert!(job.quiet[1].holds(at(12, 29)) && !job.quiet[1].holds(at(12, 30)));
    let ping = SecretSource::File(folder.0.join("ping"));
    assert_eq!(config.pings.get(name), Some(&ping));
}

#[test]
fn wrong_bounds_of_a_schedule_are_named() {
    for (top, said) in [
        (
            "jitter = '2d'",
            "jitter: `2d` is too long, expected at most 1d",
        ),
        (
            "time_budget = '30s'",
            "time_budget: `30s` is too short, expected at least 1m",
        ),
        (
            "time_budget = '5'",
            "time_budget: `5` is not a duration, expected a whole number with s, m, h or d, such as \"24h\"",
        ),
        (
            "quiet = ['22-7']",
            "quiet: `22-7` is no part of a day, expected two different times such as \"22:00-07:00\"",
        ),
        (
            "quiet = ['07:00-07:00']",
            "quiet: `07:00-07:00` is no part of a day, expected two different times such as \"22:00-07:00\"",
        ),
        (
            "quiet = ['00:00-12:00', '12:00-24:00']",
            "quiet: quiet at every hour, so that the job would never run",
        ),
        (
            "ping = 'https://hc.example.com/token'",
            "ping: a secret does not belong into this file, expected \"env:NAME\", \"file:PATH\" or \"credential:NAME\"",
        ),
    ] {
        let problems = of_top(top);
        assert_eq!(problems.len(), 1, "{top}: {problems:?}");
        assert!(problems[0].ends_with(said), "{top}: {problems:?}");
        assert!(!problems[0].contains("hc.example.com"), "{problems:?}");
    }
}

#[test]
fn the_service_tables_have_defaults_and_are_read() {
    let folder = Folder::new(MAIN, &[]);
    let config = folder.load().unwrap();
    assert!(config.notify.is_empty() && config.metrics.is_none());
    assert_eq!(config.upkeep.schedule, "41 3 * * *");
    assert_eq!(config.upkeep.backups, 7);
    assert_eq!(config.upkeep.backup_folder, folder.0.join("state/backups"));

    let service = r#"
[notify.team]
kind = "discord"
url = "env:DISCORD_WEBHOOK"
[notify.pager]
kind = "command"
command = ["/usr/local/bin/page-me", "--loud"]
on = ["failure", "login"]
at_most = 2
[metrics]
textfile = "figures.prom"
[upkeep]
schedule = "5 1 * * 0"
timezone = "Europe/Berlin"
keep = "30d"
keep_runs = 100
backups = 0
backup_folder = "/var/backups/ghl-sync"
"#;
    let folder = Folder::new(&format!("{MAIN}{service}"), &[]);
    let config = folder.load().unwrap();
    let team = &config.notify["team"];
    let webhook = SecretSource::Env("DISCORD_WEBHOOK".to_owned());
    assert_eq!(team.to, NotifyTo::Discord(webhook));
    assert_eq!((team.on.len(), team.at_most), (Occasion::ALL.len(), 12));
    let pager = &config.notify["pager"];
    let words = vec!["/usr/local/bin/page-me".to_owned(), "--loud".to_owned()];
    assert_eq!(pager.to, NotifyTo::Command(words));
    assert_eq!((pager.on.len(), pager.at_most), (2, 2));
    let hook = "[notify.hook]\nkind = \"command\"\ncommand = [\"./hook.sh\"]\n";
    let beside = Folder::new(&format!("{MAIN}{hook}"), &[]);
    let found = beside.load().unwrap().notify["hook"].to.clone();
    let program = beside.0.join("./hook.sh").display().to_string();
    assert_eq!(found, NotifyTo::Command(vec![program]));
    assert_eq!(config.metrics, Some(folder.0.join("figures.prom")));
    assert_eq!(config.upkeep.timezone, chrono_tz::Europe::Berlin);
    assert_eq!(config.upkeep.keep.as_secs(), 30 * 24 * 60 * 60);
    assert_eq!((config.upkeep.keep_runs, config.upkeep.backups), (100, 0));
    assert_eq!(
        config.upkeep.backup_folder,
        Path::new("/var/backups/ghl-sync")
    );
}

#[test]
fn wrong_service_tables_are_named_and_no_address_is_repeated() {
    for (tail, said) in [
        (
            "[notify.a]\nkind = 'discord'\nurl = 'https://discord.example.com/secret'\n",
            "notify.a.url: a secret does not belong into this file",
        ),
        (
            "[notify.a]\nkind = 'discord'\n",
            "notify.a.url: missing, expected url = ",
        ),
        (
            "[notify.a]\nkind = 'mail'\nurl = 'env:A'\n",
            "notify.a.kind: unknown word `mail`, expected",
        ),
        (
            "[notify.a]\nkind = 'command'\ncommand = []\n",
            "notify.a.command: expected a program and its arguments",
        ),
        (
            "[notify.a]\nkind = 'command'\n",
            "notify.a.command: expected a program and its arguments",
        ),
        (
            "[notify.a]\nkind = 'command'\ncommand = ['x']\nurl = 'env:A'\n",
            "notify.a.url: does not belong to a target of this kind",
        ),
        (
            "[notify.a]\nkind = 'slack'\nurl = 'env:A'\non = ['panic']\n",
            "notify.a.on: unknown word `panic`",
        ),
        (
            "[notify.a]\nkind = 'slack'\nurl = 'env:A'\nat_most = 0\n",
            "notify.a.at_most: expected a whole number from 1 to 1000",
        ),
        (
            "[notify.'a b']\nkind = 'slack'\nurl = 'env:A'\n",
            "expected a name of letters, digits, '_' and '-'",
        ),
        (
            "[metrics]\n",
            "metrics.textfile: missing, expected textfile = ",
        ),
        (
            "[metrics]\ntextfile = 'a.txt'\n",
            "metrics.textfile: `a.txt` does not end in .prom",
        ),
        (
            "[upkeep]\nkeep = '1d'\n",
            "upkeep.keep: `1d` is too short, expected at least 2d",
        ),
        (
            "[upkeep]\nschedule = 'never'\n",
            "upkeep.schedule: `never` has 1 field, expected five",
        ),
        (
            "[upkeep]\nbackups = -1\n",
            "upkeep.backups: expected a whole number from 0 to 1000",
        ),
        (
            "[upkeep]\nkeep_run = 5\n",
            "upkeep.keep_run: unknown key, did you mean `keep_runs`?",
        ),
    ] {
        let problems = of_main(tail);
        assert!(
            problems.iter().any(|problem| problem.contains(said)),
            "{tail}: {problems:?}"
        );
        assert!(
            !problems
                .iter()
                .any(|problem| problem.contains("example.com/secret")),
            "{problems:?}"
        );
    }
}
