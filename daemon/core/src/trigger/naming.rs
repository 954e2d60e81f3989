//! The name of a run, and what it carries: the API server refuses a second object of a name, so that nothing is built twice.
//!
//! A name leads from what is built to one object, and what an object carries leads back to its name: whoever writes other
//! numbers onto an object of their own makes no run of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    name::{ATTEMPT, COMMIT, COMMITTED, COMPONENT, ComponentName, INPUTS, ROUND, TRIGGER, TRIGGER_UID, TriggerName},
    run::{Attempt, Build, ROUND_MAX},
};
use crate::{commit::CommitId, source::InputsDigest};

/// The longest name of a run that Tekton takes.
const LENGTH_MAX: usize = 63;
/// Digits of the hash in a name.
const HASH_DIGITS: usize = 8;
/// The highest number of an attempt that is read: one build a minute for more than a thousand years.
const ATTEMPT_MAX: u32 = 1_000_000_000;
/// The longest digest of inputs that is read.
const INPUTS_MAX: usize = 128;

/// A trigger as its runs know it: one that was made anew under the same name is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker<'a> {
    /// Its name.
    pub name: &'a TriggerName,
    /// Its UID.
    pub uid: &'a str,
}

/// Why an object that carries a trigger's label is no run of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    /// It was made for a trigger of the same name that is gone.
    #[error("it belongs to an earlier trigger of this name")]
    OfAnother,
    /// Something is missing or malformed.
    #[error("it does not carry what plumb's runs carry")]
    Malformed,
    /// What it carries leads to another name.
    #[error("its name is not the one that what it carries leads to")]
    Misnamed,
}

/// Returns the name of a run: `<trigger>-<component>-<7 of the commit>-<8 of a hash>`, from the second round on with `-r<round>`
/// behind it.
///
/// *Guarantees:* a label of DNS with at most 63 characters; the same arguments have the same name, and others, but for a chance
/// of one in four billion, another one.
pub fn run_name(maker: &Maker<'_>, build: &Build, attempt: Attempt) -> String {
    let Build { component, commit, inputs, committed: _ } = build;
    let Maker { name, uid } = maker;
    let number = attempt.number.to_string();
    let parts = [&name.namespace, &name.name, *uid, component.as_str(), commit.as_str(), inputs.0.as_str(), &number];
    let mut hash = Sha256::new_with_prefix("plumb run 1");
    for part in parts {
        // Its length before each part, so that no two lists of parts have one text.
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let round = if attempt.round > 1 { format!("-r{}", attempt.round) } else { String::new() };
    let tail = format!("-{}-{}{round}", commit.short(), &hash[..HASH_DIGITS]);
    let words = match name.name == component.as_str() {
        true => name.name.clone(),
        false => format!("{}-{component}", name.name),
    };
    // Of a trigger whose name has dots, or is long, only what a label takes.
    let words = words.replace('.', "-");
    let words = words.get(..LENGTH_MAX - tail.len()).unwrap_or(&words).trim_end_matches('-');
    format!("{words}{tail}")
}

/// Returns the name of a trigger as a label holds it: that ends at 63 characters. The annotations have the trigger's UID.
pub fn label(trigger: &TriggerName) -> String {
    trigger.name.get(..LENGTH_MAX).unwrap_or(&trigger.name).trim_end_matches(['-', '.']).to_owned()
}

/// Returns the labels of a run.
pub fn labels(maker: &Maker<'_>, build: &Build) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        (TRIGGER, label(maker.name)),
        (COMPONENT, build.component.to_string()),
        (COMMIT, build.commit.to_string()),
    ])
}

/// Returns the annotations of a run.
pub fn annotations(maker: &Maker<'_>, build: &Build, attempt: Attempt) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        (TRIGGER_UID, maker.uid.to_owned()),
        (INPUTS, build.inputs.0.clone()),
        (COMMITTED, build.committed.to_string()),
        (ATTEMPT, attempt.number.to_string()),
        (ROUND, attempt.round.to_string()),
    ])
}

