//! Whose rights a write is made with: plumb's own, or those of the service account that an Environment names.
//!
//! Owns: the names under which the API server knows a service account. Must never do: name one of another namespace
//! than the Environment's.

use std::fmt;

use serde::Serialize;

use crate::{
    environment::{EnvironmentName, GROUP},
    name::is_subdomain,
    object::ObjectKey,
};

/// Whose rights a write is made with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Identity {
    /// Those that plumb's own credentials give.
    Own,
    /// Those of a service account, which is impersonated.
    ServiceAccount(ServiceAccount),
}

impl Identity {
    /// Returns the service account; nothing where plumb acts as itself.
    pub fn service_account(&self) -> Option<&ServiceAccount> {
        match self {
            Self::Own => None,
            Self::ServiceAccount(account) => Some(account),
        }
    }

    /// Returns whether an environment may write an object at all, whatever RBAC says.
    ///
    /// plumb itself has to write its own resources in every namespace. Lent to an environment, that right would let whoever
    /// may create an Environment in one namespace change those of all others.
    pub fn may_concern(&self, environment: &EnvironmentName, key: &ObjectKey) -> bool {
        let elsewhere = key.namespace.as_ref() != Some(&environment.namespace);
        !(*self == Self::Own && key.group == GROUP && elsewhere)
    }
}

/// Namespace and name of a service account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ServiceAccount {
    namespace: String,
    name: String,
}

/// A text that can't be the name of a service account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a service account: write the name of one in the Environment's own namespace (lower-case letters, digits, - and .)"
)]
pub struct InvalidServiceAccount(String);

impl ServiceAccount {
    /// Takes a name in the namespace of the Environment that names it.
    ///
    /// # Errors
    /// A name that could be read as anything else than one object in this namespace: with a slash, a colon, or empty.
    pub fn parse(namespace: &str, name: &str) -> Result<Self, InvalidServiceAccount> {
        if !is_subdomain(name) {
            return Err(InvalidServiceAccount(name.to_owned()));
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Reads the name under which the API server knows a service account; nothing for any other user.
    pub fn of_user(user: &str) -> Option<Self> {
        let (namespace, name) = user.strip_prefix(USER_PREFIX)?.split_once(':')?;
        Self::parse(namespace, name).ok()
    }

    /// Returns its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name under which the API server knows it.
    pub fn user(&self) -> String {
        format!("{USER_PREFIX}{}:{}", self.namespace, self.name)
    }
}

/// Begins the user name of every service account.
const USER_PREFIX: &str = "system:serviceaccount:";

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceAccount {}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_name_is_a_service_account() {
        let long = "a".repeat(253);
        for name in ["deployer", "a", "team.deployer-2", "0", long.as_str()] {
            assert!(ServiceAccount::parse("shop", name).is_ok(), "{name}");
        }
        let longer = format!("{long}a");
        let twisted = ["", ".", "..", "other/deployer", "other:deployer", "../other", "Deployer", "-a", "a-", "a..b"];
        for name in twisted.into_iter().chain(["a b", "a\nb", "äbc", "a%2fb", longer.as_str()]) {
            assert!(ServiceAccount::parse("shop", name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn plumbs_own_rights_are_not_lent_for_its_resources_in_other_namespaces() {
        let environment = EnvironmentName::new("shop", "staging");
        let key = |group: &str, kind: &str, namespace: &str| ObjectKey {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: Some(namespace.to_owned()),
            name: "a".to_owned(),
        };
        let account = Identity::ServiceAccount(ServiceAccount::parse("shop", "deployer").expect("a name"));
        let check = |identity: &Identity, key: ObjectKey, expected: bool| {
            assert_eq!(identity.may_concern(&environment, &key), expected, "{identity:?} {key}");
        };
        check(&Identity::Own, key(GROUP, "Environment", "shop"), true);
        check(&Identity::Own, key(GROUP, "Environment", "bank"), false);
        check(&Identity::Own, key(GROUP, "Repository", "bank"), false);
        check(&Identity::Own, key("", "ConfigMap", "bank"), true);
        check(&account, key(GROUP, "Environment", "bank"), true);
    }

    #[test]
    fn a_user_name_is_read_back_as_written() {
        let account = ServiceAccount::parse("shop", "deployer").expect("a name");
        assert_eq!(account.user(), "system:serviceaccount:shop:deployer");
        assert_eq!(account.to_string(), "ServiceAccount shop/deployer");
        assert_eq!(ServiceAccount::of_user(&account.user()), Some(account));
        for user in ["ada", "system:serviceaccount:shop", "system:serviceaccount:shop:a:b", "system:node:shop:a"] {
            assert_eq!(ServiceAccount::of_user(user), None, "{user}");
        }
    }
}
