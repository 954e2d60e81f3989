//! What an Environment's spec means in core's words: parsed whole, so that a new field can't be forgotten.

use std::{sync::Arc, time::Duration};

use plumb_api::{
    duration::DurationText,
    environment::{
        Drift, DriftMode, Environment, EnvironmentSpec, ForeignFields, ForeignMode, IgnoreRule, OnError, Sync, Target,
    },
    request::{self, Request},
    rollback::{FailFast, Rollback, RollbackMode},
};
use plumb_core::{
    class::Class,
    commit::{CommitId, RepoPath},
    environment::EnvironmentName,
    fields::pattern::PathPattern,
    foreign::{self, ForeignPolicy},
    health::rules::Rules,
    identity::{InvalidServiceAccount, ServiceAccount},
    ignore::{Glob, Rule},
    operation::Failure,
    policy::{self, Policy, PruneLimit},
    rollback::{self, Mode, RollbackPolicy},
    window::{Window, Windows},
};

use crate::rules::Compiled;

/// An Environment, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Its name.
    pub(crate) name: EnvironmentName,
    /// Name of the Repository in the same namespace.
    pub(crate) repository: String,
    /// The path inside the repository.
    pub(crate) path: RepoPath,
    /// When it may begin.
    pub(crate) windows: Windows,
    /// Namespace for objects that name none.
    pub(crate) namespace: Option<String>,
    /// The service account whose rights its writes have; absent: the daemon's default. A name that is none is not read as
    /// absent: it would give more rights.
    pub(crate) service_account: Result<Option<ServiceAccount>, InvalidServiceAccount>,
    /// How long a wave may take to become healthy.
    pub(crate) timeout: DurationText,
    /// What the planner goes by.
    pub(crate) policy: Policy,
    /// What becomes of commits that are to blame.
    pub(crate) rollback: RollbackPolicy,
    /// The environment whose objects it takes over.
    pub(crate) predecessor: Option<EnvironmentName>,
    /// How objects are judged of which plumb knows nothing.
    pub(crate) rules: Arc<Rules>,
}

/// Reads an Environment's spec, its rules compiled, and the requests in its annotations; says what is wrong with it, so that
/// the Environment can be left as it is and can say why.
pub(crate) fn read(environment: &Environment, compiled: &Compiled) -> (Settings, Option<Failure>) {
    let (settings, faults) = understand(environment, compiled);
    let message = || faults.iter().map(|Fault { field, message }| format!("{field}: {message}")).collect::<Vec<_>>();
    let invalid = (!faults.is_empty()).then(|| Failure { class: Class::Wait, message: message().join("\n") });
    (settings, invalid)
}

/// What is wrong with a field of an Environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where, such as `spec.path`.
    pub(crate) field: String,
    /// What.
    pub(crate) message: String,
}

impl Fault {
    fn new(field: impl Into<String>, message: impl ToString) -> Self {
        Self { field: field.into(), message: message.to_string() }
    }
}

/// Reads an Environment's spec, and returns everything that is wrong with it.
pub(crate) fn understand(environment: &Environment, compiled: &Compiled) -> (Settings, Vec<Fault>) {
    let name = name(environment);
    let EnvironmentSpec {
        repository,
        path,
        depends_on: _,
        target,
        sync,
        drift,
        health: _,
        rollback,
        deletion: _,
        suspend: _,
    } = &environment.spec;
    let Target { namespace, service_account_name, create_namespace } = target;
    let Sync { prune, prune_limit, timeout, on_error, windows } = sync;
    let Drift { mode, ignore, foreign_fields } = drift;
    let Compiled { rules: health, wrong } = compiled;
    let mut wrong: Vec<Fault> = wrong.iter().map(|(field, fault)| Fault::new(field, fault)).collect();
    let path = RepoPath::parse(path).unwrap_or_else(|error| {
        wrong.push(Fault::new("spec.path", error));
        RepoPath::root()
    });
    let prune_limit = PruneLimit::parse(prune_limit).unwrap_or_else(|| {
        wrong.push(Fault::new("spec.sync.pruneLimit", format!("{prune_limit:?} is not a percentage such as 25%")));
        PruneLimit::NOTHING
    });
    let read = windows.iter().enumerate().filter_map(|(index, window)| {
        Window::parse(&window.schedule, window.duration.get(), window.time_zone.as_deref())
            .map_err(|error| wrong.push(Fault::new(format!("spec.sync.windows[{index}]"), error)))
            .ok()
    });
    let windows = read.collect();
    let account = service_account_name.as_deref().map(|account| ServiceAccount::parse(&name.namespace, account));
    let service_account = account.transpose();
    wrong.extend(service_account.as_ref().err().map(|error| Fault::new("spec.target.serviceAccountName", error)));
    let predecessor = predecessor(environment).unwrap_or_else(|fault| {
        wrong.push(fault);
        None
    });
    let policy = Policy {
        prune: *prune,
        prune_limit,
        prune_allowed: allowed(environment),
        on_error: match on_error {
            OnError::Partial => policy::OnError::Partial,
            OnError::Transactional => policy::OnError::Transactional,
        },
        create_namespace: namespace.clone().filter(|_| *create_namespace),
        drift: match mode {
            DriftMode::Correct => policy::DriftMode::Correct,
            DriftMode::Report => policy::DriftMode::Report,
        },
        ignore: rules(ignore, &mut wrong),
        foreign: foreign(foreign_fields),
        suspended: is_suspended(environment),
        waiting: false,
        rolled_back: false,
    };
    let rollback = rollback_policy(rollback, timeout.get());
    let settings = Settings {
        name,
        repository: repository.clone(),
        path,
        windows,
        namespace: namespace.clone(),
        service_account,
        timeout: timeout.clone(),
        policy,
        rollback,
        predecessor,
        rules: Arc::clone(health),
    };
    (settings, wrong)
}

