//! Hides e-mail addresses and phone numbers.
//!
//! Two nets: fields whose name says what they hold are always hidden, and any text is searched for what looks like an address or a
//! number. A bare run of digits is left alone, because ids are digits too.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::model::{Change, FieldChange, FieldKey, Tag};

use super::shape::{News, Outcome, Report, ReportRow, RowMark};

/// Returns the report with every e-mail address and phone number hidden.
pub(super) fn hidden_report(report: &Report) -> Report {
    let mut report = report.clone();
    for text in &mut report.remarks {
        hide_in(text);
    }
    for news in &mut report.news {
        // The command stays as it is: hiding a part of it would break it.
        let News {
            kind: _,
            key,
            what,
            command: _,
        } = news;
        key.iter_mut().for_each(hide_in);
        hide_in(what);
    }
    hide_in(&mut report.source.ended);
    hide_in(&mut report.hub.ended);
    report.hub.note.iter_mut().for_each(hide_in);
    match &mut report.outcome {
        Outcome::OutOfTouch(why) => hide_in(why),
        Outcome::Finished | Outcome::Stopped | Outcome::OutOfTime | Outcome::Spent => {}
    }
    report
}

/// Returns the row with every e-mail address and phone number hidden.
pub fn hidden_row(mut row: ReportRow) -> ReportRow {
    hide_in(&mut row.name);
    hide_in(&mut row.reason);
    match &mut row.mark {
        RowMark::Refused { why } | RowMark::Dropped { why } => hide_in(why),
        RowMark::Would | RowMark::Done | RowMark::Held { .. } | RowMark::Unknown => {}
    }
    match &mut row.change {
        Change::Link { by, .. } => hide_in(by),
        Change::Relink { .. } | Change::Tombstone { .. } => {}
        Change::Create { fields, tags } => {
            for (key, value) in fields {
                *value = hidden_value(key, value);
            }
            *tags = hidden_tags(tags);
        }
        Change::Update { fields } => {
            for (key, FieldChange { before, after }) in fields {
                *before = before.as_deref().map(|value| hidden_value(key, value));
                *after = hidden_value(key, after);
            }
        }
        Change::AddTags { tags } | Change::RemoveTags { tags } => *tags = hidden_tags(tags),
        Change::Attach { .. } | Change::CompleteTask { .. } => {}
        Change::Task { title, body, .. } => {
            hide_in(title);
            if let Some(body) = body {
                hide_in(body);
            }
        }
        Change::Note { body, .. } => hide_in(body),
    }
    row
}

/// Returns the value of a field with what its name says or what it looks like hidden.
pub fn hidden_value(key: &FieldKey, value: &str) -> String {
    // Custom fields say it in their last word: `work_email`, `mobile_phone`.
    let key = key.as_str().to_ascii_lowercase();
    let is_named = |ends: [&str; 2]| ends.iter().any(|end| key.ends_with(end));
    if value.is_empty() {
        String::new()
    } else if is_named(["email", "emails"]) {
        hidden_email(value)
    } else if is_named(["phone", "mobile"]) {
        hidden_phone(value)
    } else {
        hidden(value).into_owned()
    }
}

fn hidden_tags(tags: &BTreeSet<Tag>) -> BTreeSet<Tag> {
    tags.iter()
        // What is hidden keeps the case and grows no longer, so it is still a tag.
        .map(|tag| Tag::try_from(hidden(tag.as_str()).into_owned()).unwrap_or_else(|_| tag.clone()))
        .collect()
}

fn hide_in(text: &mut String) {
    if let Cow::Owned(hidden) = hidden(text) {
        *text = hidden;
    }
}

/// Returns the text with everything in it that looks like an e-mail address or a phone number hidden.
pub fn hidden(text: &str) -> Cow<'_, str> {
    if is_phone(text) {
        return Cow::Owned(hidden_phone(text));
    }
    if !text.contains(['@', '＠', '+']) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let number = number_at(rest);
        if number > 0 {
            shown.push_str(&hidden_phone(&rest[..number]));
            rest = &rest[number..];
        } else if ends_word(first) || first == '+' {
            shown.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let end = rest.find(ends_word).unwrap_or(rest.len());
            let word = &rest[..end];
            if is_email(word) {
                shown.push_str(&hidden_email(word));
            } else {
                shown.push_str(word);
            }
            rest = &rest[end..];
        }
    }
    Cow::Owned(shown)
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "<>()[]{}\"'`,;:|/\\=?&".contains(c)
}

