//! What speaks for a commit although its environment is not healthy: nothing is rolled back, the status says why, and a record on the
//! commit does.

use serde_json::{Value, json};
use system_tests::{
    canary::plumb,
    daemon::{self, Daemon},
    site::{Site, deployment},
    wait,
};

use super::records;

/// What a load balancer says where it has failed; it is healthy at an address that ends in its port.
const FAILED: &str = "192.0.2.66";

/// How long what gets stuck may take: longer than what goes well takes on a busy machine.
const STUCK_FOR: &str = "20s";

fn gateway(port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: gateway\nspec:\n  type: LoadBalancer\n  selector:\n    app: gateway\n  \
         ports:\n    - port: {port}\n"
    )
}

/// Plays the load balancer.
fn answer(site: &Site, address: &str) {
    let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": address }] } } }).to_string();
    site.kubectl(&["patch", "service", "gateway", "--subresource=status", "--type=merge", "--patch", &status])
        .expect("a status");
}

fn says(site: &Site, environment: &str, text: &str) {
    wait::until(&format!("{environment} to say {text:?}"), || {
        let (_, reason, message) = site.condition(environment, "Ready");
        if message.contains(text) { Ok(()) } else { Err(format!("{reason}: {message}")) }
    });
}

/// Fails a commit after somebody has done something else to its environment; no clock decides when.
fn check(name: &str, meddle: impl FnOnce(&Site), text: &str) {
    daemon::shared();
    let site = records::site(lab::shared(), name, json!({}));
    let first = site.push(&[("app/gateway.yaml", &gateway(80))], "One");
    let ingress = "has(self.status.loadBalancer.ingress) && self.status.loadBalancer.ingress[0].ip ==";
    let rule = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "current": format!("{ingress} '192.0.2.' + string(self.spec.ports[0].port)"),
        "failed": format!("{ingress} '{FAILED}'"),
    });
    let rollback = json!({ "mode": "Revert", "failFast": { "after": "1s" } });
    site.environment("app", "app", json!({ "sync": { "timeout": "1h" }, "health": [rule], "rollback": rollback }));
    wait::until("the service", || site.get("service", "gateway").ok_or("there is none"));
    answer(&site, "192.0.2.80");
    site.wait_applied("app", &first);
    let second = site.push(&[("app/gateway.yaml", &gateway(81))], "Two");
    wait::until_equal("the commit to be in force", &json!(second), || {
        site.status("app")["lastApplied"]["commit"].clone()
    });

    meddle(&site);
    answer(&site, FAILED);
    says(&site, "app", text);
    let record = records::wait_for_kind(&site, &second, "HealthLost");
    assert_eq!(record["message"], json!(format!("{}: {text}", &second[..7])), "{record:#}");
    assert!(site.status("app")["rollback"]["held"].is_null());
    answer(&site, "192.0.2.81");
    site.wait_applied("app", &second);
    assert_eq!(site.status("app")["lastHealthy"]["commit"], second);
    assert_eq!(site.repository.branch("main").expect("a branch"), second, "nothing was taken back");
}

#[test]
fn a_spec_that_was_changed_as_well_speaks_for_the_commit() {
    let meddle = |site: &Site| {
        let patch = json!({ "spec": { "sync": { "prune": false } } }).to_string();
        site.kubectl(&["patch", "environments.plumb.dev", "app", "--type=merge", "--patch", &patch]).expect("a patch");
        wait::until("the spec to be seen", || {
            let environment = site.get("environments.plumb.dev", "app").expect("an environment");
            let (status, metadata) = (&environment["status"], &environment["metadata"]);
            let seen = status["observedGeneration"] == metadata["generation"];
            if seen { Ok(()) } else { Err(format!("{status:#}")) }
        });
    };
    check("acquitted-spec", meddle, "not rolled back: the spec of the Environment was changed since it was healthy");
}

