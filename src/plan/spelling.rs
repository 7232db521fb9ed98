//! "Did you mean": the nearest of some words.

/// Returns the word nearest to `seen`, `None` when none is near enough to be what was meant.
pub fn near<'w>(seen: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let plain = plain(seen);
    let allowed = (plain.chars().count() / 3).max(1);
    words
        .into_iter()
        .map(|word| (distance(&plain, &self::plain(word)), word))
        .filter(|(steps, _)| *steps <= allowed)
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, word)| word)
}

/// Letters in lower case without the signs that people mix up.
fn plain(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Counts the letters to insert, drop, change or swap with their neighbor.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let change = last[column] + usize::from(a != b);
            let mut least = change.min(last[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && *a == to[column - 1] && from[row - 1] == *b {
                least = least.min(before_last[column - 1] + 1);
            }
            line.push(least);
        }
        before_last = std::mem::replace(&mut last, line);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized_and_another_word_is_not() {
        let words = ["add_tags", "remove_tags", "firstName"];
        assert_eq!(near("add_tag", words), Some("add_tags"));
        assert_eq!(near("adt_dags", words), Some("add_tags"));
        assert_eq!(near("first_name", words), Some("firstName"));
        assert_eq!(near("color", words), None);
        assert_eq!(near("", words), None);
    }
}
