//! Several plumbs on one cluster: one writes, the others stand by, whatever happens to the one. Each test has a control
//! plane to itself.

use std::path::PathBuf;

use lab::{
    ControlPlane,
    proxy::{Network, Proxy},
};
use serde_json::json;
use system_tests::{
    daemon::Daemon,
    site::{Site, config_map},
    wait,
};

/// A short lease, so that tests do not wait for long.
pub(crate) const SHORT: [&str; 2] = ["--lease-duration", "3s"];
/// A lease that no test sees expire.
const LONG: [&str; 2] = ["--lease-duration", "1h"];
/// Objects of a commit that is still being applied when something happens to whoever applies it.
const MANY: usize = 600;
/// Requests that plumb has under way at once.
const UNDER_WAY: usize = 64;

fn own_plane() -> &'static ControlPlane {
    lab::own()
}

/// Returns whether a replica writes for a shard.
fn holds(daemon: &Daemon, shard: u32) -> bool {
    daemon.metrics().contains(&format!("plumb_shard_held{{shard=\"{shard}\"}} 1"))
}

pub(crate) fn wait_holds(daemon: &Daemon) {
    wait::until_equal("the replica to write", &true, || holds(daemon, 0));
}

/// Returns how many writes to objects a replica has counted.
fn writes(daemon: &Daemon) -> Vec<String> {
    let metrics = daemon.metrics();
    metrics.lines().filter(|line| line.starts_with("plumb_writes_total")).map(str::to_owned).collect()
}

/// Starts two replicas of which the first one writes.
fn two(plane: &'static ControlPlane, flags: &[&str]) -> (Daemon, Daemon) {
    let first = Daemon::start_with(plane, flags);
    wait_holds(&first);
    let second = Daemon::start_with(plane, flags);
    assert!(!holds(&second, 0), "it stands by");
    (first, second)
}

fn many(value: &str) -> String {
    (0..MANY).map(|n| config_map(&format!("c{n:03}"), "k", value)).collect::<Vec<_>>().join("---\n")
}

/// Returns the values of all ConfigMaps that plumb owns, each once.
fn values(site: &Site) -> Vec<String> {
    let columns = "jsonpath={range .items[*]}{.data.k}{'\\n'}{end}";
    let listed = site.kubectl(&["get", "configmaps", "-l", "applyset.kubernetes.io/part-of", "-o", columns]);
    let mut values: Vec<String> = listed.expect("a list").lines().map(str::to_owned).collect();
    assert!(values.len() <= MANY);
    values.sort();
    values.dedup();
    values
}

/// Returns names and resourceVersions of all ConfigMaps that plumb owns.
fn versions(site: &Site) -> Vec<String> {
    let columns = "jsonpath={range .items[*]}{.metadata.name} {.metadata.resourceVersion}{'\\n'}{end}";
    let listed = site.kubectl(&["get", "configmaps", "-l", "applyset.kubernetes.io/part-of", "-o", columns]);
    listed.expect("a list").lines().map(str::to_owned).collect()
}

fn count(site: &Site) -> usize {
    let listed = site.kubectl(&["get", "configmaps", "-l", "applyset.kubernetes.io/part-of", "-o", "name"]);
    listed.expect("a list").lines().count()
}

/// Waits until something that was deleted by hand is back.
fn drift_is_corrected(site: &Site, name: &str) {
    site.kubectl(&["delete", "configmap", name]).expect("a deletion");
    wait::until_equal("the drift to be put back", &true, || site.get("configmap", name).is_some());
}

#[test]
fn when_the_holder_is_killed_another_goes_on_and_when_it_is_stopped_at_once() {
    let plane = own_plane();
    let (mut first, mut second) = two(plane, &SHORT);
    let site = Site::new(plane, "killed");
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "First");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    first.kill();
    drift_is_corrected(&site, "a");
    wait_holds(&second);
    // A lease of an hour would be waited for if it were not released.
    first.start_again_with(&LONG);
    assert!(!holds(&first, 0), "it stands by");
    second.stop();
    wait_holds(&first);
    drift_is_corrected(&site, "a");
    second.start_again_with(&LONG);
    first.stop();
    wait_holds(&second);
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "2"))], "Second");
    site.wait_applied("app", &commit);
    assert!(
        plane
            .kubectl(&["get", "events", "-A", "-o", "jsonpath={.items[*].reason}"])
            .is_ok_and(|reasons| { reasons.contains("TenureBegan") })
    );
}

/// Waits until one replica of those that can answer writes, and the others stand by; returns which.
fn wait_holder(replicas: &[Daemon], silent: &[usize]) -> usize {
    wait::until("one replica to write", || {
        let answering = (0..replicas.len()).filter(|number| !silent.contains(number));
        let holders: Vec<usize> = answering.filter(|number| holds(&replicas[*number], 0)).collect();
        if let [holder] = holders.as_slice() { Ok(*holder) } else { Err(format!("{holders:?} write")) }
    })
}

