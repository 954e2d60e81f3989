//! The acts, in the order in which they are played. Each observes what it claims.

use anyhow::ensure;
use serde_json::Value;

use super::{
    code_change,
    stage::{CLUSTER, Stage, good, shown, title},
};

/// Plays all acts.
pub(super) fn all(stage: &Stage) -> anyhow::Result<()> {
    first_sync(stage)?;
    a_commit(stage)?;
    drift(stage)?;
    a_deletion(stage)?;
    a_bad_file(stage)?;
    code_change::play(stage)?;
    a_bad_commit(stage)?;
    an_audit(stage)
}

/// The environments of the examples; their resources are in the namespace `default`.
const ENVIRONMENTS: [&str; 3] = ["infrastructure", "staging", "production"];
/// The namespace of what the environment `staging` holds.
const STAGING: &str = "shop-staging";
/// The namespace of what the environment `production` holds.
const PRODUCTION: &str = "shop-production";

fn first_sync(stage: &Stage) -> anyhow::Result<()> {
    title("1. First sync: what Git says is in the cluster");
    let (_, took) = stage.until("the three environments to be ready", || {
        for name in ENVIRONMENTS {
            let environment = environment(stage, name)?;
            if condition(&environment, "Ready") != "True" {
                return Err(format!("{name}: {}", environment["status"]));
            }
        }
        Ok(())
    })?;
    stage.run("plumb status -A")?;
    stage.run(&format!("kubectl get deployments,services -n {STAGING}"))?;
    good(&format!("three environments are as in Git, and healthy, after {:.1} s", took.as_secs_f64()));
    Ok(())
}

fn a_commit(stage: &Stage) -> anyhow::Result<()> {
    title("2. A commit: push, and the cluster follows");
    let path = "environments/staging/web.yaml";
    let before = file(stage, path)?;
    let after = before.replace("replicas: 1", "replicas: 3");
    ensure!(before != after, "{path} no longer says replicas: 1");
    shown("git commit -am 'staging: three replicas' && git push");
    let commit = stage.copy.commit_and_push(&[(path, &after)], "staging: three replicas")?;
    let took = stage.until_field(&format!("deployment web -n {STAGING}"), ".spec.replicas", "3")?;
    stage.until_field(&format!("deployment web -n {STAGING}"), ".status.readyReplicas", "3")?;
    let (_, _) = stage.until("the status to name the commit", || {
        let environment = environment(stage, "staging")?;
        let applied = environment["status"]["lastApplied"]["commit"].clone();
        if applied == commit { Ok(()) } else { Err(applied.to_string()) }
    })?;
    stage.run("plumb status staging")?;
    good(&format!("the Deployment has three replicas {} ms after the push", took.as_millis()));
    Ok(())
}

fn drift(stage: &Stage) -> anyhow::Result<()> {
    title("3. Drift: somebody changes the cluster by hand");
    stage.run(&format!("kubectl scale deployment web -n {STAGING} --replicas=9"))?;
    let drift = noticed(stage, "staging", "Changed")?;
    stage.until_field(&format!("deployment web -n {STAGING}"), ".spec.replicas", "3")?;
    stage.run("plumb drift staging")?;
    let by = drift["by"].as_str().unwrap_or_default();
    ensure!(by == "kubectl", "the culprit is kubectl, not {by:?}");
    ensure!(drift["action"] == "Corrected", "the drift was not corrected: {drift}");
    good(&format!("put back {} ms after it was noticed; the culprit is named: {by}", drift["tookMs"]));
    Ok(())
}

fn a_deletion(stage: &Stage) -> anyhow::Result<()> {
    title("4. A deletion by mistake is undone");
    let before = stage.ask(&format!("kubectl get service web -n {STAGING} -o jsonpath={{.metadata.uid}}"))?;
    stage.run(&format!("kubectl delete service web -n {STAGING} --wait=false"))?;
    let ((), took) = stage.until("the Service to be back", || {
        let uid = stage
            .ask(&format!("kubectl get service web -n {STAGING} --ignore-not-found -o jsonpath={{.metadata.uid}}"));
        let uid = uid.map_err(|error| error.to_string())?;
        if uid.is_empty() || uid == before { Err(format!("uid {uid:?}")) } else { Ok(()) }
    })?;
    noticed(stage, "staging", "Deleted")?;
    good(&format!("the Service is back {} ms after the command", took.as_millis()));
    Ok(())
}

fn a_bad_file(stage: &Stage) -> anyhow::Result<()> {
    title("5. A bad file is refused: nothing is applied, nothing is pruned, the others go on");
    let (staging, production) = ("environments/staging/web.yaml", "environments/production/web.yaml");
    let (good_staging, good_production) = (file(stage, staging)?, file(stage, production)?);
    let bad = good_staging.replace("replicas: 3", "replicas: 3\n  replicas: 4");
    ensure!(bad != good_staging, "{staging} no longer says replicas: 3");
    let changed = good_production.replace("replicas: 3", "replicas: 4");
    ensure!(changed != good_production, "{production} no longer says replicas: 3");
    shown("git commit -am 'staging: a slip; production: four replicas' && git push");
    stage.copy.commit_and_push(&[(staging, &bad), (production, &changed)], "A slip in staging")?;
    let took = stage.until_field(&format!("deployment web -n {PRODUCTION}"), ".spec.replicas", "4")?;
    let (message, _) = stage.until("staging to say what is wrong", || {
        let environment = environment(stage, "staging")?;
        let message = environment["status"]["problems"][0].as_str().unwrap_or_default().to_owned();
        if message.contains("web.yaml:") { Ok(message) } else { Err(environment["status"].to_string()) }
    })?;
    stage.run("plumb status -A")?;
    let replicas = stage.ask(&format!("kubectl get deployment web -n {STAGING} -o jsonpath={{.spec.replicas}}"))?;
    ensure!(replicas == "3", "staging was touched: {replicas} replicas");
    good(&format!("staging stays as it was and says: {message}"));
    good(&format!("production followed {} ms after the push", took.as_millis()));
    shown("git revert HEAD && git push");
    stage
        .copy
        .commit_and_push(&[(staging, &good_staging), (production, &good_production)], "Revert \"A slip in staging\"")?;
    stage.until("staging to be ready again", || {
        let environment = environment(stage, "staging")?;
        if condition(&environment, "Ready") == "True" { Ok(()) } else { Err(environment["status"].to_string()) }
    })?;
    good("after the revert staging is ready again");
    Ok(())
}

