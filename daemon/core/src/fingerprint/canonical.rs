//! The one text of an owned part that is hashed: sorted keys, and one spelling of what the API server
//! does not tell apart.
//!
//! Must never do: equate values of custom kinds; their schema is not known here.

use serde_json::{Map, Value};

use crate::{object::Gvk, quantity::Quantity};

/// API groups whose kinds are compiled into the API server: Go structs that drop empty values.
const BUILT_IN_GROUPS: [&str; 20] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Fields that are maps, lists or structs wherever built-in kinds have them: null there is the same as empty. Of
/// scalars null means "the default", which is not the same as `false` or 0.
const EMPTY_WHEN_NULL: [&str; 23] = [
    "affinity",
    "annotations",
    "args",
    "binaryData",
    "command",
    "data",
    "env",
    "envFrom",
    "finalizers",
    "imagePullSecrets",
    "initContainers",
    "labels",
    "limits",
    "nodeSelector",
    "ports",
    "requests",
    "resources",
    "securityContext",
    "strategy",
    "tolerations",
    "topologySpreadConstraints",
    "volumeMounts",
    "volumes",
];

/// Lists of built-in kinds whose items are owned one by one: applied empty, nothing of them is owned.
const KEYED_LISTS: [&str; 12] = [
    "containers",
    "env",
    "finalizers",
    "hostAliases",
    "imagePullSecrets",
    "initContainers",
    "ownerReferences",
    "ports",
    "topologySpreadConstraints",
    "volumeDevices",
    "volumeMounts",
    "volumes",
];

/// Maps whose values are quantities.
const QUANTITY_MAPS: [&str; 6] = ["capacity", "default", "defaultRequest", "hard", "limits", "requests"];

/// Fields that are one quantity.
const QUANTITIES: [&str; 2] = ["averageValue", "sizeLimit"];

/// How the API server treats empty values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A compiled-in kind: empty values may be dropped, quantities are rewritten.
    BuiltIn,
    /// A custom kind, or free JSON: everything is kept as it was sent.
    Custom,
}

impl Dialect {
    /// Returns the dialect of a kind.
    pub(super) fn of(gvk: &Gvk) -> Self {
        if BUILT_IN_GROUPS.contains(&gvk.group.as_str()) { Self::BuiltIn } else { Self::Custom }
    }

    /// Returns the dialect of a field of a map in this dialect, which is the root if `depth` is 0.
    pub(super) fn below(self, name: &str, depth: usize) -> Self {
        match name {
            "metadata" if depth == 0 => Self::BuiltIn,
            "openAPIV3Schema" => Self::Custom,
            _ => self,
        }
    }
}

/// Where the value comes from, which decides what null means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// From a live object: null marks an owned field that the server left out.
    Live,
    /// From a manifest: null is what somebody wrote.
    Manifest,
}

/// Writes the canonical text of an owned part.
pub(super) fn write(value: &Value, dialect: Dialect, side: Side, out: &mut Vec<u8>) {
    Writer { side, out }.value("", value, dialect, 0);
}

/// Writes the canonical text of a part of an object: the value of the field `name`, or an item of the list there.
pub(super) fn write_below(name: &str, value: &Value, dialect: Dialect, side: Side, out: &mut Vec<u8>) {
    Writer { side, out }.item(name, value, dialect, 1);
}

struct Writer<'a> {
    side: Side,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn value(&mut self, name: &str, value: &Value, dialect: Dialect, depth: usize) {
        if dialect == Dialect::BuiltIn && is_empty(value) && depth > 0 {
            let says_nothing = !value.is_null() || self.side == Side::Live || EMPTY_WHEN_NULL.contains(&name);
            // `!` is no JSON: a null that may stand for a default equals nothing.
            self.out.extend_from_slice(if says_nothing { b"null" } else { b"!" });
            return;
        }
        match value {
            Value::Object(map) => self.map(name, map, dialect, depth),
            Value::Array(items) => {
                self.out.push(b'[');
                for item in items {
                    self.item(name, item, dialect, depth);
                    self.out.push(b',');
                }
                self.out.push(b']');
            }
            scalar => self.scalar(scalar, dialect == Dialect::BuiltIn && QUANTITIES.contains(&name)),
        }
    }

    fn item(&mut self, list: &str, item: &Value, dialect: Dialect, depth: usize) {
        match item {
            // An empty item of a list is never dropped: `ingress: [{}]` allows what `ingress: []` denies.
            Value::Object(map) => self.map(list, map, dialect, depth + 1),
            Value::Array(_) => self.value("", item, dialect, depth + 1),
            scalar => self.scalar(scalar, false),
        }
    }

    fn map(&mut self, name: &str, map: &Map<String, Value>, dialect: Dialect, depth: usize) {
        let quantities = dialect == Dialect::BuiltIn && QUANTITY_MAPS.contains(&name);
        let says_nothing = |field: &str, value: &Value| {
            let unowned = KEYED_LISTS.contains(&field) && value.as_array().is_some_and(Vec::is_empty);
            dialect == Dialect::BuiltIn && (unowned || is_default(name, map, field, value))
        };
        let mut fields: Vec<(&String, &Value)> =
            map.iter().filter(|(field, value)| !says_nothing(field, value)).collect();
        fields.sort_unstable_by_key(|(field, _)| *field);
        self.out.push(b'{');
        for (field, value) in fields {
            self.out.extend_from_slice(Value::String(field.clone()).to_string().as_bytes());
            self.out.push(b':');
            if quantities && !value.is_object() && !value.is_array() && !value.is_null() {
                self.scalar(value, true);
            } else {
                self.value(field, value, dialect.below(field, depth), depth + 1);
            }
            self.out.push(b',');
        }
        self.out.push(b'}');
    }

    fn scalar(&mut self, value: &Value, quantity: bool) {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        if let Some(amount) = quantity.then(|| Quantity::parse(&text)).flatten() {
            self.out.extend_from_slice(format!("quantity {}", amount.nanos()).as_bytes());
            return;
        }
        match value.as_f64() {
            // 1.0 and 1 are one number to the server, which writes 1.
            Some(number) if value.is_f64() && number.fract() == 0.0 && number.abs() < 9e15 => {
                self.out.extend_from_slice(format!("{number:.0}").as_bytes());
            }
            _ => self.out.extend_from_slice(value.to_string().as_bytes()),
        }
    }
}

/// Returns whether a Go struct may leave the value out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Returns whether a field of a map is what the server fills in anyway: most of them stand in lists or structs that
/// are owned as a whole, so ownership can't tell. `name` is the field that holds the map, or the list it is an item of.
fn is_default(name: &str, map: &Map<String, Value>, field: &str, value: &Value) -> bool {
    let kind = map.get("kind").and_then(Value::as_str);
    match (name, field) {
        (_, "creationTimestamp") => value.is_null(),
        ("fieldRef", "apiVersion") => value == "v1",
        ("resourceFieldRef", "divisor") => value == "0" || value == 0,
        ("subjects", "apiGroup") => match kind {
            Some("ServiceAccount") => value == "",
            _ => value == "rbac.authorization.k8s.io",
        },
        ("serviceAccountToken", "expirationSeconds") => value == 3600,
        ("rules", "scope") => value == "*",
        ("ports", "protocol") => value == "TCP",
        ("spec", "volumeMode") => value == "Filesystem",
        ("volumeClaimTemplates", "apiVersion") => value == "v1",
        ("volumeClaimTemplates", "kind") => value == "PersistentVolumeClaim",
        ("volumeClaimTemplates", "status") => true,
        _ => false,
    }
}
