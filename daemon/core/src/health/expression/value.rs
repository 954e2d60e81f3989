//! An object as CEL sees it: strings are borrowed, nothing is printed.

use cel::common::{
    types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt},
    value::Val,
};
use serde_json::Value;

/// Left out: every writer's every field, which nothing about health follows from and which is most of a small object.
const MANAGED_FIELDS: &str = "managedFields";

/// Returns an object without its managed fields.
pub(super) fn of_object(object: &Value) -> Box<dyn Val + '_> {
    let Value::Object(fields) = object else { return of(object) };
    let fields = fields.iter().map(|(name, value)| match value {
        Value::Object(metadata) if name == "metadata" => (
            name,
            map(metadata.iter().filter(|(name, _)| *name != MANAGED_FIELDS).map(|(name, value)| (name, of(value)))),
        ),
        value => (name, of(value)),
    });
    map(fields)
}

fn of(value: &Value) -> Box<dyn Val + '_> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Box::new(CelInt::from(number)),
            (None, Some(number)) => Box::new(CelUInt::from(number)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(of).collect::<Vec<_>>())),
        Value::Object(fields) => map(fields.iter().map(|(name, value)| (name, of(value)))),
    }
}

fn map<'v>(fields: impl Iterator<Item = (&'v String, Box<dyn Val + 'v>)>) -> Box<dyn Val + 'v> {
    // In no order; `meter` puts the keys in order before a loop goes through them.
    let mut entries = CelMap::default().into_inner();
    entries.extend(fields.map(|(name, value)| (CelMapKey::from(name.as_str()), value)));
    Box::new(CelMap::from(entries))
}
