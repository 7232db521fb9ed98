//! When two values of a field are the same to the vendor, which normalizes what it stores.

use chrono::{DateTime, NaiveDate};

use crate::model::FieldKey;

/// Returns whether a seen value is the wanted one to HighLevel.
///
/// Phones are compared by their digits (a wanted one without country code also by its end, because HighLevel adds the location's), e-mail
/// addresses without case, dates of birth by date, all else exactly but for spaces around.
pub fn same(key: &FieldKey, seen: &str, wanted: &str) -> bool {
    let (seen, wanted) = (seen.trim(), wanted.trim());
    match key.as_str() {
        "phone" => same_phone(seen, wanted),
        "email" => seen.to_lowercase() == wanted.to_lowercase(),
        "dateOfBirth" => date_of_birth(seen) == date_of_birth(wanted),
        _ => seen == wanted,
    }
}

/// Returns whether two values are the same, where `None` and blank are both empty.
pub fn same_or_both_empty(key: &FieldKey, seen: Option<&str>, wanted: Option<&str>) -> bool {
    let (seen, wanted) = (seen.unwrap_or_default(), wanted.unwrap_or_default());
    same(key, seen, wanted)
}

/// Returns the form of a value by which contacts are found: what [`same`] takes for the same has the same form.
///
/// The exception is a wanted phone without country code: [`same`] knows it by its end, and by its form it is not found.
pub fn match_key(key: &FieldKey, value: &str) -> String {
    match key.as_str() {
        "email" => value.trim().to_lowercase(),
        "phone" => digits(value),
        "dateOfBirth" => date_of_birth(value),
        _ => value.trim().to_owned(),
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn same_phone(seen: &str, wanted: &str) -> bool {
    let (theirs, ours) = (digits(seen), digits(wanted));
    if ours == theirs {
        return true;
    }
    // A national number: its trunk zero falls away when the country code is put in front.
    let national = ours.trim_start_matches('0');
    !wanted.starts_with('+') && national.len() >= 7 && theirs.ends_with(national)
}

/// Returns a date of birth as `YYYY-MM-DD`; what is no date stays as it is.
///
/// HighLevel takes eight spellings and gives an ISO timestamp or a date back (its page on creating a contact, and recorded traffic).
pub fn date_of_birth(text: &str) -> String {
    let text = text.trim();
    let from_number = || {
        let ms = text.parse::<i64>().ok().filter(|_| text.len() > 8)?;
        Some(DateTime::from_timestamp_millis(ms)?.date_naive())
    };
    let from_date = || {
        // The time of day of a timestamp says nothing; the first ten characters are the date in every spelling.
        let date: String = text.get(..10)?.replace(['/', '.', '_'], "-");
        NaiveDate::parse_from_str(&date, "%Y-%m-%d")
            .or_else(|_| NaiveDate::parse_from_str(&date, "%m-%d-%Y"))
            .ok()
    };
    from_date()
        .or_else(from_number)
        .map_or_else(|| text.to_owned(), |date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_vendor_normalizes_is_the_same() {
        for (name, wanted, seen, expected) in [
            ("phone", "+1 888-888-8888", "+18888888888", true),
            ("phone", "(888) 888-8888", "+18888888888", true),
            ("phone", "030 1234567", "+49301234567", true),
            ("phone", "+1 888-888-8888", "+448888888888", false),
            ("phone", "12", "+4912", false),
            ("email", "A@Example.com", "a@example.com", true),
            ("email", "a@example.com", "b@example.com", false),
            (
                "dateOfBirth",
                "12/31/1990",
                "1990-12-31T00:00:00.000Z",
                true,
            ),
            ("dateOfBirth", "1990.12.31", "1990-12-31", true),
            ("dateOfBirth", "1990-12-30", "1990-12-31", false),
            ("dateOfBirth", "unknown", "unknown", true),
            ("firstName", " Ann ", "Ann", true),
            ("firstName", "ann", "Ann", false),
        ] {
            let key = FieldKey::try_from(name).unwrap();
            assert_eq!(same(&key, seen, wanted), expected, "{name} {wanted} {seen}");
            if match_key(&key, seen) == match_key(&key, wanted) {
                assert!(expected, "{name} {wanted} {seen} have one form");
            }
        }
    }

    #[test]
    fn nothing_and_blank_are_both_empty() {
        let key = FieldKey::try_from("firstName").unwrap();
        assert!(same_or_both_empty(&key, None, Some(" ")));
        assert!(!same_or_both_empty(&key, None, Some("Ann")));
    }
}
