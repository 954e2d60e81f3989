//! plumb takes commits back while a person goes on pushing: nothing of theirs is lost, and nothing is taken back twice.
//!
//! plumb's part is played as the daemon does it: fetch, look whether the content is still the one that was judged, plan, write,
//! push with the expected id, and all of it again where somebody was faster.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lab::git::WorkingCopy;
use plumb_core::{
    class::Class,
    commit::{CommitId, RefName, RepoPath},
    environment::EnvironmentName,
    person::Person,
    rollback::{
        Mode,
        outage::Sharers,
        revert::{self, Input, RevertPlan, STEPS_MAX},
    },
};
use plumb_git::{mirror::Mirror, push::PushOutcome, snapshot::PathEntry};

use crate::push::{Desk, name, update};

/// Bad commits, each of which is a race; as many again the other way.
const ROUNDS: usize = 50;
const GOOD: &str = "good\n";

/// Somebody who commits and pushes with plain Git, and rebases where another was faster.
struct Ann {
    copy: WorkingCopy,
}

impl Ann {
    fn push(&self, files: &[(&str, &str)], message: &str) {
        self.copy.commit(files, message).expect("a commit");
        while self.copy.push().is_err() {
            self.copy.git(&["pull", "--quiet", "--rebase", "origin", "main"]).expect("no conflict");
        }
    }
}

/// When Ann pushes.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Between plumb's look and its push.
    InBetween,
    /// Whenever she gets to it.
    Meanwhile,
    /// The same, and what she pushes mends what was broken.
    Mending,
}

/// plumb, as far as it takes back.
struct Reverter<'a> {
    desk: &'a Desk,
    path: RepoPath,
    branch: RefName,
    raced: usize,
}

impl Reverter<'_> {
    fn tree(&self, commit: &CommitId) -> PathEntry {
        let snapshot = Mirror::open_or_create(self.desk.mirror.path()).and_then(|mirror| mirror.snapshot(commit));
        snapshot.expect("a commit").tree_id(&self.path).expect("a tree")
    }

    /// Writes the reverts of everything since the healthy commit.
    fn write(&self, head: &CommitId, healthy: &CommitId, since: Timestamp) -> CommitId {
        let mirror = Mirror::open_or_create(self.desk.mirror.path()).expect("a mirror");
        let paths = BTreeSet::from([self.path.clone()]);
        let steps = mirror.first_parents(head, healthy, &paths, STEPS_MAX).expect("a history");
        let plan = revert::plan(&Input {
            environment: &EnvironmentName::new("shop", "app"),
            mode: Mode::Revert,
            path: &self.path,
            healthy,
            reason: "it fails",
            records: None,
            branch: Some(&self.branch),
            steps: steps.as_deref().map_err(|apart| *apart),
            content: &Sharers::default(),
            pushes: &[],
            now: since,
        });
        let RevertPlan::Push(reverts) = plan else { panic!("{plan:?}") };
        let person = Person::parse("plumb <plumb@example.com>").expect("a person");
        mirror.write_reverts(head, &reverts, &person, since, None).expect("reverts").pop().expect("a revert")
    }

    /// Takes back what was judged, until it is pushed or another content is there.
    async fn revert(&mut self, judged: PathEntry, healthy: &CommitId, since: Timestamp, mut ann: impl FnMut()) {
        loop {
            let head = self.desk.fetch().await;
            if self.tree(&head) != judged {
                return;
            }
            let tip = self.write(&head, healthy, since);
            assert_eq!(self.tree(&tip), self.tree(healthy));
            ann();
            match self.desk.push(&[update(&self.branch, Some(&head), &tip)]).await {
                Ok(PushOutcome::Pushed) => return,
                Ok(PushOutcome::Raced { .. }) => self.raced += 1,
                // Both were at the lock at once.
                Err(error) if error.class() == Class::Retry => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn check(desk: Desk) {
    let ann = Ann { copy: WorkingCopy::clone(&desk.bare.url()).expect("a clone").author("Ann", "ann@example.com") };
    ann.copy.git(&["switch", "--quiet", "main"]).expect("main");
    ann.push(&[("app/web.yaml", GOOD)], "Good");
    let path = RepoPath::parse("app").expect("a path");
    let mut plumb = Reverter { desk: &desk, path, branch: name("refs/heads/main"), raced: 0 };
    let mut between = 0;
    for round in 0..ROUNDS {
        let healthy = desk.fetch().await;
        ann.copy.git(&["pull", "--quiet", "--rebase", "origin", "main"]).expect("no conflict");
        ann.push(&[("app/web.yaml", &format!("bad {round}\n"))], &format!("Bad {round}"));
        let judged = desk.fetch().await;
        let judged = plumb.tree(&judged);
        let since = Timestamp::from_second(1_800_000_000 + i64::try_from(round).expect("a round")).expect("a time");
        let (file, subject) = (format!("other/{round}"), format!("Ann's {round}"));
        let elsewhere = [(file.as_str(), "hers\n")];
        let moment = [Moment::InBetween, Moment::Meanwhile, Moment::Mending][round % 3];
        match moment {
            Moment::InBetween => {
                between += 1;
                let mut pushed = false;
                let once = || {
                    if !std::mem::replace(&mut pushed, true) {
                        ann.push(&elsewhere, &subject);
                    }
                };
                plumb.revert(judged, &healthy, since, once).await;
            }
            Moment::Meanwhile | Moment::Mending => {
                let mends = matches!(moment, Moment::Mending);
                std::thread::scope(|scope| {
                    let hers = scope.spawn(|| {
                        let mended = [elsewhere[0], ("app/web.yaml", GOOD)];
                        ann.push(if mends { &mended[..] } else { &elsewhere[..] }, &subject);
                    });
                    let runtime = tokio::runtime::Handle::current();
                    let reverted = plumb.revert(judged, &healthy, since, || {});
                    tokio::task::block_in_place(|| runtime.block_on(reverted));
                    hers.join().expect("her push");
                });
            }
        }
    }
    assert!(plumb.raced >= between, "only {} of {ROUNDS} were races", plumb.raced);
    let head = desk.fetch().await;
    let log = desk.bare.git(&["log", "--format=%an %s", "main"]).expect("a log");
    let count = |line: &str| log.lines().filter(|found| *found == line).count();
    let content = |path: &str| desk.bare.git(&["show", &format!("{head}:{path}")]).expect("a file");
    for round in 0..ROUNDS {
        assert_eq!(
            (count(&format!("Ann Bad {round}")), count(&format!("Ann Ann's {round}"))),
            (1, 1),
            "{round}\n{log}"
        );
        assert_eq!(content(&format!("other/{round}")), "hers");
        let reverts = count(&format!("plumb Revert \"Bad {round}\""));
        // She may have mended it before.
        assert!(reverts == 1 || reverts == 0 && round % 3 == 2, "{reverts} reverts of {round}\n{log}");
    }
    assert_eq!(content("app/web.yaml"), GOOD.trim());
    assert_eq!(
        log.lines().filter(|line| line.contains("Reapply") || line.contains("Revert \"Revert")).count(),
        0,
        "{log}"
    );
    desk.bare.git(&["fsck", "--full", "--strict", "--connectivity-only"]).expect("a sound repository");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_races_with_a_person_by_file_lose_nothing_and_revert_once() {
    check(Desk::file()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_races_with_a_person_by_http_lose_nothing_and_revert_once() {
    check(Desk::http()).await;
}
