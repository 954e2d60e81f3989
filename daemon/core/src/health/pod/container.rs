//! What the containers of one Pod say of themselves.

use serde_json::Value;

use super::{Part, Trouble};
use crate::{health::object::Object, text};

/// Reasons for waiting that every Pod passes through.
const ORDINARY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Characters told of what a container wrote as it ended: it may be the end of a log.
const LAST_WORDS_TOLD: usize = 120;

/// Exit codes above it mean that a signal ended the process (as shells count).
const SIGNALS: i64 = 128;

/// The containers of one Pod, those that have to end first before the others.
pub(super) struct Containers<'a> {
    pod: Object<'a>,
    all: Vec<Container<'a>>,
}

struct Container<'a> {
    status: Object<'a>,
    is_init: bool,
}

impl<'a> Containers<'a> {
    pub(super) fn of(pod: Object<'a>) -> Self {
        let list = |pointer: &str| pod.at(pointer).and_then(Value::as_array).into_iter().flatten();
        let init = list("/status/initContainerStatuses").map(|status| (status, true));
        let main = list("/status/containerStatuses").map(|status| (status, false));
        let all = init.chain(main).map(|(status, is_init)| Container { status: Object(status), is_init }).collect();
        Self { pod, all }
    }

    /// Returns the first one that can't start: no image, no such Secret, a crash loop.
    pub(super) fn stuck(&self) -> Option<Trouble> {
        self.all.iter().find_map(|container| {
            let reason = container.status.at("/state/waiting/reason")?.as_str()?;
            if ORDINARY.contains(&reason) {
                return None;
            }
            // A crash loop's own message says how long the pause is; the last end says what happened.
            let message = match container.status.at("/lastState/terminated") {
                Some(last) if reason == "CrashLoopBackOff" => ending(Object(last)),
                _ => container.status.text("/state/waiting/message").to_owned(),
            };
            Some(container.trouble(reason, message))
        })
    }

    /// Returns the first one that ended with an error.
    pub(super) fn ended_badly(&self) -> Option<Trouble> {
        self.all.iter().find_map(|container| {
            let state = Object(container.status.at("/state/terminated")?);
            if state.at("/exitCode").and_then(Value::as_i64) == Some(0) {
                return None;
            }
            let reason = Some(state.text("/reason")).filter(|reason| !reason.is_empty()).unwrap_or("Error");
            Some(container.trouble(reason, ending(state)))
        })
    }

    /// Returns the first one that runs and is not ready, with the probe that it has yet to pass. A container that has no
    /// probe, and never ended, is merely young.
    pub(super) fn not_ready(&self) -> Option<Trouble> {
        self.all.iter().find_map(|container| {
            let status = container.status;
            let is = |name: &str| status.at(name).and_then(Value::as_bool).unwrap_or_default();
            if status.at("/state/running").is_none() || is("/ready") {
                return None;
            }
            let specification = self.specification(container);
            let has = |probe: &str| specification.is_some_and(|found| found.get(probe).is_some());
            let probe = if has("startupProbe") && !is("/started") {
                Some("its startup probe has not succeeded")
            } else if has("readinessProbe") {
                Some("its readiness probe does not succeed")
            } else {
                None
            };
            let last = status.at("/lastState/terminated").map(|last| format!("ended before: {}", ending(Object(last))));
            let told: Vec<String> = probe.map(str::to_owned).into_iter().chain(last).collect();
            (!told.is_empty()).then(|| container.trouble("NotReady", told.join(", ")))
        })
    }

    fn specification(&self, container: &Container<'_>) -> Option<&'a Value> {
        let list = if container.is_init { "/spec/initContainers" } else { "/spec/containers" };
        let name = container.status.text("/name");
        self.pod.at(list)?.as_array()?.iter().find(|found| found.get("name").is_some_and(|found| found == name))
    }
}

impl Container<'_> {
    fn trouble(&self, reason: &str, message: String) -> Trouble {
        let name = self.status.text("/name").to_owned();
        let part = if self.is_init { Part::InitContainer(name) } else { Part::Container(name) };
        let (image, template) = (self.status.text("/image").to_owned(), String::new());
        Trouble { part, reason: reason.to_owned(), message, image, template }
    }
}

/// Returns how a container ended, and the last line of what it left as its termination message.
fn ending(terminated: Object<'_>) -> String {
    let signal = terminated.count("/signal");
    let code = terminated.at("/exitCode").and_then(Value::as_i64);
    let how = match (terminated.text("/reason"), code) {
        ("OOMKilled", _) => "out of memory".to_owned(),
        // Such as StartError: the message says it all.
        ("Error" | "Completed" | "", Some(code)) if code > SIGNALS => {
            format!("exit code {code} (signal {})", code - SIGNALS)
        }
        (_, Some(_)) if signal > 0 => format!("signal {signal}"),
        (_, Some(code)) => format!("exit code {code}"),
        (reason, None) => reason.to_owned(),
    };
    let words = terminated.text("/message").lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    if words.is_empty() { how } else { format!("{how}: {}", text::shortened(words, LAST_WORDS_TOLD)) }
}
