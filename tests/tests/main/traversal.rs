//! Ways out of the snapshot: links, paths and names in a repository that point at a file on the daemon's disk. What is in
//! that file never shows up: not in the cluster, not in a status, an Event, the log or an answer of the command line.

use std::{fs, path::Path, process::Command};

use serde_json::json;
use system_tests::{
    canary::{Canary, Said, on_disk, said},
    daemon,
    site::{Site, config_map},
    wait,
};
use tempfile::TempDir;

/// Links of one tree: where each stands, and where it points.
type Links<'a> = &'a [(&'a str, &'a str)];

/// A file on the disk of the daemon, which can read it, and what must not be told of it.
struct Bait {
    folder: TempDir,
    canary: Canary,
}

impl Bait {
    /// Makes a directory with a manifest that would be applied, and a file that would be quoted in an error.
    fn new() -> Self {
        let (folder, canary) = (TempDir::with_prefix("plumb-bait-").expect("a folder"), Canary::new());
        let manifest = config_map(&format!("grabbed-{}", canary.value()), "grabbed", canary.value());
        fs::write(folder.path().join("manifest.yaml"), manifest).expect("a file");
        fs::write(folder.path().join("password"), format!("{}: [not yaml", canary.value())).expect("a file");
        Self { folder, canary }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the bait as an absolute path.
    fn absolute(&self, name: &str) -> String {
        self.path().join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// Returns the bait as a path that climbs out of whatever directory it is read in.
    fn climbing(&self, name: &str) -> String {
        format!("{}{}", "../".repeat(40), self.absolute(name).trim_start_matches('/'))
    }
}

/// Returns everything that plumb says of a site, the cluster's objects included.
fn everything(site: &Site, environments: &[&str]) -> Vec<Said> {
    let mut all = said(daemon::shared(), site, environments);
    for kinds in ["configmaps,secrets,serviceaccounts", "namespaces"] {
        all.push(Said::new(kinds, site.kubectl(&["get", kinds, "--output", "yaml"]).expect("an answer")));
    }
    all.extend(on_disk(&daemon::shared().data()));
    all
}

#[test]
fn links_out_of_the_snapshot_are_refused_and_what_they_point_at_is_never_read() {
    daemon::shared();
    let (site, bait) = (Site::new(lab::shared(), "links"), Bait::new());
    let (absolute, climbing) = (bait.absolute("manifest.yaml"), bait.climbing("manifest.yaml"));
    let cases: &[(&str, Links<'_>, &str)] = &[
        ("absolute", &[("absolute/a.yaml", &absolute)], "absolute"),
        ("unparsable", &[("unparsable/a.yaml", &bait.absolute("password"))], "absolute"),
        ("directory", &[("directory/sub", bait.path().to_str().expect("a path in UTF-8"))], "absolute"),
        ("climbing", &[("climbing/a.yaml", &climbing)], "leaves"),
        ("just-out", &[("just-out/a.yaml", "../../just-out/real.yaml")], "leaves"),
        ("root", &[("root/sub", "/")], "absolute"),
        ("procfs", &[("procfs/a.yaml", "/proc/self/root/etc/hostname")], "absolute"),
        ("chain", &[("chain/a.yaml", "b"), ("chain/b", "../hop/c"), ("hop/c", &absolute)], "absolute"),
        ("climbing-chain", &[("climbing-chain/a.yaml", "sub/b"), ("climbing-chain/sub/b", &climbing)], "leaves"),
        ("loop", &[("loop/a.yaml", "b.yaml"), ("loop/b.yaml", "a.yaml")], "loop"),
        ("cycle", &[("cycle/sub", "../cycle")], ""),
        ("linked-path", &[("linked-path", bait.path().to_str().expect("a path in UTF-8"))], ""),
        ("through-file", &[("through-file/a.yaml", "real.yaml/../../../../../../../etc/hostname")], ""),
        ("git", &[("git/sub", "../.git"), ("git/a.yaml", "../.git/config")], ""),
        ("escaped", &[("escaped/a.yaml", "..%2f..%2f..%2fetc%2fhostname"), ("escaped/b.yaml", "..\\..\\x")], ""),
        ("case", &[("case/A.yaml", "a.YAML"), ("case/a.yaml", &climbing)], ""),
    ];
    for (_, links, _) in cases {
        for (path, target) in *links {
            site.copy.link(path, target).expect("a link");
        }
    }
    let real = config_map("real", "k", "1");
    let commit = site.push(&[("just-out/real.yaml", &real), ("through-file/real.yaml", &real)], "Links");
    let names: Vec<&str> = cases.iter().map(|(name, ..)| *name).collect();
    names.iter().for_each(|name| site.environment(name, name, json!({})));
    for (name, _, words) in cases {
        wait::until(&format!("{name} to be refused"), || {
            let (ready, reason, message) = site.condition(name, "Ready");
            let refused = ready == "False" && ["InvalidFiles", "SourceNotReady"].contains(&reason.as_str());
            if refused && message.contains(words) { Ok(()) } else { Err(format!("{ready} {reason}: {message}")) }
        });
        assert_eq!(site.status(name)["lastApplied"], json!(null), "{name}");
    }
    bait.canary.expect_unsaid(&everything(&site, &names));
    // Inside the repository links are followed, those into the directory of another environment too: who may push to one
    // may push to the other.
    site.copy.link("inside/a.yaml", "../just-out/real.yaml").expect("a link");
    let next = site.push(&[("just-out/note.txt", "")], "Inside");
    assert_ne!(next, commit);
    site.environment("inside", "inside", json!({}));
    site.wait_applied("inside", &next);
}

#[test]
fn trees_that_git_itself_would_not_make_lead_nowhere() {
    daemon::shared();
    let (site, bait) = (Site::new(lab::shared(), "trees"), Bait::new());
    let git = |words: &[&str]| site.copy.git(words).expect("git does it");
    let tree = |lines: &str| {
        fs::write(site.copy.path().join("lines"), lines).expect("a file");
        let made = Command::new("git")
            .arg("mktree")
            .current_dir(site.copy.path())
            .stdin(fs::File::open(site.copy.path().join("lines")).expect("a file"))
            .output()
            .expect("git starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).expect("an id").trim().to_owned()
    };
    fs::write(site.copy.path().join("real.yaml"), config_map("real", "k", "1")).expect("a file");
    let real = git(&["hash-object", "-w", "real.yaml"]);
    fs::write(site.copy.path().join("target"), bait.absolute("manifest.yaml")).expect("a file");
    let link = git(&["hash-object", "-w", "target"]);
    let upwards = tree(&format!("100644 blob {real}\treal.yaml\n"));
    let cases = [
        ("dots", tree(&format!("040000 tree {upwards}\t..\n100644 blob {real}\ta.yaml\n"))),
        ("dot", tree(&format!("040000 tree {upwards}\t.\n100644 blob {real}\ta.yaml\n"))),
        ("file-dots", tree(&format!("100644 blob {real}\t..\n"))),
        ("absolute", tree(&format!("120000 blob {link}\ta.yaml\n"))),
    ];
    let lines: String = cases.iter().map(|(name, id)| format!("040000 tree {id}\t{name}\n")).collect();
    let root = tree(&lines);
    let commit = git(&["commit-tree", &root, "-m", "Trees"]);
    git(&["push", "--quiet", "origin", &format!("{commit}:refs/heads/main")]);
    let names = cases.each_ref().map(|(name, _)| *name);
    names.iter().for_each(|name| site.environment(name, name, json!({})));
    for name in names {
        wait::until(&format!("{name} to be refused"), || {
            let (ready, reason, message) = site.condition(name, "Ready");
            let refused = ready == "False" && ["InvalidFiles", "SourceNotReady"].contains(&reason.as_str());
            if refused { Ok(()) } else { Err(format!("{ready} {reason}: {message}")) }
        });
    }
    bait.canary.expect_unsaid(&everything(&site, &names));
}

#[test]
fn what_a_kustomization_would_reach_outside_is_not_read() {
    daemon::shared();
    let (site, bait) = (Site::new(lab::shared(), "bases"), Bait::new());
    let base =
        |path: &str| format!("resources:\n- {path}\nconfigMapGenerator:\n- name: grabbed\n  files:\n  - {path}\n");
    let (absolute, climbing) = (base(&bait.absolute("manifest.yaml")), base(&bait.climbing("manifest.yaml")));
    site.push(
        &[("absolute/kustomization.yaml", &absolute), ("climbing/kustomization.yaml", &climbing)],
        "Bases on the daemon's disk",
    );
    let names = ["absolute", "climbing"];
    names.iter().for_each(|name| site.environment(name, name, json!({})));
    for name in names {
        site.wait_reason(name, "InvalidFiles");
    }
    bait.canary.expect_unsaid(&everything(&site, &names));
}
