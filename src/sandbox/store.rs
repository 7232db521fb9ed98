//! The contacts as they are now, and the queue of changes that the index has yet to hear of.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::base::{Base, CREATED};
use super::index::Index;
use super::person::{Key, Person};

/// How a contact went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Deleted,
    Merged,
}

/// A contact that is not (any more) as it was at the start.
enum Kept {
    Here(Arc<Person>),
    Gone(Arc<Person>, Gone),
}

/// What is known about a contact id.
pub(crate) enum Found {
    Here(Arc<Person>),
    Gone(Arc<Person>, Gone),
    Never,
}

/// A contact's number and its state; `None` means that it is gone.
type State = (u64, Option<Arc<Person>>);

/// All contacts of the location.
pub(crate) struct Store {
    pub(crate) base: Arc<Base>,
    kept: HashMap<u64, Kept>,
    created: u64,
    emails: HashMap<String, Vec<u64>>,
    phones: HashMap<String, Vec<u64>>,
    index: Index,
    /// (visible from, sequence) → contact and its state.
    pending: BTreeMap<(i64, u64), State>,
    sequence: u64,
}

impl Store {
    pub(crate) fn new(base: Arc<Base>) -> Store {
        Store {
            index: Index::new(Arc::clone(&base)),
            base,
            kept: HashMap::new(),
            created: 0,
            emails: HashMap::new(),
            phones: HashMap::new(),
            pending: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Starts a new contact with the next id; it is not stored yet.
    pub(crate) fn blank(&mut self, now: i64) -> Person {
        let number = CREATED + self.created;
        self.created += 1;
        Person::new(&self.base.ids, number, now)
    }

    /// Looks a contact up by its id; the answer is fresh.
    pub(crate) fn find(&self, id: &str) -> Found {
        match self.base.ids.decode(id) {
            Some(number) => self.find_number(number),
            None => Found::Never,
        }
    }

    pub(crate) fn find_number(&self, number: u64) -> Found {
        match self.kept.get(&number) {
            Some(Kept::Here(person)) => Found::Here(Arc::clone(person)),
            Some(Kept::Gone(person, how)) => Found::Gone(Arc::clone(person), *how),
            None if number < self.base.contacts => Found::Here(Arc::new(self.base.contact(number))),
            None => Found::Never,
        }
    }

    pub(crate) fn here(&self, number: u64) -> Option<Arc<Person>> {
        match self.find_number(number) {
            Found::Here(person) => Some(person),
            Found::Gone(..) | Found::Never => None,
        }
    }

    fn forget_texts(&mut self, number: u64) {
        let Some(Kept::Here(old)) = self.kept.get(&number) else {
            return;
        };
        let old = Arc::clone(old);
        for (key, map) in [
            (Key::Email, &mut self.emails),
            (Key::Phone, &mut self.phones),
        ] {
            if let Some(text) = old.get(key).map(str::to_lowercase)
                && let Some(numbers) = map.get_mut(&text)
            {
                numbers.retain(|known| *known != number);
                if numbers.is_empty() {
                    map.remove(&text);
                }
            }
        }
    }

    fn queue(&mut self, number: u64, person: Option<Arc<Person>>, visible_at: i64) {
        self.sequence += 1;
        self.pending
            .insert((visible_at, self.sequence), (number, person));
    }

    /// Stores a new state; the index hears of it at `visible_at`.
    pub(crate) fn put(&mut self, person: Person, visible_at: i64) -> Arc<Person> {
        let number = person.number;
        self.forget_texts(number);
        let person = Arc::new(person);
        for (key, map) in [
            (Key::Email, &mut self.emails),
            (Key::Phone, &mut self.phones),
        ] {
            if let Some(text) = person.get(key) {
                map.entry(text.to_lowercase()).or_default().push(number);
            }
        }
        self.kept.insert(number, Kept::Here(Arc::clone(&person)));
        self.queue(number, Some(Arc::clone(&person)), visible_at);
        person
    }

    /// Takes a contact away; the index hears of it at `visible_at`.
    pub(crate) fn remove(&mut self, number: u64, how: Gone, visible_at: i64) {
        if let Some(person) = self.here(number) {
            self.forget_texts(number);
            self.kept.insert(number, Kept::Gone(person, how));
            self.queue(number, None, visible_at);
        }
    }

    fn by_text(&self, base: Option<u64>, changed: Option<&Vec<u64>>) -> Option<Arc<Person>> {
        let base = base.filter(|index| !self.kept.contains_key(index));
        let number = base.or_else(|| changed?.iter().min().copied())?;
        self.here(number)
    }

    /// Returns the oldest contact with this email, whatever its case.
    pub(crate) fn by_email(&self, email: &str) -> Option<Arc<Person>> {
        let email = email.to_lowercase();
        self.by_text(self.base.email_index(&email), self.emails.get(&email))
    }

    /// Returns the oldest contact with this phone number.
    pub(crate) fn by_phone(&self, phone: &str) -> Option<Arc<Person>> {
        self.by_text(self.base.phone_index(phone), self.phones.get(phone))
    }

    /// Returns the index as it stands at `now`.
    pub(crate) fn index_at(&mut self, now: i64) -> &mut Index {
        while let Some(entry) = self.pending.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (number, person) = entry.remove();
            self.index.apply(number, person);
        }
        &mut self.index
    }

    /// Lets the index hear of every change at once.
    pub(crate) fn settle(&mut self) {
        self.index_at(i64::MAX);
    }

    /// Returns how many contacts exist now.
    pub(crate) fn count(&self) -> u64 {
        let kept = self
            .kept
            .iter()
            .filter(|(_, kept)| matches!(kept, Kept::Here(_)))
            .count() as u64;
        let touched = self
            .kept
            .keys()
            .filter(|number| **number < self.base.contacts)
            .count() as u64;
        self.base.contacts - touched + kept
    }

    /// Visits every contact that exists now: those of the start in order, then the new ones.
    pub(crate) fn each(&self, mut visit: impl FnMut(&Arc<Person>)) {
        let numbers = (0..self.base.contacts).chain(CREATED..CREATED + self.created);
        for number in numbers {
            if let Some(person) = self.here(number) {
                visit(&person);
            }
        }
    }

    /// Visits every contact that changed or is new, and still exists.
    pub(crate) fn each_changed(&self, mut visit: impl FnMut(&Arc<Person>)) {
        let mut numbers: Vec<u64> = self.kept.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            if let Some(person) = self.here(number) {
                visit(&person);
            }
        }
    }
}
