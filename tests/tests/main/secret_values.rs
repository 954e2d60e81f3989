//! Values of Secrets in Git and in the cluster: whatever happens to a Secret, nothing that plumb says, keeps or shows holds one of
//! its values, neither as it is written nor in Base64.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;
use system_tests::{
    canary::{Canary, Said, on_disk, plumb, said},
    daemon::{self, Daemon},
    http,
    site::Site,
    wait,
};

/// Paths of the daemon's port, those that exist and those that other programs have.
const PATHS: [&str; 7] =
    ["/", "/metrics", "/healthz", "/readyz", "/debug", "/debug/pprof/heap", "/api/v1/environments"];

/// Returns a Secret as a file, with these lines below its metadata.
fn secret(name: &str, lines: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n{lines}\n")
}

fn encoded(canary: &Canary) -> String {
    BASE64.encode(canary.value())
}

/// Returns all that can be learned of a site without reading its Secrets.
fn everything(daemon: &Daemon, site: &Site, environments: &[&str]) -> Vec<Said> {
    let mut all = said(daemon, site, environments);
    all.extend(PATHS.map(|path| {
        let page = http::get(&daemon.metrics_address(), path).unwrap_or_else(|error| error);
        Said::new(format!("the page {path}"), page)
    }));
    all.extend(on_disk(&daemon.data()));
    all
}

fn wait_drifts(site: &Site, environment: &str, count: usize) {
    wait::until(&format!("{count} drifts of {environment}"), || {
        let drift = site.status(environment)["drift"].clone();
        if drift.as_array().map_or(0, Vec::len) >= count { Ok(()) } else { Err(drift.to_string()) }
    });
}

#[test]
fn what_happens_to_a_secret_tells_none_of_its_values() {
    let plane = lab::own();
    let mut daemon = Daemon::start_with(plane, &["--log-format", "json"]);
    let site = super::records::site(plane, "secret-values", json!({}));
    let canaries: [Canary; 8] = std::array::from_fn(|_| Canary::new());
    let [data, text, before, theirs, foreign, next, copied, late] = &canaries;
    // One that kubectl has applied is taken over: its annotation holds all that it was.
    let applied = secret("adopted", &format!("stringData:\n  password: {}", before.value()));
    let namespace = ["--namespace", &site.namespace, "-f", "-"];
    plane.kubectl_with_input(&[&["apply"][..], &namespace].concat(), &applied).expect("a Secret");
    let annotation = json!({ "data": { "p": encoded(copied) }, "plain": copied.value() }).to_string();
    let annotated = format!("  annotations:\n    kapp.k14s.io/original: {annotation:?}\nstringData:\n  a: b");
    let first = site.push(
        &[
            ("app/data.yaml", &secret("data", &format!("data:\n  password: {}", encoded(data)))),
            ("app/text.yaml", &secret("text", &format!("stringData:\n  password: {}", text.value()))),
            ("app/adopted.yaml", &secret("adopted", &format!("stringData:\n  password: {}", data.value()))),
            ("app/annotated.yaml", &secret("annotated", &annotated)),
        ],
        "Secrets",
    );
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &first);

    // Others write values and fields of their own, and what is ours is put back.
    let patch = |name: &str, patch: serde_json::Value| {
        let patch = patch.to_string();
        site.kubectl(&["patch", "secret", name, "--field-manager", "ann", "--type", "merge", "--patch", &patch])
            .expect("a patch");
    };
    patch("data", json!({ "data": { "password": encoded(theirs), "extra": encoded(foreign) } }));
    wait_drifts(&site, "app", 1);
    patch("text", json!({ "stringData": { "password": theirs.value() } }));
    wait_drifts(&site, "app", 2);
    patch(
        "annotated",
        json!({ "metadata": { "annotations": { "kapp.k14s.io/original": format!("{{{}", theirs.value()) } } }),
    );
    wait_drifts(&site, "app", 3);
    site.kubectl(&["delete", "secret", "text"]).expect("a deletion");
    wait_drifts(&site, "app", 4);

    // A change that waits is shown as a difference.
    site.kubectl(&["patch", "environments.plumb.dev", "app", "--type", "merge", "-p", r#"{"spec":{"suspend":true}}"#])
        .expect("a patch");
    let changed = secret("text", &format!("stringData:\n  password: {}\n  more: {}", next.value(), late.value()));
    let second = site.push(&[("app/text.yaml", &changed)], "Another value");
    wait::until("the difference to be shown", || {
        let shown = String::from_utf8_lossy(&plumb(&site, &["diff", "app"]).text).into_owned();
        if shown.contains("(redacted, changed)") { Ok(()) } else { Err(shown) }
    });
    let directory = site.copy.path().join("app");
    let directory = directory.to_str().expect("a path in UTF-8");
    let mut all = everything(&daemon, &site, &["app"]);
    for format in ["table", "json", "yaml"] {
        all.push(plumb(&site, &["diff", "app", "--path", directory, "--output", format]));
    }
    // A daemon that starts again compares with what is there, and now writes its log as text.
    daemon.stop();
    daemon.start_again_with(&["--log-format", "text"]);
    site.kubectl(&["patch", "environments.plumb.dev", "app", "--type", "merge", "-p", r#"{"spec":{"suspend":false}}"#])
        .expect("a patch");
    site.wait_applied("app", &second);
    patch("data", json!({ "data": { "password": encoded(theirs) } }));
    wait_drifts(&site, "app", 5);
    super::records::wait_published(&site, "app");
    all.extend(everything(&daemon, &site, &["app"]));
    let noted = all.iter().rfind(|said| said.place == "the notes").expect("notes");
    assert!(String::from_utf8_lossy(&noted.text).matches("DriftCorrected").count() >= 5, "{}", noted.place);
    canaries.iter().for_each(|canary| canary.expect_unsaid(&all));
}

/// Has the API server, whatever it is sent, repeat a value of Secrets in its refusal.
fn quote_values(site: &Site) {
    let name = &site.namespace;
    site.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": name },
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } },
                "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"],
                    "operations": ["CREATE", "UPDATE"] }],
            },
            "validations": [{
                "expression": "object.metadata.name != 'quoted'",
                "messageExpression": "'no password is ' + string(object.data.password)",
            }],
        },
    }));
    site.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": name },
        "spec": { "policyName": name, "validationActions": ["Deny"] },
    }));
    // It takes a moment until the server acts by it.
    let probe = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "quoted", "namespace": name },
        "stringData": { "password": "probe" },
    });
    wait::until("the policy to be in force", || {
        let refused = lab::shared().kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &probe.to_string());
        let said = refused.err().map(|error| error.to_string()).unwrap_or_default();
        if said.contains("no password is") { Ok(()) } else { Err(said) }
    });
}

