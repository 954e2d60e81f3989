//! What the branch and people ask for: each change of a component's inputs is noticed once, and waits, or is passed over.

use super::{
    Handled, Plan,
    fact::{Dropped, Event, Fact, PassedOver},
    input::{Asked, Head, Input},
};
use crate::{
    source::InputsDigest,
    trigger::{
        memory::{Attempted, Known, Seen, Waiting},
        name::ComponentName,
        rules::Initial,
        run::{Build, Outcome},
    },
};

/// Builds of one component that may wait: more only come together where each of many commits is to be built.
const WAITING_MAX: usize = 20;

/// Notices what the branch has.
pub(super) fn notice(plan: &mut Plan, input: &Input<'_>, head: &Head) {
    let Plan { memory, facts, .. } = plan;
    for (component, inputs) in &head.components {
        match inputs {
            Some(inputs) => {
                let build = head.build(component, inputs);
                let known = memory.components.entry(component.clone()).or_default();
                look(known, &build, (input, head), facts);
            }
            None if input.rules.supersede.drops() => {
                if let Some(known) = memory.components.get_mut(component) {
                    drop_waiting(known, |waiting| waiting.branch, &Dropped::NoFile(head.commit.clone()), facts);
                }
            }
            None => {}
        }
    }
    let departed = memory.components.iter_mut().filter(|(name, _)| !head.components.contains_key(*name));
    for (_, known) in departed {
        drop_waiting(known, |_| true, &Dropped::NoComponent, facts);
        let uncreated = |entry: &&mut _| super::queue::is_unseen(entry);
        for entry in known.entries_mut().filter(uncreated) {
            entry.end(Outcome::Cancelled, input.now, "it was not created: the trigger has no such component any more");
            facts.extend(Fact::end(entry, None));
        }
        known.earlier.retain(|entry| entry.is_open());
    }
}

/// Drops what waits; what the branch has is looked at anew then.
fn drop_waiting(known: &mut Known, which: impl Fn(&Waiting) -> bool, why: &Dropped, facts: &mut Vec<Fact>) {
    let dropped: Vec<_> = known.waiting.extract_if(.., |waiting| which(waiting)).collect();
    facts.extend(dropped.iter().map(|waiting| Fact::of(&waiting.build, Event::Dropped(why.clone()))));
    if let (true, Some(seen)) = (dropped.iter().any(|waiting| waiting.branch), &mut known.seen) {
        seen.inputs = known.tried.clone();
    }
}

