//! Plays a scenario: a namespace, a repository and the steps, one after the other, and takes down what they change.
//!
//! At the end every scenario is looked at once more, and nothing may be written.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, ExitStatus, Output, Stdio},
};

use lab::{
    ControlPlane,
    git::{BareRepository, DEFAULT_BRANCH, HttpServer, WorkingCopy},
};
use plumb_core::environment::EnvironmentName;
use serde_json::{Value, json};

use super::{
    folder::{Copy, Scenario, fill_in, placeholder},
    observation::{Observation, Observer},
    steps::{Field, Line, Step, Wait},
    transcript::{Names, Transcript},
    view,
};
use crate::{daemon::Daemon, reader::Reader, wait};

/// The Environment of a scenario that has no `environments.yaml`.
const USUAL: &str = "\
apiVersion: plumb.dev/v1alpha1
kind: Environment
metadata: {name: app}
spec: {repository: repo, path: app, target: {namespace: \"${NAME}\"}}
";

/// The request that is answered once an Environment was looked at.
const SYNC: &str = "plumb.dev/sync";

/// Plays a scenario on a control plane on which plumb runs and returns its transcript.
///
/// # Errors
/// In words, with the transcript so far: what could not be done, or did not happen within a minute.
pub fn play(scenario: &Scenario, plane: &ControlPlane, daemon: Option<&mut Daemon>) -> Result<String, String> {
    let mut player = Player::new(scenario, plane, daemon)?;
    let played = player.lines(&scenario.lines).and_then(|()| player.again());
    let text = player.transcript.text().to_owned();
    match played {
        Ok(()) => Ok(text),
        Err(error) => {
            let seen = player.observer.observe().map(|seen| player.look(&seen).join("\n")).unwrap_or_default();
            Err(format!("{text}! {}\n--- now:\n{seen}", player.names.mask(&error)))
        }
    }
}

struct Player<'a> {
    plane: &'a ControlPlane,
    /// Only of a scenario that kills it.
    daemon: Option<&'a mut Daemon>,
    namespace: String,
    copy: Copy,
    working: WorkingCopy,
    observer: Observer,
    names: Names,
    transcript: Transcript,
    /// Counts the requests to look again.
    looks: u32,
    /// By which plumb comes where something happens to it.
    server: Option<HttpServer>,
    repository: BareRepository,
}

impl<'a> Player<'a> {
    fn new(scenario: &Scenario, plane: &'a ControlPlane, daemon: Option<&'a mut Daemon>) -> Result<Self, String> {
        let namespace = lab::namespace("s");
        let repository = BareRepository::create().map_err(|error| error.to_string())?;
        let working = WorkingCopy::clone(&repository.url()).map_err(|error| error.to_string())?;
        let (mut server, mut url) = (None, repository.url());
        if scenario.is_served() {
            let (root, name) = (repository.path().parent(), repository.path().file_stem());
            let root = root.ok_or("a repository without a folder")?;
            let started = HttpServer::start(root, None).map_err(|error| error.to_string())?;
            url = started.url(&name.unwrap_or_default().to_string_lossy());
            server = Some(started);
        }
        let player = Self {
            plane,
            daemon,
            copy: scenario.copy(&namespace)?,
            working,
            observer: Observer::new(Reader::new(plane), &namespace),
            names: Names::new(&namespace),
            transcript: Transcript::default(),
            looks: 0,
            namespace,
            server,
            repository,
        };
        player.done(&["create", "namespace", &player.namespace])?;
        player.apply(&json!({
            "apiVersion": "plumb.dev/v1alpha1",
            "kind": "Repository",
            "metadata": { "name": "repo" },
            "spec": { "url": url, "interval": if player.server.is_some() { "1s" } else { "5s" } },
        }))?;
        Ok(player)
    }

    fn lines(&mut self, lines: &[Line]) -> Result<(), String> {
        let waits = |line: &Line| matches!(line.steps.as_slice(), [Step::Wait(_)]);
        for (index, line) in lines.iter().enumerate() {
            self.transcript.step(&line.text);
            line.steps.iter().try_for_each(|step| self.step(step))?;
            // While something is still waited for, it is open what has happened already.
            if waits(line) && !lines.get(index + 1).is_some_and(waits) {
                self.view()?;
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Push(number) => self.push(*number),
            Step::Commit(number) => self.commit(*number).map(drop),
            Step::Git(words) => self.git(words),
            Step::Publish(number) => self.publish(*number),
            Step::Server(behaviour) => {
                let server = self.server.as_ref().ok_or("there is no server")?;
                server.set(*behaviour).map_err(|error| error.to_string())
            }
            Step::Protect => self.protect(),
            Step::Race(number) => self.race(*number),
            Step::Pull(number) => self.pull(*number),
            Step::Environments => self.environments(),
            Step::Kubectl(words) => self.kubectl(words)?.map(drop),
            Step::FailingKubectl(words) => match self.kubectl(words)? {
                Ok(output) => Err(format!("it succeeded: {output}")),
                Err(_) => Ok(()),
            },
            Step::Plumb(words) => self.plumb(words),
            Step::Wait(wait) => self.wait(wait),
            Step::Snapshot => {
                self.look_again()?;
                self.view()
            }
            Step::Varies(beginning) => {
                self.transcript.varies(beginning);
                Ok(())
            }
            Step::Show(field) => {
                let value = self.field(field)?.map_or_else(|| "absent".to_owned(), |value| view::text(&value));
                self.transcript.shown(&self.names.mask(&value));
                Ok(())
            }
            Step::Kill => self.own_daemon().map(Daemon::kill),
            Step::Start => self.own_daemon().map(Daemon::start_again),
        }
    }

    fn push(&mut self, number: u32) -> Result<(), String> {
        self.commit(number)?;
        self.working.push().map_err(|error| error.to_string())?;
        self.seen(number)
    }

    /// Commits an overlay, and keeps it.
    fn commit(&mut self, number: u32) -> Result<(), String> {
        self.copy.overlay(number, self.working.path())?;
        let commit = self.working.commit(&[], &self.copy.message(number)).map_err(|error| error.to_string())?;
        self.names.commits.insert(number, commit);
        Ok(())
    }

    fn git(&self, words: &[String]) -> Result<(), String> {
        let words = words.iter().map(|word| self.fill_in(word)).collect::<Result<Vec<_>, _>>()?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.working.git(&words).map(drop).map_err(|error| error.to_string())
    }

    /// Pushes what the working copy has, whatever the branch held.
    fn publish(&mut self, number: u32) -> Result<(), String> {
        let head = self.working.force_push().and_then(|()| self.working.head());
        self.names.commits.insert(number, head.map_err(|error| error.to_string())?);
        self.seen(number)
    }

    fn seen(&self, number: u32) -> Result<(), String> {
        let commit = &self.names.commits[&number];
        wait::reach("plumb to see the commit", || {
            let repository = self.observer.object("Repository", "repo")?.unwrap_or_default();
            let seen = repository["status"]["revision"]["commit"] == commit.as_str();
            if seen { Ok(()) } else { Err(format!("{:#}", repository["status"])) }
        })
    }

    /// Has the server refuse what comes by http, as one does where a branch is protected.
    fn protect(&self) -> Result<(), String> {
        self.hook("update", "{ echo \"$1 is protected\" >&2; exit 1; }")
    }

    /// Has the branch hold HEAD before the next push that comes by http gets to it, once. Git forbids a hook that, as long as
    /// what is pushed is in quarantine; here the hook plays somebody else.
    fn race(&self, number: u32) -> Result<(), String> {
        let kept = format!("refs/people/{number}");
        self.working.git(&["push", "--quiet", "origin", &format!("HEAD:{kept}")]).map_err(|error| error.to_string())?;
        let faster = format!("git update-ref refs/heads/{DEFAULT_BRANCH} {kept}");
        self.hook("pre-receive", &format!("{{ rm \"$0\"; unset GIT_QUARANTINE_PATH; {faster}; }}"))
    }

    /// Has the server run a command with each push that comes by http.
    fn hook(&self, name: &str, command: &str) -> Result<(), String> {
        let hook = self.repository.path().join("hooks").join(name);
        let text = format!("#!/bin/sh\ntest -z \"$REQUEST_METHOD\" || {command}\n");
        let written = fs::create_dir_all(hook.parent().ok_or("a hook without a folder")?)
            .and_then(|()| fs::write(&hook, text))
            .and_then(|()| fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)));
        written.map_err(|error| format!("{}: {error}", hook.display()))
    }

    /// Waits until somebody else has pushed, and shows the new commits, oldest first.
    fn pull(&mut self, number: u32) -> Result<(), String> {
        let git = |arguments: &[&str]| self.working.git(arguments).map_err(|error| error.to_string());
        let before = git(&["rev-parse", "HEAD"])?;
        let head = wait::reach("a commit of somebody else", || {
            git(&["pull", "--quiet", "--ff-only"])?;
            let head = git(&["rev-parse", "HEAD"])?;
            if head == before { Err("nothing is pushed".to_owned()) } else { Ok(head) }
        })?;
        let range = format!("{before}..{head}");
        let shown = git(&["log", "--reverse", "--format=%an <%ae>%n%B", "--name-status", &range])?;
        self.names.commits.insert(number, head);
        self.transcript.shown(&self.names.mask(&shown));
        Ok(())
    }

    fn environments(&mut self) -> Result<(), String> {
        let file = self.copy.path().join("environments.yaml");
        if !file.is_file() {
            let usual = fill_in(USUAL, &self.namespace, &self.names.commits);
            fs::write(&file, usual).map_err(|error| error.to_string())?;
        }
        self.done(&["apply", "--server-side", "-f", "environments.yaml"])
    }

    fn wait(&self, wait: &Wait) -> Result<(), String> {
        match wait {
            Wait::Reason { environment, reason } => self.reason(environment, reason),
            Wait::Says { environment, text } => {
                let text = self.names.mask(&self.fill_in(text)?);
                wait::reach(&format!("{environment} to say {text:?}"), || {
                    let message = view::text(&ready(&self.observer.status(environment)?)["message"]);
                    let message = self.names.mask(&message);
                    if message.contains(&text) { Ok(()) } else { Err(message) }
                })
            }
            Wait::Drifts { environment, count } => wait::reach("drifts", || {
                let status = self.observer.status(environment)?;
                let seen = status["drift"].as_array().map_or(0, Vec::len);
                if seen >= *count { Ok(()) } else { Err(format!("{seen} drift(s)")) }
            }),
            Wait::Gone { kind, name } => {
                let name = self.fill_in(name)?;
                wait::reach("it to be gone", || match self.observer.object(kind, &name)? {
                    None => Ok(()),
                    Some(_) => Err("it is there".to_owned()),
                })
            }
            Wait::Field(field, expected) => {
                let expected = expected.as_ref().map(|expected| self.fill_in(expected)).transpose()?;
                wait::reach("a field", || {
                    let found = self.field(field)?.map(|value| view::text(&value));
                    if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
                })
            }
            Wait::Denied(words) => wait::reach("kubectl to be denied", || match self.kubectl(words)? {
                Ok(output) => Err(output),
                Err(_) => Ok(()),
            }),
        }
    }

    /// Waits for a verdict on the newest commit.
    fn reason(&self, environment: &str, reason: &str) -> Result<(), String> {
        let newest = self.names.commits.values().last().cloned().unwrap_or_default();
        wait::reach(&format!("{environment} to say {reason}"), || {
            let status = self.observer.status(environment)?;
            let ready = ready(&status);
            let attempted = match reason {
                // Nothing was attempted.
                "SourceNotReady" | "Suspended" | "RolledBack" => true,
                _ => status["lastAttempted"]["commit"] == newest.as_str(),
            };
            if attempted && ready["reason"] == reason { Ok(()) } else { Err(format!("{status:#}")) }
        })
    }

    /// Has plumb look at every Environment once more, and waits until it has.
    fn look_again(&mut self) -> Result<(), String> {
        self.looks += 1;
        let id = format!("look-{}", self.looks);
        let request = json!({ "id": id, "user": "scenario" }).to_string();
        let names = self.environment_names()?;
        for name in &names {
            let annotation = format!("{SYNC}={request}");
            self.done(&["annotate", "--overwrite", "environments.plumb.dev", name, &annotation])?;
        }
        for name in &names {
            wait::reach(&format!("{name} to be looked at"), || {
                let status = self.observer.status(name)?;
                let handled = status["handled"][SYNC] == id.as_str();
                if handled { Ok(()) } else { Err(format!("{:#}", status["handled"])) }
            })?;
        }
        Ok(())
    }

    /// The last step of every scenario: another look writes nothing.
    fn again(&mut self) -> Result<(), String> {
        self.look_again()?;
        let before = self.undisturbed()?;
        self.look_again()?;
        let after = self.undisturbed()?;
        let [before, after] = [before, after].map(|seen| {
            let seen = seen.environments.iter().map(settled_environment).chain(seen.objects.iter().map(settled));
            seen.map(|object| format!("{object:#}")).collect::<Vec<_>>().join("\n")
        });
        if before == after {
            return Ok(());
        }
        let diff = similar::TextDiff::from_lines(before.as_str(), after.as_str());
        Err(format!("another look wrote something:\n{}", diff.unified_diff().header("before", "after")))
    }

    fn view(&mut self) -> Result<(), String> {
        let lines = self.look(&self.undisturbed()?);
        self.transcript.view(lines);
        Ok(())
    }

    /// Waits until nothing is kept for Environments of other scenarios that have yet to say what they desire: they come and
    /// go at any time, and are no part of this one.
    fn undisturbed(&self) -> Result<Observation, String> {
        wait::reach("other scenarios to have spoken", || {
            let seen = self.observer.observe()?;
            let said = seen.environments.iter().map(|environment| environment["status"].to_string());
            let foreign =
                said.flat_map(|status| awaited(&status)).find(|awaited| !awaited.starts_with(&self.namespace));
            foreign.map_or(Ok(seen), |foreign| Err(format!("waiting for {foreign}")))
        })
    }

    fn look(&mut self, seen: &Observation) -> Vec<String> {
        let names: Vec<_> = seen.environments.iter().map(|seen| view::text(&seen["metadata"]["name"])).collect();
        self.names.see(&names);
        view::lines(seen, &self.names, &self.namespace)
    }

    fn environment_names(&self) -> Result<Vec<String>, String> {
        let seen = self.observer.observe()?;
        Ok(seen.environments.iter().map(|seen| view::text(&seen["metadata"]["name"])).collect())
    }

    fn field(&self, field: &Field) -> Result<Option<Value>, String> {
        let object = self.observer.object(&field.kind, &self.fill_in(&field.name)?)?;
        Ok(object.and_then(|object| object.pointer(&field.pointer).cloned()))
    }

    fn fill_in(&self, text: &str) -> Result<String, String> {
        let mut text = fill_in(text, &self.namespace, &self.names.commits);
        while let Some((range, environment)) = placeholder(&text, "ID") {
            let id = EnvironmentName::new(&self.namespace, &environment).applyset_id();
            text.replace_range(range, id.as_str());
        }
        while let Some((range, object)) = placeholder(&text, "UID") {
            let (kind, name) = object.split_once(' ').ok_or("a uid needs KIND NAME")?;
            let found = self.observer.object(kind, name)?.ok_or_else(|| format!("there is no {object}"))?;
            text.replace_range(range, &view::text(&found["metadata"]["uid"]));
        }
        Ok(text)
    }

    fn own_daemon(&mut self) -> Result<&mut Daemon, String> {
        self.daemon.as_deref_mut().ok_or_else(|| "only a daemon of its own can be killed".to_owned())
    }

    fn apply(&self, object: &Value) -> Result<(), String> {
        let file = self.copy.path().join("object.json");
        fs::write(&file, object.to_string()).map_err(|error| error.to_string())?;
        self.done(&["apply", "--server-side", "-f", "object.json"])
    }

    fn done(&self, words: &[&str]) -> Result<(), String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.kubectl(&words)?.map(drop)
    }

    /// Runs kubectl; the inner error is what kubectl itself says.
    fn kubectl(&self, words: &[String]) -> Result<Result<String, String>, String> {
        let mut command = Command::new(self.plane.kubectl_binary());
        command.env("KUBECACHEDIR", self.plane.directory().join("kubectl-cache"));
        // For `kubectl edit`: a person who changes a word.
        command.env("KUBE_EDITOR", "sed -i s/before-the-edit/after-the-edit/");
        let (status, output, said) = self.run(command, words)?;
        Ok(if status.success() { Ok(output) } else { Err(format!("{output}{said}")) })
    }

    /// Runs plumb and shows what it prints, and how it ended if that is not 0.
    fn plumb(&mut self, words: &[String]) -> Result<(), String> {
        let (status, output, said) = self.run(Command::new(lab::process::plumb()), words)?;
        self.transcript.shown(&self.names.mask(&output));
        self.transcript.shown(&self.names.mask(&said));
        if !status.success() {
            self.transcript.shown(&status.to_string());
        }
        Ok(())
    }

    /// Runs a command line tool in the scenario's namespace and folder.
    fn run(&self, mut command: Command, words: &[String]) -> Result<(ExitStatus, String, String), String> {
        let words = words.iter().map(|word| self.fill_in(word)).collect::<Result<Vec<_>, _>>()?;
        let (first, rest) = words.split_first().ok_or("a command without words")?;
        // Behind the first word, so that a step may name another namespace.
        let Output { status, stdout, stderr } = command
            .args([first, "--namespace", &self.namespace])
            .args(rest)
            .current_dir(self.copy.path())
            .env("KUBECONFIG", self.plane.kubeconfig())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((status, text(&stdout), text(&stderr)))
    }
}

