//! Mirrors: one that is damaged, one that is large, and two of one address.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use system_tests::{daemon::Daemon, site::config_map, wait};

use crate::served::Served;

/// Returns the mirror that holds a ref to this commit.
fn mirror_of(daemon: &Daemon, commit: &str) -> PathBuf {
    let mirrors = fs::read_dir(daemon.data().join("mirrors")).expect("the mirrors");
    let paths = mirrors.map(|entry| entry.expect("an entry").path());
    let refers = |path: &PathBuf| {
        let refs = fs::read_dir(path.join("refs/plumb/upstream")).into_iter().flatten().flatten();
        let held = |text: std::io::Result<String>| text.is_ok_and(|text| text.trim() == commit);
        refs.into_iter().any(|entry| held(fs::read_to_string(entry.path())))
    };
    paths.filter(|path| path.extension().is_some_and(|end| end == "git")).find(refers).expect("a mirror of the commit")
}

/// Cuts every object of a mirror in half, as a full disk or a power cut does; refs stay.
fn damage(mirror: &Path) {
    let mut folders = vec![mirror.join("objects")];
    let mut damaged = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("objects") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).expect("an object");
            // Git makes them read-only.
            fs::remove_file(&path).expect("a removal");
            fs::write(&path, &bytes[..bytes.len() / 2]).expect("half of it");
            damaged += 1;
        }
    }
    assert!(damaged > 0, "there is something to damage");
}

#[test]
fn a_damaged_mirror_is_set_aside_and_fetched_anew() {
    let plane = lab::own();
    let mut daemon = Daemon::start(plane);
    let served = Served::on(plane, "damaged", None);
    let push = |value: &str| {
        let files = [("app/a.yaml", &*config_map("a", "k", value))];
        served.copy.commit_and_push(&files, value).expect("a push")
    };
    let first = push("1");
    served.repository(json!({}));
    served.site.environment("app", "app", json!({}));
    served.site.wait_applied("app", &first);

    // Found when the next commit is fetched.
    let mirror = mirror_of(&daemon, &first);
    damage(&mirror);
    let second = push("2");
    served.site.wait_applied("app", &second);
    assert!(mirror.with_extension("git.damaged").is_dir(), "{}", daemon.log());
    assert!(daemon.log().contains("the mirror was damaged"), "{}", daemon.log());

    // Found when the files of the commit are read, with nothing to fetch.
    daemon.kill();
    damage(&mirror);
    daemon.start_again();
    served.site.kubectl(&["delete", "configmap", "a"]).expect("a deletion");
    wait::until_equal("the object to be back", &true, || served.site.get("configmap", "a").is_some());
    assert_eq!(served.site.get("configmap", "a").expect("it")["data"]["k"], "2");
    assert_eq!(mirror_of(&daemon, &second), mirror);
}

#[test]
fn a_damaged_mirror_stays_as_long_as_the_server_is_away() {
    let plane = lab::own();
    let mut daemon = Daemon::start(plane);
    let served = Served::on(plane, "damaged-away", None);
    let files = [("app/a.yaml", &*config_map("a", "k", "1"))];
    let first = served.copy.commit_and_push(&files, "One").expect("a push");
    served.repository(json!({}));
    served.site.environment("app", "app", json!({}));
    served.site.wait_applied("app", &first);
    let mirror = mirror_of(&daemon, &first);
    served.server.set(lab::git::Behaviour::Refuse).expect("a server that is away");
    daemon.kill();
    damage(&mirror);
    daemon.start_again();
    served.wait("False", "cannot reach");
    assert!(mirror.is_dir() && !mirror.with_extension("git.damaged").exists(), "nothing takes its place");
    assert!(served.site.get("configmap", "a").is_some(), "and nothing is deleted");
    served.server.set(lab::git::Behaviour::Serve).expect("a server that is back");
    served.site.kubectl(&["delete", "configmap", "a"]).expect("a deletion");
    wait::until_equal("the object to be back", &true, || served.site.get("configmap", "a").is_some());
}

