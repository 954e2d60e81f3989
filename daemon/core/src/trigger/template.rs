//! The object of a run with `{{ variables }}` in its texts, by the names of Pipelines-as-Code.
//!
//! What stands between two pairs of braces is a variable, with or without space around it. Two braces as they are are written
//! `{{ "{{" }}`; four and more, and Tekton's `$(params.x)`, stay as they are. Whatever else is between braces is an error while the
//! trigger is read, not when it builds. Must never do: let a value become structure, or a command.

#[cfg(test)]
mod tests;
mod text;
mod variable;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use self::text::Part;
pub use self::{
    text::Fault,
    variable::{Variable, Variables},
};

/// Variables in one object: each of them is a value that somebody else may choose the size of.
pub const USES_MAX: usize = 1000;
/// How often one object lists the changed files: a list can be long, and the API server takes objects of about a megabyte.
pub const CHANGED_USES_MAX: usize = 8;

/// The field whose text is run: what others have written does not belong in it.
const SCRIPT: &str = "script";

/// An object whose texts hold variables.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    root: Node,
    names: BTreeSet<Variable>,
}

/// A part of an object.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// Anything without texts in it.
    Fixed(Value),
    Text(Vec<Part>),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Something between braces that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Unknown {
    /// Where it stands, such as `.spec.params[0].value`; empty: the object itself.
    pub path: String,
    /// What is wrong with it, and what to write instead.
    pub fault: Fault,
}

impl Template {
    /// Reads an object.
    ///
    /// # Errors
    /// Everything in its texts that stands for nothing, or may not stand there.
    pub fn parse(value: Value) -> Result<Self, Vec<Unknown>> {
        let mut reader = Reader::default();
        let root = reader.node(value, &mut String::new(), "");
        if reader.uses > USES_MAX {
            reader.unknown.push(Unknown { path: String::new(), fault: Fault::TooMany });
        }
        if reader.changed_uses > CHANGED_USES_MAX {
            reader.unknown.push(Unknown { path: String::new(), fault: Fault::ChangedTooOften });
        }
        if reader.unknown.is_empty() { Ok(Self { root, names: reader.names }) } else { Err(reader.unknown) }
    }

    /// Returns the variables that it holds; others need no value.
    pub fn names(&self) -> &BTreeSet<Variable> {
        &self.names
    }

    /// Returns the object with values in place of its variables. Nothing else of it changes: a value stays inside its text.
    pub fn fill(&self, variables: &Variables) -> Value {
        fill(&self.root, variables)
    }
}

fn fill(node: &Node, variables: &Variables) -> Value {
    match node {
        Node::Fixed(value) => value.clone(),
        Node::Text(parts) => Value::String(parts.iter().map(|part| part.filled(variables)).collect()),
        Node::List(items) => items.iter().map(|item| fill(item, variables)).collect(),
        Node::Map(entries) => {
            let filled = entries.iter().map(|(key, node)| (key.clone(), fill(node, variables)));
            Value::Object(filled.collect::<Map<_, _>>())
        }
    }
}

/// What is known while an object is read.
#[derive(Default)]
struct Reader {
    names: BTreeSet<Variable>,
    unknown: Vec<Unknown>,
    uses: usize,
    changed_uses: usize,
}

impl Reader {
    /// Reads a part of the object; `path` is the same again when it returns.
    fn node(&mut self, value: Value, path: &mut String, field: &str) -> Node {
        let length = path.len();
        let node = match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Node::Fixed(value),
            Value::String(text) => self.text(&text, path, field),
            Value::Array(items) => {
                let mut nodes = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    nodes.push(self.node(item, path, field));
                    path.truncate(length);
                }
                Node::List(nodes)
            }
            Value::Object(entries) => {
                let mut nodes = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    path.push_str(&step(&key));
                    if key.contains("{{") {
                        self.unknown.push(Unknown { path: path.clone(), fault: Fault::Key });
                    }
                    nodes.push((key.clone(), self.node(value, path, &key)));
                    path.truncate(length);
                }
                Node::Map(nodes)
            }
        };
        path.truncate(length);
        node
    }

    fn text(&mut self, text: &str, path: &str, field: &str) -> Node {
        let (parts, faults) = text::parts(text);
        let mut fault = |fault| self.unknown.push(Unknown { path: path.to_owned(), fault });
        faults.into_iter().for_each(&mut fault);
        for part in &parts {
            let Part::Variable(variable) = part else { continue };
            if field == SCRIPT && variable.is_written_by_others() {
                fault(Fault::Script(*variable));
            }
        }
        let variables = || parts.iter().filter_map(Part::variable);
        self.uses += variables().count();
        self.changed_uses += variables().filter(|variable| *variable == Variable::ChangedFiles).count();
        self.names.extend(variables());
        Node::Text(parts)
    }
}

/// Returns a step of a path.
fn step(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if plain { format!(".{key}") } else { format!("[{key:?}]") }
}
