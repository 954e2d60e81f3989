//! What became of each commit of an environment, told from its records.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    commit::CommitId,
    record::{RecordKind, line::Line},
};

/// One commit and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The commit.
    pub commit: CommitId,
    /// Its author.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
    /// When it was applied in full for the last time, or when its newest result was.
    pub at: Timestamp,
    /// Milliseconds that this took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// What came of it; absent: only facts about it are recorded, no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<RecordKind>,
    /// Drifts while it was in force.
    pub drifts: u64,
    /// The commit that takes it back in Git, on its branch or on one for review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back_by: Option<CommitId>,
}

/// Returns a row for each commit, the latest first.
pub fn rows<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Vec<Row> {
    let mut lines: Vec<&Line> = lines.into_iter().collect();
    lines.sort_by_key(|line| (line.time, line.sequence));
    let mut rows: BTreeMap<&CommitId, Row> = BTreeMap::new();
    for line in lines {
        rows.entry(&line.commit).or_insert_with(|| Row::of(line)).add(line);
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.at));
    rows
}

impl Row {
    fn of(line: &Line) -> Self {
        Self {
            commit: line.commit.clone(),
            author: line.author.clone(),
            subject: line.subject.clone(),
            at: line.time,
            took_ms: None,
            result: None,
            drifts: 0,
            rolled_back_by: None,
        }
    }

    fn add(&mut self, line: &Line) {
        // Of a commit that was applied before, the first time counts: that it was needed again is no news of it.
        if is_result(line.kind) || line.kind == RecordKind::Restored && self.result.is_none() {
            (self.at, self.took_ms, self.result) = (line.time, line.took_ms, Some(line.kind));
        }
        if line.kind == RecordKind::Reverted {
            self.rolled_back_by.clone_from(&line.related);
        }
        self.drifts += match line.kind {
            RecordKind::DriftFound | RecordKind::DriftCorrected => line.count.unwrap_or(1),
            RecordKind::RolledUp => {
                let drift = |kind: &RecordKind| line.kinds.get(kind).copied().unwrap_or(0);
                drift(&RecordKind::DriftFound) + drift(&RecordKind::DriftCorrected)
            }
            _ => 0,
        };
    }
}

/// Returns whether a record says what came of a commit, rather than what happened meanwhile.
fn is_result(kind: RecordKind) -> bool {
    match kind {
        RecordKind::Applied
        | RecordKind::Failed
        | RecordKind::Untrusted
        | RecordKind::Blocked
        | RecordKind::Superseded
        | RecordKind::Held => true,
        RecordKind::Refused
        | RecordKind::Pruned
        | RecordKind::Adopted
        | RecordKind::HandedOver
        | RecordKind::DriftFound
        | RecordKind::DriftCorrected
        | RecordKind::Contended
        | RecordKind::Allowed
        | RecordKind::Suspended
        | RecordKind::Resumed
        | RecordKind::LetGo
        | RecordKind::Replaced
        | RecordKind::HealthLost
        | RecordKind::Restored
        | RecordKind::Reverted
        | RecordKind::PullRequested
        | RecordKind::Released
        | RecordKind::RolledUp
        | RecordKind::NotesRewritten => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(commit: char, second: u32, kind: &str, more: &str) -> Line {
        let text = format!(
            r#"{{"v":1,"time":"2026-11-21T20:00:{second:02}Z","kind":"{kind}","sequence":{second},"cluster":"c","repository":"r",
            "environment":{{"namespace":"n","name":"e","uid":"u"}},"commit":"{}","author":"Ann <a@b>","subject":"s",
            "message":"m"{more}}}"#,
            commit.to_string().repeat(40)
        );
        Line::parse(&text).expect("a line")
    }

    #[test]
    fn a_commit_says_what_took_it_back() {
        let by = |digit: char| format!(r#","related":"{}""#, digit.to_string().repeat(40));
        let lines = [
            line('a', 1, "Applied", ""),
            line('b', 2, "Applied", ""),
            line('b', 3, "Held", ""),
            line('b', 4, "Reverted", &by('e')),
            line('b', 5, "Superseded", &by('d')),
        ];
        let rows = rows(&lines);
        let shown: Vec<_> = rows.iter().map(|row| row.rolled_back_by.as_ref().map(CommitId::short)).collect();
        assert_eq!(shown, [Some("eeeeeee"), None]);
    }

    #[test]
    fn each_commit_has_its_newest_result_and_its_drifts() {
        let lines = [
            line('a', 2, "DriftCorrected", ""),
            line('a', 1, "Applied", r#","tookMs":40"#),
            line('a', 3, "Contended", r#","count":9"#),
            line('b', 4, "Failed", r#","tookMs":7"#),
            line('b', 5, "Applied", r#","tookMs":9"#),
            line('c', 6, "RolledUp", r#","from":6,"kinds":{"DriftFound":2,"Applied":1}"#),
            line('a', 7, "Restored", r#","tookMs":3"#),
            line('d', 8, "Restored", r#","tookMs":3"#),
        ];
        let rows = rows(&lines);
        let shown: Vec<_> = rows.iter().map(|row| (row.commit.short(), row.result, row.took_ms, row.drifts)).collect();
        assert_eq!(
            shown,
            [
                ("ddddddd", Some(RecordKind::Restored), Some(3), 0),
                ("ccccccc", None, None, 2),
                ("bbbbbbb", Some(RecordKind::Applied), Some(9), 0),
                ("aaaaaaa", Some(RecordKind::Applied), Some(40), 1),
            ]
        );
    }
}
