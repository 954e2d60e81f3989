//! Names around a trigger: its own, its components', and the labels and annotations that its runs carry.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::is_subdomain;

/// The label that holds the name of the trigger that made a run.
pub const TRIGGER: &str = "plumb.dev/trigger";
/// The label that holds the component that a run builds.
pub const COMPONENT: &str = "plumb.dev/component";
/// The label that holds the commit that a run builds, all 40 digits.
pub const COMMIT: &str = "plumb.dev/commit";
/// The annotation that holds the UID of the trigger that made a run: one that was made anew under the same name is another.
pub const TRIGGER_UID: &str = "plumb.dev/trigger-uid";
/// The annotation that holds the digest of the inputs that a run builds.
pub const INPUTS: &str = "plumb.dev/inputs";
/// The annotation that holds the number of the attempt: a new one for each build of a component.
pub const ATTEMPT: &str = "plumb.dev/attempt";
/// The annotation that holds the round of an attempt: 1 for its first run, then one more for each run of the same build.
pub const ROUND: &str = "plumb.dev/round";
/// The annotation that holds when the commit was made (RFC 3339).
pub const COMMITTED: &str = "plumb.dev/committed";

/// The longest name of a component: it is the value of a label.
const COMPONENT_LENGTH_MAX: usize = 63;

/// Namespace and name of a `PipelineTrigger`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TriggerName {
    /// Namespace of the resource.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
}

impl TriggerName {
    /// Makes a name of its two parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for TriggerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The name of a component: a label of DNS (RFC 1123), so that it can be part of the name of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComponentName(String);

/// A text that can't be the name of a component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a component: write lower-case letters, digits and inner dashes, 63 at most")]
pub struct InvalidComponentName(pub String);

impl ComponentName {
    /// Takes a label of DNS.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidComponentName> {
        let valid = is_subdomain(text) && !text.contains('.') && text.len() <= COMPONENT_LENGTH_MAX;
        valid.then(|| Self(text.to_owned())).ok_or_else(|| InvalidComponentName(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ComponentName {
    type Error = InvalidComponentName;
    fn try_from(text: String) -> Result<Self, InvalidComponentName> {
        Self::parse(&text)
    }
}

impl From<ComponentName> for String {
    fn from(name: ComponentName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_a_label() {
        for name in ["cart", "a", "0", "shop-2", &"a".repeat(63)] {
            assert_eq!(ComponentName::parse(name).expect("a name").as_str(), name);
        }
        for text in ["", "a.b", "Cart", "a/b", "-a", "a-", "a b", "ü", &"a".repeat(64)] {
            assert_eq!(ComponentName::parse(text), Err(InvalidComponentName(text.to_owned())), "{text}");
        }
    }
}
