//! What must be true after a history, and what our state says of it.

use std::collections::{BTreeMap, BTreeSet};

use ghl_sync::sandbox::Sandbox;
use rusqlite::Connection;

use super::{Diary, IN_TAG, MARKER, followers, id, tags, text, unmanaged};
use crate::rig::Rig;

const OUT_TAG: &str = "twitch unfollowed";

/// Returns everything that a dry run must leave alone, as text: links, claims and the roster.
pub(crate) fn kept(reader: &Connection) -> Vec<String> {
    let mut statement = reader
        .prepare(
            "SELECT json_array('link', key, contact_no, state) FROM link
             UNION ALL SELECT json_array('claim', contact_no, tag, job_no, state, transition) FROM claim
             UNION ALL SELECT json_array('roster', key, roster.state, transition)
                 FROM roster JOIN job ON job.no = roster.job_no WHERE walk_no <= job.generation OR roster.state != 'in'
             ORDER BY 1",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0));
    rows.unwrap().map(Result::unwrap).collect()
}

/// Returns how many steps nobody knows the outcome of yet, a person's questions aside, and how many absent records are not confirmed.
pub(crate) fn unsettled(reader: &Connection) -> i64 {
    let open = "SELECT (SELECT count(*) FROM step WHERE mark IN ('sent', 'unknown'))
                     + (SELECT count(*) FROM roster WHERE state = 'in' AND missing_walk IS NOT NULL)";
    reader.query_row(open, [], |row| row.get(0)).unwrap()
}

/// What our state says of one record.
struct Known {
    link: String,
    contact: Option<String>,
    roster: String,
}

// What must be true.
impl Diary {
    /// Looks at everything, once all has settled.
    pub(crate) fn check(&self, rig: &mut Rig) {
        let reader = rig.store().reader().unwrap();
        let sandbox = &rig.sandbox;
        sound(&reader);
        let told = self.questions(&reader);
        self.nobody_twice(sandbox, &told);
        self.people_keep_what_is_theirs(sandbox);
        let known = known(&reader);
        let listed = followers(sandbox);
        for account in &self.accounts {
            if listed.contains(account) {
                self.one_who_is_in(sandbox, account, known.get(account), &told);
            } else if !self.suspended.contains(account) {
                self.one_who_is_out(sandbox, account, known.get(account));
            }
        }
    }

    /// Returns the records that a person is asked about; there are none without a fault or a person's doing.
    fn questions(&self, reader: &Connection) -> BTreeSet<String> {
        let mut statement = reader
            .prepare("SELECT key, kind, what FROM finding WHERE kind <> 'conflict'")
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let rows: Vec<(String, String, String)> = rows.unwrap().map(Result::unwrap).collect();
        if !self.faulted && self.removed.is_empty() {
            assert_eq!(rows, [], "questions without a fault");
        }
        rows.into_iter().map(|(key, ..)| key).collect()
    }

    fn nobody_twice(&self, sandbox: &Sandbox, told: &BTreeSet<String>) {
        let mut markers = BTreeMap::new();
        let mut without = Vec::new();
        for contact in sandbox.contacts() {
            match text(&contact, MARKER) {
                Some(marker) => {
                    let other = markers.insert(marker.to_owned(), id(&contact));
                    assert_eq!(other, None, "two contacts carry the marker {marker}");
                }
                None if self.theirs.contains_key(&id(&contact)) => {}
                None => without.push(contact),
            }
        }
        // A 422 that made a contact without its fields: the person who is asked knows of it.
        assert!(
            without.len() <= told.len(),
            "contacts that we made and nobody knows of: {without:#?}"
        );
        let mut made: BTreeMap<String, u64> = BTreeMap::new();
        let field = sandbox.field_id(MARKER);
        for call in sandbox.writes() {
            if call.route != "POST /contacts/" || !call.acted {
                continue;
            }
            let body = call.body.unwrap_or_default();
            let fields = body["customFields"].as_array().cloned().unwrap_or_default();
            let marker = fields
                .iter()
                .find(|one| one["id"].as_str() == field.as_deref());
            let marker = marker.and_then(|one| one["field_value"].as_str());
            *made.entry(marker.unwrap().to_owned()).or_default() += 1;
        }
        for (marker, times) in made {
            let removed = self.removed.get(&marker).copied().unwrap_or_default();
            assert!(times <= 1 + removed, "{marker} was made {times} times");
        }
    }

    fn people_keep_what_is_theirs(&self, sandbox: &Sandbox) {
        for (contact, left) in &self.theirs {
            let now = sandbox.contact(contact);
            let Some((left, now)) = left.as_ref().zip(now.as_ref()) else {
                assert_eq!(now, *left, "a contact of theirs came or went");
                continue;
            };
            if text(left, MARKER).is_none() {
                assert_eq!(now, left, "an unmanaged contact was changed");
            }
            assert_eq!(unmanaged(now), unmanaged(left));
            let (had, has) = (tags(left), tags(now));
            let missing: Vec<_> = had.difference(&has).collect();
            let ours = [IN_TAG, OUT_TAG];
            assert!(
                missing.iter().all(|tag| ours.contains(&tag.as_str())),
                "{contact} lost {missing:?}"
            );
        }
        for ((contact, key), value) in &self.edits {
            let now = sandbox.contact(contact).unwrap();
            assert_eq!(
                text(&now, key),
                value.as_deref(),
                "a person's {key} of {contact}: {now:#}"
            );
        }
        for (contact, tag) in &self.added {
            let now = sandbox.contact(contact).unwrap();
            assert!(
                tags(&now).contains(tag),
                "a person's tag {tag} of {contact}"
            );
        }
        for (contact, tag) in &self.firmly {
            let now = sandbox.contact(contact).unwrap();
            assert!(
                !tags(&now).contains(tag),
                "{tag} came back to {contact} although a person took it away"
            );
        }
    }

    fn one_who_is_in(
        &self,
        sandbox: &Sandbox,
        account: &str,
        known: Option<&Known>,
        told: &BTreeSet<String>,
    ) {
        let Some(Known {
            link,
            contact,
            roster,
        }) = known
        else {
            assert!(told.contains(account), "{account} follows and has no link");
            return;
        };
        match link.as_str() {
            "linked" => {}
            "tombstone" => {
                assert!(
                    self.removed.contains_key(account),
                    "{account} was buried although nobody deleted its contact"
                );
                return;
            }
            other => {
                assert!(told.contains(account), "the link of {account} is {other}");
                return;
            }
        }
        assert_eq!(roster, "in", "{account} follows");
        let contact = contact.as_deref().unwrap();
        let Some(now) = sandbox.contact(contact) else {
            panic!("{account} is linked to {contact}, which is gone");
        };
        assert_eq!(
            text(&now, MARKER),
            Some(account),
            "{account} is linked to another's contact"
        );
        let has = tags(&now);
        let taken = |tag: &str| self.taken.contains(&(contact.to_owned(), tag.to_owned()));
        assert!(
            has.contains(IN_TAG) || taken(IN_TAG),
            "{account} follows, and {contact} does not say so: {has:?}"
        );
        if !self.merged.contains(contact) {
            assert!(
                !has.contains(OUT_TAG),
                "{account} follows, and {contact} says it left: {has:?}"
            );
        }
    }

    fn one_who_is_out(&self, sandbox: &Sandbox, account: &str, known: Option<&Known>) {
        let Some(Known {
            link,
            contact,
            roster,
        }) = known
        else {
            return;
        };
        assert_ne!(roster, "in", "{account} does not follow");
        let contact = contact.as_deref().unwrap_or_default();
        let Some(now) = sandbox.contact(contact).filter(|_| link == "linked") else {
            return;
        };
        let has = tags(&now);
        let taken = |tag: &str| self.taken.contains(&(contact.to_owned(), tag.to_owned()));
        if !self.merged.contains(contact) && !self.before_us.contains(contact) {
            assert!(
                !has.contains(IN_TAG),
                "{account} left, and {contact} still says it follows: {has:?}"
            );
        }
        assert!(
            has.contains(OUT_TAG) || taken(OUT_TAG),
            "{account} left, and {contact} does not say so: {has:?}"
        );
    }
}

fn known(reader: &Connection) -> BTreeMap<String, Known> {
    let mut statement = reader
        .prepare(
            "SELECT link.key, link.state, mirror.id, coalesce(roster.state, '')
             FROM link LEFT JOIN mirror ON mirror.no = link.contact_no LEFT JOIN roster ON roster.key = link.key",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        let known = Known {
            link: row.get(1)?,
            contact: row.get(2)?,
            roster: row.get(3)?,
        };
        Ok((row.get(0)?, known))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Looks whether the file itself is whole.
fn sound(reader: &Connection) {
    let said: String = reader
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(said, "ok");
    let mut statement = reader.prepare("PRAGMA foreign_key_check").unwrap();
    assert!(
        !statement.exists([]).unwrap(),
        "a row points at one that is not there"
    );
}
