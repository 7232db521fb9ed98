//! Floor 4: whom we speak to. Requests and decoding of each vendor, tested with the vendor's recorded JSON.
//!
//! Wire structs stay in here; what leaves are model types. Nothing in here sends: a function returns a [`crate::net::Call`].

pub mod highlevel;
mod loose;
pub mod twitch;

/// Rows of a page that could not be used; they never cost the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Odd {
    /// How many rows were left out.
    pub rows: u64,
    /// Why the first of them was, without any of its values.
    pub why: Option<String>,
}

impl Odd {
    fn add(&mut self, why: &str) {
        self.rows += 1;
        self.why.get_or_insert_with(|| why.to_owned());
    }
}
