//! How an Environment stands, read from its status.

use plumb_api::{
    Condition,
    condition::{ConditionStatus, READY},
    environment::InventoryStatus,
};

use super::screen::Tone;

/// Returns whether a condition holds; nothing if it is not there.
pub(crate) fn status(conditions: &[Condition], type_: &str) -> Option<ConditionStatus> {
    find(conditions, type_).map(|condition| condition.status)
}

/// Returns a condition.
pub(crate) fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Returns the sentence of the condition Ready.
pub(crate) fn message(conditions: &[Condition]) -> &str {
    find(conditions, READY).map_or("the daemon has not looked at it yet", |ready| ready.message.as_str())
}

/// Returns the condition Ready as a word with its colour.
pub(crate) fn ready(conditions: &[Condition]) -> (&'static str, Tone) {
    match status(conditions, READY) {
        Some(ConditionStatus::True) => ("True", Tone::Good),
        Some(ConditionStatus::False) => ("False", Tone::Bad),
        Some(ConditionStatus::Unknown) | None => ("Unknown", Tone::Waiting),
    }
}

/// Returns the objects' health in few words: the verdict if all share it, else how many have which.
pub(crate) fn health(inventory: &InventoryStatus) -> (String, Tone) {
    let counts: Vec<_> = inventory.health.iter().filter(|(_, count)| **count > 0).collect();
    let all_current = counts.iter().all(|(verdict, _)| *verdict == "Current");
    let tone = match () {
        () if all_current => Tone::Good,
        () if inventory.health.get("Failed").is_some_and(|count| *count > 0) => Tone::Bad,
        () => Tone::Waiting,
    };
    let text = match counts.as_slice() {
        [] => return (String::new(), Tone::Plain),
        [(verdict, _)] => (*verdict).clone(),
        several => several.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect::<Vec<_>>().join(", "),
    };
    (text, tone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_told_in_few_words() {
        let check = |counts: &[(&str, u32)], expected: (&str, Tone)| {
            let health = counts.iter().map(|(verdict, count)| ((*verdict).to_owned(), *count)).collect();
            let (text, tone) = super::health(&InventoryStatus { health, ..InventoryStatus::default() });
            assert_eq!((text.as_str(), tone), expected);
        };
        check(&[], ("", Tone::Plain));
        check(&[("Current", 7), ("Failed", 0)], ("Current", Tone::Good));
        check(&[("Current", 5), ("InProgress", 2)], ("5 Current, 2 InProgress", Tone::Waiting));
        check(&[("Failed", 1), ("InProgress", 2)], ("1 Failed, 2 InProgress", Tone::Bad));
        check(&[("InProgress", 2)], ("InProgress", Tone::Waiting));
    }
}
