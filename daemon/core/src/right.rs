//! A right that somebody lacks, and the rule of a Role that would give it.
//!
//! Owns: the words, so that a person can grant it by pasting one line.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use crate::{identity::ServiceAccount, operation::Failure};

/// Begins the verbs of impersonation.
const IMPERSONATE: &str = "impersonate";

/// One right that the API server says a user lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MissingRight {
    /// The user, as the API server names it.
    pub user: String,
    /// What it may not do, such as `patch`.
    pub verb: String,
    /// To what, in the plural, with a subresource if it is about one: `deployments` or `deployments/scale`.
    pub resource: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// Where; absent: the right would have to be given for the whole cluster.
    pub namespace: Option<String>,
    /// The name of the one object that it is about; absent where the rule need not name it.
    pub name: Option<String>,
}

/// A write that failed for want of a right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forbidden {
    /// The right.
    pub missing: MissingRight,
    /// What failed.
    pub failure: Failure,
}

/// Returns one line for each right that is missing, and one for each write that failed because of it.
pub fn lines(forbidden: &[Forbidden]) -> Vec<String> {
    let rights: BTreeSet<&MissingRight> = forbidden.iter().map(|forbidden| &forbidden.missing).collect();
    let concerned = |right: &MissingRight| {
        let count = forbidden.iter().filter(|forbidden| forbidden.missing == *right).count();
        if count > 1 { format!(" ({count} objects)") } else { String::new() }
    };
    let rights = rights.into_iter().map(|right| format!("{right}{}", concerned(right)));
    // Where only one object is concerned, its own line says it all.
    let failures = forbidden.iter().map(|forbidden| forbidden.failure.message.clone());
    if forbidden.len() == 1 { failures.collect() } else { rights.chain(failures).collect() }
}

impl MissingRight {
    /// Returns what a user lacks who may not act as a service account.
    ///
    /// Since 1.36 the API server speaks of a verb of its own for each request (constrained impersonation, KEP-5284), and
    /// not of the service account.
    #[must_use]
    pub fn as_impersonation_of(self, account: &ServiceAccount) -> Self {
        if !self.verb.starts_with(IMPERSONATE) {
            return self;
        }
        Self {
            user: self.user,
            verb: IMPERSONATE.to_owned(),
            resource: "serviceaccounts".to_owned(),
            group: String::new(),
            namespace: Some(account.namespace().to_owned()),
            name: Some(account.name().to_owned()),
        }
    }

    /// Returns the rule that gives the right, as one line of YAML.
    ///
    /// An apply creates what is not there and patches what is: who lacks one of the two mostly lacks the other.
    pub fn rule(&self) -> String {
        let verbs = match self.verb.as_str() {
            "patch" | "create" => "create, patch",
            verb => verb,
        };
        let group = if self.group.is_empty() { "\"\"" } else { self.group.as_str() };
        let names = self.name.as_ref().map(|name| format!("resourceNames: [{name}], ")).unwrap_or_default();
        format!("{{apiGroups: [{group}], resources: [{}], {names}verbs: [{verbs}]}}", self.resource)
    }

    fn what(&self) -> String {
        let named = self.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        match self.group.as_str() {
            "" => format!("{} {}{named}", self.verb, self.resource),
            group => format!("{} {}.{group}{named}", self.verb, self.resource),
        }
    }
}

impl fmt::Display for MissingRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ServiceAccount::of_user(&self.user) {
            Some(account) => write!(f, "{account}")?,
            None => write!(f, "user {}", self.user)?,
        }
        let what = self.what();
        match &self.namespace {
            Some(namespace) => {
                write!(f, " may not {what} in namespace {namespace}; give it this rule in a Role there: ")?;
            }
            None => write!(f, " may not {what}; give it this rule in a ClusterRole: ")?,
        }
        f.write_str(&self.rule())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;

    #[test]
    fn each_right_is_told_once_before_the_objects_that_need_it() {
        let right = |resource: &str| MissingRight {
            user: "ada".to_owned(),
            verb: "patch".to_owned(),
            resource: resource.to_owned(),
            group: String::new(),
            namespace: Some("shop".to_owned()),
            name: None,
        };
        let forbidden = |resource: &str, message: &str| Forbidden {
            missing: right(resource),
            failure: Failure { class: Class::Wait, message: message.to_owned() },
        };
        assert_eq!(lines(&[forbidden("secrets", "a")]), ["a"]);
        let all = [forbidden("secrets", "a"), forbidden("configmaps", "b"), forbidden("secrets", "c")];
        let expected = [right("configmaps").to_string(), format!("{} (2 objects)", right("secrets"))];
        assert_eq!(lines(&all), [expected.as_slice(), &["a".to_owned(), "b".to_owned(), "c".to_owned()]].concat());
    }

    #[test]
    fn a_missing_right_names_who_what_where_and_the_rule() {
        let right = MissingRight {
            user: "system:serviceaccount:shop:deployer".to_owned(),
            verb: "patch".to_owned(),
            resource: "deployments".to_owned(),
            group: "apps".to_owned(),
            namespace: Some("shop".to_owned()),
            name: None,
        };
        assert_eq!(
            right.to_string(),
            "ServiceAccount shop/deployer may not patch deployments.apps in namespace shop; give it this rule in a Role \
             there: {apiGroups: [apps], resources: [deployments], verbs: [create, patch]}"
        );
        let namespaces = MissingRight {
            user: "ada".to_owned(),
            verb: "delete".to_owned(),
            resource: "namespaces".to_owned(),
            group: String::new(),
            namespace: None,
            ..right.clone()
        };
        assert_eq!(
            namespaces.to_string(),
            "user ada may not delete namespaces; give it this rule in a ClusterRole: \
             {apiGroups: [\"\"], resources: [namespaces], verbs: [delete]}"
        );
        let account = ServiceAccount::parse("shop", "deployer").expect("a name");
        assert_eq!(right.clone().as_impersonation_of(&account), right);
        let constrained = MissingRight { verb: "impersonate-on:serviceaccount:patch".to_owned(), ..namespaces.clone() };
        assert_eq!(
            constrained.as_impersonation_of(&account).to_string(),
            "user ada may not impersonate serviceaccounts deployer in namespace shop; give it this rule in a Role there: \
             {apiGroups: [\"\"], resources: [serviceaccounts], resourceNames: [deployer], verbs: [impersonate]}"
        );
        let one = MissingRight { verb: "impersonate".to_owned(), name: Some("deployer".to_owned()), ..namespaces };
        assert_eq!(
            one.rule(),
            "{apiGroups: [\"\"], resources: [namespaces], resourceNames: [deployer], verbs: [impersonate]}"
        );
    }
}
