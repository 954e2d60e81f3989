//! What a scenario can be seen to have led to: its Environments, and the objects in its namespaces and of its name.

use std::collections::BTreeSet;

use serde_json::Value;

use super::kinds::{self, Kind};
use crate::reader::Reader;

/// Everything seen at one moment.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// The Environments, by name.
    pub environments: Vec<Value>,
    /// All other objects, by kind, namespace and name.
    pub objects: Vec<Value>,
}

/// Looks at one scenario's part of a cluster.
#[derive(Clone)]
pub struct Observer {
    reader: Reader,
    /// The scenario's namespace; whatever has it in its name belongs to the scenario.
    name: String,
}

impl Observer {
    /// Makes an observer of the scenario whose namespace this is.
    pub fn new(reader: Reader, name: &str) -> Self {
        Self { reader, name: name.to_owned() }
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// In words: what could not be read.
    pub fn observe(&self) -> Result<Observation, String> {
        let mut seen = Observation::default();
        let kinds = self.kinds()?;
        let namespaces = self.namespaces()?;
        for kind in &kinds {
            let places: Vec<&String> = if kind.namespaced { namespaces.iter().collect() } else { vec![&self.name] };
            for namespace in places {
                for mut object in self.reader.list(&kind.collection(namespace))? {
                    object["kind"] = Value::from(kind.kind.clone());
                    match kind.kind.as_str() {
                        "Environment" => seen.environments.push(object),
                        _ if self.is_shown(kind, &object) => seen.objects.push(object),
                        _ => {}
                    }
                }
            }
        }
        let key = |object: &Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&object["kind"]), text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
        };
        seen.environments.sort_by_key(key);
        seen.objects.sort_by_key(key);
        Ok(seen)
    }

    /// Returns an object, or nothing if there is none; `NAMESPACE/NAME` for one outside the scenario's own namespace.
    ///
    /// # Errors
    /// In words: no such kind, or no answer.
    pub fn object(&self, kind: &str, name: &str) -> Result<Option<Value>, String> {
        let mut known = kinds::built_in();
        if !known.iter().any(|known| known.kind == kind) {
            known = self.kinds()?;
        }
        let found = known.into_iter().find(|known| known.kind == kind);
        let found = found.ok_or_else(|| format!("scenarios know no kind {kind}; scenario/kinds.rs lists them"))?;
        let (namespace, name) = name.split_once('/').unwrap_or((&self.name, name));
        self.reader.get(&format!("{}/{name}", found.collection(namespace)))
    }

    /// Returns an Environment's status.
    ///
    /// # Errors
    /// In words: no answer.
    pub fn status(&self, environment: &str) -> Result<Value, String> {
        Ok(self.object("Environment", environment)?.map(|object| object["status"].clone()).unwrap_or_default())
    }

    fn kinds(&self) -> Result<Vec<Kind>, String> {
        let mut kinds = kinds::built_in();
        let definitions = self.reader.list("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")?;
        let ours = definitions.iter().filter(|definition| self.is_ours(definition));
        kinds.extend(ours.filter_map(kinds::defined));
        Ok(kinds)
    }

    fn namespaces(&self) -> Result<BTreeSet<String>, String> {
        let namespaces = self.reader.list("/api/v1/namespaces")?;
        let ours = namespaces.iter().filter(|namespace| self.is_ours(namespace));
        Ok(ours.filter_map(|namespace| namespace["metadata"]["name"].as_str().map(str::to_owned)).collect())
    }

    /// Leaves out what every namespace has, the scenario's own namespace and repository, and what others made.
    fn is_shown(&self, kind: &Kind, object: &Value) -> bool {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        match (kind.kind.as_str(), name) {
            ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default") | ("Repository", _) => false,
            ("Namespace", name) => name != self.name && self.is_ours(object),
            _ => kind.namespaced || self.is_ours(object),
        }
    }

    fn is_ours(&self, object: &Value) -> bool {
        object["metadata"]["name"].as_str().is_some_and(|name| name.contains(&self.name))
    }
}
