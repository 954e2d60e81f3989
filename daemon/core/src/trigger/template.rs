//! Templates of runs: `{{ revision }}` and its like in the texts of an object, named as Pipelines-as-Code names them.
//!
//! What no variable is called is an error when the trigger is read, and not when it builds. A value stays within the text that it
//! is put into: it is never read as structure, nor as a template. A text that is to hold two braces writes `{{ "{{" }}`.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

/// Values of the variables for one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Variables {
    /// The commit.
    pub revision: String,
    /// Its first 7 digits.
    pub short_revision: String,
    /// The address of the repository.
    pub repo_url: String,
    /// What stands before the repository's name in its address.
    pub repo_owner: String,
    /// The repository's name in its address.
    pub repo_name: String,
    /// The branch, without `refs/heads/`; of a tag its full name.
    pub source_branch: String,
    /// The tag, where one is followed; else empty.
    pub git_tag: String,
    /// The name of the commit's author.
    pub sender: String,
    /// The namespace of the run.
    pub target_namespace: String,
    /// The component.
    pub component: String,
    /// The component's files that changed since it was last attempted, one on each line.
    pub changed_files: String,
    /// When the commit was made (RFC 3339).
    pub committed_at: String,
    /// The name of the trigger.
    pub trigger: String,
}

/// The variables there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// [`Variables::revision`].
    Revision,
    /// [`Variables::short_revision`].
    ShortRevision,
    /// [`Variables::repo_url`].
    RepoUrl,
    /// [`Variables::repo_owner`].
    RepoOwner,
    /// [`Variables::repo_name`].
    RepoName,
    /// [`Variables::source_branch`].
    SourceBranch,
    /// The same: a push has one branch.
    TargetBranch,
    /// [`Variables::git_tag`].
    GitTag,
    /// [`Variables::sender`].
    Sender,
    /// `push`.
    EventType,
    /// [`Variables::target_namespace`].
    TargetNamespace,
    /// [`Variables::component`].
    Component,
    /// [`Variables::changed_files`].
    ChangedFiles,
    /// [`Variables::committed_at`].
    CommittedAt,
    /// [`Variables::trigger`].
    Trigger,
}

impl Variable {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 15] = [
        Self::Revision,
        Self::ShortRevision,
        Self::Component,
        Self::CommittedAt,
        Self::ChangedFiles,
        Self::RepoUrl,
        Self::RepoOwner,
        Self::RepoName,
        Self::SourceBranch,
        Self::TargetBranch,
        Self::GitTag,
        Self::Sender,
        Self::EventType,
        Self::TargetNamespace,
        Self::Trigger,
    ];

    /// Returns its name in templates.
    pub fn name(self) -> &'static str {
        match self {
            Self::Revision => "revision",
            Self::ShortRevision => "short_revision",
            Self::RepoUrl => "repo_url",
            Self::RepoOwner => "repo_owner",
            Self::RepoName => "repo_name",
            Self::SourceBranch => "source_branch",
            Self::TargetBranch => "target_branch",
            Self::GitTag => "git_tag",
            Self::Sender => "sender",
            Self::EventType => "event_type",
            Self::TargetNamespace => "target_namespace",
            Self::Component => "component",
            Self::ChangedFiles => "changed_files",
            Self::CommittedAt => "committed_at",
            Self::Trigger => "trigger",
        }
    }

    fn of(self, variables: &Variables) -> &str {
        match self {
            Self::Revision => &variables.revision,
            Self::ShortRevision => &variables.short_revision,
            Self::RepoUrl => &variables.repo_url,
            Self::RepoOwner => &variables.repo_owner,
            Self::RepoName => &variables.repo_name,
            Self::SourceBranch | Self::TargetBranch => &variables.source_branch,
            Self::GitTag => &variables.git_tag,
            Self::Sender => &variables.sender,
            Self::EventType => "push",
            Self::TargetNamespace => &variables.target_namespace,
            Self::Component => &variables.component,
            Self::ChangedFiles => &variables.changed_files,
            Self::CommittedAt => &variables.committed_at,
            Self::Trigger => &variables.trigger,
        }
    }
}

/// A value with variables in its texts, every one of them known.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    value: Value,
    names: BTreeSet<Variable>,
}

/// Something between two pairs of braces that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Where, such as `.spec.params[0].value`.
    pub path: String,
    /// What is wrong.
    pub why: Why,
}

