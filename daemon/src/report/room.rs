//! The room that a status has: etcd takes no object of more than 1.5 MiB, and a status that can't be written says nothing at all.
//!
//! Owns: what of a status that has become too large is cut. Must never do: cut what plumb goes on from, such as records that
//! wait, what is held, or what is owned.

use plumb_api::EnvironmentStatus;
use plumb_core::text;

/// Largest status, in bytes of its JSON: far from etcd's limit, since managedFields and annotations are stored along.
const STATUS_BYTES_MAX: usize = 256 * 1024;
/// What is cut one after the other, until the status fits: longest text in characters, drifts and operations, and fields of each
/// drift.
const CUTS: [(usize, usize, usize); 3] = [(1000, 20, 5), (300, 10, 1), (100, 3, 0)];

/// Cuts what is only said to people, as far as it has to be.
pub(super) fn fit(status: &mut EnvironmentStatus) {
    for (chars, entries, fields) in CUTS {
        if size(status) <= STATUS_BYTES_MAX {
            return;
        }
        let cut = |text: &mut String| *text = text::shortened(text, chars);
        status.problems.iter_mut().for_each(cut);
        status.conditions.iter_mut().for_each(|condition| cut(&mut condition.message));
        status.drift.truncate(entries);
        for drift in &mut status.drift {
            let more = drift.fields.len().saturating_sub(fields);
            drift.more_fields = drift.more_fields.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
            drift.fields.truncate(fields);
            drift.fields.iter_mut().for_each(|field| cut(&mut field.path));
        }
        status.history.truncate(entries);
        status.history.iter_mut().for_each(|entry| cut(&mut entry.summary));
    }
}

fn size(status: &EnvironmentStatus) -> usize {
    serde_json::to_vec(status).map_or(0, |json| json.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(length: usize) -> EnvironmentStatus {
        let long = "ä".repeat(length);
        let field = json!({ "path": long, "before": "b".repeat(120), "after": "a".repeat(120) });
        let drift = json!({
            "object": "o", "what": "Changed", "by": "b", "noticed": "n", "action": "Corrected", "fields": vec![field; 10],
        });
        let revision = json!({ "commit": "c", "author": "a", "committed": "t", "subject": "s" });
        let mut operation = json!({ "revision": revision });
        for (key, value) in
            [("at", json!("t")), ("tookMs", json!(1)), ("result", json!("Applied")), ("summary", json!(long))]
        {
            operation[key] = value;
        }
        let condition =
            json!({ "type": "Ready", "status": "False", "lastTransitionTime": "t", "reason": "r", "message": long });
        serde_json::from_value(json!({
            "conditions": vec![condition; 4],
            "problems": vec![long; 20],
            "drift": vec![drift; 20],
            "history": vec![operation; 10],
            "handled": { "plumb.dev/sync": "id" },
            "records": { "repository": "r", "next": 9, "pending": vec!["x".repeat(1024); 72] },
        }))
        .expect("a status")
    }

    #[test]
    fn a_status_has_a_bound_and_keeps_what_plumb_goes_on_from() {
        for length in [10, 1000, 5_000, 50_000] {
            let before = status(length);
            let mut after = before.clone();
            fit(&mut after);
            assert!(size(&after) <= STATUS_BYTES_MAX, "{length}: {}", size(&after));
            assert_eq!(after == before, size(&before) <= STATUS_BYTES_MAX, "{length}");
            assert_eq!((&after.records, &after.handled), (&before.records, &before.handled));
            let again = serde_json::to_value(&after).expect("JSON");
            fit(&mut after);
            assert_eq!(serde_json::to_value(&after).expect("JSON"), again, "nothing is cut twice");
        }
    }
}
