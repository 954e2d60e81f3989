//! plumb is aborted at every boundary between the effects of a rollback, before the first and after each: each write to the
//! cluster, each status, each Event, each push. Started again, it brings the rollback to the same end.
//!
//! One plumb lives from one crash to the next. What it had begun goes on in the next life, while another environment is brought
//! to its place of the crash; so most rollbacks live through several.

use std::{
    collections::BTreeMap,
    process::{Command, Output, Stdio},
};

use lab::ControlPlane;
use serde_json::{Value, json};
use system_tests::{
    daemon::Daemon,
    reader::Reader,
    site::{Site, config_map, deployment},
    wait,
};

use crate::replicas::{SHORT, wait_holds};

/// More effects than a rollback has: past it, something goes in circles.
const EFFECTS_MAX: u32 = 100;
const CLUSTER: [&str; 2] = ["--cluster-name", "lab"];

/// An environment of which the newest commit is rolled back.
struct Rollback {
    site: Site,
    reader: Reader,
    good: String,
    bad: Option<String>,
}

impl Rollback {
    fn new(plane: &'static ControlPlane, name: &str) -> Self {
        let site = Site::new(plane, name);
        site.follow(json!({ "records": "Notes" }));
        let web = deployment("web", "registry.example.com/web:1", 1);
        let good = site.push(&[("app/web.yaml", &web), ("app/a.yaml", &config_map("a", "k", "1"))], "Good");
        let rollback = json!({ "mode": "Revert", "failFast": { "after": "500ms" } });
        site.environment("app", "app", json!({ "rollback": rollback }));
        Self { site, reader: Reader::new(plane), good, bad: None }
    }

    fn break_it(&mut self) {
        let web = deployment("web", "lab/broken:2", 1);
        self.bad = Some(self.site.push(&[("app/web.yaml", &web), ("app/b.yaml", &config_map("b", "k", "1"))], "Bad"));
    }

    fn status(&self) -> Result<Value, String> {
        let path = format!("/apis/plumb.dev/v1alpha1/namespaces/{}/environments/app", self.site.namespace);
        Ok(self.reader.get(&path)?.unwrap_or_default()["status"].clone())
    }

    fn head(&self) -> String {
        self.site.repository.branch("main").expect("a branch")
    }

    /// Returns whether the newest commit is in force, healthy, and all that happened to it is published.
    fn is_at(&self, commit: &str) -> Result<(), String> {
        let status = self.status()?;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().any(|known| known["type"] == "Ready" && known["status"] == "True");
        let records = &status["records"];
        let published = records.is_object() && records.get("pending").is_none() && records.get("overflow").is_none();
        let settled = status["rollback"].get("held").is_none() && status["lastHealthy"]["commit"] == commit;
        if ready && published && settled && status["lastApplied"]["commit"] == commit {
            return Ok(());
        }
        Err(format!("{status:#}"))
    }

    /// Returns whether the rollback has come to its end.
    fn is_over(&self) -> Result<(), String> {
        let head = self.head();
        if Some(&head) == self.bad.as_ref() {
            return Err(format!("no revert yet: {:#}", self.status()?));
        }
        self.is_at(&head)
    }

    /// Returns what is wrong with the end.
    fn faults(&self) -> Vec<String> {
        let bad = self.bad.as_deref().expect("because it was broken");
        let git = |arguments: &[&str]| self.site.repository.git(arguments).unwrap_or_else(|error| error.to_string());
        let subjects = git(&["log", "--format=%s", &format!("{bad}..main")]);
        let mut faults = Vec::new();
        let mut expect = |what: &str, found: String, expected: &str| {
            if found.trim() != expected {
                faults.push(format!("{what}: {found:?} instead of {expected:?}"));
            }
        };
        expect("commits on top", subjects, "Revert \"Bad\"");
        expect("what differs from the good commit", git(&["diff", "--name-only", &self.good, "main", "--", "app"]), "");
        let image = self.site.get("deployment", "web").unwrap_or_default();
        let image = &image["spec"]["template"]["spec"]["containers"][0]["image"];
        expect("image", image.as_str().unwrap_or_default().to_owned(), "registry.example.com/web:1");
        expect("what was added", format!("{:?}", self.site.get("configmap", "b").is_some()), "false");
        let (code, said) = self.verify();
        expect("audit verify", format!("{code:?}"), "Some(0)");
        for (kind, count) in self.records() {
            let expected = match kind.as_str() {
                "Held" | "Restored" | "Reverted" | "Released" => count == 1,
                // Of the good commit, of the bad one and of the revert; a cut one is recorded by the next.
                "Applied" => (2..=3).contains(&count),
                // What was deleted and not yet recorded is gone without a record of its own.
                "Pruned" => count == 1,
                // That what the bad commit added is kept is told by each plumb anew.
                "Refused" => true,
                _ => false,
            };
            if !expected {
                faults.push(format!("{count} records {kind}"));
            }
        }
        for kind in ["Held", "Restored", "Reverted", "Released"] {
            if !self.records().contains_key(kind) {
                faults.push(format!("no record {kind}"));
            }
        }
        if !faults.is_empty() {
            faults.push(format!("{:?}; {said}", self.records()));
        }
        faults
    }

