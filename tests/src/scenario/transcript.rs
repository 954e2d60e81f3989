//! The transcript of a scenario: each step, and what it changed, in names that are the same in every run.

use std::collections::BTreeMap;

use plumb_core::environment::EnvironmentName;
use similar::{ChangeTag, TextDiff};

/// Characters of a commit's id in sentences.
const SHORT_COMMIT: usize = 7;

/// What differs from run to run, and what is written in its place.
#[derive(Debug, Clone)]
pub struct Names {
    namespace: String,
    environments: Vec<String>,
    /// The id of every commit pushed so far.
    pub commits: BTreeMap<u32, String>,
}

impl Names {
    /// Starts with the scenario's namespace.
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), environments: Vec::new(), commits: BTreeMap::new() }
    }

    /// Takes in the Environments that there are; those that are gone are still known by name.
    pub fn see(&mut self, environments: &[String]) {
        for name in environments {
            if !self.environments.contains(name) {
                self.environments.push(name.clone());
            }
        }
    }

    /// Returns the Environment whose objects carry this label.
    pub fn owner(&self, label: &str) -> Option<&str> {
        self.environments.iter().map(String::as_str).find(|name| self.identity(name).applyset_id().as_str() == label)
    }

    /// Returns the text with every such name replaced.
    pub fn mask(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (number, commit) in &self.commits {
            text = text.replace(commit, &format!("<commit {number}>"));
            text = text.replace(&commit[..SHORT_COMMIT], &format!("<commit {number}>"));
        }
        for name in &self.environments {
            let id = self.identity(name).applyset_id();
            text = text.replace(&id.manager().to_string(), name);
            text = text.replace(id.as_str(), &format!("<id of {name}>"));
        }
        sizes(&times(&text.replace(&self.namespace, "<namespace>")))
    }

    fn identity(&self, environment: &str) -> EnvironmentName {
        EnvironmentName::new(&self.namespace, environment)
    }
}

/// Replaces sizes: those of objects depend on how long the name of the namespace is.
fn sizes(text: &str) -> String {
    const UNIT: &str = " bytes long";
    let mut parts: Vec<&str> = text.split(UNIT).collect();
    let last = parts.pop().unwrap_or_default();
    let masked =
        parts.iter().map(|part| format!("{}<size>{UNIT}", part.trim_end_matches(|c: char| c.is_ascii_digit())));
    masked.chain([last.to_owned()]).collect()
}

/// Replaces times (RFC 3339, whole seconds, UTC): no two plays have the same.
fn times(text: &str) -> String {
    const FORM: &str = "0000-00-00T00:00:00Z";
    let is_time = |start: usize| {
        let found = text.get(start..start + FORM.len());
        found.is_some_and(|found| {
            found
                .bytes()
                .zip(FORM.bytes())
                .all(|(byte, form)| if form == b'0' { byte.is_ascii_digit() } else { byte == form })
        })
    };
    let (mut masked, mut start) = (String::new(), 0);
    while let Some(character) = text[start..].chars().next() {
        if is_time(start) {
            masked.push_str("<time>");
            start += FORM.len();
        } else {
            masked.push(character);
            start += character.len_utf8();
        }
    }
    masked
}

/// The transcript so far.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    text: String,
    seen: Vec<String>,
    /// What follows these at the beginning of a line is not compared.
    varying: Vec<String>,
}

impl Transcript {
    /// Takes down a step.
    pub fn step(&mut self, text: &str) {
        self.text.push_str(&format!("> {text}\n"));
    }

    /// Takes down what a step showed.
    pub fn shown(&mut self, text: &str) {
        for line in text.lines() {
            self.text.push_str(&format!("  {}\n", self.varied(line)));
        }
    }

    /// Leaves out, from now on, what follows this on lines that begin with it.
    pub fn varies(&mut self, beginning: &str) {
        self.varying.push(beginning.to_owned());
    }

    /// Returns a line without what varies in it.
    fn varied(&self, line: &str) -> String {
        let varying = self.varying.iter().find(|beginning| line.starts_with(*beginning));
        varying.map_or_else(|| line.to_owned(), |beginning| format!("{beginning} …"))
    }

    /// Takes down what differs from what was seen before.
    pub fn view(&mut self, mut lines: Vec<String>) {
        for line in &mut lines {
            *line = self.varied(line);
        }
        // How many there are may vary as well.
        lines.dedup_by(|line, before| line == before && line.ends_with(" …"));
        let before: Vec<&str> = self.seen.iter().map(String::as_str).collect();
        let after: Vec<&str> = lines.iter().map(String::as_str).collect();
        for change in TextDiff::from_slices(&before, &after).iter_all_changes() {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => continue,
            };
            self.text.push_str(&format!("{sign} {}\n", change.value()));
        }
        self.seen = lines;
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_written() {
        let mut transcript = Transcript::default();
        let mut view = |step: &str, lines: &[&str]| {
            transcript.step(step);
            transcript.view(lines.iter().map(|line| (*line).to_owned()).collect());
        };
        view("one", &["a", "b"]);
        view("two", &["a", "c"]);
        view("three", &["a", "c"]);
        assert_eq!(transcript.text(), "> one\n+ a\n+ b\n> two\n- b\n+ c\n> three\n");
        transcript.varies("c:");
        transcript.view(vec!["a".to_owned(), "c: either".to_owned()]);
        assert!(transcript.text().ends_with("- c\n+ c: …\n"), "{}", transcript.text());
    }

    #[test]
    fn what_differs_from_run_to_run_gets_a_name() {
        let mut names = Names::new("shop-1f");
        names.see(&["app".to_owned()]);
        names.commits.insert(1, "0123456789abcdef0123456789abcdef01234567".to_owned());
        let id = EnvironmentName::new("shop-1f", "app").applyset_id();
        let check = |text: &str, expected: &str| assert_eq!(names.mask(text), expected, "{text}");
        check("at 0123456 in shop-1f", "at <commit 1> in <namespace>");
        check("0123456789abcdef0123456789abcdef01234567", "<commit 1>");
        check(&format!("{id} by {}", id.manager()), "<id of app> by app");
        assert_eq!(names.owner(id.as_str()), Some("app"));
        assert_eq!(names.owner("applyset-else"), None);
    }
}
