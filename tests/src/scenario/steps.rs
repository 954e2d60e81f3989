//! The language of `steps.txt`: one step a line, words as a shell splits them; a line that begins with `#` is a remark.
//! What has changed is shown after a `wait`, or after the last of several in a row.
//!
//! ```text
//! push 2                                   commits repository/2 and waits until plumb has seen the commit
//! commit 2                                 commits repository/2 and keeps it for `publish`
//! git …                                    Git, as a person in a working copy, for what is more than one commit after the other
//! publish 3                                pushes what that has made, with force, as commit 3, and waits as `push` does
//! pull 3                                   waits for a commit of somebody else, names it 3 and shows it
//! server down, server up                   the Git server refuses connections, and takes them again; in such a scenario plumb
//!                                          comes by http, and people, as ever, by file
//! protect                                  from here on the server takes no push that comes by http
//! race 3                                   keeps HEAD, as commit 3, and has the branch hold it by the time that the server takes up the
//!                                          next push by http: somebody was faster
//! environments                             applies environments.yaml
//! kubectl …                                as an administrator, in the scenario's namespace and folder; `kubectl edit` makes
//!                                          `after-the-edit` of `before-the-edit`
//! fails kubectl …                          the same, and it has to fail
//! plumb …                                  the command line, in the same place
//! wait ENV ready                           Ready at the newest commit
//! wait ENV blocked                         waits for a person at the newest commit
//! wait ENV reason REASON                   the Ready condition gives this reason
//! wait ENV says TEXT                       … and its message contains the text, whatever the reason
//! wait ENV drifts COUNT                    this many drifts have been noticed
//! wait gone KIND NAME
//! wait field KIND NAME POINTER VALUE       VALUE at a JSON pointer (RFC 6901), or `absent`
//! wait denied …                            kubectl fails: for what takes a moment to forbid something
//! snapshot                                 has plumb look once more, and shows what changed
//! varies TEXT                              what follows the text on lines that begin with it is not compared from here on:
//!                                          where it depends on which of two is faster, and either is right
//! show KIND NAME POINTER                   shows what stands at a JSON pointer
//! kill, start, restart                     SIGKILL, and again; such a scenario has a daemon and a control plane of its own
//! ```

use lab::git::Behaviour;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Commits and pushes an overlay.
    Push(u32),
    /// Takes over what somebody else has pushed, as the commit with this number.
    Pull(u32),
    /// Commits an overlay.
    Commit(u32),
    /// Runs Git in the working copy.
    Git(Vec<String>),
    /// Pushes whatever the working copy has, as the commit with this number.
    Publish(u32),
    /// Has the Git server refuse connections, or take them.
    Server(Behaviour),
    /// Has the Git server refuse pushes.
    Protect,
    /// Has a commit arrive right before the next push.
    Race(u32),
    /// Makes the Environments.
    Environments,
    /// Runs kubectl.
    Kubectl(Vec<String>),
    /// Runs kubectl, which has to fail.
    FailingKubectl(Vec<String>),
    /// Runs plumb's command line.
    Plumb(Vec<String>),
    /// Waits.
    Wait(Wait),
    /// Has plumb look once more.
    Snapshot,
    /// Leaves out what follows a text on its lines.
    Varies(String),
    /// Shows a field.
    Show(Field),
    /// Kills the daemon.
    Kill,
    /// Starts it again.
    Start,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// The Ready condition of an Environment gives a reason.
    Reason {
        /// Which Environment.
        environment: String,
        /// The reason, in CamelCase.
        reason: String,
    },
    /// The message of the Ready condition of an Environment contains a text.
    Says {
        /// Which Environment.
        environment: String,
        /// The text.
        text: String,
    },
    /// An Environment has noticed drifts.
    Drifts {
        /// Which Environment.
        environment: String,
        /// At least so many.
        count: usize,
    },
    /// An object is gone.
    Gone {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// A field has a value; nothing means that it is absent.
    Field(Field, Option<String>),
    /// kubectl fails.
    Denied(Vec<String>),
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// JSON pointer.
    pub pointer: String,
}

/// A step with the line that it was written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// As written.
    pub text: String,
    /// As read; a line such as `restart` stands for two.
    pub steps: Vec<Step>,
}

/// A line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("steps.txt:{number}: {text:?} is no step; scenario/steps.rs lists them")]
pub struct StepError {
    /// Line number, from 1.
    pub number: usize,
    /// The line.
    pub text: String,
}

/// Reads the steps of a scenario.
///
/// # Errors
/// With the first line that is not understood.
pub fn parse(text: &str) -> Result<Vec<Line>, StepError> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let steps = words(line).and_then(|words| steps(&words));
            let steps = steps.ok_or_else(|| StepError { number, text: line.to_owned() })?;
            Ok(Line { text: line.to_owned(), steps })
        })
        .collect()
}

fn steps(words: &[String]) -> Option<Vec<Step>> {
    let (first, rest) = words.split_first()?;
    let texts: Vec<&str> = rest.iter().map(String::as_str).collect();
    let step = match (first.as_str(), texts.as_slice()) {
        ("push", [number]) => Step::Push(number.parse().ok()?),
        ("pull", [number]) => Step::Pull(number.parse().ok()?),
        ("commit", [number]) => Step::Commit(number.parse().ok()?),
        ("git", [_, ..]) => Step::Git(rest.to_vec()),
        ("publish", [number]) => Step::Publish(number.parse().ok()?),
        ("server", ["down"]) => Step::Server(Behaviour::Refuse),
        ("server", ["up"]) => Step::Server(Behaviour::Serve),
        ("protect", []) => Step::Protect,
        ("race", [number]) => Step::Race(number.parse().ok()?),
        ("environments", []) => Step::Environments,
        ("kubectl", [_, ..]) => Step::Kubectl(rest.to_vec()),
        ("fails", ["kubectl", _, ..]) => Step::FailingKubectl(rest[1..].to_vec()),
        ("plumb", [_, ..]) => Step::Plumb(rest.to_vec()),
        ("wait", [_, ..]) => Step::Wait(wait(&texts, rest)?),
        ("snapshot", []) => Step::Snapshot,
        ("varies", [text]) => Step::Varies((*text).to_owned()),
        ("show", [kind, name, pointer]) => Step::Show(field(kind, name, pointer)?),
        ("kill", []) => Step::Kill,
        ("start", []) => Step::Start,
        ("restart", []) => return Some(vec![Step::Kill, Step::Start]),
        _ => return None,
    };
    Some(vec![step])
}

