//! One text with variables: what is a variable in it, what stays, and what stands for nothing.

use super::{
    CHANGED_USES_MAX, USES_MAX,
    variable::{Variable, Variables},
};
use crate::text;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
/// What between braces stands for two opening ones.
const LITERAL: &str = "\"{{\"";

/// Characters of what somebody wrote that an error repeats.
const SHOWN_MAX: usize = 60;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// It stays.
    Fixed(String),
    /// Its value comes in its place.
    Variable(Variable),
}

impl Part {
    pub(super) fn variable(&self) -> Option<Variable> {
        match self {
            Self::Fixed(_) => None,
            Self::Variable(variable) => Some(*variable),
        }
    }

    pub(super) fn filled(&self, variables: &Variables) -> String {
        match self {
            Self::Fixed(text) => text.clone(),
            Self::Variable(variable) => variables.value(*variable),
        }
    }
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It looks like a variable, and is none.
    #[error("{{{{ {name} }}}} is no variable{}; there are {}", nearest.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default(), Variable::list())]
    Unknown {
        /// What was written.
        name: String,
        /// The variable that looks most like it.
        nearest: Option<&'static str>,
    },
    /// A variable of Pipelines-as-Code that there is nothing for here.
    #[error("{{{{ {name} }}}} is not supported: {why}")]
    Unsupported {
        /// What was written.
        name: String,
        /// Why, and what to write instead.
        why: &'static str,
    },
    /// It belongs to somebody else's templates.
    #[error("{{{{{0}}}}} is no variable of plumb: for two braces as they are write {{{{ \"{{{{\" }}}}")]
    Foreign(String),
    /// Braces that are opened and never closed.
    #[error(
        "\"{{{{\" is never closed: write \"}}}}\" behind the variable; for two braces as they are write {{{{ \"{{{{\" }}}}"
    )]
    Open,
    /// In the name of a field.
    #[error("the name of a field can't hold a variable: write it out")]
    Key,
    /// In a text that is run.
    #[error(
        "{{{{ {name} }}}} in a script lets whoever makes a commit run commands of their own: hand it over as a parameter, and \
         read that from an environment variable", name = .0.name()
    )]
    Script(Variable),
    /// Too many variables.
    #[error("it holds more than {USES_MAX} variables: hand them over as parameters, once each")]
    TooMany,
    /// Too many lists of files.
    #[error("it holds {{{{ changed_files }}}} more than {CHANGED_USES_MAX} times: hand it over as a parameter, once")]
    ChangedTooOften,
}

/// Takes a text apart, and says all that is wrong with it.
pub(super) fn parts(text: &str) -> (Vec<Part>, Vec<Fault>) {
    let (mut parts, mut faults, mut fixed) = (Vec::new(), Vec::new(), String::new());
    let mut rest = text;
    while let Some(at) = rest.find(OPEN) {
        let braces = rest[at..].bytes().take_while(|byte| *byte == b'{').count();
        if braces >= 2 * OPEN.len() {
            fixed.push_str(&rest[..at + braces]);
            rest = &rest[at + braces..];
            continue;
        }
        fixed.push_str(&rest[..at]);
        let inside = &rest[at + OPEN.len()..];
        // The braces that stand for themselves are inside of others.
        let literal = inside.trim_start().strip_prefix(LITERAL);
        if let Some(behind) = literal.and_then(|behind| behind.trim_start().strip_prefix(CLOSE)) {
            fixed.push_str(OPEN);
            rest = behind;
            continue;
        }
        let Some(end) = inside.find(CLOSE) else {
            faults.push(Fault::Open);
            rest = "";
            break;
        };
        match meaning(&inside[..end]) {
            Ok(variable) => {
                if !fixed.is_empty() {
                    parts.push(Part::Fixed(std::mem::take(&mut fixed)));
                }
                parts.push(Part::Variable(variable));
            }
            Err(fault) => faults.push(fault),
        }
        rest = &inside[end + CLOSE.len()..];
    }
    fixed.push_str(rest);
    if !fixed.is_empty() {
        parts.push(Part::Fixed(fixed));
    }
    (parts, faults)
}

/// Returns what stands between braces.
fn meaning(inside: &str) -> Result<Variable, Fault> {
    let name = inside.trim();
    if let Some(variable) = Variable::parse(name) {
        return Ok(variable);
    }
    if let Some(why) = unsupported(name) {
        return Err(Fault::Unsupported { name: text::line(&text::shortened(name, SHOWN_MAX), usize::MAX), why });
    }
    let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_word {
        return Err(Fault::Unknown { name: text::shortened(name, SHOWN_MAX), nearest: Variable::nearest(name) });
    }
    Err(Fault::Foreign(text::line(&text::shortened(inside, SHOWN_MAX), usize::MAX)))
}

/// Returns why a variable of Pipelines-as-Code has no value here, and what to write instead.
fn unsupported(name: &str) -> Option<&'static str> {
    let pull_request = "runs are made for commits of a branch or for tags, not for pull requests";
    match name.split(['.', '[']).next().unwrap_or_default() {
        "body" | "headers" => {
            Some("runs are made for commits, not for requests of a forge, so there is none to read from")
        }
        "files" => Some("write {{ changed_files }} for the names of the component's files that changed"),
        "event" => Some("write {{ event_type }}"),
        "source_url" => Some("write {{ repo_url }}"),
        "git_auth_secret" => Some("name a Secret of your own: plumb's credentials never reach a run"),
        "trigger_comment" | "pull_request_number" | "pull_request_labels" => Some(pull_request),
        other if other.starts_with("pull_request") => Some(pull_request),
        _ => None,
    }
}