/// Reads back what an object builds that carries a trigger's label.
///
/// # Errors
/// Why it is no run of this trigger.
pub fn build_of<'a>(
    maker: &Maker<'_>,
    name: &str,
    label: impl Fn(&str) -> Option<&'a str>,
    annotation: impl Fn(&str) -> Option<&'a str>,
) -> Result<(Build, Attempt), NotOurs> {
    if annotation(TRIGGER_UID).ok_or(NotOurs::Malformed)? != maker.uid {
        return Err(NotOurs::OfAnother);
    }
    let read = || {
        let number = |text: &str, max: u32| text.parse().ok().filter(|number| (1..=max).contains(number));
        let inputs = annotation(INPUTS).filter(|inputs| !inputs.is_empty() && inputs.len() <= INPUTS_MAX)?;
        let build = Build {
            component: ComponentName::parse(label(COMPONENT)?).ok()?,
            commit: CommitId::parse(label(COMMIT)?).ok()?,
            inputs: InputsDigest(inputs.to_owned()),
            committed: annotation(COMMITTED)?.parse::<Timestamp>().ok()?,
        };
        let (attempt, round) = (annotation(ATTEMPT)?, annotation(ROUND)?);
        let attempt = Attempt { number: number(attempt, ATTEMPT_MAX)?, round: number(round, ROUND_MAX)? };
        Some((build, attempt))
    };
    let (build, attempt) = read().ok_or(NotOurs::Malformed)?;
    if run_name(maker, &build, attempt) != name {
        return Err(NotOurs::Misnamed);
    }
    Ok((build, attempt))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::name::is_subdomain;

    fn build(component: &str, commit: &str) -> Build {
        Build {
            component: ComponentName::parse(component).expect("a name"),
            commit: CommitId::parse(&commit.repeat(40)[..40]).expect("an id"),
            inputs: InputsDigest("1f".to_owned()),
            committed: Timestamp::UNIX_EPOCH,
        }
    }

    fn name_of(trigger: &str, component: &str, number: u32, round: u32) -> String {
        let name = TriggerName::new("shop", trigger);
        run_name(&Maker { name: &name, uid: "u" }, &build(component, "a"), Attempt { number, round })
    }

    #[test]
    fn names_say_what_is_built() {
        let check = |trigger: &str, component: &str, round: u32, words: &str, end: &str| {
            let name = name_of(trigger, component, 1, round);
            assert!(name.starts_with(&format!("{words}-aaaaaaa-")) && name.ends_with(end), "{name}");
            assert!(name.len() <= LENGTH_MAX && is_subdomain(&name) && !name.contains('.'), "{name}");
        };
        check("build", "cart", 1, "build-cart", "");
        check("build", "cart", 2, "build-cart", "-r2");
        check("shop", "shop", 1, "shop", "");
        check("shop.web", "cart", 1, "shop-web-cart", "");
        check(&"t".repeat(80), &"c".repeat(63), 99, &"t".repeat(42), "-r99");
        // What is cut does not end in a dash.
        check(&format!("{}-", "t".repeat(45)), "c", 1, &"t".repeat(45), "");
    }

    #[test]
    fn what_a_run_carries_leads_back_to_it_and_nothing_else_does() {
        let (trigger, build, attempt) =
            (TriggerName::new("shop", "build"), build("cart", "b"), Attempt { number: 3, round: 2 });
        let maker = Maker { name: &trigger, uid: "u" };
        let name = run_name(&maker, &build, attempt);
        let (labels, annotations) = (labels(&maker, &build), annotations(&maker, &build, attempt));
        let read = |maker: &Maker<'_>, name: &str, instead: (&str, &'static str)| {
            let of = |carried: &BTreeMap<&'static str, String>, key: &str| match key == instead.0 {
                true => Some(instead.1.to_owned()).filter(|text| !text.is_empty()),
                false => carried.get(key).cloned(),
            };
            let leak = |text: Option<String>| text.map(|text| &*Box::leak(text.into_boxed_str()));
            build_of(maker, name, |key| leak(of(&labels, key)), |key| leak(of(&annotations, key)))
        };
        assert_eq!(read(&maker, &name, ("none", "")), Ok((build.clone(), attempt)));
        assert_eq!(read(&maker, "another", ("none", "")), Err(NotOurs::Misnamed));
        assert_eq!(read(&Maker { uid: "v", ..maker.clone() }, &name, ("none", "")), Err(NotOurs::OfAnother));
        let check = |key: &'static str, text: &'static str, expected: NotOurs| {
            assert_eq!(read(&maker, &name, (key, text)), Err(expected), "{key} {text:?}");
        };
        check(ATTEMPT, "4", NotOurs::Misnamed);
        check(ROUND, "3", NotOurs::Misnamed);
        check(INPUTS, "2f", NotOurs::Misnamed);
        check(COMPONENT, "search", NotOurs::Misnamed);
        check(ATTEMPT, "0", NotOurs::Malformed);
        check(ATTEMPT, "4294967295", NotOurs::Malformed);
        check(ATTEMPT, "-1", NotOurs::Malformed);
        check(COMMITTED, "yesterday", NotOurs::Malformed);
        for key in [INPUTS, ROUND, COMMITTED, COMPONENT, COMMIT, TRIGGER_UID] {
            check(key, "", NotOurs::Malformed);
        }
    }

    proptest! {
        #[test]
        fn other_builds_have_other_names(
            one in ("[a-z]{1,70}", "[a-z]{1,63}", 1..9_u32, 1..9_u32),
            other in ("[a-z]{1,70}", "[a-z]{1,63}", 1..9_u32, 1..9_u32),
        ) {
            let name = |(trigger, component, number, round): &(String, String, u32, u32)| name_of(trigger, component, *number, *round);
            prop_assert_eq!(one == other, name(&one) == name(&other));
            prop_assert!(name(&one).len() <= LENGTH_MAX && is_subdomain(&name(&one)));
        }
    }
}
