//! The table of plans, and the words of messages and commands.

use super::{
    super::{
        arrival::{Later, arrived},
        hold::Hold,
    },
    *,
};

fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
}

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).expect("a path")
}

fn step(digit: char, parent: char, paths: &[&str]) -> Step {
    Step {
        commit: commit(digit),
        parent: Some(commit(parent)),
        merge: false,
        message: format!("web: {digit}\n\nBecause.\n"),
        changed: paths.iter().map(|text| path(text)).collect(),
    }
}

fn planned(mode: Mode, steps: &[Step], change: impl FnOnce(&mut Input<'_>)) -> RevertPlan {
    let (environment, own, healthy) = (EnvironmentName::new("team", "app"), path("envs/app"), commit('1'));
    let (branch, content) = (RefName::parse("refs/heads/main").expect("a ref"), Sharers::default());
    let mut input = Input {
        environment: &environment,
        mode,
        path: &own,
        healthy: &healthy,
        reason: "Deployment shop/web: sick\nof everything",
        records: None,
        branch: Some(&branch),
        steps: Ok(steps),
        content: &content,
        pushes: &[],
        now: Timestamp::from_second(1_000_000).expect("a time"),
    };
    change(&mut input);
    plan(&input)
}

fn reverted(plan: &RevertPlan) -> Vec<char> {
    let reverts = match plan {
        RevertPlan::Push(reverts) | RevertPlan::Branch { reverts, .. } => reverts.as_slice(),
        RevertPlan::Nothing | RevertPlan::Stalled(_) => &[],
    };
    reverts.iter().filter_map(|revert| revert.commit.as_str().chars().next()).collect()
}

#[test]
fn what_changed_the_environment_is_taken_back_newest_first() {
    let steps = [step('4', '3', &["envs/app"]), step('3', '2', &[]), step('2', '1', &["envs/app"])];
    let plan = planned(Mode::Revert, &steps, |_| {});
    assert!(matches!(plan, RevertPlan::Push(_)));
    assert_eq!(reverted(&plan), ['4', '2']);
    let RevertPlan::Push(reverts) = plan else { panic!("a push") };
    let states: Vec<_> = reverts.iter().map(|revert| revert.state.clone()).collect();
    assert_eq!(states, [Some(commit('3')), Some(commit('1'))], "each goes back to its own first parent");
    assert_eq!(planned(Mode::Revert, &[step('2', '1', &[])], |_| {}), RevertPlan::Nothing);
    assert_eq!(planned(Mode::Restore, &steps, |_| {}), RevertPlan::Nothing);
    assert_eq!(planned(Mode::None, &steps, |_| {}), RevertPlan::Nothing);
}

#[test]
fn what_others_share_goes_onto_a_branch_of_its_own() {
    #[track_caller]
    fn check(plan: RevertPlan, expected: &Aside) {
        let RevertPlan::Branch { name, why, .. } = &plan else { panic!("{plan:?}") };
        assert_eq!((name.as_str(), why), ("refs/heads/plumb/revert-main-team-app-2222222", expected));
        assert_eq!(reverted(&plan), ['2']);
    }
    let own = [step('2', '1', &["envs/app"])];
    check(planned(Mode::Branch, &own, |_| {}), &Aside::Asked);
    let shared = [step('2', '1', &["envs/app", "envs/application"])];
    check(planned(Mode::Revert, &shared, |_| {}), &Aside::Shared(path("envs/application")));
    let set = |name: &str| BTreeSet::from([EnvironmentName::new("team", name)]);
    let other = || EnvironmentName::new("team", "other");
    for (content, expected) in [
        (Sharers { healthy: set("other"), ..Sharers::default() }, Aside::Content(other())),
        (Sharers { healthy: set("other"), unheard: set("absent") }, Aside::Content(other())),
        (Sharers { unheard: set("other"), ..Sharers::default() }, Aside::Unheard(other())),
    ] {
        check(plan(&Input { content: &content, ..input_of(&own) }), &expected);
    }
}

#[test]
fn what_only_a_person_may_do_is_left_to_one() {
    #[track_caller]
    fn check(steps: &[Step], change: impl FnOnce(&mut Input<'_>), expected: &Stalled) {
        assert_eq!(planned(Mode::Revert, steps, change), RevertPlan::Stalled(expected.clone()));
    }
    let steps = [step('2', '1', &["envs/app"])];
    check(&steps, |input| input.branch = None, &Stalled::NoBranch);
    check(&steps, |input| input.steps = Err(Apart::Unrelated), &Stalled::Rewritten);
    check(&steps, |input| input.steps = Err(Apart::TooFar), &Stalled::TooFar);
    let own = Step { message: "Revert \"x\"\n\nPlumb-Environment: team/app\n".to_owned(), ..steps[0].clone() };
    check(&[own], |_| {}, &Stalled::RevertOfRevert(commit('2')));
    let many: Vec<Step> = (0..=REVERTS_MAX).map(|_| step('2', '1', &["envs/app"])).collect();
    check(&many, |_| {}, &Stalled::TooMany(REVERTS_MAX + 1));
    let at = |second| Timestamp::from_second(second).expect("a time");
    let often = [at(999_999), at(1_000_000 - 6 * 3600 + 1)];
    let pushed = plan(&Input { pushes: &often, ..input_of(&steps) });
    assert_eq!(pushed, RevertPlan::Stalled(Stalled::TooOften));
    // The newest two count, and only until the older one of them does not.
    let until = Stalled::TooOften.until(&[at(0), often[1], often[0]]);
    assert_eq!(until, Some(at(1_000_001)));
    let over = Input { pushes: &often, now: at(1_000_001), ..input_of(&steps) };
    assert!(matches!(plan(&over), RevertPlan::Push(_)));
    assert_eq!(Stalled::Rewritten.until(&often), None);
    let seldom = [at(999_999), at(1_000_000 - 6 * 3600)];
    assert!(matches!(plan(&Input { pushes: &seldom, ..input_of(&steps) }), RevertPlan::Push(_)));
}

fn input_of(steps: &[Step]) -> Input<'_> {
    static PARTS: std::sync::LazyLock<(EnvironmentName, RepoPath, CommitId, RefName, Sharers)> =
        std::sync::LazyLock::new(|| {
            let branch = RefName::parse("refs/heads/main").expect("a ref");
            (EnvironmentName::new("team", "app"), path("envs/app"), commit('1'), branch, Sharers::default())
        });
    let (environment, own, healthy, branch, content) = &*PARTS;
    Input {
        environment,
        mode: Mode::Revert,
        path: own,
        healthy,
        reason: "Deployment shop/web: sick",
        records: None,
        branch: Some(branch),
        steps: Ok(steps),
        content,
        pushes: &[],
        now: Timestamp::from_second(1_000_000).expect("a time"),
    }
}

#[test]
fn messages_are_as_git_writes_them_with_trailers() {
    #[track_caller]
    fn check(step: Step, expected: &str) {
        let RevertPlan::Push(reverts) = planned(Mode::Revert, &[step], |_| {}) else { panic!("a push") };
        let trailers = format!(
            "\nPlumb-Environment: team/app\nPlumb-Reason: Deployment shop/web: sick of everything\nPlumb-Healthy: {}\n",
            commit('1')
        );
        assert_eq!(reverts[0].message, format!("{expected}{trailers}"));
    }
    let (two, one) = (commit('2'), commit('1'));
    let plain = step('2', '1', &["envs/app"]);
    check(plain.clone(), &format!("Revert \"web: 2\"\n\nThis reverts commit {two}.\n"));
    let merge = Step { merge: true, ..plain.clone() };
    check(merge, &format!("Revert \"web: 2\"\n\nThis reverts commit {two}, reversing\nchanges made to {one}.\n"));
    let again = Step { message: "Revert \"web: 0\"\n".to_owned(), ..plain };
    check(again, &format!("Reapply \"web: 0\"\n\nThis reverts commit {two}.\n"));
}

#[test]
fn a_revert_is_known_whatever_the_title_of_the_commit_that_it_takes_back() {
    #[track_caller]
    fn check(title: &str, shown: &str) {
        let step = Step { message: format!("{title}\n\nBecause.\n"), ..step('2', '1', &["envs/app"]) };
        let RevertPlan::Push(reverts) = planned(Mode::Revert, &[step], |_| {}) else { panic!("a push") };
        let message = &reverts[0].message;
        assert_eq!(message.lines().next(), Some(shown));
        assert!(is_own(message) && message.len() < 4096, "{}", message.len());
        let (team, since) = (EnvironmentName::new("team", "app"), Timestamp::from_second(5).expect("a time"));
        let hold = Hold {
            healthy: commit('1'),
            commit: commit('2'),
            author: String::new(),
            subject: String::new(),
            reason: String::new(),
            since,
            records: None,
            by: None,
        };
        let later = [Later { commit: commit('9'), committed: since, message: message.clone() }];
        assert_eq!(arrived(&later, &team, &hold), [(commit('2'), commit('9'))]);
    }
    check("", "Revert \"\"");
    check("web: 2", "Revert \"web: 2\"");
    check("web:\u{1b}[2J\r2", "Revert \"web: [2J 2\"");
    check(&"x".repeat(64 * 1024), &format!("Revert \"{}…\"", "x".repeat(SUBJECT_MAX)));
    check(&"ä".repeat(64 * 1024), &format!("Revert \"{}…\"", "ä".repeat(SUBJECT_MAX)));
    let again = format!("Revert \"{}", "x".repeat(64 * 1024));
    check(&again, &format!("Reapply \"{}…", "x".repeat(SUBJECT_MAX - "Revert \"".len())));
}

#[test]
fn where_the_records_ended_is_a_trailer_that_an_audit_reads() {
    let end = RecordsEnd::parse(&format!("refs/notes/plumb/eu-1 {}", commit('7'))).expect("an end");
    let steps = [step('2', '1', &["envs/app"])];
    let plan = plan(&Input { records: Some(&end), ..input_of(&steps) });
    let RevertPlan::Push(reverts) = plan else { panic!("a push") };
    let expected = format!("Plumb-Healthy: {}\nPlumb-Records: refs/notes/plumb/eu-1 {}\n", commit('1'), commit('7'));
    assert!(reverts[0].message.ends_with(&expected), "{}", reverts[0].message);
    for text in ["refs/notes/plumb/eu-1", "refs/notes/plumb/eu-1 7", "x y z"] {
        assert_eq!(RecordsEnd::parse(text), None, "{text}");
    }
}

#[test]
fn a_person_gets_the_exact_commands() {
    #[track_caller]
    fn check(stalled: &Stalled, why: &str) {
        let one = commit('1');
        let expected = format!(
            "not reverted in Git: {why}; to do it by hand: git fetch origin && git switch --detach origin/main && git \
             restore --source={one} --staged --worktree -- envs/app && git commit -m 'Revert envs/app to 1111111' && \
             git push origin HEAD:main"
        );
        assert_eq!(stalled.story(&input_of(&[])), expected);
    }
    check(&Stalled::TooOften, "2 reverts were pushed within 6 h");
    check(&Stalled::Rewritten, "the history was rewritten, and the healthy commit is not in it any more");
    check(&Stalled::TooFar, "more than 5000 commits came since the healthy one, and no more are looked at");
}

#[test]
fn what_a_person_is_to_paste_runs_nothing_else() {
    let told = commands("fix;id", &commit('1'), &path("envs/it's $(id) & more"));
    let expected = format!(
        "git fetch origin && git switch --detach 'origin/fix;id' && git restore --source={} --staged --worktree -- \
         'envs/it'\\''s $(id) & more' && git commit -m 'Revert envs/it'\\''s $(id) & more to 1111111' && git push origin \
         'HEAD:fix;id'",
        commit('1')
    );
    assert_eq!(told, expected);
}

#[test]
fn a_revert_of_plumbs_own_is_known() {
    let plan = planned(Mode::Revert, &[step('2', '1', &["envs/app"])], |_| {});
    let RevertPlan::Push(reverts) = plan else { panic!("a push") };
    assert!(is_own(&reverts[0].message));
    assert!(!is_own("Revert \"web: 2\"\n\nThis reverts commit 2.\n"), "a person's");
}
