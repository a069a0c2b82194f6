use crate::error::EvalError;
use crate::eval::Machine;
use crate::guard;
use crate::program::Program;
use crate::scope::Scope;
use chancery_base::Kind;
use chancery_base::limits::NESTING_MAX;
use serde_json::{Map, Value};
use std::fmt;

/// A JSON value with expressions in it.
///
/// A string that is `${{ expression }}` and nothing else stands for the expression's value, of whatever type; an
/// absent one drops the key or the element that it stands at. In a longer string each `${{ }}` is put in as text.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    part: Part,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    /// No expression in it.
    Literal(Value),
    Hole(Program),
    Text(Vec<Piece>),
    List(Vec<Part>),
    Map(Vec<(String, Part)>),
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Literal(String),
    Hole(Program),
}

/// Where in a template something is: `with.items[0].sku`, relative to the template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Path(pub Vec<PathSegment>);

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathSegment {
    /// A key of an object.
    Key(String),
    /// An index of a list.
    Index(usize),
}

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Where it is.
    pub path: Path,
    /// What is wrong, with the column in the string.
    pub message: String,
}

/// Why a template could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{err}", if path.0.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct RenderError {
    /// Which part failed.
    pub path: Path,
    /// Why.
    #[source]
    pub err: EvalError,
}

impl RenderError {
    /// Whose fault it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.err.kind()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                PathSegment::Key(key) if index == 0 => f.write_str(key)?,
                PathSegment::Key(key) => write!(f, ".{key}")?,
                PathSegment::Index(at) => write!(f, "[{at}]")?,
            }
        }
        Ok(())
    }
}

impl Template {
    /// A value as it is: what looks like an expression in it is none.
    #[must_use]
    pub const fn literal(value: Value) -> Self {
        Self { part: Part::Literal(value) }
    }

    /// Compiles a template at most `NESTING_MAX` deep.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn compile(value: &Value) -> Result<Self, Vec<TemplateError>> {
        let mut compiling = Compiling::default();
        let part = compiling.compile(value);
        if compiling.errors.is_empty() { Ok(Self { part }) } else { Err(compiling.errors) }
    }

    /// Every expression in it, and where it is.
    #[must_use]
    pub fn programs(&self) -> Vec<(Path, &Program)> {
        let mut found = Vec::new();
        self.part.collect(&mut Vec::new(), &mut found);
        found
    }

    /// The value if there is no expression in it.
    #[must_use]
    pub const fn as_literal(&self) -> Option<&Value> {
        match &self.part {
            Part::Literal(value) => Some(value),
            Part::Hole(_) | Part::Text(_) | Part::List(_) | Part::Map(_) => None,
        }
    }

    /// The text with which it begins whatever its expressions are worth, and whether that is all of it.
    #[must_use]
    pub fn begins(&self) -> (&str, bool) {
        match &self.part {
            Part::Literal(Value::String(text)) => (text, true),
            Part::Text(pieces) => match pieces.first() {
                Some(Piece::Literal(text)) => (text, false),
                Some(Piece::Hole(_)) | None => ("", false),
            },
            Part::Literal(_) | Part::Hole(_) | Part::List(_) | Part::Map(_) => ("", false),
        }
    }

    /// The expression if the template is one and nothing else.
    #[must_use]
    pub const fn as_program(&self) -> Option<&Program> {
        match &self.part {
            Part::Hole(program) => Some(program),
            Part::Literal(_) | Part::Text(_) | Part::List(_) | Part::Map(_) => None,
        }
    }

    /// Puts the values in; `None` if the template is one expression and its value is absent. The fuel is for all
    /// expressions together.
    ///
    /// # Errors
    /// The first part that fails.
    pub fn render(&self, scope: &Scope<'_>, fuel: u64) -> Result<Option<Value>, RenderError> {
        let mut rendering = Rendering { machine: Machine::new(scope, fuel), path: Vec::new() };
        let rendered = rendering.render(&self.part);
        rendered.map_err(|err| RenderError { path: Path(rendering.path), err })
    }
}

