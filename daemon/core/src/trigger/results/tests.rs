//! Results of runs, and the image that they tell.

use serde_json::{Value, json};

use super::*;

const COMMIT_BUILT: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";
const NAME: &str = "registry.example.com/shop/cart";

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

/// Makes an object with results.
fn with(results: &[(&str, Value)]) -> Value {
    let results: Vec<Value> = results.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({
        "metadata": {"name": "build-abc"},
        "status": {"conditions": [{"type": "Succeeded", "status": "True"}], "results": results},
    })
}

struct Case {
    run: Value,
    tasks: Vec<Value>,
    names: ResultNames,
}

impl Case {
    fn run(results: &[(&str, Value)]) -> Self {
        Self { run: with(results), tasks: Vec::new(), names: ResultNames::default() }
    }

    fn task(mut self, results: &[(&str, Value)]) -> Self {
        self.tasks.push(with(results));
        self
    }

    fn names(mut self, url: Option<&str>, digest: Option<&str>) -> Self {
        self.names = ResultNames { url: url.map(str::to_owned), digest: digest.map(str::to_owned) };
        self
    }

    fn image(&self) -> Result<String, String> {
        let name = ImageName::parse(NAME).expect("a name");
        let commit = CommitId::parse(COMMIT_BUILT).expect("a commit");
        let expected = Expected { image: &name, names: &self.names, commit: &commit };
        image(&self.run, &self.tasks, &expected).map(|image| image.to_string()).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn is(self, expected: &str) {
        assert_eq!(self.image().as_deref(), Ok(expected));
    }

    #[track_caller]
    fn fails(self, words: &[&str]) {
        let error = self.image().expect_err("an error");
        assert!(words.iter().all(|words| error.contains(words)), "{error}");
        assert!(error.len() < 4000 && !error.chars().any(char::is_control), "{error}");
    }
}

fn pinned(name: &str, digit: char) -> String {
    format!("{name}@{}", digest(digit))
}

#[test]
fn type_hints_are_read_in_their_order() {
    let url = ("IMAGE_URL", json!(NAME));
    let built = ("IMAGE_DIGEST", json!(digest('1')));
    Case::run(&[url.clone(), built.clone()]).is(&pinned(NAME, '1'));
    Case::run(&[("IMAGE_URL", json!(format!("{NAME}:v1"))), built.clone()]).is(&pinned(&format!("{NAME}:v1"), '1'));
    Case::run(&[("cart-IMAGE_URL", json!(NAME)), ("cart-IMAGE_DIGEST", json!(digest('2')))]).is(&pinned(NAME, '2'));
    Case::run(&[("IMAGES", json!(pinned(NAME, '3')))]).is(&pinned(NAME, '3'));
    let output = json!({"uri": NAME, "digest": digest('4'), "isBuildArtifact": "true"});
    Case::run(&[("out-ARTIFACT_OUTPUTS", output.clone())]).is(&pinned(NAME, '4'));
    // The pair before the list before the artifacts; the run before its tasks.
    let list = ("IMAGES", json!(pinned(NAME, '3')));
    Case::run(&[list.clone(), url.clone(), built.clone()]).is(&pinned(NAME, '1'));
    Case::run(&[("x-ARTIFACT_OUTPUTS", output.clone()), list.clone()]).is(&pinned(NAME, '3'));
    Case::run(&[url.clone(), built.clone()])
        .task(&[url.clone(), ("IMAGE_DIGEST", json!(digest('9')))])
        .is(&pinned(NAME, '1'));
    Case::run(&[]).task(&[]).task(&[url, built]).is(&pinned(NAME, '1'));
    // The pair of a task is found before the list of the run.
    Case::run(&[list]).task(&[("IMAGE_URL", json!(NAME)), ("IMAGE_DIGEST", json!(digest('5')))]).is(&pinned(NAME, '5'));
}

#[test]
fn line_breaks_of_a_shell_are_no_part_of_a_result() {
    Case::run(&[("IMAGE_URL", json!(format!("{NAME}\n"))), ("IMAGE_DIGEST", json!(format!("{}\r\n", digest('1'))))])
        .is(&pinned(NAME, '1'));
    let list = format!("{},\n{}\n", pinned("r.io/other", '2'), pinned(NAME, '3'));
    Case::run(&[("IMAGES", json!(list))]).is(&pinned(NAME, '3'));
    Case::run(&[("IMAGES", json!([pinned("r.io/other", '2'), pinned(NAME, '3')]))]).is(&pinned(NAME, '3'));
}

#[test]
fn results_that_the_trigger_names_count_alone() {
    let results =
        [("IMAGE_URL", json!("r.io/other")), ("IMAGE_DIGEST", json!(digest('1'))), ("ref", json!(pinned(NAME, '2')))];
    let run = || Case::run(&results);
    run().names(Some("ref"), None).is(&pinned(NAME, '2'));
    run().names(None, Some("IMAGE_DIGEST")).is(&pinned(NAME, '1'));
    run().names(Some("IMAGE_URL"), Some("IMAGE_DIGEST")).is(&pinned("r.io/other", '1'));
    Case::run(&[]).task(&results).names(Some("ref"), None).is(&pinned(NAME, '2'));
    run().names(Some("reference"), None).fails(&["\"reference\"", "spec.writeBack", "IMAGE_DIGEST, IMAGE_URL, ref"]);
    run().names(Some("ref"), Some("digest")).fails(&["\"digest\""]);
    run().names(Some("IMAGE_URL"), None).fails(&["without a digest"]);
    run().names(Some("ref"), Some("IMAGE_DIGEST")).fails(&["the reference says"]);
}

#[test]
fn of_several_images_the_wanted_one_counts() {
    let list = |images: &[String]| Case::run(&[("IMAGES", json!(images.join(",")))]);
    list(&[pinned("r.io/a", '1'), pinned(NAME, '2'), pinned("r.io/b", '3')]).is(&pinned(NAME, '2'));
    list(&[pinned("r.io/a", '1')]).is(&pinned("r.io/a", '1'));
    list(&[pinned("r.io/a", '1'), pinned("r.io/b", '3')]).fails(&["several images", NAME, "r.io/a@", "r.io/b@"]);
    list(&[pinned(NAME, '1'), pinned(NAME, '2')]).fails(&["several images"]);
    list(&[pinned(NAME, '1'), pinned(NAME, '1')]).is(&pinned(NAME, '1'));
    // Another image's pair does not hide the wanted one further down.
    Case::run(&[
        ("IMAGE_URL", json!("r.io/base")),
        ("IMAGE_DIGEST", json!(digest('1'))),
        ("IMAGES", json!(pinned(NAME, '2'))),
    ])
    .is(&pinned(NAME, '2'));
}

#[test]
fn a_success_without_an_image_is_an_error() {
    Case::run(&[]).fails(&["tells no image", "it has no results"]);
    Case::run(&[("commit", json!("x"))]).fails(&["tells no image", "commit", "IMAGE_URL"]);
    Case::run(&[("IMAGE_DIGEST", json!(digest('1')))]).fails(&["tells no image", "IMAGE_DIGEST"]);
    let output = |uri: &str, built: &str| json!({"uri": uri, "digest": digest('1'), "isBuildArtifact": built});
    Case::run(&[("a-ARTIFACT_OUTPUTS", output(NAME, "false"))]).fails(&["tells no image"]);
    Case::run(&[("a-ARTIFACT_OUTPUTS", output("gs://bucket/x.tar", "true"))]).fails(&["tells no image"]);
    // A task that failed has built nothing that counts.
    let mut case = Case::run(&[]).task(&[("IMAGES", json!(pinned(NAME, '1')))]);
    case.tasks[0]["status"]["conditions"][0]["status"] = json!("False");
    case.fails(&["tells no image"]);
}

#[test]
fn hostile_results_are_refused() {
    let pair = |url: Value, digest: Value| Case::run(&[("IMAGE_URL", url), ("IMAGE_DIGEST", digest)]);
    let good = json!(digest('1'));
    pair(json!(format!("{NAME}\nkind: Secret")), good.clone()).fails(&["IMAGE_URL", "no tag"]);
    pair(json!(format!("{NAME}: {{a: b}}")), good.clone()).fails(&["IMAGE_URL"]);
    pair(json!(format!("{NAME} # x")), good.clone()).fails(&["IMAGE_URL"]);
    pair(json!("\u{1b}[2J"), good.clone()).fails(&["IMAGE_URL"]);
    pair(json!("a".repeat(1 << 20)), good.clone()).fails(&["IMAGE_URL", "65536 bytes"]);
    pair(json!(["a"]), good.clone()).fails(&["IMAGE_URL", "no text"]);
    pair(json!(NAME), json!("sha256:short")).fails(&["IMAGE_DIGEST", "no digest"]);
    pair(json!(NAME), json!(format!("{}\n{}", digest('1'), digest('2')))).fails(&["no digest"]);
    pair(json!(pinned(NAME, '2')), good).fails(&["the reference says"]);
    Case::run(&[("IMAGES", json!(NAME))]).fails(&["IMAGES", "without a digest"]);
}

#[test]
fn another_commit_than_the_wanted_one_is_an_error() {
    let built = || Case::run(&[("IMAGES", json!(pinned(NAME, '1')))]);
    let commit = |told: &str| [("CHAINS-GIT_COMMIT", json!(told))];
    built().task(&commit(COMMIT_BUILT)).is(&pinned(NAME, '1'));
    built().task(&commit(&format!("{COMMIT_BUILT}\n"))).is(&pinned(NAME, '1'));
    built().task(&commit(OTHER)).fails(&["TaskRun build-abc", OTHER, COMMIT_BUILT]);
    // Another repository was cloned as well.
    built().task(&commit(OTHER)).task(&commit(COMMIT_BUILT)).is(&pinned(NAME, '1'));
    let results = [("IMAGES", json!(pinned(NAME, '1'))), ("CHAINS-GIT_COMMIT", json!(OTHER))];
    Case::run(&results).task(&commit(COMMIT_BUILT)).fails(&["the run says", OTHER]);
    let mut case = built();
    case.run["spec"] = json!({"params": [{"name": "CHAINS-GIT_COMMIT", "value": OTHER}]});
    case.fails(&["the run says", OTHER]);
}
