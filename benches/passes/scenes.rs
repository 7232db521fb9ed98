//! What is measured.

use std::time::Duration;

use super::Failure;
use super::child::Vendors;
use super::stage::{Job, Pass, Stage};
use super::table::{Row, Table, Target};

/// Between the last write and a pass in which nothing changed; own writes are out of the next search by then.
const QUIET: Duration = Duration::from_secs(15 * 60);
/// So fast that the limits do not bind: what is measured is ghl-sync.
const FAST: f64 = 1_000.0;
/// Twenty times the vendor's own rate, 200 calls a second: what is measured is how much of it is used.
const BINDING: f64 = 20.0;
const MIB: f64 = 1_024.0;

/// One world and the passes over it.
pub(crate) struct Scene {
    /// The word that chooses it.
    pub(crate) name: &'static str,
    /// What it measures.
    pub(crate) about: &'static str,
    /// Whether it belongs to a run without arguments.
    pub(crate) usual: bool,
    /// Plays it.
    pub(crate) play: fn(&mut Table) -> Result<(), Failure>,
}

/// All scenes, in the order in which they are played.
pub(crate) const SCENES: &[Scene] = &[
    Scene {
        name: "passes-10k",
        about: "normal and full pass, 10,000 followers and contacts",
        usual: true,
        play: |table| passes(table, 10_000),
    },
    Scene {
        name: "passes-100k",
        about: "normal and full pass, 100,000 followers and contacts",
        usual: true,
        play: |table| passes(table, 100_000),
    },
    Scene {
        name: "passes-1m",
        about: "normal and full pass, 1,000,000 followers and contacts",
        usual: true,
        play: |table| passes(table, 1_000_000),
    },
    Scene {
        name: "first-sync-20k",
        about: "20,000 followers into an empty location",
        usual: true,
        play: |table| first_sync(table, 20_000, Duration::from_secs(300)),
    },
    Scene {
        name: "tags-20k",
        about: "the same new tag for 20,000 linked contacts",
        usual: true,
        play: tags,
    },
    Scene {
        name: "updates",
        about: "another value of a field for 1,000 linked contacts, with and without the look before",
        usual: true,
        play: updates,
    },
    Scene {
        name: "share",
        about: "2,000 creates at twenty times the vendor's rate: how much of the rate is used",
        usual: true,
        play: share,
    },
    Scene {
        name: "first-sync-1m",
        about: "1,000,000 followers into an empty location; stopped after an hour",
        usual: false,
        play: |table| first_sync(table, 1_000_000, Duration::from_secs(3_600)),
    },
];

fn passes(table: &mut Table, size: u64) -> Result<(), Failure> {
    let stage = Stage::new(Vendors {
        followers: size,
        contacts: size,
        twins: size,
        speed: FAST,
    })?;
    let pages = size / 100 + size / 100;
    let link = stage.apply(false)?;
    let [quiet, by_list, by_search] = [size, pages, size / 100 + size / 500];
    if link.measured.done != size {
        return Err(format!("{} of {size} contacts were linked", link.measured.done).into());
    }
    table.row(Row::of(
        "first pass, all there already",
        size,
        pages + 2,
        &link,
    ));

    stage.advance(QUIET)?;
    let normal = stage.apply(false)?;
    table.row(Row::of("normal pass, nothing changed", quiet, 2, &normal));

    stage.advance(QUIET)?;
    let list = stage.apply(true)?;
    table.row(Row::of("full pass by list", size, by_list, &list));

    stage.set(Job {
        reader: "search",
        ..Job::default()
    })?;
    stage.advance(QUIET)?;
    let search = stage.apply(true)?;
    table.row(Row::of("full pass by search", size, by_search, &search));

    for pass in [&normal, &list, &search] {
        if pass.measured.planned > 0 {
            return Err(format!("{} steps where nothing changed", pass.measured.planned).into());
        }
    }
    if size < 1_000_000 {
        return Ok(());
    }
    let calls = |pass: &Pass| pass.measured.highlevel + pass.measured.twitch;
    let target = |what: &str, limit: f64, unit, measured: f64| {
        Target::at_most(&format!("{what}, 1,000,000"), limit, unit, measured)
    };
    table.target(target(
        "normal pass: calls",
        2.0,
        "",
        number(calls(&normal)),
    ));
    table.target(target("normal pass: wall", 1.0, "s", normal.measured.wall));
    table.target(target("normal pass: memory", 64.0, "MiB", peak(&normal)));
    for (word, least, pass) in [("list", by_list, &list), ("search", by_search, &search)] {
        let what = |of: &str| format!("full pass by {word}: {of}");
        let most = number(least) * 1.01;
        table.target(target(&what("calls"), most, "", number(calls(pass))));
        table.target(target(&what("CPU"), 25.0, "s", pass.measured.cpu));
        table.target(target(&what("memory"), 128.0, "MiB", peak(pass)));
    }
    Ok(())
}