#[test]
fn of_three_replicas_one_writes_whatever_happens_to_it() {
    let plane = own_plane();
    let mut replicas: Vec<Daemon> = (0..3).map(|_| Daemon::start_with(plane, &SHORT)).collect();
    let site = Site::new(plane, "three");
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "First");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    let killed = wait_holder(&replicas, &[]);
    replicas[killed].kill();
    drift_is_corrected(&site, "a");
    let paused = wait_holder(&replicas, &[killed]);
    replicas[paused].pause();
    drift_is_corrected(&site, "a");
    let last = wait_holder(&replicas, &[killed, paused]);
    replicas[paused].go_on();
    replicas[killed].start_again();
    drift_is_corrected(&site, "a");
    assert_eq!(wait_holder(&replicas, &[]), last, "who comes back stands by");
}

#[test]
fn a_killed_plumb_that_starts_again_with_its_data_need_not_wait_for_its_own_lease() {
    let plane = own_plane();
    let mut daemon = Daemon::start_with(plane, &LONG);
    wait_holds(&daemon);
    daemon.kill();
    daemon.start_again();
    wait_holds(&daemon);
}

#[test]
fn who_was_paused_in_the_middle_of_a_sync_writes_nothing_when_it_goes_on() {
    let plane = own_plane();
    let (first, second) = two(plane, &SHORT);
    let site = Site::new(plane, "paused");
    site.push(&[("app/many.yaml", &many("1"))], "First");
    site.environment("app", "app", json!({}));
    wait::until("some objects", || if count(&site) > 20 { Ok(()) } else { Err("few") });
    first.pause();
    let left = MANY - count(&site);
    assert!(left > 2 * UNDER_WAY, "it was faster than this test: {left} left");
    wait_holds(&second);
    let commit = site.push(&[("app/many.yaml", &many("2"))], "Second");
    site.wait_applied("app", &commit);
    let versions = versions(&site);
    first.go_on();
    wait::until("the first one to notice", || {
        if first.log().contains("this replica stands by") { Ok(()) } else { Err(first.log()) }
    });
    // What it had sent before may land, and is drift; not what it was about to send.
    let touched = self::versions(&site).iter().filter(|line| !versions.contains(line)).count();
    assert!(touched <= UNDER_WAY, "{touched} objects were written");
    wait::until_equal("all objects to be as in Git", &vec!["2".to_owned()], || values(&site));
    let before = writes(&first);
    for name in ["c000", "c150", "c299"] {
        drift_is_corrected(&site, name);
    }
    let commit = site.push(&[("app/many.yaml", &many("3"))], "Third");
    site.wait_applied("app", &commit);
    assert_eq!(values(&site), ["3"]);
    assert_eq!(writes(&first), before, "it stands by");
    assert!(holds(&second, 0) && !holds(&first, 0));
}

#[test]
fn who_was_paused_at_rest_finds_drift_and_a_commit_when_it_goes_on_and_touches_nothing() {
    let plane = own_plane();
    let (first, second) = two(plane, &SHORT);
    let site = Site::new(plane, "rest");
    let commit = site.push(&[("app/many.yaml", &many("1"))], "First");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    let before = writes(&first);
    first.pause();
    wait_holds(&second);
    let commit = site.push(&[("app/many.yaml", &many("2"))], "Second");
    site.wait_applied("app", &commit);
    let versions = versions(&site);
    // Every object now differs from what the first one has applied, and it sent nothing before it was paused.
    first.go_on();
    wait::until("the first one to notice", || {
        if first.log().contains("this replica stands by") { Ok(()) } else { Err(first.log()) }
    });
    let commit = site.push(&[("app/more.yaml", &config_map("more", "k", "2"))], "Third");
    site.wait_applied("app", &commit);
    site.kubectl(&["delete", "configmap", "more"]).expect("a deletion");
    wait::until_equal("the drift to be put back", &true, || site.get("configmap", "more").is_some());
    let now: Vec<String> = self::versions(&site).into_iter().filter(|line| !line.starts_with("more ")).collect();
    assert_eq!(now, versions);
    assert_eq!(writes(&first), before);
}

#[test]
fn who_is_cut_off_from_the_api_server_stops_in_time_and_what_it_had_sent_is_corrected() {
    let plane = own_plane();
    let server = plane.server();
    let proxy = Proxy::start(server.trim_start_matches("https://").parse().expect("an address")).expect("a proxy");
    let folder = tempfile::tempdir().expect("a folder");
    let kubeconfig: PathBuf = folder.path().join("kubeconfig");
    let text = std::fs::read_to_string(plane.kubeconfig()).expect("a kubeconfig");
    std::fs::write(&kubeconfig, text.replace(&server, &format!("https://{}", proxy.address()))).expect("a file");
    let first = Daemon::start_through(plane, &kubeconfig, &SHORT);
    wait_holds(&first);
    let mut second = Daemon::start_with(plane, &SHORT);
    let site = Site::new(plane, "cut");
    site.push(&[("app/many.yaml", &many("1"))], "First");
    site.environment("app", "app", json!({}));
    wait::until("some objects", || if count(&site) > 20 { Ok(()) } else { Err("few") });
    proxy.set(Network::Paused);
    wait_holds(&second);
    assert!(!holds(&first, 0), "it can't renew its lease");
    let commit = site.push(&[("app/many.yaml", &many("2"))], "Second");
    site.wait_applied("app", &commit);
    // All that it had sent arrives now.
    proxy.set(Network::Up);
    wait::until("the first one to notice", || {
        if first.log().contains("this replica stands by") { Ok(()) } else { Err(first.log()) }
    });
    drift_is_corrected(&site, "c150");
    wait::until_equal("all objects to be as in Git", &vec!["2".to_owned()], || values(&site));
    // It is as good as before.
    second.kill();
    wait_holds(&first);
    let commit = site.push(&[("app/many.yaml", &many("3"))], "Third");
    site.wait_applied("app", &commit);
    proxy.set(Network::Cut);
    second.start_again();
    wait_holds(&second);
    assert!(!holds(&first, 0));
    drift_is_corrected(&site, "c150");
}

