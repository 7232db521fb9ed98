//! Trying templates at load: on a record that has everything its source can tell, and on one of which nothing but the key is known.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::reader::{Spot, Table};
use crate::model::{Record, SourceKind};
use crate::plan::template::{Template, Templates, clean};

/// The key of the records that templates are tried on: a Twitch user id.
const KEY: &str = "123456789";

/// The templates of one file, and the records that each is tried on.
#[derive(Debug)]
pub(super) struct Trial {
    source: SourceKind,
    templates: Templates,
    /// A record with every attribute of the source.
    sample: Record,
    /// The barest that a source can list.
    bare: Record,
}

/// A template that works, and what it made of the records; `None` came out empty.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) template: Template,
    pub(super) sample: Option<String>,
    pub(super) bare: Option<String>,
    /// The names that it mentions.
    pub(super) mentions: BTreeSet<String>,
}

impl Trial {
    /// Makes one for the records of a source; `label` is what templates call the channel.
    pub(super) fn new(source: SourceKind, zone: Tz, label: &str) -> Trial {
        let mut sample = Record {
            // A text of digits is a key.
            key: KEY.try_into().expect("digits are a record key"),
            attributes: source
                .attributes()
                .iter()
                .map(|name| ((*name).to_owned(), value(name, label).to_owned()))
                .collect(),
        };
        let mut bare = sample.clone();
        bare.attributes
            .retain(|name, _| name == source.key_attribute());
        for (name, value) in [("before", "1"), ("milestone", "6")] {
            sample.attributes.insert(name.to_owned(), value.to_owned());
        }
        Trial {
            source,
            templates: Templates::new(source, zone).calling(label),
            sample,
            bare,
        }
    }

    /// Returns the source whose records it knows.
    pub(super) fn source(&self) -> SourceKind {
        self.source
    }

    /// Compiles a template that may mention `extras` beside the attributes, and renders it for both records.
    ///
    /// `None` when that failed, which is reported at `text`.
    pub(super) fn out(
        &mut self,
        table: &Table<'_>,
        key: &str,
        text: &Spot<&str>,
        extras: &[&'static str],
    ) -> Option<Tried> {
        let template = match self.templates.compile_with(text.value, extras) {
            Ok(template) => template,
            Err(problems) => {
                for problem in problems {
                    table.report_at(text.at, key, problem.message, problem.hint);
                }
                return None;
            }
        };
        let render = |record| {
            let row = self.templates.row(record);
            self.templates.render(&template, &row)
        };
        let sample = match render(&self.sample) {
            Ok(sample) => clean(sample),
            Err(said) => {
                let message = format!("fails on an ordinary record: {said}");
                table.report_at(text.at, key, message, None);
                return None;
            }
        };
        let bare = match render(&self.bare) {
            Ok(bare) => clean(bare),
            Err(said) => {
                let message = format!("fails on a record that has nothing but its key: {said}");
                let hint = "what a record lacks is an empty text; {% if name %}…{% endif %} leaves its part out";
                table.report_at(text.at, key, message, Some(hint.to_owned()));
                return None;
            }
        };
        Some(Tried {
            mentions: self.templates.mentions(text.value),
            template,
            sample,
            bare,
        })
    }
}

/// Returns whether a template may well come out empty, because it says so itself.
pub(super) fn is_conditional(template: &str) -> bool {
    template.contains("{%") || template.contains(" if ")
}

/// Returns an ordinary value of an attribute.
fn value<'l>(name: &str, label: &'l str) -> &'l str {
    match name {
        "user_id" | "channel_id" => KEY,
        "user_login" | "channel_login" => "sample",
        "followed_at" | "since" | "started_at" | "stream_started_at" => "2024-05-24T22:22:08Z",
        "ended_at" => "2024-05-25T01:27:08Z",
        "period_started_at" => "2024-05-01T07:00:00Z",
        "stream_id" => "40952121085",
        "tier" | "rank" => "1",
        "is_gift" => "yes",
        "gifter_id" => "987654321",
        "gifter_login" => "gifter",
        "gifter_name" => "Gifter",
        "months" => "7",
        "score" => "1500",
        "language" => "en",
        "minutes" => "185",
        "viewers_peak" => "321",
        "viewers_average" => "250",
        "new_followers" => "12",
        "followers" => "4321",
        "channel" => label,
        _ => "Sample",
    }
}
