//! What search and list see: the contacts as they were some time ago, in two orders.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Bound, Range};
use std::sync::Arc;

use serde_json::Value;

use super::base::{Base, CREATED, UPDATED_AFTER_MS};
use super::chance::Id;
use super::person::{INDEX_SHIFT_MS, Key, Person};

/// The date by which rows are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Added,
    Updated,
}

/// A place in the order: the date and, among equals, the id.
pub(crate) type Place = (i64, Id);

/// The index: the start of the world, except for the rows that changed since.
pub(crate) struct Index {
    base: Arc<Base>,
    changed: BTreeMap<u64, Option<Arc<Person>>>,
    by_added: BTreeSet<Place>,
    by_updated: BTreeSet<Place>,
    /// Rows of the start that are shadowed by `changed`.
    shadowed: u64,
    /// Built for a field when it is first asked for: text → contacts among `changed`.
    holders: HashMap<u16, HashMap<String, Vec<u64>>>,
    /// Counts changes, so that totals can be kept.
    pub(crate) generation: u64,
}

impl Index {
    pub(crate) fn new(base: Arc<Base>) -> Index {
        Index {
            base,
            changed: BTreeMap::new(),
            by_added: BTreeSet::new(),
            by_updated: BTreeSet::new(),
            shadowed: 0,
            holders: HashMap::new(),
            generation: 0,
        }
    }

    /// Takes over a contact's new state; `None` takes it away.
    pub(crate) fn apply(&mut self, number: u64, person: Option<Arc<Person>>) {
        self.generation += 1;
        let before = self.changed.insert(number, person.clone());
        if before.is_none() && number < CREATED {
            self.shadowed += 1;
        }
        if let Some(old) = before.flatten() {
            self.by_added.remove(&(old.added, old.id));
            self.by_updated.remove(&(old.indexed_at(), old.id));
            for (field, texts) in &mut self.holders {
                if let Some(text) = old.field(*field).and_then(marker)
                    && let Some(numbers) = texts.get_mut(&text)
                {
                    numbers.retain(|known| *known != number);
                }
            }
        }
        if let Some(new) = person {
            self.by_added.insert((new.added, new.id));
            self.by_updated.insert((new.indexed_at(), new.id));
            for (field, texts) in &mut self.holders {
                if let Some(text) = new.field(*field).and_then(marker) {
                    texts.entry(text).or_default().push(number);
                }
            }
        }
    }

    /// Returns the span of all rows of the start.
    pub(crate) fn everything(&self) -> Range<u64> {
        0..self.base.contacts
    }

    /// Returns how many rows there are.
    pub(crate) fn len(&self) -> u64 {
        self.base.contacts - self.shadowed + self.by_added.len() as u64
    }

    pub(crate) fn row(&self, number: u64) -> Option<Arc<Person>> {
        match self.changed.get(&number) {
            Some(changed) => changed.clone(),
            None if number < self.base.contacts => Some(Arc::new(self.base.contact(number))),
            None => None,
        }
    }

    /// Returns the rows that hold this text in this field; `None` where only a scan would tell.
    pub(crate) fn holders(&mut self, field: u16, text: &str) -> Option<Vec<u64>> {
        let mut numbers = self.base.holders(field, text)?;
        numbers.retain(|number| !self.changed.contains_key(number));
        let changed = &self.changed;
        let texts = self.holders.entry(field).or_insert_with(|| {
            let mut texts: HashMap<String, Vec<u64>> = HashMap::new();
            for (number, person) in changed {
                let value = person.as_ref().and_then(|person| person.field(field));
                if let Some(text) = value.and_then(marker) {
                    texts.entry(text).or_default().push(*number);
                }
            }
            texts
        });
        numbers.extend(texts.get(text).into_iter().flatten());
        Some(numbers)
    }

    /// Returns the rows with this email or phone, in lower case.
    pub(crate) fn reachable_at(&self, key: Key, text: &str) -> Vec<u64> {
        let base = match key {
            Key::Phone => self.base.phone_index(text),
            _ => self.base.email_index(text),
        };
        let base = base.filter(|number| !self.changed.contains_key(number));
        let changed = self.changed.values().flatten().filter(|person| {
            person
                .get(key)
                .is_some_and(|known| known.to_lowercase() == text)
        });
        base.into_iter()
            .chain(changed.map(|person| person.number))
            .collect()
    }