    /// Verifies the notes: no number is missing, none is there twice.
    fn verify(&self) -> (Option<i32>, String) {
        let mut command = Command::new(lab::process::plumb());
        command.args(["audit", "verify", "--repo"]).arg(self.site.repository.path());
        let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().expect("plumb runs");
        (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
    }

    /// Counts the records by kind.
    fn records(&self) -> BTreeMap<String, u32> {
        let shown = self.site.repository.git(&["log", "--notes=plumb/lab", "--format=%N", "main"]).expect("a log");
        let mut kinds = BTreeMap::new();
        for line in shown.lines().filter(|line| !line.trim().is_empty()) {
            let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            *kinds.entry(record["kind"].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
        }
        kinds
    }
}

#[test]
fn aborted_at_each_boundary_of_a_rollback_there_is_one_revert_in_the_end() {
    let plane = lab::own();
    let mut daemon = Daemon::start_with(plane, &CLUSTER);
    let (mut places, mut broken) = (Vec::new(), Vec::new());
    let mut next = Rollback::new(plane, "crash");
    // Whoever dies before an effect leaves what the one before it left: only the first has a boundary of its own.
    for (moment, number) in std::iter::once(("before", 1)).chain((1..=EFFECTS_MAX).map(|number| ("after", number))) {
        let mut rollback = std::mem::replace(&mut next, Rollback::new(plane, "crash"));
        wait::until("the good commit", || rollback.is_at(&rollback.good));
        let repository = rollback.site.repository.path().display().to_string();
        daemon.crash(moment, number, &[&rollback.site.namespace, &repository]);
        rollback.break_it();
        let crashed = wait::until("a crash or the end", || match (daemon.has_ended(), rollback.is_over()) {
            (true, _) => Ok(true),
            (false, Ok(())) => Ok(false),
            (false, Err(why)) => Err(why),
        });
        let log = daemon.log();
        let place = log.lines().rev().find_map(|line| line.split(&format!("effect {number}: ")).nth(1));
        // The end may be seen before plumb has ended from the write that led to it.
        if place.is_some() && !crashed {
            wait::until_equal("the crash", &true, || daemon.has_ended());
        }
        places.push(format!("{moment} {number}: {}", place.unwrap_or("the end")));
        broken.push(rollback);
        if place.is_none() {
            break;
        }
        daemon.start_again();
    }
    let mut faults = Vec::new();
    for (place, rollback) in places.iter().zip(&broken) {
        let late = wait::reach("the end of the rollback", || rollback.is_over()).err();
        let of_one: Vec<String> = late.into_iter().chain(rollback.faults()).collect();
        if !of_one.is_empty() {
            faults.push(format!("aborted {place}:\n  {}", of_one.join("\n  ")));
        }
    }
    assert!(faults.is_empty(), "{}\n--- the effects:\n{}", faults.join("\n"), places.join("\n"));
    assert!(places.last().is_some_and(|last| last.ends_with("the end")), "{}", places.join("\n"));
}

/// Aborts the one of three replicas that writes, at its first effect of this description.
fn check_replicas(moment: &str, effect: &str) {
    let plane = lab::own();
    let flags = [CLUSTER, SHORT].concat();
    let mut leader = Daemon::start_with(plane, &flags);
    wait_holds(&leader);
    let _others = [Daemon::start_with(plane, &flags), Daemon::start_with(plane, &flags)];
    let mut rollback = Rollback::new(plane, moment);
    wait::until("the good commit", || rollback.is_at(&rollback.good));
    leader.crash(moment, 1, &[effect]);
    rollback.break_it();
    wait::until("the crash", || if leader.has_ended() { Ok(()) } else { rollback.is_over() });
    assert!(leader.has_ended(), "it came to its end without {effect:?}");
    wait::until("the end of the rollback", || rollback.is_over());
    assert_eq!(rollback.faults(), Vec::<String>::new());
}

#[test]
fn when_the_replica_that_writes_dies_before_it_pushes_a_revert_another_does() {
    check_replicas("before", "refs/heads/main");
}

#[test]
fn when_the_replica_that_writes_dies_after_it_pushed_a_revert_no_other_does() {
    check_replicas("after", "refs/heads/main");
}