impl Part {
    fn collect<'t>(&'t self, path: &mut Vec<PathSegment>, found: &mut Vec<(Path, &'t Program)>) {
        match self {
            Self::Literal(_) => {}
            Self::Hole(program) => found.push((Path(path.clone()), program)),
            Self::Text(pieces) => found.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Hole(program) => Some((Path(path.clone()), program)),
                Piece::Literal(_) => None,
            })),
            Self::List(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    path.push(PathSegment::Index(index));
                    part.collect(path, found);
                    path.pop();
                }
            }
            Self::Map(parts) => {
                for (key, part) in parts {
                    path.push(PathSegment::Key(key.clone()));
                    part.collect(path, found);
                    path.pop();
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Compiling {
    path: Vec<PathSegment>,
    errors: Vec<TemplateError>,
}

impl Compiling {
    fn fail(&mut self, message: String) -> Part {
        self.errors.push(TemplateError { path: Path(self.path.clone()), message });
        Part::Literal(Value::Null)
    }

    fn compile(&mut self, value: &Value) -> Part {
        if self.path.len() > NESTING_MAX {
            return self.fail(format!("nested deeper than {NESTING_MAX}"));
        }
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Part::Literal(value.clone()),
            Value::String(text) => self.compile_text(text),
            Value::Array(items) => {
                let parts = items.iter().enumerate().map(|(index, item)| self.at(PathSegment::Index(index), item));
                let parts: Vec<Part> = parts.collect();
                if parts.iter().all(Part::is_literal) { Part::Literal(value.clone()) } else { Part::List(parts) }
            }
            Value::Object(map) => {
                let parts: Vec<(String, Part)> =
                    map.iter().map(|(key, item)| (key.clone(), self.compile_key(key, item))).collect();
                let literal = parts.iter().all(|(_, part)| part.is_literal());
                if literal { Part::Literal(value.clone()) } else { Part::Map(parts) }
            }
        }
    }

    fn compile_key(&mut self, key: &str, item: &Value) -> Part {
        let part = self.at(PathSegment::Key(key.to_owned()), item);
        if key.contains("${{") {
            return self.fail(format!("the key `{key}` holds an expression; only values may"));
        }
        part
    }

    fn at(&mut self, segment: PathSegment, value: &Value) -> Part {
        self.path.push(segment);
        let part = self.compile(value);
        self.path.pop();
        part
    }

    fn compile_text(&mut self, text: &str) -> Part {
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(rest) = text.get(at..)
            && let Some((before, after)) = rest.split_once("${{")
        {
            if !before.is_empty() {
                pieces.push(Piece::Literal(before.to_owned()));
            }
            let start = at + before.len() + 3;
            let end = guard::end_of_hole(text, start);
            let Some((end, expression)) = end.and_then(|end| Some((end, after.get(..end - start)?))) else {
                return self.fail(format!("`${{{{` at column {} is not closed by `}}}}`", column(text, start - 3)));
            };
            match Program::compile(expression.trim()) {
                Ok(program) => pieces.push(Piece::Hole(program)),
                Err(err) => {
                    let blanks = expression.len() - expression.trim_start().len();
                    let at = if err.line == 1 { column(text, start + blanks) + err.column - 1 } else { err.column };
                    return self.fail(format!("{} (column {at})", err.message));
                }
            }
            at = end + 2;
        }
        let rest = text.get(at..).unwrap_or_default();
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        match pieces.as_slice() {
            [] | [Piece::Literal(_)] => Part::Literal(Value::String(text.to_owned())),
            [Piece::Hole(program)] => Part::Hole(program.clone()),
            _ => Part::Text(pieces),
        }
    }
}

/// The column of a byte in a string, in characters from 1.
fn column(text: &str, offset: usize) -> usize {
    text.get(..offset).map_or(0, |before| before.chars().count()) + 1
}

impl Part {
    const fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }
}

struct Rendering<'e> {
    machine: Machine<'e>,
    path: Vec<PathSegment>,
}

impl<'e> Rendering<'e> {
    /// INVARIANT: on an error `path` is where it happened.
    fn render(&mut self, part: &'e Part) -> Result<Option<Value>, EvalError> {
        match part {
            Part::Literal(value) => {
                // Paid for as if it were a value of the scope, since it is copied as one.
                self.machine.make_json(&crate::value::Val::from_json(value), self.path.len())
            }
            Part::Hole(program) => {
                let value = self.machine.eval(program.node())?;
                self.machine.make_json(&value, self.path.len())
            }
            Part::Text(pieces) => self.render_text(pieces).map(|text| Some(Value::String(text))),
            Part::List(parts) => {
                let mut items = Vec::with_capacity(parts.len());
                for (index, part) in parts.iter().enumerate() {
                    self.path.push(PathSegment::Index(index));
                    items.extend(self.render(part)?);
                    self.path.pop();
                }
                Ok(Some(Value::Array(items)))
            }
            Part::Map(parts) => {
                let mut map = Map::new();
                for (key, part) in parts {
                    self.path.push(PathSegment::Key(key.clone()));
                    if let Some(item) = self.render(part)? {
                        map.insert(key.clone(), item);
                    }
                    self.path.pop();
                }
                Ok(Some(Value::Object(map)))
            }
        }
    }

    fn render_text(&mut self, pieces: &'e [Piece]) -> Result<String, EvalError> {
        let mut out = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(text) => {
                    self.machine.charge_text(text.len())?;
                    out.push_str(text);
                }
                Piece::Hole(program) => {
                    let value = self.machine.eval(program.node())?;
                    out.push_str(&self.machine.scalar_text(&value)?);
                }
            }
        }
        Ok(out)
    }
}