#[test]
fn deletions_that_nobody_can_finish_are_finished_by_the_next_holder() {
    let plane = own_plane();
    let (mut first, second) = two(plane, &SHORT);
    let site = Site::new(plane, "leaving");
    let held =
        config_map("held", "k", "1").replace("  name: held\n", "  name: held\n  finalizers: [example.com/hold]\n");
    let files = [
        ("prune/held.yaml", &*held),
        ("prune/a.yaml", &config_map("a", "k", "1")),
        ("orphan/b.yaml", &config_map("b", "k", "1")),
    ];
    let commit = site.push(&files, "First");
    site.environment("prune", "prune", json!({ "deletion": "Prune" }));
    site.environment("orphan", "orphan", json!({}));
    site.wait_applied("prune", &commit);
    site.wait_applied("orphan", &commit);
    let delete = |environment: &str| {
        site.kubectl(&["delete", "environments.plumb.dev", environment, "--wait=false"]).expect("a deletion");
    };
    // One is in the middle of it, held up by somebody else's finalizer; the other goes while nobody may write.
    delete("prune");
    wait::until("the deletion to begin", || {
        let held = site.get("configmap", "held").unwrap_or_default();
        if held["metadata"]["deletionTimestamp"].is_string() { Ok(()) } else { Err(held.to_string()) }
    });
    first.kill();
    assert!(!holds(&second, 0), "the lease has yet to expire");
    delete("orphan");
    wait::until_equal("the Environment to be gone", &None, || site.get("environments.plumb.dev", "orphan"));
    wait_holds(&second);
    wait::until_equal("the object to be let go of", &Some(json!(null)), || {
        site.get("configmap", "b").map(|left| left["metadata"]["labels"].clone())
    });
    assert!(site.get("environments.plumb.dev", "prune").is_some(), "its object is still there");
    site.kubectl(&["patch", "configmap", "held", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#])
        .expect("a patch");
    wait::until_equal("the Environment to be gone", &None, || site.get("environments.plumb.dev", "prune"));
    for name in ["held", "a"] {
        assert_eq!(site.get("configmap", name), None);
    }
}

#[test]
fn every_shard_has_one_owner_and_shares_are_even_whoever_comes_or_goes() {
    let plane = own_plane();
    let flags = ["--shards", "3", "--lease-duration", "3s"];
    let mut daemons = vec![Daemon::start_with(plane, &flags)];
    let shares = |daemons: &[Daemon]| -> Vec<Vec<u32>> {
        daemons.iter().map(|daemon| (0..3).filter(|shard| holds(daemon, *shard)).collect()).collect()
    };
    let even = |daemons: &[Daemon], expected: &[usize]| {
        wait::until(&format!("shares of {expected:?}"), || {
            let shares = shares(daemons);
            let mut sizes: Vec<usize> = shares.iter().map(Vec::len).collect();
            sizes.sort_unstable();
            let mut all = shares.concat();
            all.sort_unstable();
            if sizes == expected && all == [0, 1, 2] { Ok(()) } else { Err(format!("{shares:?}")) }
        });
    };
    even(&daemons, &[3]);
    daemons.push(Daemon::start_with(plane, &flags));
    even(&daemons, &[1, 2]);
    daemons.push(Daemon::start_with(plane, &flags));
    even(&daemons, &[1, 1, 1]);
    let site = Site::new(plane, "shards");
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "First");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    wait::until("whoever has the Repository to write its status", || {
        let repository = site.get("repositories.plumb.dev", "repo").unwrap_or_default();
        let seen = repository["status"]["revision"]["commit"] == commit;
        if seen { Ok(()) } else { Err(format!("{:#}", repository["status"])) }
    });
    daemons.remove(0);
    even(&daemons, &[1, 2]);
    drift_is_corrected(&site, "a");
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "2"))], "Second");
    site.wait_applied("app", &commit);
    // One that divides the work otherwise takes nothing while they are there.
    let other = Daemon::start_with(plane, &["--lease-duration", "3s"]);
    wait::until("it to say so", || {
        if other.log().contains("other replicas run with --shards 3") { Ok(()) } else { Err(other.log()) }
    });
    daemons.clear();
    wait_holds(&other);
    drift_is_corrected(&site, "a");
}
