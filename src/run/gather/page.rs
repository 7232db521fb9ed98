//! The listings that are walked through, and one page of each.

use crate::apis::twitch::{self, Followers, PeoplePage};
use crate::model::{BitsPeriod, Record, SourceKind};
use crate::net::{Answer, Call, CallError, Purpose};

use super::super::seat::Seat;
use super::super::world::World;

/// A listing of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// Newest first, with a total.
    Followers,
    /// In no order that is told, with a total and points.
    Subscribers,
    /// Small, and without a total.
    Vips,
    /// Small, and without a total.
    Moderators,
    /// A ranking of one page.
    Bits,
}

impl Listing {
    /// Returns the listing of a source; `None` for one that is no listing of people.
    pub(super) fn of(source: SourceKind) -> Option<Listing> {
        match source {
            SourceKind::TwitchFollowers => Some(Listing::Followers),
            SourceKind::TwitchSubscribers => Some(Listing::Subscribers),
            SourceKind::TwitchVips => Some(Listing::Vips),
            SourceKind::TwitchModerators => Some(Listing::Moderators),
            SourceKind::TwitchBits => Some(Listing::Bits),
            SourceKind::TwitchStreams => None,
        }
    }

    /// Returns the word under which its walks are kept.
    pub(super) fn word(self) -> &'static str {
        match self {
            Listing::Followers => "followers",
            Listing::Subscribers => "subscribers",
            Listing::Vips => "vips",
            Listing::Moderators => "moderators",
            Listing::Bits => "bits",
        }
    }

    /// Returns whether this program itself keeps since when somebody is listed, because the vendor does not tell.
    pub(super) fn keeps_since(self) -> bool {
        match self {
            Listing::Subscribers | Listing::Vips | Listing::Moderators => true,
            Listing::Followers | Listing::Bits => false,
        }
    }

    /// Returns whether it also counts the months since then.
    pub(super) fn counts_months(self) -> bool {
        match self {
            Listing::Subscribers => true,
            Listing::Followers | Listing::Vips | Listing::Moderators | Listing::Bits => false,
        }
    }
}

/// One page of a listing.
#[derive(Clone, Debug)]
pub(super) struct SourcePage {
    /// The records, without the broadcaster.
    pub records: Vec<Record>,
    /// How many rows the page had, those left out included.
    pub listed: u64,
    /// Rows that could not be read, or not in full.
    pub odd_rows: u64,
    /// How many there are as the vendor counts.
    pub total: Option<i64>,
    /// Another count, which changes when somebody takes another tier.
    pub points: Option<i64>,
    /// Where the next page begins; `None` ends the listing.
    pub next: Option<String>,
    /// When it was read, in ms of the vendor's clock.
    pub date_ms: i64,
}

/// What came of asking for a page.
#[derive(Clone, Debug)]
pub(super) enum Fetched {
    /// A page.
    Page(SourcePage),
    /// Followers are counted and not one is listed.
    NotEntitled,
}

/// Asks for the page that a cursor names, or for the first.
pub(super) async fn fetch(
    world: &World,
    seat: &Seat,
    listing: Listing,
    cursor: Option<&str>,
) -> Result<Fetched, CallError> {
    let broadcaster = &seat.broadcaster;
    let people = match listing {
        Listing::Followers => {
            let call = twitch::followers(broadcaster, cursor);
            let Answer { value, date, .. } =
                world.spoke_line.send(&call, Purpose::Announced).await?;
            let page = match value {
                Followers::Page(page) => page,
                Followers::NotEntitled { .. } => return Ok(Fetched::NotEntitled),
            };
            return Ok(Fetched::Page(SourcePage {
                odd_rows: page.odd.rows + page.odd_times,
                records: page.records,
                listed: page.listed,
                total: page.total.map(count),
                points: None,
                next: page.next,
                date_ms: world.date_ms(date),
            }));
        }
        Listing::Subscribers => twitch::subscribers(broadcaster, cursor),
        Listing::Vips => twitch::vips(broadcaster, cursor),
        Listing::Moderators => twitch::moderators(broadcaster, cursor),
        Listing::Bits => bits(world, seat),
    };
    let Answer { value, date, .. } = world.spoke_line.send(&people, Purpose::Announced).await?;
    Ok(Fetched::Page(SourcePage {
        odd_rows: value.odd.rows,
        records: value.records,
        listed: value.listed,
        total: value.total.map(count),
        points: value.points.map(count),
        next: value.next,
        date_ms: world.date_ms(date),
    }))
}

fn bits(world: &World, seat: &Seat) -> Call<PeoplePage> {
    let period = world.job.period.unwrap_or(BitsPeriod::All);
    twitch::bits(&seat.broadcaster, period, Some(world.clock.now()))
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
