//! The life of a step.

use std::fmt;

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// To be sent.
    Planned,
    /// A guard keeps it back.
    Held,
    /// Sent; the answer is not in the journal yet.
    Sent,
    /// Sent, and the answer was lost.
    Unknown,
    /// Only a person can tell what became of it.
    Asks,
    /// Carried out.
    Done,
    /// The vendor said no.
    Refused,
    /// Given up without being sent, or made needless; the next run plans again from what is true.
    Dropped,
}

/// What happens to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A guard keeps it back.
    Hold,
    /// It is about to be sent.
    Send,
    /// The vendor carried it out (also: it was found carried out).
    Ack,
    /// The vendor said no (also: a refused create was looked for and is not there).
    Refuse,
    /// The answer was lost.
    LoseTouch,
    /// It was surely not carried out and may be sent again.
    Recheck,
    /// Nobody but a person can tell.
    Ask,
    /// It is given up.
    Drop,
}

/// A move that the table does not have: a defect of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadMove {
    /// Where the step stood.
    pub from: Mark,
    /// What was to happen.
    pub event: Event,
}

impl fmt::Display for BadMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a step that is {} cannot take {:?}",
            self.from.word(),
            self.event
        )
    }
}

impl std::error::Error for BadMove {}

impl Mark {
    /// All marks.
    pub const ALL: [Mark; 8] = [
        Mark::Planned,
        Mark::Held,
        Mark::Sent,
        Mark::Unknown,
        Mark::Asks,
        Mark::Done,
        Mark::Refused,
        Mark::Dropped,
    ];

    /// Returns the word in the database and in reports.
    pub fn word(self) -> &'static str {
        match self {
            Mark::Planned => "planned",
            Mark::Held => "held",
            Mark::Sent => "sent",
            Mark::Unknown => "unknown",
            Mark::Asks => "asks",
            Mark::Done => "done",
            Mark::Refused => "refused",
            Mark::Dropped => "dropped",
        }
    }

    /// Returns the mark that a stored word names, `None` for no such word.
    pub fn from_word(word: &str) -> Option<Mark> {
        Mark::ALL.into_iter().find(|mark| mark.word() == word)
    }

    /// The only table of legal moves; live runs and recovery both go through it.
    ///
    /// Errors: a move that is not in it.
    pub fn after(self, event: Event) -> Result<Mark, BadMove> {
        match (self, event) {
            (Mark::Planned, Event::Hold) => Ok(Mark::Held),
            (Mark::Planned, Event::Send) => Ok(Mark::Sent),
            (Mark::Sent | Mark::Unknown | Mark::Asks, Event::Ack) => Ok(Mark::Done),
            (Mark::Sent | Mark::Unknown, Event::Refuse) => Ok(Mark::Refused),
            (Mark::Sent, Event::LoseTouch) => Ok(Mark::Unknown),
            // A call that surely never left, and a create that was looked for twice and is not there.
            (Mark::Sent | Mark::Unknown, Event::Recheck) => Ok(Mark::Planned),
            (Mark::Unknown, Event::Ask) => Ok(Mark::Asks),
            (Mark::Planned | Mark::Held | Mark::Sent | Mark::Unknown | Mark::Asks, Event::Drop) => {
                Ok(Mark::Dropped)
            }
            (
                from @ (Mark::Planned
                | Mark::Held
                | Mark::Sent
                | Mark::Unknown
                | Mark::Asks
                | Mark::Done
                | Mark::Refused
                | Mark::Dropped),
                event,
            ) => Err(BadMove { from, event }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_is_over_never_moves_again() {
        let events = [
            Event::Hold,
            Event::Send,
            Event::Ack,
            Event::Refuse,
            Event::LoseTouch,
            Event::Recheck,
            Event::Ask,
            Event::Drop,
        ];
        for over in [Mark::Done, Mark::Refused, Mark::Dropped] {
            for event in events {
                assert_eq!(over.after(event), Err(BadMove { from: over, event }));
            }
        }
    }

    #[test]
    fn a_lost_answer_is_never_just_sent_again() {
        assert!(Mark::Unknown.after(Event::Send).is_err());
        assert_eq!(Mark::Unknown.after(Event::Recheck), Ok(Mark::Planned));
        assert_eq!(Mark::Sent.after(Event::LoseTouch), Ok(Mark::Unknown));
    }

    #[test]
    fn words_go_there_and_back() {
        for mark in Mark::ALL {
            assert_eq!(Mark::from_word(mark.word()), Some(mark));
        }
    }
}
