//! The ApplySet parent (KEP-3659): which kinds and namespaces an environment's objects may be found in.
//!
//! It is widened before anything is applied and narrowed only after deletes are confirmed, so that a crash
//! never leaves an object that nobody looks for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::object::{GroupKind, ObjectKey};

/// The parent's label with its own id.
pub const ID_LABEL: &str = "applyset.kubernetes.io/id";
/// The annotation that names the tool and its version.
pub const TOOLING: &str = "applyset.kubernetes.io/tooling";
/// The annotation that lists `Kind.group`, comma-separated and sorted.
pub const CONTAINS_GROUP_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// The annotation that lists the namespaces of members other than the parent's own, comma-separated and sorted.
pub const ADDITIONAL_NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";

/// The scope of an inventory: the kinds and namespaces that hold members.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// Kinds that may have members.
    pub kinds: BTreeSet<GroupKind>,
    /// Namespaces that may have members.
    pub namespaces: BTreeSet<String>,
}

impl Inventory {
    /// Returns the scope of these members.
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a ObjectKey>) -> Self {
        let mut inventory = Self::default();
        for key in keys {
            inventory.kinds.insert(key.group_kind());
            inventory.namespaces.extend(key.namespace.clone());
        }
        inventory
    }

    /// Returns everything that either holds: readers of two copies take the union.
    pub fn union(&self, other: &Self) -> Self {
        Self {
            kinds: self.kinds.union(&other.kinds).cloned().collect(),
            namespaces: self.namespaces.union(&other.namespaces).cloned().collect(),
        }
    }

    /// Returns whether everything in `other` is in here too.
    pub fn covers(&self, other: &Self) -> bool {
        self.kinds.is_superset(&other.kinds) && self.namespaces.is_superset(&other.namespaces)
    }

    /// Returns whether an object is in the scope.
    pub fn holds(&self, key: &ObjectKey) -> bool {
        let namespace = key.namespace.as_ref().is_none_or(|namespace| self.namespaces.contains(namespace));
        namespace && self.kinds.contains(&key.group_kind())
    }

    /// Returns the parent's annotations, for a parent in `parent_namespace`.
    pub fn annotations(&self, tooling: &str, parent_namespace: &str) -> BTreeMap<String, String> {
        let kinds: Vec<_> = self.kinds.iter().map(GroupKind::to_string).collect::<BTreeSet<_>>().into_iter().collect();
        let others: Vec<_> = self.namespaces.iter().filter(|n| *n != parent_namespace).cloned().collect();
        BTreeMap::from([
            (TOOLING.to_owned(), tooling.to_owned()),
            (CONTAINS_GROUP_KINDS.to_owned(), kinds.join(",")),
            (ADDITIONAL_NAMESPACES.to_owned(), others.join(",")),
        ])
    }

    /// Reads the parent's annotations; nothing where the parent has none, so that a missing record is never read as
    /// an empty one.
    pub fn from_annotations(annotations: &BTreeMap<String, String>, parent_namespace: &str) -> Option<Self> {
        let kinds = annotations.get(CONTAINS_GROUP_KINDS)?;
        let namespaces = annotations.get(ADDITIONAL_NAMESPACES).map(String::as_str).unwrap_or_default();
        let listed = |text: &str| {
            text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut inventory = Self {
            kinds: listed(kinds).iter().filter_map(|kind| GroupKind::parse(kind)).collect(),
            namespaces: listed(namespaces).into_iter().collect(),
        };
        inventory.namespaces.insert(parent_namespace.to_owned());
        Some(inventory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_read_back_as_written() {
        let inventory = Inventory {
            kinds: [GroupKind::new("apps", "Deployment"), GroupKind::new("", "ConfigMap")].into(),
            namespaces: ["team".to_owned(), "shop".to_owned()].into(),
        };
        let written = inventory.annotations("plumb/0.1.0", "team");
        assert_eq!(written[CONTAINS_GROUP_KINDS], "ConfigMap,Deployment.apps");
        assert_eq!(written[ADDITIONAL_NAMESPACES], "shop");
        assert_eq!(Inventory::from_annotations(&written, "team"), Some(inventory));
    }

    #[test]
    fn people_may_write_spaces_into_annotations() {
        let written = [(CONTAINS_GROUP_KINDS, " ConfigMap , Deployment.apps,"), (ADDITIONAL_NAMESPACES, "shop, away")];
        let written = written.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let read = Inventory::from_annotations(&written, "team").expect("a record");
        assert_eq!(read.kinds, [GroupKind::new("", "ConfigMap"), GroupKind::new("apps", "Deployment")].into());
        assert_eq!(read.namespaces, ["away", "shop", "team"].map(str::to_owned).into());
    }

    #[test]
    fn a_scope_covers_another_in_kinds_and_namespaces() {
        let scope = |kinds: &[&str], namespaces: &[&str]| Inventory {
            kinds: kinds.iter().map(|kind| GroupKind::new("", kind)).collect(),
            namespaces: namespaces.iter().map(|namespace| (*namespace).to_owned()).collect(),
        };
        let (one, other) = (scope(&["A"], &["x"]), scope(&["B"], &["y"]));
        assert_eq!(one.union(&other), scope(&["A", "B"], &["x", "y"]));
        assert!(one.union(&other).covers(&one) && one.covers(&one));
        assert!(!one.covers(&other) && !one.covers(&scope(&["B"], &["x"])) && !one.covers(&scope(&["A"], &["y"])));
    }

    #[test]
    fn a_scope_holds_objects_of_its_kinds_in_its_namespaces_and_those_without_one() {
        let scope = Inventory {
            kinds: ["A", "C"].map(|kind| GroupKind::new("", kind)).into(),
            namespaces: ["x".into()].into(),
        };
        let check = |kind: &str, namespace: Option<&str>, expected| {
            let namespace = namespace.map(str::to_owned);
            let key = ObjectKey { group: String::new(), kind: kind.into(), namespace, name: "n".into() };
            assert_eq!(scope.holds(&key), expected, "{key}");
            assert_eq!(scope.covers(&Inventory::of([&key])), expected, "{key}");
        };
        check("A", Some("x"), true);
        check("C", None, true);
        check("A", Some("y"), false);
        check("B", Some("x"), false);
        check("B", None, false);
    }

    #[test]
    fn a_parent_without_the_annotation_says_nothing() {
        assert_eq!(Inventory::from_annotations(&BTreeMap::new(), "team"), None);
    }
}
