//! `plumb build`: a run of a trigger, now.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use clap::Args;
use plumb_api::{
    PipelineTrigger, PipelineTriggerStatus,
    condition::{self, ConditionStatus},
    duration::DurationText,
    request,
    trigger::{BuildStatus, ComponentStatus},
};
use plumb_cluster::{error::ApiError, resources};
use plumb_core::{
    commit::CommitId,
    environment::FieldManager,
    trigger::{name::TriggerName, run::Outcome as Ending},
};

use super::{
    Outcome,
    asking::{self, Wish},
    connection::{ConnectionArgs, Session, with_session},
    error::CliError,
    screen, standing,
    triggers::{self, WrittenName},
    waiting::{self, Progress},
    writers,
};

/// Digits below which an abbreviation says too little.
const SHORTEST: usize = 4;

/// Build the components of a PipelineTrigger now, although nothing has changed
///
/// plumb builds by itself what changes; this builds once more what was built: after a failure, or because an image that a build starts from
/// is newer. It is the newest commit that is built, or the one of --revision; its run gets a name of its own. With --wait it tells how it went.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb build shop
  plumb build shop --component cart --wait
  plumb build shop --component cart --revision 1a2b3c4 --reason \"the base image is newer\"

Exit codes with --wait: 0 all runs have succeeded, 1 one has not or the time is up, 2 error")]
pub(crate) struct BuildArgs {
    /// PipelineTrigger, as NAME or NAMESPACE/NAME
    #[arg(value_name = "TRIGGER")]
    trigger: WrittenName,
    /// Only this component
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// Another commit than the newest; abbreviations of those that the trigger's status names are enough
    #[arg(long, value_name = "REV")]
    revision: Option<String>,
    /// Wait until the runs have ended
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "1h", requires = "wait", value_parser = DurationText::parse)]
    timeout: DurationText,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Writes the request, and waits if that is wanted.
pub(crate) fn perform(arguments: &BuildArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let BuildArgs { trigger: _, component, revision, wait, timeout, reason, connection: _ } = arguments;
        let name = arguments.trigger.within(&session);
        let trigger = triggers::get(&session, &name).await?;
        check_component(&name, &trigger, component.as_deref())?;
        let commit = revision.as_ref().map(|written| resolve(written, &trigger)).transpose()?;
        let wish = Wish {
            reason: reason.clone(),
            commit: commit.as_ref().map(CommitId::to_string),
            component: component.clone(),
            ..Wish::default()
        };
        let id = ask(&session, &name, wish).await?;
        writers::remark(&session).await?;
        if !wait {
            screen::print(&format!("{name}: asked to build; plumb runs {name} shows how it goes\n"))?;
            return Ok(Outcome::Yes);
        }
        let asked = Asked { components: asked_for(&trigger, component.as_deref()), commit };
        let joined = RefCell::default();
        let look = async |name: &TriggerName, id: &str| {
            let trigger = triggers::get(&session, name).await?;
            Ok(progress(&trigger, id, &asked, &mut joined.borrow_mut()))
        };
        let next = "next: plumb runs TRIGGER shows what is under way, plumb runs describe RUN why it is not done; see that plumb runs";
        waiting::wait(BTreeMap::from([(name, id)]), timeout.get(), next, look).await
    })
}

/// Writes the annotation, and returns the id of the request.
async fn ask(session: &Session, name: &TriggerName, wish: Wish) -> Result<String, CliError> {
    let (id, value) = asking::made(session, wish).await?;
    let manager = FieldManager::new(request::MANAGER);
    let place = (name.namespace.as_str(), name.name.as_str());
    let written =
        resources::annotate::<PipelineTrigger>(&session.cluster, place, &manager, request::BUILD, Some(&value)).await;
    match written {
        Ok(_) => Ok(id),
        Err(ApiError::NotFound { .. }) => Err(triggers::missing(session, name).await),
        Err(error) => Err(error.into()),
    }
}

/// What was asked for.
struct Asked {
    /// Empty: the one component of a trigger that names none.
    components: BTreeSet<String>,
    commit: Option<CommitId>,
}

fn asked_for(trigger: &PipelineTrigger, component: Option<&str>) -> BTreeSet<String> {
    match component {
        Some(component) => BTreeSet::from([component.to_owned()]),
        None => trigger.spec.components.iter().map(|component| component.name.clone()).collect(),
    }
}

/// Fails for a component that the trigger has not.
fn check_component(name: &TriggerName, trigger: &PipelineTrigger, written: Option<&str>) -> Result<(), CliError> {
    let Some(written) = written else { return Ok(()) };
    let mut known: Vec<String> = trigger.spec.components.iter().map(|component| component.name.clone()).collect();
    if known.is_empty() {
        // One that names none is one component itself, whose name its status has.
        known.extend(
            trigger.status.iter().flat_map(|status| &status.components).map(|component| component.name.clone()),
        );
    }
    if known.iter().any(|known| known == written) {
        return Ok(());
    }
    if known.is_empty() {
        known.push(name.name.clone());
    }
    Err(CliError::NoComponent { trigger: name.clone(), written: written.to_owned(), known })
}

