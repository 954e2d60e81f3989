//! The few ways of looking into an object's JSON that verdicts need.
//!
//! Must never do: fail. What is missing or of another type reads as empty, since API servers leave out what is empty.

use serde_json::Value;

/// A JSON object with the few ways of looking into it that verdicts need.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a>(pub(crate) &'a Value);

/// One entry of `status.conditions`.
pub(crate) struct Condition<'a> {
    pub(crate) status: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
    /// Whether it says itself that it speaks of an older generation of the object.
    pub(crate) is_outdated: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn at(self, pointer: &str) -> Option<&'a Value> {
        self.0.pointer(pointer)
    }

    pub(crate) fn text(self, pointer: &str) -> &'a str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns a count; the API server leaves out those that are 0.
    pub(crate) fn count(self, pointer: &str) -> i64 {
        self.at(pointer).and_then(Value::as_i64).unwrap_or_default()
    }

    pub(crate) fn condition(self, kind: &str) -> Option<Condition<'a>> {
        let conditions = self.at("/status/conditions")?.as_array()?;
        let found = conditions.iter().find(|condition| condition.get("type").is_some_and(|found| found == kind))?;
        let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default();
        let observed = found.get("observedGeneration").and_then(Value::as_i64);
        let generation = self.at("/metadata/generation").and_then(Value::as_i64);
        let is_outdated = matches!((observed, generation), (Some(observed), Some(now)) if observed < now);
        Some(Condition { status: text("status"), reason: text("reason"), message: text("message"), is_outdated })
    }

    /// Returns why the object is held up, if the condition says that it is.
    pub(crate) fn held_by(self, kind: &str) -> Option<String> {
        let condition = self.condition(kind).filter(Condition::holds)?;
        Some(format!("{}{}", kind.to_lowercase(), condition.because()))
    }
}

impl Condition<'_> {
    pub(crate) fn holds(&self) -> bool {
        self.status == "True"
    }

    /// Returns `: reason, message` with what of both is there.
    pub(crate) fn because(&self) -> String {
        let parts: Vec<&str> =
            [self.reason, self.message.trim_end_matches('.')].into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
    }
}