/// Returns the Environments for whose word something is kept.
fn awaited(status: &str) -> Vec<String> {
    let (before, after) = ("kept until environment ", " has said");
    let rest = status.split(before).skip(1);
    rest.filter_map(|rest| Some(rest.split_once(after)?.0.to_owned())).collect()
}

fn ready(status: &Value) -> Value {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
}

/// Returns what of an object only a write to it changes: not its status.
fn settled(object: &Value) -> Value {
    let mut object = object.clone();
    if object.get("status").is_some()
        && let Some(map) = object.as_object_mut()
    {
        map.remove("status");
        let metadata = map.get_mut("metadata").and_then(Value::as_object_mut);
        if let Some(metadata) = metadata {
            metadata.remove("resourceVersion");
            if let Some(Value::Array(entries)) = metadata.get_mut("managedFields") {
                entries.retain(|entry| entry.get("subresource").is_none());
            }
        }
    }
    object
}

/// Returns what of an Environment only a pass that did something changes: not the request that called for it.
fn settled_environment(environment: &Value) -> Value {
    let mut settled = json!({ "name": environment["metadata"]["name"], "status": environment["status"] });
    if let Some(status) = settled["status"].as_object_mut() {
        status.remove("handled");
    }
    settled
}

#[cfg(test)]
mod tests {
    use plumb_core::plan::Why;

    use super::*;

    #[test]
    fn who_is_awaited_is_read_from_what_plumb_says() {
        let other = EnvironmentName::new("s-1", "shop");
        let said = Why::Undecided { other }.to_string();
        assert_eq!(awaited(&json!({ "problems": [said, "another"] }).to_string()), ["s-1/shop"]);
        assert_eq!(awaited("all healthy"), [""; 0]);
    }
}
