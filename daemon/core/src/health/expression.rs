//! CEL expressions over one object (<https://cel.dev>): compiled once, evaluated for every state of the object.
//!
//! Whoever may write an Environment writes expressions, so they are hostile until bounded: the text by its length, what
//! is parsed by its depth, an evaluation by a fixed number of steps (`meter`), whatever the object holds. Only the
//! variable `self` and CEL's standard functions but for `matches` exist: no clock, no other object.
//! Must never do: print a value of the object, which may be secret; only names that the expression itself writes.

mod meter;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use cel::{
    Context, Env, ExecutionError, IdedExpr, Value as CelValue,
    common::ast::{EntryExpr, Expr},
    parser::PrattParser,
};
use serde_json::Value;

/// Longest text, in bytes: a rule is a comparison or two, and what is longer belongs into the controller's conditions.
pub const LENGTH_MAX: usize = 1024;

/// Deepest nesting of what is parsed: evaluating one level takes some KiB of stack, and threads have 2 MiB.
pub const DEPTH_MAX: usize = 32;

/// Functions of CEL's standard library; operators are written otherwise. `matches` is left out: a pattern can cost more
/// to compile than any number of steps.
const FUNCTIONS: [&str; 18] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "int",
    "none",
    "of",
    "ofNonZeroValue",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];

/// Names that stand for types, and the namespace of optional values.
const NAMES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional",
    "optional_type",
    "string",
    "type",
    "uint",
];

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    text: String,
    program: Arc<IdedExpr>,
    library: Arc<Env>,
}

/// Why a text is no expression; `line` and `column` count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct CompileError {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

/// Why an expression has no value for an object, in words without any value of the object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluationError(String);

impl Expression {
    /// Compiles a text.
    ///
    /// # Errors
    /// It is no CEL, is too long or too deep, or names what does not exist.
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        if text.len() > LENGTH_MAX {
            return Err(CompileError {
                line: 1,
                column: LENGTH_MAX + 1,
                message: format!("longer than {LENGTH_MAX} bytes"),
            });
        }
        let parsed = PrattParser::new().enable_optional_syntax(true).parse(text).map_err(|errors| {
            let first = errors.errors.into_iter().min_by_key(|error| error.pos);
            let (position, message) = first.map(|error| (error.pos, error.msg)).unwrap_or_default();
            let place = |number: isize| usize::try_from(number).unwrap_or_default().max(1);
            CompileError { line: place(position.0), column: place(position.1), message }
        })?;
        Check { text, scope: vec!["self".to_owned()] }.check(&parsed, 0)?;
        let library = Arc::new(Env::stdlib());
        Ok(Self { text: text.to_owned(), program: Arc::new(meter::metered(parsed)), library })
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether the expression holds for an object.
    ///
    /// # Errors
    /// It has no value, such as for a field that is not there, one that is not true or false, or it costs too much.
    pub fn holds(&self, object: &Value) -> Result<bool, EvaluationError> {
        let mut context = Context::with_env(Arc::clone(&self.library));
        context.add_variable_as_val("self", value::of_object(object));
        meter::install(&mut context);
        match CelValue::resolve(&self.program, &context) {
            Ok(CelValue::Bool(holds)) => Ok(holds),
            Ok(_) => Err(EvaluationError("it is neither true nor false".to_owned())),
            Err(error) => Err(EvaluationError(self.words(&error))),
        }
    }

    /// Says what went wrong without the values that errors carry.
    fn words(&self, error: &ExecutionError) -> String {
        match error {
            // A key may be computed from what the object holds.
            ExecutionError::NoSuchKey(key) if self.text.contains(key.as_str()) => format!("there is no {key}"),
            ExecutionError::NoSuchKey(_) => "there is no such key".to_owned(),
            ExecutionError::NoSuchOverload(overload) => overload.to_string(),
            ExecutionError::IndexOutOfBounds(_) => "an index is out of bounds".to_owned(),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
            ExecutionError::Overflow(..) => "a number is too large".to_owned(),
            error if meter::is_exhausted(error) => "it costs too much".to_owned(),
            _ => "a value is not of the type that it needs".to_owned(),
        }
    }
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

/// Looks through what was parsed for what could only fail, or could cost too much, later.
struct Check<'a> {
    text: &'a str,
    /// The variables that exist at this place.
    scope: Vec<String>,
}

impl Check<'_> {
    fn check(&mut self, expression: &IdedExpr, depth: usize) -> Result<(), CompileError> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("", format!("nested deeper than {DEPTH_MAX} levels")));
        }
        match &expression.expr {
            Expr::Unspecified => Err(self.wrong("", "incomplete".to_owned())),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) if self.scope.contains(name) || NAMES.contains(&name.as_str()) => Ok(()),
            Expr::Ident(name) => {
                Err(self.wrong(name, format!("there is no {name}; the object is self, such as self.status.{name}")))
            }
            Expr::Select(select) => self.check(&select.operand, depth + 1),
            Expr::Call(call) => {
                let name = call.func_name.as_str();
                if name.starts_with(|first: char| first.is_ascii_alphabetic()) && !FUNCTIONS.contains(&name) {
                    return Err(self.wrong(name, format!("there is no function {name}")));
                }
                call.target.iter().map(AsRef::as_ref).chain(&call.args).try_for_each(|part| self.check(part, depth + 1))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.check(element, depth + 1)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.check(&entry.key, depth + 1)?;
                    self.check(&entry.value, depth + 1)
                }
                EntryExpr::StructField(_) => Err(self.wrong("", "incomplete".to_owned())),
            }),
            Expr::Struct(found) => {
                let name = &found.type_name;
                Err(self.wrong(name, format!("there is no message type {name}; write a map as {{'key': value}}")))
            }
            Expr::Comprehension(comprehension) => {
                self.check(&comprehension.iter_range, depth + 1)?;
                let outside = self.scope.len();
                self.scope.extend([comprehension.accu_var.clone(), comprehension.iter_var.clone()]);
                self.scope.extend(comprehension.iter_var2.clone());
                let parts = [
                    &comprehension.accu_init,
                    &comprehension.loop_cond,
                    &comprehension.loop_step,
                    &comprehension.result,
                ];
                parts.into_iter().try_for_each(|part| self.check(part, depth + 1))?;
                self.scope.truncate(outside);
                Ok(())
            }
        }
    }

    /// Returns an error at the place where a name is written.
    fn wrong(&self, name: &str, message: String) -> CompileError {
        let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let bytes = self.text.as_bytes();
        let places = self.text.match_indices(name).map(|(at, _)| at);
        let found = places.filter(|_| !name.is_empty()).find(|at| {
            let before = at.checked_sub(1).and_then(|at| bytes.get(at));
            !is_word(before) && !is_word(bytes.get(at + name.len()))
        });
        let before = &self.text[..found.unwrap_or_default()];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        CompileError { line, column, message }
    }
}