fn look(known: &mut Known, build: &Build, (input, head): (&Input<'_>, &Head), facts: &mut Vec<Fact>) {
    let before = known.seen.as_ref().and_then(|seen| seen.inputs.clone());
    if before.as_ref() == Some(&build.inputs) {
        refresh(known, build, head, facts);
        return;
    }
    let first = known.seen.is_none() && known.attempted.is_none();
    let see = |known: &mut Known, passed_over| {
        let inputs = Some(build.inputs.clone());
        known.seen = Some(Seen { commit: build.commit.clone(), inputs, passed_over });
    };
    if !first && input.absorbed.get(&build.component) == Some(&build.inputs) {
        let passed_over = known.seen.as_ref().is_some_and(|seen| seen.passed_over);
        absorb(known, before.as_ref(), build, facts);
        see(known, passed_over);
        return;
    }
    let passed_over = match input.rules.initial {
        _ if head.passed_over => Some(PassedOver::Asked),
        Initial::Skip if first => Some(PassedOver::Initial),
        Initial::Build | Initial::Skip => None,
    };
    see(known, passed_over.is_some());
    if let Some(why) = passed_over {
        facts.push(Fact::of(build, Event::PassedOver(why)));
        return;
    }
    queue(known, build, input, facts);
}

/// What was dealt with before plumb's own commits counts as dealt with behind them.
fn absorb(known: &mut Known, before: Option<&InputsDigest>, build: &Build, facts: &mut Vec<Fact>) {
    if known.tried.as_ref() == before {
        known.tried = Some(build.inputs.clone());
    }
    let Some(at) = known.waiting.iter().rposition(|waiting| waiting.branch) else { return };
    if before != Some(&known.waiting[at].build.inputs) {
        return;
    }
    let earlier = known.waiting[..at].iter().rposition(|waiting| waiting.branch);
    let last = &mut known.waiting[at];
    let moved = Waiting { build: build.clone(), asked: None, ..last.clone() };
    if last.asked.is_some() {
        // A person asked for it as it was.
        (last.branch, last.next) = (false, false);
        known.waiting.insert(at + 1, moved);
    } else {
        *last = moved;
    }
    // What came between is gone: one build is enough.
    let Some(at) = earlier.filter(|at| known.waiting[*at].build.inputs == build.inputs) else { return };
    if known.waiting[at].asked.is_some() {
        known.waiting[at].branch = false;
    } else {
        let dropped = known.waiting.remove(at);
        facts.push(Fact::of(&dropped.build, Event::Dropped(Dropped::For(build.commit.clone()))));
    }
}

/// What waits is built at the newest commit that has the same inputs: an older one may be gone from the branch.
fn refresh(known: &mut Known, build: &Build, head: &Head, facts: &mut Vec<Fact>) {
    let done = |last: &Attempted| !last.is_open() && last.superseded.is_some() && !last.gave_way();
    if known.attempted.as_ref().is_some_and(|last| done(last) && last.build.inputs == build.inputs) {
        // It was to give way, and was faster.
        let again = |waiting: &mut Waiting| waiting.asked.is_none() && waiting.build.inputs == build.inputs;
        let dropped: Vec<_> = known.waiting.extract_if(.., again).collect();
        if dropped.iter().any(|waiting| waiting.branch) {
            known.tried = Some(build.inputs.clone());
        }
        let why = Event::Dropped(Dropped::Back(build.commit.clone()));
        facts.extend(dropped.iter().map(|waiting| Fact::of(&waiting.build, why.clone())));
        return;
    }
    let last = known.waiting.iter_mut().rfind(|waiting| waiting.branch);
    if let Some(last) = last.filter(|last| last.build.inputs == build.inputs && !head.passed_over) {
        last.build = build.clone();
    }
}

fn queue(known: &mut Known, build: &Build, input: &Input<'_>, facts: &mut Vec<Fact>) {
    let last = known.waiting.iter_mut().rfind(|waiting| waiting.branch);
    if let Some(last) = last.filter(|last| last.build.inputs == build.inputs) {
        // What came between was passed over.
        last.build = build.clone();
        return;
    }
    let mut dropped = Vec::new();
    if input.rules.supersede.drops() {
        dropped.extend(known.waiting.extract_if(.., |waiting| waiting.branch && waiting.asked.is_none()));
        // What a person asked for stays.
        known.waiting.iter_mut().for_each(|waiting| waiting.branch = false);
    }
    let back = !known.waiting.iter().any(|waiting| waiting.branch) && is_tried(known, build);
    let why = |commit| if back { Dropped::Back(commit) } else { Dropped::For(commit) };
    let said = |waiting: &Waiting| Fact::of(&waiting.build, Event::Dropped(why(build.commit.clone())));
    facts.extend(dropped.iter().map(said));
    if back {
        known.tried = Some(build.inputs.clone());
        let same = known.entries_mut().filter(|entry| entry.is_open() && entry.build.inputs == build.inputs);
        same.for_each(|entry| entry.branch = true);
        return;
    }
    let next = dropped.iter().any(|waiting| waiting.next);
    let asked = |waiting: &Waiting| !waiting.branch && waiting.build.commit == build.commit;
    if let Some(at) = known.waiting.iter().position(asked) {
        (known.waiting[at].branch, known.waiting[at].next) = (true, next);
        if known.waiting[at + 1..].iter().any(|waiting| waiting.branch) {
            // What the branch had before is built before.
            known.waiting[at..].rotate_left(1);
        }
        return;
    }
    facts.push(Fact::of(build, Event::Queued));
    let (branch, asked) = (true, None);
    push(known, Waiting { build: build.clone(), since: input.now, branch, asked, next }, facts);
}

fn push(known: &mut Known, waiting: Waiting, facts: &mut Vec<Fact>) {
    known.waiting.push(waiting);
    let more = known.waiting.len().saturating_sub(WAITING_MAX);
    let dropped = known.waiting.drain(..more);
    facts.extend(dropped.map(|waiting| Fact::of(&waiting.build, Event::Dropped(Dropped::TooMany))));
}

/// Returns whether the last attempt was for these inputs, and does not give way to a newer commit.
fn is_tried(known: &Known, build: &Build) -> bool {
    // Whether it was asked to end is not known: it may have been, with nobody having seen that yet.
    let gives_way = |entry: &Attempted| entry.gave_way() || entry.is_open() && entry.superseded.is_some();
    let same = |entry: &&Attempted| entry.build.inputs == build.inputs;
    // By hand it may have been attempted before the branch had it.
    let at_last = known.attempted.as_ref().filter(same).is_some_and(|last| last.build.commit == build.commit);
    let tried = at_last || known.tried.as_ref() == Some(&build.inputs);
    // Its last attempt may be for inputs that differ by plumb's own commits.
    let last = known.entries().filter(|entry| entry.branch).last();
    tried && !known.entries().filter(same).chain(last).any(gives_way)
}

/// Takes in what people ask for by hand.
pub(super) fn take_requests(plan: &mut Plan, input: &Input<'_>, head: &Head) {
    for asked in input.asked {
        let refused = take_request(plan, input, head, asked).err();
        plan.handled.push(Handled { id: asked.id.clone(), refused });
    }
}

fn take_request(plan: &mut Plan, input: &Input<'_>, head: &Head, asked: &Asked) -> Result<(), String> {
    let short = asked.commit.short();
    let reads = |(name, inputs): (&ComponentName, &Option<InputsDigest>)| {
        let meant = asked.component.as_ref().is_none_or(|component| component == name);
        let build = |inputs: &InputsDigest| Build {
            component: name.clone(),
            commit: asked.commit.clone(),
            inputs: inputs.clone(),
            committed: asked.committed,
        };
        inputs.as_ref().filter(|_| meant && head.components.contains_key(name)).map(build)
    };
    let builds: Vec<Build> = asked.components.iter().filter_map(reads).collect();
    if builds.is_empty() {
        return Err(match &asked.component {
            Some(name) if !head.components.contains_key(name) => format!("the trigger has no component {name}"),
            Some(name) => format!("the component {name} reads no file of {short}"),
            None => format!("no component reads a file of {short}"),
        });
    }
    for build in builds {
        let known = plan.memory.components.entry(build.component.clone()).or_default();
        ask(known, &build, (input, &asked.id), &mut plan.facts);
    }
    Ok(())
}

fn ask(known: &mut Known, build: &Build, (input, id): (&Input<'_>, &str), facts: &mut Vec<Fact>) {
    let open = known
        .entries_mut()
        .find(|entry| entry.is_open() && entry.superseded.is_none() && entry.build.commit == build.commit);
    if let Some(open) = open {
        // A person waits for it now: it does not give way any more.
        open.asked.get_or_insert_with(|| id.to_owned());
        facts.push(Fact::about(open, Event::Underway { asked: id.to_owned() }));
        return;
    }
    if input.rules.supersede.drops() {
        let newer = |waiting: &mut Waiting| waiting.asked.is_some() && waiting.build.commit != build.commit;
        let dropped = known.waiting.extract_if(.., |waiting| newer(waiting) && !waiting.branch);
        let why = Event::Dropped(Dropped::For(build.commit.clone()));
        facts.extend(dropped.map(|waiting| Fact::of(&waiting.build, why.clone())));
        // What the branch leads to stays.
        known
            .waiting
            .iter_mut()
            .filter_map(|waiting| newer(waiting).then_some(waiting))
            .for_each(|left| left.asked = None);
    }
    if let Some(waiting) = known.waiting.iter_mut().find(|waiting| waiting.build.commit == build.commit) {
        waiting.asked.get_or_insert_with(|| id.to_owned());
        facts.push(Fact::of(&waiting.build, Event::Underway { asked: id.to_owned() }));
        return;
    }
    facts.push(Fact::of(build, Event::Queued));
    let (branch, asked) = (false, Some(id.to_owned()));
    push(known, Waiting { build: build.clone(), since: input.now, branch, asked, next: false }, facts);
}

impl Head {
    fn build(&self, component: &ComponentName, inputs: &InputsDigest) -> Build {
        let Self { commit, committed, passed_over: _, components: _ } = self;
        Build { component: component.clone(), commit: commit.clone(), inputs: inputs.clone(), committed: *committed }
    }
}
