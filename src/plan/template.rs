//! The templates of job files: Jinja over the attributes of one record.
//!
//! A template is compiled once and rendered for up to a million records, so the common shapes (text, `{{ name }}`,
//! `{{ name | date('…') }}`) are taken apart here and only the rest is handed to the Jinja engine. Knows nothing of files or fields.

mod date;
mod mentions;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::BTreeSet;

use chrono_tz::Tz;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

use crate::model::{Record, SourceKind};
use date::Format;
use mentions::Mention;

/// Filters that are offered when a name is misspelled; every builtin of minijinja works.
const COMMON_FILTERS: &[&str] = &[
    "capitalize",
    "date",
    "default",
    "first",
    "int",
    "last",
    "length",
    "lower",
    "replace",
    "round",
    "split",
    "title",
    "trim",
    "upper",
];

/// Compiles and renders the templates of one job.
#[derive(Debug)]
pub struct Templates {
    engine: Environment<'static>,
    attributes: &'static [&'static str],
    zone: Tz,
    compiled: usize,
    label: String,
}

/// Names that the templates of `[[on.change]]` and `[[on.milestone]]` know besides: what was before, and the threshold.
pub const EXTRAS: &[&str] = &["before", "milestone"];

/// The name under which templates find what the job's channel is called.
const LABEL: &str = "channel";

/// One compiled template; renders only with the [`Templates`] that compiled it.
#[derive(Debug)]
pub struct Template {
    shape: Shape,
}

/// Says what is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// What was seen and what was expected.
    pub message: String,
    /// How to mend it, when there is more to say.
    pub hint: Option<String>,
}

/// One record as templates see it: every attribute of the source, `""` where the record has none.
#[derive(Debug)]
pub struct Row<'r> {
    record: &'r Record,
    attributes: &'static [&'static str],
    label: &'r str,
    context: OnceCell<Value>,
}