#[test]
fn what_the_api_server_refuses_of_a_secret_tells_none_of_its_values() {
    daemon::shared();
    let site = Site::new(lab::shared(), "secret-refused");
    quote_values(&site);
    let canary = Canary::new();
    let (value, base64) = (canary.value(), encoded(&canary));
    let long = format!("{value}{}", "x".repeat(1_100_000));
    let cases = [
        ("docker", format!("type: kubernetes.io/dockerconfigjson\ndata:\n  .dockerconfigjson: {base64}")),
        ("unknown-field", format!("dat:\n  password: {value}")),
        ("wrong-type", format!("data:\n  password: [{value}]")),
        ("deep", format!("stringData:\n  password: {{a: {{b: {value}}}}}")),
        ("not-boolean", format!("immutable: {value}")),
        ("bad-key", format!("data:\n  \"a key!\": {base64}")),
        ("no-base64", format!("data:\n  password: \"{value}!\"")),
        ("too-long", format!("stringData:\n  password: {long}")),
        ("quoted", format!("stringData:\n  password: {value}")),
        ("number", format!("stringData:\n  password: {value}\n  port: 5432")),
    ];
    let files: Vec<(String, String)> =
        cases.iter().map(|(name, lines)| (format!("{name}/{name}.yaml"), secret(name, lines))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    site.push(&files, "Secrets that are none");
    let names = cases.each_ref().map(|(name, _)| *name);
    names.iter().for_each(|name| site.environment(name, name, json!({})));
    for name in names {
        wait::until(&format!("{name} to be refused"), || {
            let (ready, reason, message) = site.condition(name, "Ready");
            if ready == "False" && message.contains(name) {
                Ok(())
            } else {
                Err(format!("{ready} {reason}: {message}"))
            }
        });
    }
    let (_, _, message) = site.condition("quoted", "Ready");
    assert!(message.contains("no password is (not shown)"), "{message}");
    let mut all = everything(daemon::shared(), &site, &names);
    for name in names {
        let folder = site.copy.path().join(name);
        all.push(plumb(&site, &["check", folder.to_str().expect("a path in UTF-8")]));
    }
    canary.expect_unsaid(&all);
}

#[test]
fn what_is_no_yaml_in_the_file_of_a_secret_tells_none_of_its_values() {
    daemon::shared();
    let site = Site::new(lab::shared(), "secret-slips");
    let canary = Canary::new();
    let value = canary.value();
    // Passwords as people write them without quotes.
    let slips = [
        ("asterisk", format!("*{value}")),
        ("ampersand", format!("&{value} *{value}")),
        ("exclamation", format!("!{value} [x")),
        ("percent", format!("%{value}")),
        ("at", format!("@{value}")),
        ("grave", format!("`{value}`")),
        ("open-quote", format!("\"{value}")),
        ("escape", format!("\"\\q{value}\"")),
        ("trailing", format!("'a' {value}")),
        ("colon", format!("a: {value}: b")),
        ("flow", format!("{{{value}")),
        ("template", format!("{{{{ {value} }}}}")),
        ("alias-list", format!("[*{value}, &{value} 1]")),
        ("tag-value", format!("!!int {value}")),
        ("pipe", format!("|{value}")),
        ("binary", format!("!!binary {value}!")),
    ];
    let files: Vec<(String, String)> = slips
        .iter()
        .map(|(name, slip)| (format!("{name}/secret.yaml"), secret(name, &format!("stringData:\n  password: {slip}"))))
        .chain([(
            "json/secret.json".to_owned(),
            format!("{{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{{\"name\":\"j\"}},\"stringData\":{{\"p\":{value}}}}}"),
        )])
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    site.push(&files, "Slips");
    let names: Vec<&str> = slips.iter().map(|(name, _)| *name).chain(["json"]).collect();
    names.iter().for_each(|name| site.environment(name, name, json!({})));
    for name in &names {
        wait::until(&format!("{name} to be refused"), || {
            let (ready, reason, message) = site.condition(name, "Ready");
            if ready == "False" && message.contains("secret.") {
                Ok(())
            } else {
                Err(format!("{ready} {reason}: {message}"))
            }
        });
    }
    let mut all = everything(daemon::shared(), &site, &names);
    for name in &names {
        let folder = site.copy.path().join(name);
        let folder = folder.to_str().expect("a path in UTF-8");
        all.extend([plumb(&site, &["check", folder]), plumb(&site, &["diff", name, "--path", folder])]);
    }
    canary.expect_unsaid(&all);
}