fn rollback_policy(Rollback { mode, fail_fast, observe }: &Rollback, timeout: Duration) -> RollbackPolicy {
    let FailFast { after, reasons } = fail_fast;
    RollbackPolicy {
        mode: self::mode(*mode),
        fail_fast: rollback::FailFast { after: after.get(), reasons: reasons.iter().cloned().collect() },
        timeout,
        observe: observe.get(),
    }
}

/// Returns what an Environment wants to become of a commit that is to blame.
pub(crate) fn mode(mode: RollbackMode) -> Mode {
    match mode {
        RollbackMode::None => Mode::None,
        RollbackMode::Restore => Mode::Restore,
        RollbackMode::Revert => Mode::Revert,
        RollbackMode::Branch => Mode::Branch,
    }
}

fn foreign(ForeignFields { mode, managers }: &ForeignFields) -> ForeignPolicy {
    let mode = match mode {
        ForeignMode::Ignore => foreign::ForeignMode::Ignore,
        ForeignMode::Report => foreign::ForeignMode::Report,
        ForeignMode::Remove => foreign::ForeignMode::Remove,
    };
    ForeignPolicy { mode, managers: managers.iter().map(|manager| Glob::new(manager)).collect() }
}

fn rules(written: &[IgnoreRule], wrong: &mut Vec<Fault>) -> Vec<Rule> {
    let globs = |texts: &[String]| texts.iter().map(|text| Glob::new(text)).collect();
    let rules = written.iter().enumerate().map(|(index, IgnoreRule { kinds, names, paths })| {
        let paths = paths.iter().filter_map(|path| {
            let error = |error| wrong.push(Fault::new(format!("spec.drift.ignore[{index}].paths"), error));
            PathPattern::parse(path).map_err(error).ok()
        });
        Rule { paths: paths.collect(), kinds: globs(kinds), names: globs(names) }
    });
    rules.collect()
}

/// Returns namespace and name of an Environment.
pub(crate) fn name(environment: &Environment) -> EnvironmentName {
    let metadata = &environment.metadata;
    EnvironmentName::new(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}

/// Returns the environment whose objects an Environment takes over.
///
/// # Errors
/// In words: an annotation that names none, or the Environment itself.
pub(crate) fn predecessor(environment: &Environment) -> Result<Option<EnvironmentName>, Fault> {
    let Some(value) = annotation(environment, request::ADOPT_FROM) else { return Ok(None) };
    let named = value.split_once('/').filter(|(namespace, name)| {
        let part = |part: &str| !part.is_empty() && !part.contains('/');
        part(namespace) && part(name)
    });
    let named = named.map(|(namespace, name)| EnvironmentName::new(namespace, name));
    let named = named.filter(|named| *named != name(environment));
    let message = || format!("{value:?} is not NAMESPACE/NAME of another Environment");
    named.map(Some).ok_or_else(|| Fault::new(format!("annotation {}", request::ADOPT_FROM), message()))
}

/// Returns the environments that a new commit waits for.
pub(crate) fn depends_on(environment: &Environment) -> Vec<EnvironmentName> {
    let namespace = name(environment).namespace;
    environment.spec.depends_on.iter().map(|other| EnvironmentName::new(&namespace, &other.name)).collect()
}

/// Returns whether nothing may be written, because the spec or a person says so.
pub(crate) fn is_suspended(environment: &Environment) -> bool {
    environment.spec.suspend || annotation(environment, request::SUSPENDED).is_some()
}

/// Returns a request that a person made by annotation, if it can be read.
pub(crate) fn request(environment: &Environment, annotation: &str) -> Option<Request> {
    Request::parse(self::annotation(environment, annotation)?)
}

fn annotation<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

fn allowed(environment: &Environment) -> Option<CommitId> {
    let commit = request(environment, request::ALLOW_PRUNE)?.commit?;
    CommitId::parse(&commit).ok()
}
