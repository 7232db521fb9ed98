//! Which filters and tests a template mentions.
//!
//! The engine looks them up when it reaches them, so a misspelled one in a branch that is seldom taken would show up years later.

/// A filter or a test by its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mention<'t> {
    /// `… | name`, or `… | name('argument')`.
    Filter {
        /// The filter.
        name: &'t str,
        /// Its first argument when that is a plain text.
        argument: Option<&'t str>,
    },
    /// `… is name`.
    Test {
        /// The test.
        name: &'t str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Text(&'t str),
    Mark(char),
}

/// Returns all mentions in the order of the template.
pub(super) fn of(template: &str) -> Vec<Mention<'_>> {
    let mut mentions = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix('#') {
            rest = comment.split_once("#}").map_or("", |(_, after)| after);
        } else if let Some(block) = rest.strip_prefix('{') {
            let (tokens, after) = tokens(block, "}}");
            collect(&tokens, &mut mentions);
            rest = after;
        } else if let Some(block) = rest.strip_prefix('%') {
            let (tokens, after) = tokens(block, "%}");
            collect(&tokens, &mut mentions);
            let words = || {
                tokens
                    .iter()
                    .filter(|token| matches!(token, Token::Word(_)))
            };
            if words().next() == Some(&Token::Word("raw")) {
                rest = after.split_once("endraw").map_or("", |(_, after)| after);
            } else {
                rest = after;
            }
        }
    }
    mentions
}

fn tokens<'t>(block: &'t str, end: &str) -> (Vec<Token<'t>>, &'t str) {
    let mut tokens = Vec::new();
    let mut rest = block;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(end) {
            return (tokens, after);
        }
        if first == '\'' || first == '"' {
            let length = text_length(&rest[1..], first);
            tokens.push(Token::Text(&rest[1..1 + length]));
            rest = rest.get(length + 2..).unwrap_or("");
        } else if first.is_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            tokens.push(Token::Word(&rest[..length]));
            rest = &rest[length..];
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Mark(first));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    (tokens, "")
}

/// Returns the bytes up to the closing quotation mark.
fn text_length(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return at,
            _ => {}
        }
    }
    text.len()
}

fn collect<'t>(tokens: &[Token<'t>], mentions: &mut Vec<Mention<'t>>) {
    use Token::{Mark, Text, Word};
    for (at, token) in tokens.iter().enumerate() {
        let after = &tokens[at + 1..];
        match (token, after) {
            (Mark('|'), [Word(name), Mark('('), Text(argument), ..]) => {
                mentions.push(Mention::Filter {
                    name,
                    argument: Some(argument),
                });
            }
            (Mark('|'), [Word(name), ..]) => mentions.push(Mention::Filter {
                name,
                argument: None,
            }),
            (Word("filter"), [Word(name), ..]) if at == 0 => mentions.push(Mention::Filter {
                name,
                argument: None,
            }),
            (Word("is"), [Word("not"), Word(name), ..]) => mentions.push(Mention::Test { name }),
            (Word("is"), [Word(name), ..]) => mentions.push(Mention::Test { name }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_tests_are_found_in_every_branch() {
        let template = "{# a | b #}{{ x or y | lower ~ '}} | no' }} z | w {% if x is not odd %}{{ d|date( '%Y' ) }}{% endif %}";
        assert_eq!(
            of(template),
            [
                Mention::Filter {
                    name: "lower",
                    argument: None
                },
                Mention::Test { name: "odd" },
                Mention::Filter {
                    name: "date",
                    argument: Some("%Y")
                },
            ]
        );
        assert_eq!(of("{% raw %}{{ a | b }}{% endraw %}{{ 'open"), []);
    }
}