#[derive(Debug)]
enum Shape {
    Pieces(Vec<Piece>),
    Jinja { name: String },
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Attribute(&'static str),
    Date(&'static str, Format),
}

impl Templates {
    /// Makes an engine for the attributes of `source`, with `date` in `zone`.
    pub fn new(source: SourceKind, zone: Tz) -> Templates {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_auto_escape_callback(|_| AutoEscape::None);
        // Functions are not offered: none is of use to a text, and `range` could run for hours.
        let functions: Vec<String> = engine.globals().map(|(name, _)| name.to_owned()).collect();
        for name in functions {
            engine.remove_global(&name);
        }
        engine.add_filter("date", move |raw: String, format: Option<String>| {
            let format = Format::new(format.as_deref().unwrap_or(date::DEFAULT))
                .map_err(|said| minijinja::Error::new(ErrorKind::InvalidOperation, said))?;
            format
                .render(&raw, zone)
                .map_err(|said| minijinja::Error::new(ErrorKind::InvalidOperation, said))
        });
        Templates {
            engine,
            attributes: source.attributes(),
            zone,
            compiled: 0,
            label: String::new(),
        }
    }

    /// Sets what the job's channel is called.
    pub fn calling(mut self, label: &str) -> Templates {
        label.clone_into(&mut self.label);
        self
    }

    /// Compiles one template.
    ///
    /// Errors: the syntax, or else every unknown name, filter, test and date format in it.
    pub fn compile(&mut self, source: &str) -> Result<Template, Vec<TemplateProblem>> {
        self.compile_with(source, &[])
    }

    /// Compiles a template that knows some of [`EXTRAS`] besides.
    ///
    /// Errors: as [`compile`](Templates::compile).
    pub fn compile_with(
        &mut self,
        source: &str,
        extras: &[&'static str],
    ) -> Result<Template, Vec<TemplateProblem>> {
        let name = format!("t{}", self.compiled);
        self.engine
            .add_template_owned(name.clone(), source.to_owned())
            .map_err(|error| vec![syntax_problem(&error)])?;
        self.compiled += 1;
        let problems = self.unknown_names(&name, source, extras);
        if !problems.is_empty() {
            return Err(problems);
        }
        let shape = match pieces(source, self.attributes) {
            Some(pieces) => Shape::Pieces(pieces),
            None => Shape::Jinja { name },
        };
        Ok(Template { shape })
    }

    /// Returns the names that a template mentions, of attributes and of [`EXTRAS`]; none for one that does not parse.
    pub fn mentions(&self, source: &str) -> BTreeSet<String> {
        match self.engine.template_from_str(source) {
            Ok(template) => template.undeclared_variables(false).into_iter().collect(),
            Err(_) => BTreeSet::new(),
        }
    }

    /// Prepares one record for [`render`](Templates::render); templates of one record share it.
    pub fn row<'r>(&'r self, record: &'r Record) -> Row<'r> {
        Row {
            record,
            attributes: self.attributes,
            label: &self.label,
            context: OnceCell::new(),
        }
    }

    /// Renders a template, without cleaning what comes out.
    ///
    /// Errors: what the engine says, never with a value of the record in it.
    pub fn render(&self, template: &Template, row: &Row<'_>) -> Result<String, String> {
        match &template.shape {
            Shape::Pieces(pieces) => self.join(pieces, row),
            Shape::Jinja { name } => self.render_jinja(name, row),
        }
    }

    fn join(&self, pieces: &[Piece], row: &Row<'_>) -> Result<String, String> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Attribute(name) => text.push_str(row.attribute(name)),
                Piece::Date(name, format) => {
                    text.push_str(&format.render(row.attribute(name), self.zone)?);
                }
            }
        }
        Ok(text)
    }

    fn render_jinja(&self, name: &str, row: &Row<'_>) -> Result<String, String> {
        let context = row.context.get_or_init(|| row.to_value());
        self.engine
            .get_template(name)
            .and_then(|template| template.render(context))
            .map_err(|error| said(&error))
    }

    fn unknown_names(
        &self,
        name: &str,
        source: &str,
        extras: &[&'static str],
    ) -> Vec<TemplateProblem> {
        let mut problems = Vec::new();
        if let Ok(template) = self.engine.get_template(name) {
            let mut names: Vec<String> = template.undeclared_variables(false).into_iter().collect();
            names.sort();
            for unknown in names {
                if !self.attributes.contains(&unknown.as_str())
                    && !extras.contains(&unknown.as_str())
                {
                    problems.push(unknown_attribute(&unknown, self.attributes));
                }
            }
        }
        for mention in mentions::of(source) {
            match mention {
                Mention::Filter { name, argument } => {
                    if !self.knows(&format!("''|{name}"), ErrorKind::UnknownFilter) {
                        problems.push(unknown_filter(name));
                    } else if name == "date"
                        && let Some(Err(message)) = argument.map(Format::new)
                    {
                        problems.push(TemplateProblem {
                            message,
                            hint: Some("for example `date('%Y-%m')`".to_owned()),
                        });
                    }
                }
                Mention::Test { name } => {
                    if !self.knows(&format!("'' is {name}"), ErrorKind::UnknownTest) {
                        problems.push(TemplateProblem {
                            message: format!("unknown test `is {name}`"),
                            hint: None,
                        });
                    }
                }
            }
        }
        problems
    }

    /// Returns whether evaluating `expression` gets past looking up its filter or test.
    fn knows(&self, expression: &str, unknown: ErrorKind) -> bool {
        match self.engine.compile_expression_owned(expression.to_owned()) {
            Ok(expression) => match expression.eval(()) {
                Ok(_) => true,
                Err(error) => error.kind() != unknown,
            },
            Err(error) => error.kind() != unknown,
        }
    }
}

impl Template {
    /// Returns whether the template is the attribute `name` and nothing else.
    pub fn is_attribute(&self, name: &str) -> bool {
        matches!(&self.shape, Shape::Pieces(pieces) if matches!(pieces.as_slice(), [Piece::Attribute(only)] if *only == name))
    }
}

impl Row<'_> {
    fn attribute(&self, name: &str) -> &str {
        match self.record.attributes.get(name) {
            Some(value) if !is_blank(value) => value,
            _ if name == LABEL => match self.record.attributes.get("channel_login") {
                // Each record of a job over several channels is another one.
                Some(login) if self.label.is_empty() && !is_blank(login) => login,
                _ => self.label,
            },
            _ => "",
        }
    }

    fn to_value(&self) -> Value {
        Value::from_pairs(
            self.attributes
                .iter()
                .chain(EXTRAS)
                .map(|name| (*name, self.attribute(name))),
        )
    }
}

/// Makes a rendered text fit for one line: control characters and line breaks become a space, both ends are trimmed.
///
/// `None` when nothing visible is left. Everything else passes unchanged, whatever its length or direction.
pub fn clean(raw: String) -> Option<String> {
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let line = if raw.contains(is_break) {
        let parts: Vec<&str> = raw
            .split(is_break)
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(" ")
    } else {
        raw
    };
    if is_blank(&line) {
        return None;
    }
    let trimmed = line.trim();
    if trimmed.len() == line.len() {
        return Some(line);
    }
    Some(trimmed.to_owned())
}

/// Returns whether a text shows nothing: only spaces, control characters and characters without a glyph.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| {
        c.is_whitespace()
            || c.is_control()
            || matches!(
                c,
                '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            )
    })
}

