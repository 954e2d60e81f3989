//! Each record is one count, one log line and one Event, which say the same as its line in a note.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use plumb_core::record::line::Line;
use serde_json::Value;

use super::*;
use crate::ledger::example;

/// What the log holds.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<Value> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8(text).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
    }
}

fn record(kind: RecordKind) -> Record {
    let message = format!("what happened: {}\nand why", kind.label());
    Record { kind, took: Some(Duration::from_millis(7)), ..example::record(&message) }
}

fn counted(metrics: &Metrics, kind: RecordKind) -> u64 {
    let page = metrics.page().expect("a page");
    let line = format!("plumb_records_total{{kind=\"{}\"}} ", kind.label());
    let value =
        page.lines().find_map(|found| found.strip_prefix(line.as_str())).expect("each kind is there from the start");
    value.parse().expect("a number")
}

/// Kinds of records that are about a Repository.
const OF_REPOSITORIES: [RecordKind; 2] = [RecordKind::Untrusted, RecordKind::NotesRewritten];

#[test]
fn every_kind_of_record_is_one_count_one_log_line_and_one_event_with_the_same_words() {
    let metrics = Metrics::new().expect("metrics");
    let (events, mut queue) = mpsc::channel(QUEUE_MAX);
    let journal = Journal { metrics: metrics.clone(), events };
    let origin = example::origin("repo");
    for kind in RecordKind::ALL {
        let (log, record) = (Log::default(), record(kind));
        let line = Line::of(&record, &origin, 1).expect("it is about a commit");
        let into = log.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || into.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            if OF_REPOSITORIES.contains(&kind) {
                let said = (record.message.clone(), record.at);
                journal.repository(kind, ("team", "shop"), "uid", &Tenure::none(), said);
            } else {
                journal.record(record, "uid", &Tenure::none());
            }
        });
        assert_eq!(counted(&metrics, kind), 1, "{kind:?}");
        let logged = log.lines();
        let [said] = logged.as_slice() else { panic!("{kind:?}: {logged:?}") };
        let fields = &said["fields"];
        assert_eq!(fields["kind"], kind.label());
        assert_eq!(fields["message"], line.message.replace('\n', "; "));
        assert_eq!(said["level"], if kind.warns() { "WARN" } else { "INFO" });
        let about = if OF_REPOSITORIES.contains(&kind) { "repository" } else { "environment" };
        assert_eq!(fields[about], "team/shop", "{said}");
        let event = queue.try_recv().expect("an Event");
        assert_eq!((event.reason, &event.message, event.at), (line.kind.label(), &line.message, line.time));
        assert_eq!((event.regarding.name.as_str(), event.uid.as_str()), ("shop", "uid"));
        assert!(queue.try_recv().is_err(), "one Event for {kind:?}");
    }
}
