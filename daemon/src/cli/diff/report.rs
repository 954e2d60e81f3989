//! The whole answer of `plumb diff`.

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use plumb_core::{
    desired::Desired,
    plan::{self, Reason, Refusal},
};
use serde::Serialize;

use super::{
    Subject, cascade,
    change::{self, Change, Judged},
    predict::{Gathered, REQUESTS_MAX},
};
use crate::cli::{
    Outcome,
    error::CliError,
    place,
    screen::{self, Tone},
};

/// Everything that would happen, and what would not.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    environment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    changes: Vec<Change>,
    deletions: Vec<Deletion>,
    /// What plumb would not do, and why.
    refused: Vec<String>,
    /// What the cluster would not take.
    problems: Vec<String>,
    unchanged: usize,
    /// Whether some of what is refused means that the commit would not be applied in full.
    #[serde(skip)]
    held_back: bool,
}

/// One object that would be deleted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Deletion {
    object: String,
    /// What goes with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cascade: Vec<String>,
    /// Whether it waits for `plumb allow`.
    held: bool,
}

impl Report {
    /// Asks the planner, and the API server about everything that it would apply.
    pub(super) async fn make(subject: &Subject<'_>, gathered: &Gathered, desired: &Desired) -> Result<Self, CliError> {
        let plan = plan::plan(&gathered.input(subject, desired));
        let source = subject.source;
        let problems = desired.problems.iter().map(|problem| place::line(&source.shown, &source.tree.root, problem));
        let counts = |refusal: &&Refusal| !refusal.why.harmless();
        let mut report = Self {
            environment: subject.name().to_string(),
            commit: source.commit.as_ref().map(ToString::to_string),
            refused: plan.refusals.iter().map(ToString::to_string).collect(),
            problems: problems.collect(),
            unchanged: plan.unchanged,
            held_back: plan.refusals.iter().any(|refusal| counts(&refusal)),
            ..Self::default()
        };
        for foreign in plan.foreign.iter().filter(|foreign| foreign.removed) {
            if let Some(object) = desired.objects.get(&foreign.key) {
                report.changes.push(change::cleaned(subject, object, foreign));
            }
        }
        let applies = plan
            .all_applies()
            .filter(|apply| apply.reason != Reason::Clean)
            .filter_map(|apply| desired.objects.get(&apply.key));
        let asks: Vec<_> = applies.map(|object| change::judge(subject, gathered, desired, object).boxed()).collect();
        let judged: Vec<Judged> = stream::iter(asks).buffered(REQUESTS_MAX).try_collect().await?;
        for judged in judged {
            match judged {
                Judged::Change(change) => report.changes.push(change),
                Judged::Same => report.unchanged += 1,
                Judged::Refused(why) => {
                    report.refused.push(why);
                    report.held_back = true;
                }
                Judged::Problem(problem) => report.problems.push(problem),
            }
        }
        let prunes = plan.all_prunes().map(|prune| (prune, false));
        for (prune, held) in prunes.chain(plan.held.iter().map(|prune| (prune, true))) {
            let cascade = cascade::of(subject, prune).await;
            report.deletions.push(Deletion { object: prune.key.to_string(), cascade, held });
        }
        Ok(report)
    }

    /// Returns the answer as an exit code.
    pub(super) fn outcome(&self) -> Result<Outcome, CliError> {
        if !self.problems.is_empty() {
            return Err(CliError::NotApplicable(self.problems.clone()));
        }
        let same = self.changes.is_empty() && self.deletions.is_empty() && !self.held_back;
        Ok(if same { Outcome::Yes } else { Outcome::No })
    }

    /// Returns the text for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for Change { object, action, origin, diff } in &self.changes {
            text.push_str(&format!("{} {object}   {origin}\n", Tone::Waiting.paint(action.word())));
            text.extend(diff.lines().map(coloured));
            if diff.is_empty() {
                text.push_str("  as it should be; only its owner changes\n");
            }
            text.push('\n');
        }
        for Deletion { object, cascade, held } in &self.deletions {
            let when = if *held { "   once it is allowed" } else { "" };
            text.push_str(&format!("{} {object}{when}\n", Tone::Bad.paint("delete")));
            text.extend(cascade.iter().map(|line| format!("  and with it {}\n", screen::plain(line))));
        }
        for why in &self.refused {
            text.push_str(&format!("{} {}\n", Tone::Waiting.paint("leave"), screen::plain(why)));
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let counted = |action: change::Action| self.changes.iter().filter(|change| change.action == action).count();
        let counts = [
            (counted(change::Action::Create), "to create"),
            (counted(change::Action::Adopt), "to adopt"),
            (counted(change::Action::Change), "to change"),
            (counted(change::Action::Replace), "to replace"),
            (counted(change::Action::Clean), "to clean"),
            (self.deletions.len(), "to delete"),
            (self.problems.len(), "refused by the cluster"),
            (self.unchanged, "unchanged"),
        ];
        let words: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        let at = self.commit.as_ref().and_then(|commit| commit.get(..7)).unwrap_or("the directory");
        let words = if words.is_empty() { "no objects".to_owned() } else { words.join(", ") };
        format!("{} at {at}: {words}\n", self.environment)
    }
}

fn coloured(line: &str) -> String {
    let line = screen::plain(line);
    let tone = match line.as_bytes() {
        [b'+', ..] => Tone::Good,
        [b'-', ..] => Tone::Bad,
        [b'@', ..] => Tone::Waiting,
        _ => Tone::Plain,
    };
    tone.paint(&line) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let change = |action, diff: &str| Change {
            object: "ConfigMap shop/a".to_owned(),
            action,
            origin: "env/a.yaml:1:1".to_owned(),
            diff: diff.to_owned(),
        };
        let cascade = vec!["Pod shop/web-1".to_owned()];
        Report {
            environment: "shop/staging".to_owned(),
            commit: Some("1a2b3c4d".to_owned()),
            changes: vec![
                change(change::Action::Change, "--- live/x\n+++ desired/x\n@@ -1 +1 @@\n-a: 1\n+a: 2\n"),
                change(change::Action::Adopt, ""),
            ],
            deletions: vec![Deletion { object: "Deployment shop/web".to_owned(), cascade, held: false }],
            refused: vec!["Namespace shop: no longer in Git; kept".to_owned()],
            unchanged: 3,
            ..Report::default()
        }
    }

    #[test]
    fn everything_that_would_happen_is_told() {
        let expected = "\
change ConfigMap shop/a   env/a.yaml:1:1
--- live/x
+++ desired/x
@@ -1 +1 @@
-a: 1
+a: 2

adopt ConfigMap shop/a   env/a.yaml:1:1
  as it should be; only its owner changes

delete Deployment shop/web
  and with it Pod shop/web-1
leave Namespace shop: no longer in Git; kept
shop/staging at 1a2b3c4: 1 to adopt, 1 to change, 1 to delete, 3 unchanged
";
        assert_eq!(anstream::adapter::strip_str(&report().text()).to_string(), expected);
    }

    #[test]
    fn the_outcome_tells_none_some_and_error_apart() {
        let none = || Report { unchanged: 7, ..Report::default() };
        assert_eq!(none().outcome().unwrap(), Outcome::Yes);
        assert_eq!(Report { refused: vec!["kept".to_owned()], ..none() }.outcome().unwrap(), Outcome::Yes);
        assert_eq!(Report { held_back: true, ..none() }.outcome().unwrap(), Outcome::No);
        assert_eq!(report().outcome().unwrap(), Outcome::No);
        assert!(Report { problems: vec!["a.yaml:1:1: wrong".to_owned()], ..report() }.outcome().is_err());
    }
}