/// Takes a template apart when it is nothing but text, `{{ name }}`, `{{ name | date }}` and `{{ name | date('…') }}`.
fn pieces(source: &str, attributes: &'static [&'static str]) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = source;
    while let Some(start) = rest.find('{') {
        let (text, tail) = rest.split_at(start);
        let inner = tail.strip_prefix("{{")?;
        let (expression, after) = inner.split_once("}}")?;
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        pieces.push(piece(expression.trim(), attributes)?);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Some(pieces)
}

fn piece(expression: &str, attributes: &'static [&'static str]) -> Option<Piece> {
    let (name, filter) = match expression.split_once('|') {
        Some((name, filter)) => (name.trim(), Some(filter.trim())),
        None => (expression, None),
    };
    let name = attributes.iter().copied().find(|known| *known == name)?;
    let Some(filter) = filter else {
        return Some(Piece::Attribute(name));
    };
    let argument = filter.strip_prefix("date")?.trim();
    if argument.is_empty() {
        return Some(Piece::Date(name, Format::new(date::DEFAULT).ok()?));
    }
    let quoted = argument.strip_prefix('(')?.strip_suffix(')')?.trim();
    let mark = quoted.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let format = quoted.strip_prefix(mark)?.strip_suffix(mark)?;
    if format.contains([mark, '\\']) {
        return None;
    }
    Some(Piece::Date(name, Format::new(format).ok()?))
}

fn unknown_attribute(unknown: &str, attributes: &[&str]) -> TemplateProblem {
    let near = crate::plan::spelling::near(unknown, attributes.iter().copied());
    TemplateProblem {
        message: match near {
            Some(near) => {
                format!("unknown name `{unknown}` in the template, did you mean `{near}`?")
            }
            None => format!("unknown name `{unknown}` in the template"),
        },
        hint: Some(format!("the names there are: {}", attributes.join(", "))),
    }
}

fn unknown_filter(unknown: &str) -> TemplateProblem {
    let near = crate::plan::spelling::near(unknown, COMMON_FILTERS.iter().copied());
    TemplateProblem {
        message: match near {
            Some(near) => format!("unknown filter `{unknown}`, did you mean `{near}`?"),
            None => format!("unknown filter `{unknown}`"),
        },
        hint: Some(format!("common filters: {}", COMMON_FILTERS.join(", "))),
    }
}

fn syntax_problem(error: &minijinja::Error) -> TemplateProblem {
    TemplateProblem {
        message: format!("the template does not parse: {}", said(error)),
        hint: None,
    }
}

fn said(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}
