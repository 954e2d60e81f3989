//! The commands that need no cluster, as a user runs them: arguments and files in, both outputs and the exit code out.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// Files, arguments, and what must come of them.
#[derive(Default)]
struct Case<'a> {
    files: &'a [(&'a str, &'a str)],
    arguments: &'a [&'a str],
    code: i32,
    stdout: &'a str,
    stderr: &'a str,
}

fn plumb(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
    command.args(arguments).current_dir(directory).env_remove("KUBECONFIG").stdin(Stdio::null());
    command.output().expect("plumb runs")
}

fn place(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory");
        fs::write(path, content).expect("a file");
    }
    directory
}

fn check(case: &Case<'_>) {
    let directory = place(case.files);
    let output = plumb(directory.path(), case.arguments);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(stdout, case.stdout, "{:?}\n{stderr}", case.arguments);
    assert_eq!(stderr, case.stderr, "{:?}", case.arguments);
    assert_eq!(output.status.code(), Some(case.code), "{:?}", case.arguments);
}

const GOOD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  greeting: 'yes'\n";

#[test]
fn valid_files_are_counted() {
    check(&Case {
        files: &[("staging/a.yaml", GOOD), ("staging/README.md", "# hello"), ("production/a.yaml", GOOD)],
        arguments: &["check", "staging", "production"],
        stdout: "staging: 1 object(s), no problem\nproduction: 1 object(s), no problem\n",
        ..Case::default()
    });
}