fn a_bad_commit(stage: &Stage) -> anyhow::Result<()> {
    title("7. A bad commit is taken back: in the cluster at once, in Git by a revert");
    let path = "environments/staging/web.yaml";
    let before = file(stage, path)?;
    // An image that the Pods of this cluster never get to run.
    let after = before.replace("image: example/shop-web:1.1", "image: lab/broken:2.0");
    ensure!(before != after, "{path} no longer says example/shop-web:1.1");
    shown("git commit -am 'staging: web 2.0' && git push");
    let bad = stage.copy.commit_and_push(&[(path, &after)], "staging: web 2.0")?;
    let deployment = format!("deployment web -n {STAGING}");
    let image = ".spec.template.spec.containers[0].image";
    stage.until_field(&deployment, image, "lab/broken:2.0")?;
    good("it is applied, and its Pod can't pull the image; the environment may suffer from that for ten seconds");
    let restored = stage.until_field(&deployment, image, "example/shop-web:1.1")?;
    let (revert, reverted) = stage.until("the revert to be pushed", || {
        let head = stage.repository.branch("main").map_err(|error| error.to_string())?;
        if head == bad { Err("main is still at the bad commit".to_owned()) } else { Ok(head) }
    })?;
    stage.copy.pull()?;
    stage.run("plumb status staging")?;
    stage.run("git log -1 --stat")?;
    ensure!(stage.copy.git(&["rev-parse", "HEAD^"])? == bad, "the revert is not the next commit");
    ensure!(file(stage, path)? == before, "{path} is not as it was");
    stage.until("staging to be ready with the revert", || {
        let environment = environment(stage, "staging")?;
        let applied = environment["status"]["lastApplied"]["commit"] == revert;
        if applied && condition(&environment, "Ready") == "True" {
            Ok(())
        } else {
            Err(environment["status"].to_string())
        }
    })?;
    let (restored, reverted) = (restored.as_secs_f64(), reverted.as_millis());
    good(&format!("restored {restored:.1} s after the bad commit was applied, reverted in Git {reverted} ms later"));
    Ok(())
}

fn an_audit(stage: &Stage) -> anyhow::Result<()> {
    title("8. The auditor's view: what happened, when, by whom and why, from a clone alone");
    let fetch = "git fetch --quiet origin 'refs/notes/plumb/*:refs/notes/plumb/*'";
    let log = "git log -3 --notes='plumb/*'";
    let newest = format!("git notes --ref plumb/{CLUSTER} show HEAD");
    stage.until("the records of the rollback to be published", || {
        let shown = stage.ask(fetch).and_then(|_| stage.ask(log)).map_err(|error| error.to_string())?;
        let newest = stage.ask(&newest).map_err(|error| error.to_string())?;
        let has = |text: &str, kind: &str| text.contains(&format!("\"kind\":\"{kind}\""));
        match ["Held", "Restored", "Reverted", "Released"].iter().find(|kind| !has(&shown, kind)) {
            Some(kind) => Err(format!("no record of the kind {kind} in\n{shown}")),
            None if !has(&newest, "Applied") => Err(format!("the revert is not applied: {newest}")),
            None => Ok(()),
        }
    })?;
    shown(fetch);
    stage.run(log)?;
    stage.run("plumb history staging --repo .")?;
    stage.run("plumb audit verify --repo .")?;
    good(
        "the notes tell it, and no number is missing; with keys or an id kept elsewhere they prove it (docs/audit.md)",
    );
    Ok(())
}

/// Waits until the newest drift of an environment is of a kind, and returns it.
fn noticed(stage: &Stage, name: &str, what: &str) -> anyhow::Result<Value> {
    let (drift, _) = stage.until(&format!("a drift of {name} to be recorded"), || {
        let drift = environment(stage, name)?["status"]["drift"][0].clone();
        if drift["what"] == what { Ok(drift) } else { Err(drift.to_string()) }
    })?;
    Ok(drift)
}

/// Returns an environment as the API server has it.
pub(super) fn environment(stage: &Stage, name: &str) -> Result<Value, String> {
    object(stage, &format!("environments.plumb.dev {name} -n default"))
}

/// Returns what the API server has: one object, or a list of them.
pub(super) fn object(stage: &Stage, what: &str) -> Result<Value, String> {
    let text = stage.ask(&format!("kubectl get {what} -o json"));
    serde_json::from_str(&text.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}

/// Returns the status of a condition; nothing where there is none of that name.
pub(super) fn condition(object: &Value, name: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == name);
    found.and_then(|condition| condition["status"].as_str()).unwrap_or_default().to_owned()
}

/// Returns a file of the environments' working copy.
pub(super) fn file(stage: &Stage, path: &str) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(stage.copy.path().join(path))?)
}
