//! Makes text from outside harmless to a terminal and fits it into columns.

use std::fmt::Write;
use std::io;

/// Returns the text with control and direction characters written out, so that no name can move the cursor, color the
/// screen, break a line or turn the direction of what follows.
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ if is_unsafe(c) => {
                write!(shown, "\\u{{{:x}}}", u32::from(c))
                    .expect("writing to a string cannot fail");
            }
            _ => shown.push(c),
        }
    }
    shown
}

/// Returns JSON text with the same characters written out as JSON escapes them, so that it means the same; its line breaks stay.
pub fn safe_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside of its texts JSON has none of them but line breaks, and inside it has no line break. None is beyond U+FFFF.
        if c != '\n' && is_unsafe(c) {
            write!(shown, "\\u{:04x}", u32::from(c)).expect("writing to a string cannot fail");
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Returns whether a terminal, or a reader's eye, would be led astray by the character.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

/// Returns about how many columns the text takes: joined characters none, wide scripts and emoji two.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

fn char_columns(c: char) -> usize {
    match u32::from(c) {
        0x20..=0x2ff => 1,
        0x300..=0x36f
        | 0x483..=0x489
        | 0x591..=0x5bd
        | 0x610..=0x61a
        | 0x64b..=0x65f
        | 0xe31
        | 0xe34..=0xe3a
        | 0xe47..=0xe4e
        | 0x1ab0..=0x1aff
        | 0x1dc0..=0x1dff
        | 0x200b..=0x200f
        | 0x20d0..=0x20ff
        | 0xfe00..=0xfe0f
        | 0xfe20..=0xfe2f
        | 0xe0000..=0xe01ef => 0,
        0x1100..=0x115f
        | 0x231a..=0x231b
        | 0x2e80..=0x303e
        | 0x3041..=0x4dbf
        | 0x4e00..=0xa4cf
        | 0xa960..=0xa97f
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe4f
        | 0xff01..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f18e..=0x1f1ff
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f7e0..=0x1f7ff
        | 0x1f900..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Returns the text, or its beginning and `…` when it takes more than `most` columns.
///
/// A pile of joined characters takes no column, so their number is bounded too.
pub(super) fn cut(text: &str, most: usize) -> String {
    let most_chars = most.saturating_mul(4);
    if columns(text) <= most && text.chars().count() <= most_chars {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 0;
    for (index, c) in text.chars().enumerate() {
        used += char_columns(c);
        if used > most.saturating_sub(1) || index >= most_chars {
            break;
        }
        shown.push(c);
    }
    shown.push('…');
    shown
}

/// Writes a sentence, broken between words to fit `width`; further lines are indented by `hang` columns.
///
/// `first` starts the first line. A word that fits no line is broken where the line ends.
pub fn wrapped(
    out: &mut dyn io::Write,
    first: &str,
    hang: usize,
    text: &str,
    width: Option<u16>,
) -> io::Result<()> {
    let width = width.map_or(usize::MAX, |width| usize::from(width).max(hang + 10));
    let mut line = first.to_owned();
    let mut used = columns(first);
    let mut is_fresh = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let needs = columns(word);
        if !is_fresh && used + 1 + needs <= width {
            line.push(' ');
            used += 1;
        } else if !is_fresh || (used > hang && used + needs > width) {
            writeln!(out, "{}", line.trim_end())?;
            line = " ".repeat(hang);
            used = hang;
        }
        for c in word.chars() {
            if used + char_columns(c) > width {
                writeln!(out, "{line}")?;
                line = " ".repeat(hang);
                used = hang;
            }
            line.push(c);
            used += char_columns(c);
        }
        is_fresh = false;
    }
    writeln!(out, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_unsafe_passes() {
        let evil = "a\u{202e}b\nc\td\u{1b}[31me\u{9b}2Jf\u{7f}g\u{2028}h\u{0}";
        let shown = plain(evil);
        assert_eq!(
            shown,
            "a\\u{202e}b\\nc\\td\\u{1b}[31me\\u{9b}2Jf\\u{7f}g\\u{2028}h\\u{0}"
        );
        assert!(!shown.chars().any(is_unsafe));
    }

    #[test]
    fn ordinary_names_of_the_world_stay_as_they_are() {
        for name in ["Zoë", "李小龙", "مريم", "👩‍👩‍👧‍👦 family", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
        {
            assert_eq!(plain(name), name);
        }
    }

    #[test]
    fn a_cut_text_fits_and_says_so() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
        assert_eq!(cut("李小龙李小龙", 6), "李小…");
        let pile = format!("Z{}", "\u{301}".repeat(500));
        assert!(cut(&pile, 10).chars().count() <= 41);
    }

    #[test]
    fn a_sentence_breaks_between_words() {
        let mut out = Vec::new();
        wrapped(&mut out, "  ", 4, "one two three fourth", Some(14)).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "  one two\n    three\n    fourth\n"
        );
        let mut out = Vec::new();
        wrapped(&mut out, "  ", 4, "a very-very-long-word", Some(14)).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "  a\n    very-very-\n    long-word\n"
        );
        let mut out = Vec::new();
        wrapped(&mut out, "", 0, "one two three four", None).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "one two three four\n");
    }
}