#[test]
fn every_problem_has_file_line_and_column() {
    let files = &[
        ("env/a.yaml", GOOD),
        ("env/b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n---\nkind: Secret\nmetadata: {name: x}\n"),
        ("env/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  k: 1\n  k: 2\n"),
    ];
    let output = plumb(place(files).path(), &["check", "env"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let places: Vec<_> = text.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["env/b.yaml:3:1", "env/b.yaml:5:1", "env/c.yaml:7:3"], "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn own_resources_are_checked_against_their_schema() {
    let environment = "apiVersion: plumb.dev/v1alpha1\nkind: Environment\nmetadata: {name: a, namespace: b}\nspec:\n  \
        repository: r\n  path: ../up\n---\napiVersion: plumb.dev/v1alpha1\nkind: Environment\nmetadata: {name: b}\nspec:\n  \
        repository: r\n  path: a\n  syncs: {prune: true}\n";
    let repository = "apiVersion: plumb.dev/v1alpha1\nkind: Repository\nmetadata:\n  name: r\nspec:\n  \
        url: https://me:secret@git.example.com/a.git\n---\napiVersion: plumb.dev/v1\nkind: Repository\nmetadata: {name: s}\n";
    check(&Case {
        files: &[("plumb/env.yaml", environment), ("plumb/repo.yaml", repository)],
        arguments: &["check", "plumb"],
        code: 1,
        stdout: "plumb/env.yaml:6:3: Environment b/a: spec.path: \"../up\" is not a path inside the repository: write it \
            relative to the root, without \"..\"\n\
            plumb/env.yaml:14:3: Environment b: spec.syncs: there is no such field (known are deletion, dependsOn, drift, health, path, \
            repository, rollback, suspend, sync, target)\n\
            plumb/repo.yaml:6:3: Repository r: spec.url: \"https://…@git.example.com/a.git\" holds a user name or password, \
            which everyone can read there; move it to the Secret of spec.secretRef\n\
            plumb/repo.yaml:8:1: Repository s: plumb does not know plumb.dev/v1 Repository (write Environment or \
            Repository at plumb.dev/v1alpha1)\n",
        ..Case::default()
    });
}

#[test]
fn what_the_daemon_would_say_of_an_environment_is_found_before() {
    let environment = |name: &str, more: &str| {
        let head = "apiVersion: plumb.dev/v1alpha1\nkind: Environment";
        format!("{head}\nmetadata: {{name: {name}, namespace: b{more}\n---\n")
    };
    let windows = |schedule: &str, zone: &str| {
        let window = format!("{{schedule: \"{schedule}\", duration: 1h, timeZone: {zone}}}");
        format!("}}\nspec: {{repository: r, path: p, sync: {{windows: [{window}]}}}}")
    };
    let after = |name: &str| format!("}}\nspec: {{repository: r, path: p, dependsOn: [{{name: {name}}}]}}");
    let named = ", annotations: {plumb.dev/adopt-from: old}}\nspec: {repository: r, path: p}";
    let files = [
        environment("minute", &windows("61 9 * * *", "UTC")),
        environment("zone", &windows("0 9 * * *", "Europe/Atlantis")),
        environment("never", &windows("0 9 31 2 *", "UTC")),
        environment("old", named),
        environment("one", &after("two")),
        environment("two", &after("one")),
        environment("three", &after("elsewhere")),
    ]
    .concat();
    check(&Case {
        files: &[("plumb/env.yaml", &files)],
        arguments: &["check", "plumb"],
        code: 1,
        stdout: "plumb/env.yaml:4:49: Environment b/minute: spec.sync.windows[0]: schedule \"61 9 * * *\": value must be in range \
            0..=59; found 61; write minute, hour, day of month, month, day of week, such as 0 9 * * 1-5\n\
            plumb/env.yaml:9:49: Environment b/zone: spec.sync.windows[0]: timeZone \"Europe/Atlantis\" is not in the IANA \
            database; write one such as Europe/Berlin or UTC\n\
            plumb/env.yaml:14:39: Environment b/never: spec.sync.windows: no window ever opens, so no commit ever begins\n\
            plumb/env.yaml:16:1: Environment b/old: annotation plumb.dev/adopt-from: \"old\" is not NAMESPACE/NAME of another \
            Environment\n\
            plumb/env.yaml:24:32: Environment b/one: waits for itself: b/one → b/two → b/one; take one of them out of \
            spec.dependsOn\n\
            plumb/env.yaml:29:32: Environment b/two: waits for itself: b/two → b/one → b/two; take one of them out of \
            spec.dependsOn\n",
        ..Case::default()
    });
}

#[test]
fn problems_are_data_for_programs() {
    let directory = place(&[("env/a.yaml", "apiVersion: v1\nkind: ConfigMap\n")]);
    let output = plumb(directory.path(), &["check", "env", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["problems"][0]["file"], "env/a.yaml");
    assert_eq!(report["problems"][0]["line"], 1);
    assert_eq!((output.status.code(), report["objects"].as_u64()), (Some(1), Some(0)));
    let output = plumb(directory.path(), &["check", "env", "-o", "yaml"]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("problems:\n- file: env/a.yaml\n"), "{output:?}");
}

#[test]
fn what_cannot_be_read_is_an_error_with_a_next_step() {
    let output = plumb(place(&[]).path(), &["check", "nowhere"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.starts_with("error: cannot read nowhere\n  because "), "{text}");
    assert!(text.ends_with("next: name a directory or a file that exists and is readable: ls -la nowhere\n"), "{text}");
}

#[test]
fn what_is_no_name_is_refused_before_a_cluster_is_asked() {
    let commands = ["status", "tree", "drift", "diff", "history", "sync", "suspend", "resume"];
    let twisted = ["", "/", "shop/", "a/b/c", "Staging"].map(|name| commands.map(|command| vec![command, name]));
    let allowed = vec!["allow", "a/b/c", "--prune", "1a2b3c4"];
    for arguments in twisted.into_iter().flatten().chain([allowed]) {
        let output = plumb(place(&[]).path(), &arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains("is no name of an Environment: write NAME or NAMESPACE/NAME"), "{arguments:?}: {text}");
    }
    let output = plumb(place(&[]).path(), &["status", "-n", ""]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("write the name of a namespace"), "{output:?}");
}

#[test]
fn a_cluster_that_does_not_answer_is_named() {
    let directory = place(&[("kubeconfig", &kubeconfig("https://127.0.0.1:1"))]);
    let output = plumb(directory.path(), &["status", "--kubeconfig", "kubeconfig"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.starts_with("error: the cluster at https://127.0.0.1:1/ does not answer\n"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("next: see whether it runs"), "{text}");
}

fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\n\
        users: [{{name: c, user: {{}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: c}}}}]\n"
    )
}

#[test]
fn objects_are_rendered_as_yaml() {
    check(&Case {
        files: &[("env/a.yaml", GOOD), ("env/b.json", "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[]}")],
        arguments: &["render", "env"],
        stdout: "---\napiVersion: v1\ndata:\n  greeting: \"yes\"\nkind: ConfigMap\nmetadata:\n  name: a\n",
        ..Case::default()
    });
}

#[test]
fn invalid_files_are_not_rendered() {
    let output = plumb(place(&[("env/a.yaml", "a: [")]).path(), &["render", "env"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{text}");
    assert!(text.starts_with("error: the files are not valid:\n  env/a.yaml:1:"), "{text}");
    assert!(text.contains("\nnext: "), "{text}");
}

#[test]
fn install_prints_what_manifests_holds() {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
    let files = ["crds.yaml", "rbac.yaml", "deployment.yaml"];
    let kept: String = files.iter().map(|file| fs::read_to_string(manifests.join(file)).unwrap()).collect();
    let output = plumb(&manifests, &["install"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), kept);
    let other = plumb(&manifests, &["install", "--image", "example.com/plumb:9"]);
    let other = String::from_utf8(other.stdout).unwrap();
    assert_eq!(other.matches("image: example.com/plumb:9\n").count(), 1);
    let definitions = plumb(&manifests, &["install", "--crds-only"]);
    assert_eq!(String::from_utf8(definitions.stdout).unwrap(), fs::read_to_string(manifests.join(files[0])).unwrap());
}

#[test]
fn manifests_and_examples_are_valid() {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
    check_in(&manifests, &["check", "crds.yaml", "rbac.yaml", "deployment.yaml"]);
    let examples = manifests.join("examples");
    let environments = ["environments/staging", "environments/production", "environments/infrastructure"];
    check_in(&examples, &[&["check", "plumb"], &environments[..]].concat());
}

fn check_in(directory: &Path, arguments: &[&str]) {
    let output = plumb(directory, arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_shell_gets_its_completion() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = plumb(place(&[]).path(), &["completion", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("check") && !script.contains("git-worker,"), "{shell}: {script}");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["install"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn no_colour_leaves_the_program_without_a_terminal() {
    let output = plumb(place(&[("env/a.yaml", GOOD)]).path(), &["check", "env"]);
    assert!(!output.stdout.contains(&0x1b));
    let help = plumb(place(&[]).path(), &["--help"]);
    assert!(!help.stdout.contains(&0x1b));
}

#[test]
fn the_version_is_told() {
    let version = format!("plumb {}\n", env!("CARGO_PKG_VERSION"));
    check(&Case { arguments: &["--version"], stdout: &version, ..Case::default() });
}