/// Returns the commit that a person means: any in full, or an abbreviation of one that the status names.
fn resolve(written: &str, trigger: &PipelineTrigger) -> Result<CommitId, CliError> {
    let written = written.to_ascii_lowercase();
    if let Ok(commit) = CommitId::parse(&written) {
        return Ok(commit);
    }
    let status = trigger.status.as_ref();
    let builds = status.into_iter().flat_map(|status| &status.components);
    let builds = builds.flat_map(|component| [&component.last_attempted, &component.last_succeeded]).flatten();
    let texts = status.and_then(|status| status.commit.as_ref()).into_iter().chain(builds.map(|build| &build.commit));
    let known: BTreeSet<CommitId> = texts.filter_map(|text| CommitId::parse(text).ok()).collect();
    let mut meant = known.iter().filter(|commit| commit.as_str().starts_with(&written));
    match (meant.next(), meant.next()) {
        (Some(commit), None) if written.len() >= SHORTEST => Ok(commit.clone()),
        _ => Err(CliError::NoCommit { written, known: known.iter().map(|commit| commit.short().to_owned()).collect() }),
    }
}

/// Builds that were under way before they were asked for, by component: the daemon does not begin the same one twice.
type Joined = BTreeMap<String, String>;

/// Judges how far a request is.
fn progress(trigger: &PipelineTrigger, id: &str, asked: &Asked, joined: &mut Joined) -> Progress {
    let unknown = PipelineTriggerStatus::default();
    let status = trigger.status.as_ref().unwrap_or(&unknown);
    let not_ready = standing::status(&status.conditions, condition::READY) == Some(ConditionStatus::False);
    let message = standing::message(&status.conditions).replace('\n', "\n  ");
    if status.handled.get(request::BUILD).map(String::as_str) != Some(id) {
        let so_far = if not_ready { format!("; so far: {message}") } else { String::new() };
        return Progress::Underway(format!("waiting for the daemon{so_far}"));
    }
    let (mut going, mut good, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    let is_asked = |name: &String| asked.components.is_empty() || asked.components.contains(name);
    for component in status.components.iter().filter(|component| is_asked(&component.name)) {
        match found(component, id, asked.commit.as_ref(), joined) {
            None => {}
            Some(Found::Waits) => going.push(format!("{} waits for room", component.name)),
            Some(Found::Build(build)) => {
                let run = build.run.as_deref().unwrap_or(&component.name);
                match build.outcome.as_deref() {
                    None => going.push(format!("{run} is under way")),
                    Some(outcome) if Ending::parse(outcome) == Some(Ending::Succeeded) => good.push(run.to_owned()),
                    Some(outcome) => {
                        let why = if build.message.is_empty() { String::new() } else { format!(": {}", build.message) };
                        bad.push(format!("{run} {}{why}", outcome.to_lowercase()));
                    }
                }
            }
        }
    }
    match (going.as_slice(), bad.as_slice(), good.as_slice()) {
        ([], [], []) => Progress::Stuck(format!("nothing was built for this request: {message}")),
        ([], [], good) => Progress::Ready(format!("{} succeeded", good.join(", "))),
        ([], bad, _) => Progress::Stuck(bad.join("\n  ")),
        (going, ..) => Progress::Underway(going.join(", ")),
    }
}

/// What has become of a request for one component.
enum Found<'a> {
    Waits,
    Build(&'a BuildStatus),
}

/// Returns the build that was asked for, or the one that was under way then.
fn found<'a>(
    component: &'a ComponentStatus,
    id: &str,
    commit: Option<&CommitId>,
    joined: &mut Joined,
) -> Option<Found<'a>> {
    let ComponentStatus { name, waiting, last_attempted, earlier, last_succeeded, .. } = component;
    let builds = || last_attempted.iter().chain(earlier).chain(last_succeeded);
    let is_asked = |asked: &Option<String>| asked.as_deref() == Some(id);
    if let Some(build) = builds().find(|build| is_asked(&build.asked)) {
        return Some(Found::Build(build));
    }
    if waiting.iter().any(|build| is_asked(&build.asked)) {
        return Some(Found::Waits);
    }
    if !joined.contains_key(name) {
        let open = builds().filter(|build| build.outcome.is_none()).map(|build| &build.commit);
        let mut open = open.chain(waiting.iter().map(|build| &build.commit));
        let meant = open.find(|open| commit.is_none_or(|commit| commit.as_str() == open.as_str()))?;
        joined.insert(name.clone(), meant.clone());
    }
    let meant = joined.get(name)?;
    if waiting.iter().any(|build| build.commit == *meant) {
        return Some(Found::Waits);
    }
    builds().find(|build| build.commit == *meant).map(Found::Build)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn commit(digits: &str) -> String {
        digits.to_owned() + &"0".repeat(40 - digits.len())
    }

    /// Returns a build of a commit.
    fn build(digits: &str, asked: Option<&str>, outcome: Option<&str>) -> Value {
        json!({ "commit": commit(digits), "committed": "", "inputs": "", "attempt": 1, "round": 1, "begun": "", "branch": false,
            "asked": asked, "run": format!("run-{digits}"), "outcome": outcome, "message": "words" })
    }

    /// Returns a trigger that has handled a request, with what it knows of `cart` and of `web`.
    fn trigger(handled: &str, cart: &Value, web: &Value) -> PipelineTrigger {
        let condition =
            json!({ "type": "Ready", "status": "False", "reason": "R", "message": "no way", "lastTransitionTime": "" });
        let component = |name: &str, known: &Value| {
            let mut component = known.clone();
            (component["name"], component["attempt"]) = (name.into(), 1.into());
            component
        };
        serde_json::from_value(json!({
            "apiVersion": "plumb.dev/v1alpha1", "kind": "PipelineTrigger", "metadata": { "namespace": "shop", "name": "build" },
            "spec": { "repository": "shop", "run": {}, "components": [{ "name": "cart" }, { "name": "web" }] },
            "status": { "handled": { request::BUILD: handled }, "commit": commit("abcd1"), "conditions": [condition],
                "components": [component("cart", cart), component("web", web)] },
        }))
        .expect("a trigger")
    }

    #[test]
    fn a_build_is_done_when_what_was_asked_for_has_ended() {
        #[track_caller]
        fn check(handled: &str, cart: &Value, web: &Value, expected: &Progress) {
            let asked = Asked { components: ["cart", "web"].map(str::to_owned).into(), commit: None };
            assert_eq!(progress(&trigger(handled, cart, web), "mine", &asked, &mut Joined::new()), *expected);
        }
        let (underway, stuck) =
            (|text: &str| Progress::Underway(text.to_owned()), |text: &str| Progress::Stuck(text.to_owned()));
        let (none, mine, others) = (json!({}), Some("mine"), Some("others"));
        let last = |build: Value| json!({ "lastAttempted": build });
        let waiting = json!({ "waiting": [{ "commit": commit("b"), "committed": "", "inputs": "", "since": "", "branch": false, "asked": mine }] });
        check("other", &none, &none, &underway("waiting for the daemon; so far: no way"));
        check("mine", &none, &none, &stuck("nothing was built for this request: no way"));
        check(
            "mine",
            &last(build("a", others, Some("Failed"))),
            &none,
            &stuck("nothing was built for this request: no way"),
        );
        check("mine", &last(build("a", mine, None)), &waiting, &underway("run-a is under way, web waits for room"));
        check("mine", &last(build("a", mine, Some("Succeeded"))), &waiting, &underway("web waits for room"));
        let (good, bad) = (last(build("a", mine, Some("Succeeded"))), last(build("b", mine, Some("Misconfigured"))));
        check("mine", &good, &bad, &stuck("run-b misconfigured: words"));
        check(
            "mine",
            &good,
            &last(build("b", mine, Some("Succeeded"))),
            &Progress::Ready("run-a, run-b succeeded".to_owned()),
        );
        let earlier = json!({ "lastAttempted": build("c", None, None), "earlier": [build("a", mine, None)] });
        check("mine", &earlier, &none, &underway("run-a is under way"));
    }

    #[test]
    fn what_was_under_way_already_is_waited_for() {
        let mut joined = Joined::new();
        let mut check = |cart: &Value, commit: Option<&str>, expected: &Progress| {
            let commit = commit.map(|digits| CommitId::parse(&self::commit(digits)).expect("a commit"));
            let asked = Asked { components: ["cart".to_owned()].into(), commit };
            assert_eq!(progress(&trigger("mine", cart, &json!({})), "mine", &asked, &mut joined), *expected);
        };
        let stuck = Progress::Stuck("nothing was built for this request: no way".to_owned());
        let going = json!({ "lastAttempted": build("a", None, None) });
        check(&going, Some("b"), &stuck);
        check(&going, None, &Progress::Underway("run-a is under way".to_owned()));
        check(
            &json!({ "lastAttempted": build("a", None, Some("Succeeded")) }),
            None,
            &Progress::Ready("run-a succeeded".to_owned()),
        );
    }

    #[test]
    fn components_and_commits_are_those_of_the_trigger() {
        let known = json!({ "lastAttempted": build("abcd2", None, None) });
        let (name, trigger) = (TriggerName::new("shop", "build"), trigger("", &known, &json!({})));
        assert!(
            check_component(&name, &trigger, Some("cart")).is_ok() && check_component(&name, &trigger, None).is_ok()
        );
        let error = check_component(&name, &trigger, Some("card")).expect_err("a slip");
        assert_eq!(
            (error.to_string().as_str(), error.next().as_str()),
            ("shop/build has no component \"card\"", "name one of cart, web")
        );
        let check = |written: &str, expected: Option<&str>| {
            let found = resolve(written, &trigger).ok();
            assert_eq!(found.as_ref().map(|commit| &commit.as_str()[..5]), expected, "{written}");
        };
        check("abcd1", Some("abcd1"));
        check("ABCD2", Some("abcd2"));
        check(&"7".repeat(40), Some("77777"));
        check("abcd", None);
        check("main", None);
    }
}