fn wait(texts: &[&str], words: &[String]) -> Option<Wait> {
    let reason = |environment: &str, reason: &str| Wait::Reason {
        environment: environment.to_owned(),
        reason: reason.to_owned(),
    };
    Some(match texts {
        ["gone", kind, name] => Wait::Gone { kind: (*kind).to_owned(), name: (*name).to_owned() },
        ["field", kind, name, pointer, "absent"] => Wait::Field(field(kind, name, pointer)?, None),
        ["field", kind, name, pointer, value] => Wait::Field(field(kind, name, pointer)?, Some((*value).to_owned())),
        ["denied", _, ..] => Wait::Denied(words[1..].to_vec()),
        [environment, "ready"] => reason(environment, "Applied"),
        [environment, "blocked"] => reason(environment, "Blocked"),
        [environment, "reason", name] => reason(environment, name),
        [environment, "says", text] => Wait::Says { environment: (*environment).to_owned(), text: (*text).to_owned() },
        [environment, "drifts", count] => {
            Wait::Drifts { environment: (*environment).to_owned(), count: count.parse().ok()? }
        }
        _ => return None,
    })
}

fn field(kind: &str, name: &str, pointer: &str) -> Option<Field> {
    let field = Field { kind: kind.to_owned(), name: name.to_owned(), pointer: pointer.to_owned() };
    pointer.starts_with('/').then_some(field)
}

/// Splits a line into words; quotes of both kinds and placeholders keep blanks, and nothing is escaped.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in line.chars() {
        match (quote, character) {
            (Some('}'), '}') => {
                quote = None;
                word.get_or_insert_default().push('}');
            }
            (None, '{') if word.as_ref().is_some_and(|word| word.ends_with('$')) => {
                quote = Some('}');
                word.get_or_insert_default().push('{');
            }
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_steps_or_an_error_with_the_line() {
        let check = |line: &str, expected: Option<Step>| {
            let read = parse(&format!("# remark\n\n{line}\n"));
            match expected {
                Some(step) => assert_eq!(read, Ok(vec![Line { text: line.to_owned(), steps: vec![step] }])),
                None => assert_eq!(read, Err(StepError { number: 3, text: line.to_owned() })),
            }
        };
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let reason =
            |reason: &str| Some(Step::Wait(Wait::Reason { environment: "app".to_owned(), reason: reason.to_owned() }));
        let says = |text: &str| Some(Step::Wait(Wait::Says { environment: "app".to_owned(), text: text.to_owned() }));
        let colour = || field("ConfigMap", "a", "/data/colour").expect("a field");
        check("push 2", Some(Step::Push(2)));
        check("push two", None);
        check("pull 3", Some(Step::Pull(3)));
        check("race 3", Some(Step::Race(3)));
        check("environments", Some(Step::Environments));
        check(
            r#"kubectl patch cm a -p '{"data": {"k": "v w"}}' --x="y z""#,
            Some(Step::Kubectl(owned(&["patch", "cm", "a", "-p", r#"{"data": {"k": "v w"}}"#, "--x=y z"]))),
        );
        check("wait app says ${COMMIT 2}", says("${COMMIT 2}"));
        check("kubectl label cm a x=''", Some(Step::Kubectl(owned(&["label", "cm", "a", "x="]))));
        check("kubectl 'open", None);
        check("kubectl", None);
        check("fails kubectl delete cm a", Some(Step::FailingKubectl(owned(&["delete", "cm", "a"]))));
        check("fails plumb sync", None);
        check("plumb sync app", Some(Step::Plumb(owned(&["sync", "app"]))));
        check("wait app ready", reason("Applied"));
        check("wait app blocked", reason("Blocked"));
        check("wait app reason Refused", reason("Refused"));
        check("wait app happy", None);
        check("wait app says 'not ready'", says("not ready"));
        check("wait app drifts 2", Some(Step::Wait(Wait::Drifts { environment: "app".to_owned(), count: 2 })));
        check(
            "wait gone ConfigMap a",
            Some(Step::Wait(Wait::Gone { kind: "ConfigMap".to_owned(), name: "a".to_owned() })),
        );
        check(
            "wait field ConfigMap a /data/colour red",
            Some(Step::Wait(Wait::Field(colour(), Some("red".to_owned())))),
        );
        check("wait field ConfigMap a /data/colour absent", Some(Step::Wait(Wait::Field(colour(), None))));
        check("wait field ConfigMap a data.colour red", None);
        check("wait denied delete cm a", Some(Step::Wait(Wait::Denied(owned(&["delete", "cm", "a"])))));
        check("show ConfigMap a /data/colour", Some(Step::Show(colour())));
        check("snapshot", Some(Step::Snapshot));
        check("varies 'two: history:'", Some(Step::Varies("two: history:".to_owned())));
        check("dance", None);
    }

    #[test]
    fn a_restart_is_a_kill_and_a_start() {
        let lines = parse("restart").expect("steps");
        assert_eq!(lines[0].steps, [Step::Kill, Step::Start]);
    }
}
