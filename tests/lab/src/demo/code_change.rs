//! The act in which a commit to the source of an application becomes an image, and the image a commit that is deployed.

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{
    acts::{condition, environment, file, object},
    stage::{Stage, good, shown, title},
};

/// A Repository with the source and the PipelineTrigger that builds it.
const SHOP: &str = include_str!("shop.yaml");
/// What stands in it for the address of the source.
const SOURCE_URL: &str = "https://git.example.com/shop/source.git";
/// What the PipelineTrigger builds.
const COMPONENT: &str = "cart";
/// The file of the environment that names its image.
const MANIFEST: &str = "environments/staging/cart.yaml";
/// The Deployment that the file is about.
const DEPLOYMENT: &str = "deployment cart -n shop-staging";
/// Its like in another environment, which the trigger does not name.
const PRODUCTION: &str = "deployment cart -n shop-production";
/// The field of both that names the image.
const IMAGE: &str = ".spec.template.spec.containers[0].image";
/// The part of the source that the act changes.
const CODE: &str = "cart/total.go";
/// What it is before the change.
const BEFORE: &str = "package cart\n\nfunc Total(net int) int { return net }\n";

/// Plays the act.
pub(super) fn play(stage: &Stage) -> anyhow::Result<()> {
    title("6. A code change: built by Tekton, written into the environment's repository, deployed");
    let took = stage.install_tekton()?;
    let took = took.as_secs_f64();
    good(&format!(
        "Tekton Pipelines is on the cluster, {took:.1} s; steps run nothing here, and end as their image says"
    ));
    let first = stage.code.commit_and_push(&[(CODE, BEFORE)], "A cart")?;
    let manifest = stage.write("shop.yaml", &SHOP.replace(SOURCE_URL, &stage.source.url()))?;
    stage.run(&format!("kubectl apply -f {}", manifest.display()))?;
    stage.until("the trigger to have seen the source", || {
        let trigger = trigger(stage)?;
        let seen = trigger["status"]["commit"] == first && condition(&trigger, "Ready") == "True";
        if seen { Ok(()) } else { Err(trigger["status"].to_string()) }
    })?;
    good("a trigger follows cart/ in the repository of the source; its image belongs into a line of staging");

    let before = file(stage, MANIFEST)?;
    let head = stage.copy.head()?;
    let production = image_of(stage, PRODUCTION)?;
    shown("git commit -am 'cart: totals with tax' && git push    # in the repository of the source");
    let change = BEFORE.replace("return net", "return net + net/5");
    let commit = stage.code.commit_and_push(&[(CODE, &change)], "cart: totals with tax")?;
    let (written, took) = stage.until("the image to be written back", || {
        let trigger = trigger(stage)?;
        let found = trigger["status"]["writeBacks"][0].clone();
        let fits = found["outcome"] == "Written" && found["source"] == commit;
        if fits { Ok(found) } else { Err(trigger["status"].to_string()) }
    })?;
    stage.run("plumb runs shop")?;
    let run = the_run(stage, &commit)?;
    stage.run(&format!("plumb runs describe {run}"))?;
    good(&format!("built, and its image written into the environment {:.1} s after the push", took.as_secs_f64()));

    shown("git pull");
    stage.copy.pull()?;
    stage.run("git log -1 --patch --unified=0")?;
    let image = written["image"].as_str().context("the status names no image")?;
    check_commit(stage, &head, &commit, &run)?;
    let old = before.lines().find_map(|line| line.trim().strip_prefix("image: ")).context("no image in the file")?;
    ensure!(file(stage, MANIFEST)? == before.replace(old, image), "more than the image of {MANIFEST} has changed");
    good("one line differs; the trailers lead from the image to the run and the commit of the source");

    stage.until_field(DEPLOYMENT, IMAGE, image)?;
    let pushed = stage.copy.head()?;
    stage.until("staging to be ready with the image", || {
        let environment = environment(stage, "staging")?;
        let applied = environment["status"]["lastApplied"]["commit"] == pushed;
        if applied && condition(&environment, "Ready") == "True" {
            Ok(())
        } else {
            Err(environment["status"].to_string())
        }
    })?;
    stage.run("plumb status staging")?;
    stage.run(&format!("kubectl get {DEPLOYMENT} -o wide"))?;
    ensure!(image_of(stage, PRODUCTION)? == production, "production was touched");
    good(&format!("staging runs the image; production, of which the trigger says nothing, has {production} as before"));
    Ok(())
}

/// Returns the name of the only run, which has built this commit.
fn the_run(stage: &Stage, commit: &str) -> anyhow::Result<String> {
    let runs = object(stage, "pipelineruns.tekton.dev -n default -l plumb.dev/trigger=shop");
    let runs = runs.map_err(anyhow::Error::msg)?;
    let items = runs["items"].as_array().cloned().unwrap_or_default();
    let [run] = items.as_slice() else { anyhow::bail!("one run is expected, not {}: {runs}", items.len()) };
    let labels = &run["metadata"]["labels"];
    ensure!(labels["plumb.dev/commit"] == commit, "the run is of another commit: {labels}");
    ensure!(labels["plumb.dev/component"] == COMPONENT, "the run is of another component: {labels}");
    ensure!(condition(run, "Succeeded") == "True", "Tekton says: {}", run["status"]["conditions"]);
    Ok(run["metadata"]["name"].as_str().unwrap_or_default().to_owned())
}

/// Checks that the newest commit of the environments follows `head`, and says what it comes from.
fn check_commit(stage: &Stage, head: &str, source: &str, run: &str) -> anyhow::Result<()> {
    ensure!(stage.copy.git(&["rev-parse", "HEAD^"])? == head, "the write-back is not the next commit");
    for (trailer, expected) in
        [("Plumb-Source", format!("default/shop@{source}")), ("Plumb-Run", format!("default/{run}"))]
    {
        let format = format!("--format=%(trailers:key={trailer},valueonly)");
        let found = stage.copy.git(&["log", "-1", &format])?;
        ensure!(found.lines().any(|value| value == expected), "{trailer} is {found:?}, not {expected:?}");
    }
    Ok(())
}

fn image_of(stage: &Stage, deployment: &str) -> anyhow::Result<String> {
    stage.ask(&format!("kubectl get {deployment} -o jsonpath={{{IMAGE}}}"))
}

fn trigger(stage: &Stage) -> Result<Value, String> {
    object(stage, "pipelinetriggers.plumb.dev shop -n default")
}