/// What is wrong with something between two pairs of braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No variable is called that; with the one that may be meant.
    Unknown(String, Option<&'static str>),
    /// A push does not have it.
    OfPullRequests(String),
    /// The braces are not closed.
    Open,
    /// It stands in the name of a field.
    InKey(String),
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Unknown(name, Some(near)) => write!(f, "there is no variable {name:?}; did you mean {near:?}?"),
            Why::Unknown(name, None) => {
                let all: Vec<&str> = Variable::ALL.iter().map(|variable| variable.name()).collect();
                write!(f, "there is no variable {name:?}: there are {}", all.join(", "))?;
                f.write_str("; two braces that stand for themselves are written {{ \"{{\" }}")
            }
            Why::OfPullRequests(name) => {
                write!(f, "{name} belongs to pull requests, and plumb builds what is on a branch: leave it out")
            }
            Why::Open => {
                f.write_str("{{ is not closed by }}; two braces that stand for themselves are written {{ \"{{\" }}")
            }
            Why::InKey(key) => write!(f, "the name of the field {key:?} can't be a template: write it out"),
        }
    }
}

/// What Pipelines-as-Code has for pull requests and comments, and for whole payloads.
const OF_PULL_REQUESTS: [&str; 9] = [
    "pull_request_number",
    "pull_request_labels",
    "git_auth_secret",
    "source_url",
    "trigger_comment",
    "event",
    "body",
    "headers",
    "files",
];

/// A part of a text.
enum Part<'a> {
    Text(&'a str),
    Variable(Variable),
}

impl Template {
    /// Reads a value.
    ///
    /// # Errors
    /// Every variable that there is not.
    pub fn parse(value: Value) -> Result<Self, Vec<Unknown>> {
        let (mut names, mut unknown) = (BTreeSet::new(), Vec::new());
        check(&value, &mut String::new(), &mut names, &mut unknown);
        if unknown.is_empty() { Ok(Self { value, names }) } else { Err(unknown) }
    }

    /// Returns the variables that it uses.
    pub fn names(&self) -> &BTreeSet<Variable> {
        &self.names
    }

    /// Returns the value with everything filled in.
    pub fn fill(&self, variables: &Variables) -> Value {
        filled(&self.value, variables)
    }
}