fn first_sync(table: &mut Table, size: u64, stop_after: Duration) -> Result<(), Failure> {
    let stage = Stage::new(Vendors {
        followers: size,
        contacts: 0,
        twins: 0,
        speed: FAST,
    })?;
    let dry = stage.pass(false, false, None)?;
    table.row(Row::of(
        "first plan, nobody there",
        size,
        size / 100 + 1,
        &dry,
    ));
    let sync = stage.pass(false, true, Some(stop_after))?;
    let done = sync.measured.done;
    table.row(Row::of("first sync", size, done + 2, &sync));
    if size >= 1_000_000 {
        let what = format!("first sync, {done} of {size}: memory");
        table.target(Target::at_most(&what, 128.0, "MiB", peak(&sync)));
        return Ok(());
    }
    let calls = number(sync.measured.writes) / number(done.max(1));
    table.target(Target::at_most("create: calls a contact", 1.0, "", calls));
    Ok(())
}

fn tags(table: &mut Table) -> Result<(), Failure> {
    const SIZE: u64 = 20_000;
    let stage = linked(SIZE, FAST)?;
    stage.set(Job {
        extra_tag: true,
        ..Job::default()
    })?;
    let pass = stage.apply(false)?;
    expect(&pass, SIZE)?;
    // Batches begin at 100 and double after ten clean calls up to 500, which is as many as a call takes.
    let as_batches_grow = 10 + 10 + 10 + 26;
    table.row(Row::of("the same tag for all", SIZE, SIZE / 500 + 2, &pass));
    table.target(Target::at_most(
        "tagging 20,000 alike: calls that write",
        f64::from(as_batches_grow),
        "",
        number(pass.measured.writes),
    ));
    Ok(())
}

fn updates(table: &mut Table) -> Result<(), Failure> {
    const SIZE: u64 = 1_000;
    let stage = linked(SIZE, FAST)?;
    for (recheck, username, most) in [
        (true, "{{ user_login }} on Twitch", 2.0),
        (false, "{{ user_login }} at Twitch", 1.0),
    ] {
        stage.set(Job {
            recheck,
            username,
            ..Job::default()
        })?;
        let pass = stage.apply(false)?;
        expect(&pass, SIZE)?;
        let (name, what) = if recheck {
            ("a field of each", "update: calls a contact")
        } else {
            (
                "a field of each, no look before",
                "update, `recheck = false`: calls a contact",
            )
        };
        let least = if recheck { 2 * SIZE } else { SIZE };
        table.row(Row::of(name, SIZE, least + 2, &pass));
        let calls = number(pass.measured.writes) / number(SIZE);
        table.target(Target::at_most(what, most, "", calls));
        stage.advance(QUIET)?;
    }
    Ok(())
}

fn share(table: &mut Table) -> Result<(), Failure> {
    const SIZE: u64 = 2_000;
    let stage = Stage::new(Vendors {
        followers: SIZE,
        contacts: 0,
        twins: 0,
        speed: BINDING,
    })?;
    let pass = stage.apply(false)?;
    expect(&pass, SIZE)?;
    // 100 calls in 10 s are the vendor's own rate.
    let bound = number(pass.measured.writes) / (10.0 * BINDING);
    let used = 100.0 * bound / pass.measured.writing;
    let mut row = Row::of(
        "creates, the limit binds",
        SIZE,
        SIZE + SIZE / 100 + 3,
        &pass,
    );
    row.share = Some(used);
    table.row(row);
    table.target(Target::at_least(
        "share of the rate while writing",
        95.0,
        "%",
        used,
    ));
    let refused = number(pass.too_many);
    table.target(Target::at_most(
        "answers with 429 while writing",
        0.0,
        "",
        refused,
    ));
    Ok(())
}

/// Sets a stage on which every follower is a linked contact, and nothing was written lately.
fn linked(size: u64, speed: f64) -> Result<Stage, Failure> {
    let stage = Stage::new(Vendors {
        followers: size,
        contacts: size,
        twins: size,
        speed,
    })?;
    expect(&stage.apply(false)?, size)?;
    stage.advance(QUIET)?;
    Ok(stage)
}

fn expect(pass: &Pass, steps: u64) -> Result<(), Failure> {
    let done = pass.measured.done;
    if done == steps {
        Ok(())
    } else {
        Err(format!("{done} steps were carried out where {steps} were expected").into())
    }
}

fn peak(pass: &Pass) -> f64 {
    number(pass.measured.peak_kib) / MIB
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