    fn shift(by: By) -> i64 {
        match by {
            By::Added => 0,
            By::Updated => UPDATED_AFTER_MS + INDEX_SHIFT_MS,
        }
    }

    fn base_place(&self, index: u64, by: By) -> Place {
        (
            self.base.added(index) + Index::shift(by),
            self.base.ids.encode(index),
        )
    }

    fn set(&self, by: By) -> &BTreeSet<Place> {
        match by {
            By::Added => &self.by_added,
            By::Updated => &self.by_updated,
        }
    }

    /// Returns how many rows have their date in `from..to`.
    pub(crate) fn count_between(&self, by: By, from: i64, to: i64) -> u64 {
        if from >= to {
            return 0;
        }
        let first = self.base.first_from(from, Index::shift(by));
        let end = self.base.first_from(to, Index::shift(by));
        let shadowed = self.changed.range(first..end).count() as u64;
        let live = self
            .set(by)
            .range((from, Id::LEAST)..(to, Id::LEAST))
            .count() as u64;
        end - first - shadowed + live
    }

    /// Returns which rows of the start have both dates in `from..to`.
    pub(crate) fn span(&self, added: (i64, i64), updated: (i64, i64)) -> Range<u64> {
        let shift = Index::shift(By::Updated);
        let first = self.base.first_from(added.0, 0);
        let end = self.base.first_from(added.1, 0);
        first.max(self.base.first_from(updated.0, shift))
            ..end.min(self.base.first_from(updated.1, shift))
    }

    /// Visits rows upward from behind `after` until the visitor returns false; of the rows of the start only `span`.
    pub(crate) fn walk_up(
        &self,
        by: By,
        after: Place,
        span: Range<u64>,
        mut visit: impl FnMut(&Arc<Person>) -> bool,
    ) {
        let mut index = self
            .base
            .first_from(after.0, Index::shift(by))
            .max(span.start);
        while index < span.end && self.base_place(index, by) <= after {
            index += 1;
        }
        let mut places = self
            .set(by)
            .range((Bound::Excluded(after), Bound::Unbounded))
            .peekable();
        loop {
            let next = (index < span.end).then(|| self.base_place(index, by));
            match (next, places.peek()) {
                (None, None) => return,
                (Some(place), other) if other.is_none_or(|other| place < **other) => {
                    if !self.changed.contains_key(&index)
                        && !visit(&Arc::new(self.base.contact(index)))
                    {
                        return;
                    }
                    index += 1;
                }
                _ => {
                    let Some(place) = places.next() else { return };
                    if !self.visit_changed(place, &mut visit) {
                        return;
                    }
                }
            }
        }
    }

    /// Visits rows downward from below `after`, otherwise like `walk_up`.
    pub(crate) fn walk_down(
        &self,
        by: By,
        after: Place,
        span: Range<u64>,
        mut visit: impl FnMut(&Arc<Person>) -> bool,
    ) {
        // `end` is one past the next index to look at.
        let mut end = self
            .base
            .first_from(after.0.saturating_add(1), Index::shift(by));
        while end > 0 && self.base_place(end - 1, by) >= after {
            end -= 1;
        }
        end = end.min(span.end);
        let mut places = self.set(by).range(..after).rev().peekable();
        loop {
            let next = (end > span.start).then(|| self.base_place(end - 1, by));
            match (next, places.peek()) {
                (None, None) => return,
                (Some(place), other) if other.is_none_or(|other| place > **other) => {
                    end -= 1;
                    if !self.changed.contains_key(&end) && !visit(&Arc::new(self.base.contact(end)))
                    {
                        return;
                    }
                }
                _ => {
                    let Some(place) = places.next() else { return };
                    if !self.visit_changed(place, &mut visit) {
                        return;
                    }
                }
            }
        }
    }

    fn visit_changed(&self, place: &Place, visit: &mut impl FnMut(&Arc<Person>) -> bool) -> bool {
        let number = self.base.ids.decode(place.1.as_str());
        let row = number.and_then(|number| self.changed.get(&number));
        match row {
            Some(Some(person)) => visit(person),
            Some(None) | None => true,
        }
    }
}

/// Returns the text by which a single value is looked up.
fn marker(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
