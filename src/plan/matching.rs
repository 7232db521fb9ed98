//! Which contact a record is.

use super::row::{Candidates, Linked, Mirrored, Row};

/// What matching came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match<'a> {
    /// The link decides.
    Linked(&'a Mirrored),
    /// The linked contact is gone; a unique other one carries the marker, or nobody does.
    Lost {
        /// The contact that is gone.
        from: &'a Mirrored,
        /// The only other contact that matches.
        to: Option<&'a Mirrored>,
    },
    /// A contact that a person deleted is there again.
    Returned(&'a Mirrored),
    /// A person deleted the contact.
    Buried(&'a Mirrored),
    /// A rule found exactly one free contact.
    Found {
        /// The contact.
        contact: &'a Mirrored,
        /// The rule.
        by: &'a str,
    },
    /// A rule found several contacts, or only ones that belong to other records: a person decides.
    Ambiguous {
        /// The rule.
        by: &'a str,
        /// Every contact it found.
        contacts: Vec<&'a Mirrored>,
    },
    /// Nobody.
    Nobody,
}

/// Decides which contact a record is: the link first, then the first rule that finds anything.
pub fn matching(row: &Row) -> Match<'_> {
    match &row.link {
        Linked::To(contact) if !contact.gone => Match::Linked(contact),
        Linked::To(contact) => match by_rules(&row.found) {
            Match::Found { contact: other, .. } => Match::Lost {
                from: contact,
                to: Some(other),
            },
            ambiguous @ Match::Ambiguous { .. } => ambiguous,
            _ => Match::Lost {
                from: contact,
                to: None,
            },
        },
        Linked::Tombstone(contact) if contact.gone => Match::Buried(contact),
        Linked::Tombstone(contact) => Match::Returned(contact),
        // A claim whose step is over is a create that never happened, or one that a walk has found since.
        Linked::Claimed | Linked::No => by_rules(&row.found),
    }
}

fn by_rules(found: &[Candidates]) -> Match<'_> {
    for Candidates { by, contacts } in found {
        let free: Vec<_> = contacts
            .iter()
            .filter(|candidate| !candidate.taken)
            .collect();
        match (free.as_slice(), contacts.is_empty()) {
            ([], true) => {}
            ([only], _) => {
                return Match::Found {
                    contact: &only.contact,
                    by,
                };
            }
            ([], false) | ([_, _, ..], _) => {
                return Match::Ambiguous {
                    by,
                    contacts: contacts.iter().map(|found| &found.contact).collect(),
                };
            }
        }
    }
    Match::Nobody
}