#[test]
fn what_failed_while_the_environment_was_suspended_is_not_held_against_the_commit() {
    let meddle = |site: &Site| {
        plumb(site, &["suspend", "app", "--reason", "a look"]);
        site.wait_reason("app", "Suspended");
        answer(site, FAILED);
        wait::until_equal("the failure to be seen", &json!(1), || {
            site.status("app")["inventory"]["health"]["Failed"].clone()
        });
        site.sync("app");
        assert!(site.status("app")["rollback"]["held"].is_null());
        plumb(site, &["resume", "app"]);
    };
    check("acquitted-suspended", meddle, "not rolled back: the Environment was not healthy before these commits");
}

/// Waits until a Pod of this label can't pull this image.
fn wait_unpulled(site: &Site, label: &str, image: &str) {
    wait::until(&format!("a Pod that can't pull {image}"), || {
        let list = site.kubectl(&["get", "pods", "--selector", label, "--output", "json"])?;
        let list: Value = serde_json::from_str(&list).map_err(|error| error.to_string())?;
        let stuck = |pod: &Value| {
            let container = &pod["status"]["containerStatuses"][0];
            container["image"] == image && container["state"]["waiting"]["reason"] == "ImagePullBackOff"
        };
        let found = list["items"].as_array().is_some_and(|pods| pods.iter().any(stuck));
        if found { Ok(()) } else { Err(format!("{list:#}")) }
    });
}

/// Somebody's image is put back at once, but not before Pods of it were made: here plumb is stopped meanwhile. A Deployment gets rid of
/// them in a moment, a StatefulSet waits for them for ever.
#[test]
fn pods_of_what_somebody_did_by_hand_are_not_the_commits_fault_once_it_is_put_back() {
    let plane = lab::own();
    let daemon = Daemon::start(plane);
    let site = Site::new(plane, "acquitted-drift");
    let set = |image: &str| {
        deployment("db", image, 1)
            .replace("Deployment", "StatefulSet")
            .replace("  replicas", "  serviceName: db\n  replicas")
    };
    let web = |image: &str| deployment("web", image, 1);
    let files = |number: u8, image: &str| {
        let (web, db) = (web(image), set(&format!("registry.example.com/db:{number}")));
        site.push(&[("web/web.yaml", &web), ("db/db.yaml", &db)], &format!("Number {number}"))
    };
    let first = files(1, "registry.example.com/web:1");
    for name in ["web", "db"] {
        let rollback = json!({ "mode": "Revert", "failFast": { "after": "1s" }, "observe": "1h" });
        let timeout = if name == "db" { STUCK_FOR } else { "1h" };
        site.environment(name, name, json!({ "sync": { "timeout": timeout }, "rollback": rollback }));
        site.wait_applied(name, &first);
    }
    // The one takes its time, the other is observed.
    let second = files(2, "lab/unready:2");
    site.wait_applied("db", &second);
    says(&site, "web", "1 more still to go");

    daemon.pause();
    for (kind, name) in [("deployment", "web"), ("statefulset", "db")] {
        site.kubectl(&["set", "image", &format!("{kind}/{name}"), "app=lab/broken:by-hand"]).expect("a change by hand");
        wait_unpulled(&site, &format!("app={name}"), "lab/broken:by-hand");
    }
    daemon.go_on();
    for (kind, name, image) in
        [("deployment", "web", "lab/unready:2"), ("statefulset", "db", "registry.example.com/db:2")]
    {
        wait::until_equal("the image to be put back", &json!(image), || {
            let found = site.get(kind, name).unwrap_or_default();
            found["spec"]["template"]["spec"]["containers"][0]["image"].clone()
        });
    }
    says(&site, "db", "not rolled back: somebody else has changed what fails");
    site.kubectl(&["delete", "pod", "db-0"]).expect("what Kubernetes leaves to people");
    let third = site.push(&[("web/web.yaml", &web("registry.example.com/web:3"))], "Number 3");
    for name in ["web", "db"] {
        site.wait_applied(name, &third);
        let history = site.status(name)["history"].clone();
        let rolled_back = history.as_array().into_iter().flatten().any(|entry| entry["result"] == "RolledBack");
        assert!(!rolled_back, "{history:#}");
    }
    assert_eq!(site.repository.branch("main").expect("a branch"), third, "nothing was taken back");
}