fn check(value: &Value, path: &mut String, names: &mut BTreeSet<Variable>, unknown: &mut Vec<Unknown>) {
    let length = path.len();
    match value {
        Value::String(text) => match parts(text) {
            Ok(parts) => names.extend(parts.into_iter().filter_map(|part| match part {
                Part::Variable(variable) => Some(variable),
                Part::Text(_) => None,
            })),
            Err(whys) => unknown.extend(whys.into_iter().map(|why| Unknown { path: path.clone(), why })),
        },
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                check(item, path, names, unknown);
                path.truncate(length);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                if key.contains("{{") {
                    unknown.push(Unknown { path: path.clone(), why: Why::InKey(key.clone()) });
                }
                path.push('.');
                path.push_str(key);
                check(field, path, names, unknown);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn filled(value: &Value, variables: &Variables) -> Value {
    match value {
        Value::String(text) => {
            let parts = parts(text).unwrap_or_else(|_| vec![Part::Text(text)]);
            let text = parts.into_iter().map(|part| match part {
                Part::Text(text) => text,
                Part::Variable(variable) => variable.of(variables),
            });
            Value::String(text.collect())
        }
        Value::Array(items) => items.iter().map(|item| filled(item, variables)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, field)| (key.clone(), filled(field, variables)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Takes a text apart.
fn parts(text: &str) -> Result<Vec<Part<'_>>, Vec<Why>> {
    let (mut parts, mut whys, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        parts.push(Part::Text(before));
        // Braces within quotes do not close it.
        if let Some(literal) = after.trim_start().strip_prefix("\"{{\"")
            && let Some(behind) = literal.trim_start().strip_prefix("}}")
        {
            parts.push(Part::Text("{{"));
            rest = behind;
            continue;
        }
        let Some((inside, behind)) = after.split_once("}}") else {
            whys.push(Why::Open);
            rest = "";
            break;
        };
        match variable(inside.trim()) {
            Ok(variable) => parts.push(Part::Variable(variable)),
            Err(why) => whys.push(why),
        }
        rest = behind;
    }
    parts.push(Part::Text(rest));
    if whys.is_empty() { Ok(parts) } else { Err(whys) }
}

fn variable(name: &str) -> Result<Variable, Why> {
    if let Some(found) = Variable::ALL.into_iter().find(|variable| variable.name() == name) {
        return Ok(found);
    }
    let first = name.split(['.', '[']).next().unwrap_or_default();
    if OF_PULL_REQUESTS.contains(&first) {
        return Err(Why::OfPullRequests(name.to_owned()));
    }
    let names = Variable::ALL.into_iter().map(Variable::name);
    let near = names.map(|known| (distance(name, known), known)).min().filter(|(distance, _)| *distance <= 2);
    Err(Why::Unknown(crate::text::line(name, NAME_MAX), near.map(|(_, known)| known)))
}

/// Longest name of an unknown variable that is told, in characters.
const NAME_MAX: usize = 60;

/// Returns how many characters differ (Levenshtein); more than any name has where one is far longer than the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(NAME_MAX).collect(), other.chars().collect());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, left) in one.iter().enumerate() {
        let mut corner = row[0];
        row[0] = at + 1;
        for (index, right) in other.iter().enumerate() {
            let change = corner + usize::from(left != right);
            corner = row[index + 1];
            row[index + 1] = change.min(row[index] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn variables() -> Variables {
        Variables {
            revision: "a".repeat(40),
            short_revision: "aaaaaaa".to_owned(),
            component: "cart".to_owned(),
            sender: "{{ revision }}".to_owned(),
            ..Variables::default()
        }
    }

    #[test]
    fn texts_are_filled_in_wherever_they_stand() {
        let check = |value: Value, expected: Value| {
            let template = Template::parse(value.clone()).unwrap_or_else(|unknown| panic!("{value}: {unknown:?}"));
            assert_eq!(template.fill(&variables()), expected, "{value}");
        };
        check(json!("{{ component }}:{{short_revision}}"), json!("cart:aaaaaaa"));
        check(
            json!({ "a": [{ "b": "{{  component }}" }, 1, null, true] }),
            json!({ "a": [{ "b": "cart" }, 1, null, true] }),
        );
        check(json!("$(params.revision) {x} }}"), json!("$(params.revision) {x} }}"));
        check(json!("{{ git_tag }}{{ event_type }}"), json!("push"));
        check(json!("{{ \"{{\" }} .Values.x }}"), json!("{{ .Values.x }}"));
        // What is filled in is not a template itself.
        check(json!("by {{ sender }}"), json!("by {{ revision }}"));
        let used = Template::parse(json!(["{{ revision }}", "{{ changed_files }}"])).expect("a template");
        assert_eq!(*used.names(), BTreeSet::from([Variable::Revision, Variable::ChangedFiles]));
    }

    #[test]
    fn everything_that_stands_for_nothing_is_told_with_its_place() {
        let check = |value: Value, expected: &[(&str, &str)]| {
            let told = Template::parse(value.clone()).err().unwrap_or_default();
            assert_eq!(told.len(), expected.len(), "{value}: {told:?}");
            for (told, (path, words)) in told.iter().zip(expected) {
                assert!(told.path == *path && told.to_string().contains(words), "{}: {told}", told.path);
            }
        };
        check(json!({ "a": [0, "{{ revison }}"] }), &[(".a[1]", "did you mean \"revision\"?")]);
        check(
            json!("{{ .Values.x }}{{ y }}"),
            &[("", "there are revision, short_revision"), ("", "there is no variable \"y\"")],
        );
        check(json!("{{ pull_request_number }}"), &[("", "pull requests")]);
        check(json!("{{ body.ref }}"), &[("", "body.ref belongs to pull requests")]);
        check(json!("{{ revision"), &[("", "not closed")]);
        check(json!({ "{{ component }}": 1 }), &[("", "the name of the field")]);
        check(json!("{{ }}"), &[("", "there is no variable \"\"")]);
    }

    proptest! {
        #[test]
        fn a_value_never_becomes_structure(sender in any::<String>(), text in "[^{]{0,9}") {
            let template = Template::parse(json!({ "a": [format!("{text}{{{{ sender }}}}"), { "b": 1 }] })).expect("a template");
            let filled = template.fill(&Variables { sender: sender.clone(), ..Variables::default() });
            prop_assert_eq!(filled, json!({ "a": [format!("{text}{sender}"), { "b": 1 }] }));
        }

        #[test]
        fn nothing_that_is_read_can_be_written_wrongly(text in any::<String>()) {
            if let Ok(template) = Template::parse(Value::String(text.clone())) {
                let filled = template.fill(&variables());
                prop_assert!(filled.is_string());
                if !text.contains("{{") {
                    prop_assert_eq!(filled, Value::String(text));
                }
            }
        }
    }
}
