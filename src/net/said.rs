//! What a vendor said, fit for a log and a report.

use crate::report::plain;

/// The longest text kept of what a vendor said, in characters.
const LONGEST: usize = 200;

/// The longest text kept of a list of what a vendor said, in bytes.
const LONGEST_LIST: usize = 1_000;

/// A word of this many characters is taken for a token.
const TOKEN_LENGTH: usize = 40;

/// So many digits in a row, spaces and punctuation between them aside, are taken for a phone number.
const PHONE_DIGITS: usize = 7;

/// Returns what a vendor said on one line of at most 200 characters, without what may be an e-mail address, a phone number or a token, and
/// with the characters written out that would move a terminal's cursor.
pub fn said(text: &str) -> String {
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| if is_private(word) { "***" } else { word })
        .collect();
    let masked = plain(&mask_digits(&words.join(" ")));
    if masked.chars().count() <= LONGEST {
        return masked;
    }
    let mut cut: String = masked.chars().take(LONGEST - 1).collect();
    cut.push('…');
    cut
}

/// Returns several things that a vendor said, each as [`said`] shows it, with `; ` between them: as many as go into some 1,000 characters.
///
/// HighLevel names everything that is wrong with a body at once, and whoever sent it wants to mend all of it.
pub(super) fn said_all(texts: &[&str]) -> String {
    let mut all = String::new();
    for (at, text) in texts.iter().enumerate() {
        let text = said(text);
        if !all.is_empty() && all.len() + text.len() > LONGEST_LIST {
            all.push_str(&format!("; and {} more", texts.len() - at));
            break;
        }
        if !all.is_empty() {
            all.push_str("; ");
        }
        all.push_str(&text);
    }
    all
}

fn is_private(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    word.contains('@')
        || bare.to_ascii_lowercase().starts_with("pit-")
        || bare.starts_with("eyJ")
        || (bare.chars().count() >= TOKEN_LENGTH && !bare.contains('/'))
}

/// Masks runs of digits that are as long as a phone number, also when they are written with gaps.
fn mask_digits(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if !c.is_ascii_digit() {
            out.push(c);
            at += 1;
            continue;
        }
        // The run: digits with at most two separators between any two of them.
        let mut end = at;
        let mut last_digit = at;
        let mut digits = 0;
        while let Some(&c) = chars.get(end) {
            if c.is_ascii_digit() {
                digits += 1;
                last_digit = end;
            } else if !" -().+/".contains(c) || end - last_digit > 2 {
                break;
            }
            end += 1;
        }
        if digits >= PHONE_DIGITS {
            out.push_str("***");
        } else {
            out.extend(chars.get(at..=last_digit).unwrap_or_default());
        }
        at = last_digit + 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_tokens_are_masked() {
        for (seen, shown) in [
            (
                "Contact with id TY3N not found",
                "Contact with id TY3N not found",
            ),
            ("a.b+c@example.com is taken", "*** is taken"),
            ("phone +1 888-888-8888 is taken", "phone +*** is taken"),
            ("(555) 010-0001", "(***"),
            ("at most 100 of 200 in 10 s", "at most 100 of 200 in 10 s"),
            ("bad token pit-1234abcd-12", "bad token ***"),
            ("Bearer eyJhbGciOi.x.y", "Bearer ***"),
            ("two\n lines", "two lines"),
            (
                "\u{1b}]0;owned\u{7} \u{202e}x",
                "\\u{1b}]0;owned\\u{7} \\u{202e}x",
            ),
        ] {
            assert_eq!(said(seen), shown);
        }
    }

    #[test]
    fn a_list_is_whole_as_long_as_it_is_not_endless() {
        let lines: Vec<String> = (0..12)
            .map(|no| format!("property somethingLong{no} should not exist"))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(said_all(&lines), lines.join("; "));
        let many = said_all(&lines.repeat(9));
        assert!(many.len() < LONGEST_LIST + 20, "{}", many.len());
        assert!(many.ends_with(" more"), "{many}");
        assert_eq!(said_all(&["a@example.com is odd"]), "*** is odd");
        assert_eq!(said_all(&[]), "");
    }

    #[test]
    fn a_long_text_is_cut() {
        let text = said(&"word ".repeat(100));
        assert_eq!(text.chars().count(), 200);
        assert!(text.ends_with('…'));
    }
}