/// Writes a history of so many files and commits as `git fast-import` reads it, with one file that no compression helps.
fn history(files: usize, commits: usize, noise: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let data = |text: &mut Vec<u8>, bytes: &[u8]| {
        text.extend(format!("data {}\n", bytes.len()).bytes());
        text.extend(bytes);
        text.push(b'\n');
    };
    for commit in 0..commits {
        text.extend(
            format!("commit refs/heads/main\ncommitter Lab <lab@example.com> {} +0000\n", 1_700_000_000 + commit)
                .bytes(),
        );
        data(&mut text, format!("Change {commit}").as_bytes());
        let changed = if commit == 0 { 0..files } else { commit % files..commit % files + 1 };
        for file in changed {
            text.extend(format!("M 644 inline other/{:03}/file-{file}.yaml\n", file % 200).bytes());
            data(&mut text, config_map(&format!("c{file}"), "k", &commit.to_string()).as_bytes());
        }
        if commit == 0 {
            text.extend(b"M 644 inline noise.bin\n");
            data(&mut text, noise);
        }
        text.extend(b"M 644 inline app/a.yaml\n");
        data(&mut text, config_map("a", "k", &commit.to_string()).as_bytes());
    }
    text
}

/// Returns the most memory that a process has had at once, in bytes.
fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Returns the limits of the Git workers that a daemon keeps, as the system tells them.
fn limits_of_workers(daemon: u32) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children")).unwrap_or_default();
    let tasks = fs::read_dir(format!("/proc/{daemon}/task")).expect("the threads").flatten();
    let of_threads = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let all: Vec<String> = of_threads.chain([children]).collect();
    let processes = all.iter().flat_map(|text| text.split_whitespace());
    let workers = processes.filter(|process| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("git-worker")
    });
    workers.filter_map(|process| fs::read_to_string(format!("/proc/{process}/limits")).ok()).collect()
}

#[test]
fn a_large_repository_is_followed_and_its_size_costs_the_workers_and_not_the_daemon() {
    const NOISE: usize = 96 << 20;
    let plane = lab::own();
    let daemon = Daemon::start(plane);
    let small = Served::on(plane, "small", None);
    let files = [("app/a.yaml", &*config_map("a", "k", "1"))];
    let commit = small.copy.commit_and_push(&files, "One").expect("a push");
    small.repository(json!({}));
    small.site.environment("app", "app", json!({}));
    small.site.wait_applied("app", &commit);
    let before = most_memory(daemon.id());

    let mut noise = vec![0_u8; NOISE];
    fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut noise)).expect("noise");
    let served = Served::on(plane, "large", None);
    served.bare.import(|import| import.write_all(&history(30_000, 3_000, &noise))).expect("a history");
    let first = served.bare.branch("main").expect("a commit");
    served.repository(json!({ "timeout": "60s" }));
    served.site.environment("app", "app", json!({}));
    served.site.wait_applied("app", &first);
    assert_eq!(served.site.get("configmap", "a").expect("it")["data"]["k"], "2999");
    let grown = most_memory(daemon.id()) - before;
    assert!(grown < NOISE as u64 / 2, "the daemon has grown by {} MiB", grown >> 20);

    let limits = limits_of_workers(daemon.id());
    let is_bounded = |limits: &String| {
        let line = limits.lines().find(|line| line.starts_with("Max data size")).expect("the limit of memory");
        line.split_whitespace().nth(3) == Some("1073741824")
    };
    assert!(!limits.is_empty() && limits.iter().all(is_bounded), "{limits:?}");

    served.copy.git(&["fetch", "--quiet", "--depth", "1", "origin", "main"]).expect("a fetch");
    served.copy.git(&["checkout", "--quiet", "-B", "main", "FETCH_HEAD"]).expect("a checkout");
    let second = served.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "next"))], "Next").expect("a push");
    served.site.wait_applied("app", &second);
}

#[test]
fn two_repositories_of_one_address_and_different_credentials_share_nothing() {
    let served = Served::new("share", Some(("ada", "correct horse")));
    let commit = served.copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One").expect("a push");
    served.secret("correct horse");
    served.repository(json!({ "secretRef": { "name": "git" } }));
    served.wait("True", &commit[..7]);
    let other = |spec: Value| {
        served.site.apply(&json!({
            "apiVersion": "plumb.dev/v1alpha1",
            "kind": "Repository",
            "metadata": { "name": "other", "namespace": served.site.namespace },
            "spec": spec,
        }));
    };
    let says = |words: &str| {
        wait::until(&format!("the other one to say {words}"), || {
            let repository = served.site.get("repositories.plumb.dev", "other").unwrap_or_default();
            let condition = repository["status"]["conditions"][0].clone();
            let message = condition["message"].as_str().unwrap_or_default();
            if message.contains(words) { Ok(()) } else { Err(condition.to_string()) }
        });
    };
    // The commit is on the disk; who can't read it from the server is not given it.
    other(json!({ "url": served.server.url("shop"), "interval": "2s", "timeout": "5s" }));
    says("asks for credentials");
    let repository = served.site.get("repositories.plumb.dev", "other").expect("it");
    assert_eq!(repository["status"]["revision"], Value::Null);
}