fn is_email(word: &str) -> bool {
    word.split_once(['@', '＠']).is_some_and(|(local, domain)| {
        !local.is_empty() && domain.trim_end_matches('.').contains('.')
    })
}

/// Returns how many bytes at the start are a number in international form, 0 for none.
fn number_at(text: &str) -> usize {
    let Some(after) = text.strip_prefix('+') else {
        return 0;
    };
    if !after.starts_with(|c: char| c.is_ascii_digit() || c == '(') {
        return 0;
    }
    let run = after
        .find(|c: char| !c.is_ascii_digit() && !" -.()/".contains(c))
        .unwrap_or(after.len());
    let run = after[..run].trim_end_matches(|c: char| !c.is_ascii_digit());
    if run.bytes().filter(u8::is_ascii_digit).count() >= 8 {
        1 + run.len()
    } else {
        0
    }
}

/// Returns whether the whole text is a number in a national form with separators, which a date is not.
fn is_phone(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let separators = text
        .bytes()
        .filter(|b| matches!(b, b' ' | b'-' | b'.' | b'('))
        .count();
    let fits = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b" -.()".contains(&b));
    let is_address = text.split('.').count() == 4 && !text.contains([' ', '-', '(']);
    fits && (10..=15).contains(&digits) && separators >= 2 && !is_address
}

fn hidden_email(email: &str) -> String {
    match email.split_once(['@', '＠']) {
        Some((local, domain)) => {
            let first = |part: &str| part.chars().next().map(String::from).unwrap_or_default();
            format!("{}…@{}…", first(local), first(domain))
        }
        None => "…".to_owned(),
    }
}

fn hidden_phone(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let plus = if phone.trim_start().starts_with('+') {
        "+"
    } else {
        ""
    };
    match digits.as_slice() {
        [first, .., before, last] if digits.len() >= 7 => {
            format!("{plus}{first}…{before}{last}")
        }
        _ => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_address_or_a_number_is_hidden() {
        for (text, shown) in [
            ("ann@example.com", "a…@e…"),
            (
                "write to <ann.lee+x@mail.example.org>, please",
                "write to <a…@m…>, please",
            ),
            ("Ann＠example.com", "A…@e…"),
            ("+15551234534", "+1…34"),
            ("call +1 (555) 123-4534 or ann@b.co", "call +1…34 or a…@b…"),
            ("(555) 123-4567", "5…67"),
            ("555-123-4567", "5…67"),
        ] {
            assert_eq!(hidden(text), shown);
            assert_eq!(hidden(shown), shown, "hiding twice changes nothing");
        }
    }

    #[test]
    fn ids_dates_handles_and_sums_are_shown() {
        for text in [
            "",
            "123456789012",
            "2026-11-21",
            "2026-11-21T16:00:00Z",
            "@ann",
            "ann@home",
            "1 + 2",
            "c++",
            "twitch cohort 2026-11",
            "127.100.200.255",
        ] {
            assert_eq!(hidden(text), text);
        }
    }

    #[test]
    fn a_field_named_for_it_is_always_hidden() {
        for (key, value, shown) in [
            ("email", "not an address", "…"),
            ("work_email", "ann@home", "a…@h…"),
            ("phone", "5551234567", "5…67"),
            ("mobilePhone", "12", "…"),
            ("phone", "", ""),
            ("twitch_user_id", "5551234567", "5551234567"),
        ] {
            let key = FieldKey::try_from(key).unwrap();
            assert_eq!(hidden_value(&key, value), shown, "{key}");
        }
    }

    #[test]
    fn a_tag_made_of_an_address_is_hidden() {
        let tags = BTreeSet::from([Tag::new("from ann@example.com").unwrap()]);
        let hidden: Vec<String> = hidden_tags(&tags).into_iter().map(String::from).collect();
        assert_eq!(hidden, ["from a…@e…"]);
    }
}
