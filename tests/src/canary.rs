//! A value that must not show up, and everything that plumb says, to look for it there: log, metrics, Events, statuses, the
//! command line's answers, what lies on disk.
//!
//! Owns: making such values, recognising them in other notations, and collecting what was said. Must never do: look where
//! a value belongs, such as into the Secret that holds it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};

use crate::{daemon::Daemon, site::Site};

/// How much of a text around a value a failure shows, in bytes.
const SURROUNDINGS: usize = 200;

/// A value that stands nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    value: String,
    /// The value, and it as it stands inside of longer texts in Base64.
    notations: Vec<String>,
}

/// One thing that was said.
#[derive(Debug)]
pub struct Said {
    /// Where.
    pub place: String,
    /// What.
    pub text: Vec<u8>,
}

impl Said {
    /// Takes down what was said in some place.
    pub fn new(place: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self { place: place.into(), text: text.into() }
    }
}

impl Canary {
    /// Makes a value of letters and digits, so that quoting and escaping do not change it.
    pub fn new() -> Self {
        Self::of(&lab::namespace("canary").replace('-', "x"))
    }

    /// Takes a value that is there already, such as a part of a key.
    pub fn of(value: &str) -> Self {
        let value = value.to_owned();
        let shifted = (0..3).map(|shift| {
            let encoded = BASE64.encode(format!("{}{value}", "a".repeat(shift)));
            // Ends that depend on what stands beside the value.
            encoded[4..encoded.len() - 4].to_owned()
        });
        let notations = std::iter::once(value.clone()).chain(shifted).collect();
        Self { value, notations }
    }

    /// Returns the value.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns the text around the value, if it is there, in whatever notation.
    pub fn seen_in(&self, text: &[u8]) -> Option<String> {
        let found = self
            .notations
            .iter()
            .find_map(|notation| text.windows(notation.len()).position(|window| window == notation.as_bytes()))?;
        let range = found.saturating_sub(SURROUNDINGS)..(found + SURROUNDINGS).min(text.len());
        Some(String::from_utf8_lossy(&text[range]).into_owned())
    }

    /// Expects that nobody said the value.
    ///
    /// # Panics
    /// With every place where it stands.
    pub fn expect_unsaid(&self, said: &[Said]) {
        assert!(!said.is_empty(), "nothing was said at all");
        let seen: Vec<_> =
            said.iter().filter_map(|said| Some(format!("{}: …{}…", said.place, self.seen_in(&said.text)?))).collect();
        assert!(seen.is_empty(), "{} shows up in\n{}", self.value, seen.join("\n"));
    }
}

impl Default for Canary {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns everything that plumb has said of a site so far, to whoever may ask.
pub fn said(daemon: &Daemon, site: &Site, environments: &[&str]) -> Vec<Said> {
    let mut said = vec![Said::new("the log", daemon.log()), Said::new("the metrics", daemon.metrics())];
    for kinds in ["events,events.events.k8s.io", "environments.plumb.dev,repositories.plumb.dev"] {
        let text = site.kubectl(&["get", kinds, "--output", "yaml", "--show-managed-fields"]).expect("an answer");
        said.push(Said::new(format!("kubectl get {kinds}"), text));
    }
    let notes = site.repository.git(&["log", "--all", "--notes=plumb/*", "--format=%N"]).expect("a log");
    said.push(Said::new("the notes", notes));
    for environment in environments {
        for command in ["status", "tree", "drift"] {
            for format in ["table", "yaml", "json"] {
                said.push(plumb(site, &[command, environment, "--output", format]));
            }
        }
        said.push(plumb(site, &["diff", environment]));
    }
    said
}

/// Returns what the command line says, on both its outputs; how it ends does not matter.
pub fn plumb(site: &Site, words: &[&str]) -> Said {
    let output = Command::new(lab::process::plumb())
        .args(words)
        .args(["--namespace", &site.namespace])
        .env("KUBECONFIG", site.kubeconfig())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("plumb starts");
    Said::new(format!("plumb {}", words.join(" ")), [output.stdout, output.stderr].concat())
}

/// Returns what every user of the machine may see of a daemon and its workers, and what their own user sees: how they were
/// started, and in what environment.
pub fn processes(daemon: &Daemon) -> Vec<Said> {
    let mut said = Vec::new();
    for id in [daemon.id()].into_iter().chain(daemon.workers()) {
        for file in ["cmdline", "environ", "comm"] {
            let path = format!("/proc/{id}/{file}");
            // What ends while one looks says nothing.
            said.extend(fs::read(&path).ok().map(|text| Said::new(path, text)));
        }
    }
    said
}

/// Returns every file below a directory, with its name: what somebody may read who gets hold of the disk.
pub fn on_disk(directory: &Path) -> Vec<Said> {
    let mut said = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        said.push(Said::new("the name of a file", path.to_string_lossy().as_bytes()));
        // What ends while one looks says nothing.
        let Ok(kind) = fs::symlink_metadata(&path) else { continue };
        if kind.is_dir() {
            open.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else if kind.is_file() {
            said.push(Said::new(path.display().to_string(), fs::read(&path).unwrap_or_default()));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_value_is_recognised_in_base64_wherever_it_stands() {
        let canary = Canary::new();
        for before in ["", "a", "ab", "abc", "{\"password\":\""] {
            for after in ["", "\"}", "xyz"] {
                let text = format!("{before}{}{after}", canary.value());
                assert!(canary.seen_in(text.as_bytes()).is_some(), "{text}");
                let encoded = STANDARD.encode(&text);
                assert!(canary.seen_in(encoded.as_bytes()).is_some(), "{text}: {encoded}");
            }
        }
        assert_eq!(canary.seen_in(Canary::new().value().as_bytes()), None);
    }
}
