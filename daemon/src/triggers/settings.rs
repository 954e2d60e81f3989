//! What a PipelineTrigger's spec means in core's words: parsed whole, so that a new field can't be forgotten.

use std::sync::Arc;

use plumb_api::{
    PipelineTrigger, PipelineTriggerSpec,
    trigger::{Component, Concurrency, History, Initial, Supersede},
};
use plumb_core::{
    class::Class,
    identity::ServiceAccount,
    operation::Failure,
    trigger::{
        globs::{Globs, Paths},
        manifest::Manifest,
        name::{ComponentName, TriggerName},
        rules,
    },
};

use super::images::{self, Images};
use crate::repositories::RepositoryName;

/// A PipelineTrigger, read.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Whose rights its writes have; absent: the daemon's default.
    pub(crate) service_account: Option<ServiceAccount>,
    /// What is built on its own.
    pub(crate) components: Vec<ComponentName>,
    /// What each of them reads, in the same order.
    pub(crate) paths: Paths,
    /// What the planner goes by.
    pub(crate) rules: rules::Rules,
    /// What is created.
    pub(crate) run: Manifest,
    /// What is written back.
    pub(super) images: Option<Images>,
}

/// Settings that passes share, or what is wrong with the spec.
pub(crate) type Read = Result<Arc<Settings>, Failure>;

/// Returns namespace and name.
pub(crate) fn name(trigger: &PipelineTrigger) -> TriggerName {
    let metadata = &trigger.metadata;
    TriggerName::new(metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default())
}

/// Returns the Repository that it follows.
pub(crate) fn repository(trigger: &PipelineTrigger) -> RepositoryName {
    (name(trigger).namespace, trigger.spec.repository.clone())
}

/// Reads a PipelineTrigger's spec; says everything that is wrong with it.
pub(crate) fn read(trigger: &PipelineTrigger) -> Read {
    let mut wrong = Vec::new();
    let settings = understand(trigger, &mut wrong);
    match settings.filter(|_| wrong.is_empty()) {
        Some(settings) => Ok(Arc::new(settings)),
        None => Err(Failure { class: Class::Wait, message: wrong.join("\n") }),
    }
}

fn understand(trigger: &PipelineTrigger, wrong: &mut Vec<String>) -> Option<Settings> {
    let name = name(trigger);
    let PipelineTriggerSpec {
        repository: _,
        service_account_name,
        components,
        concurrency,
        initial,
        retries,
        history,
        run,
        write_back,
        suspend,
    } = &trigger.spec;
    let Concurrency { limit, supersede } = concurrency;
    let History { succeeded, failed, age } = history;
    let account = service_account_name.as_deref().map(|account| ServiceAccount::parse(&name.namespace, account));
    let service_account = account.transpose().unwrap_or_else(|error| {
        wrong.push(format!("spec.serviceAccountName: {error}"));
        None
    });
    let components = named(&name, components, wrong);
    let paths = Paths::new(&components).map_err(|error| wrong.push(format!("spec.components: {error}"))).ok();
    let run = match Manifest::read(run.clone(), &name.namespace) {
        Ok(run) => Some(run),
        Err(faults) => {
            wrong.extend(faults.iter().map(|fault| format!("spec.run{fault}")));
            None
        }
    };
    let rules = rules::Rules {
        limit: size(*limit),
        supersede: match supersede {
            Supersede::None => rules::Supersede::None,
            Supersede::DropQueued => rules::Supersede::DropQueued,
            Supersede::CancelRunning => rules::Supersede::CancelRunning,
        },
        initial: match initial {
            Initial::Build => rules::Initial::Build,
            Initial::Skip => rules::Initial::Skip,
        },
        retries: *retries,
        history: rules::History { succeeded: size(*succeeded), failed: size(*failed), age: age.get() },
        suspended: *suspend,
    };
    let components: Vec<ComponentName> = components.into_iter().map(|(name, _)| name).collect();
    let images = write_back.as_ref().map(|write_back| images::read(write_back, &components, wrong));
    Some(Settings { service_account, components, paths: paths?, rules, run: run?, images })
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Returns the components with what they read; a trigger that names none is one itself.
fn named(name: &TriggerName, components: &[Component], wrong: &mut Vec<String>) -> Vec<(ComponentName, Globs)> {
    let whole = [Component { name: whole(name), paths: Vec::new() }];
    let components = if components.is_empty() { &whole } else { components };
    let mut read: Vec<(ComponentName, Globs)> = Vec::with_capacity(components.len());
    for (index, Component { name, paths }) in components.iter().enumerate() {
        let field = format!("spec.components[{index}]");
        let globs = Globs::parse(paths).map_err(|faults| {
            wrong.extend(faults.iter().map(|fault| format!("{field}.paths: {fault}")));
        });
        match (ComponentName::parse(name), globs) {
            (Ok(name), _) if read.iter().any(|(other, _)| *other == name) => {
                wrong.push(format!("{field}.name: {name} is there twice: give each component its own name"));
            }
            (Ok(name), Ok(globs)) => read.push((name, globs)),
            (Ok(_), Err(())) => {}
            (Err(error), _) => wrong.push(format!("{field}.name: {error}")),
        }
    }
    read
}

/// Returns the name of the one component of a trigger that names none: a label, whatever the trigger is called.
fn whole(name: &TriggerName) -> String {
    let label = name.name.replace('.', "-");
    label.get(..63).unwrap_or(&label).trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_without_components_is_one() {
        for (name, component) in
            [("build", "build"), ("shop.cart", "shop-cart"), (&"a.".repeat(40), &"a-".repeat(32)[..63])]
        {
            assert_eq!(whole(&TriggerName::new("shop", name)), component);
        }
    }
}
