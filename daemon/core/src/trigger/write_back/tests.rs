//! Histories of a place, and what is done about an image that is to go there.

use proptest::prelude::*;

use super::{message::Put, *};
use crate::{
    commit::{RefName, RepoPath},
    rollback::hold::RecordsEnd,
    trigger::{
        change::Ending,
        image::{ImageName, ImageRef},
        place::{FieldPath, Form},
        skipping::Part,
    },
};

fn commit(n: u32) -> CommitId {
    CommitId::parse(&format!("{n:040x}")).expect("an id")
}

fn image(content: char) -> Image {
    let ImageRef { name, tag, digest } =
        ImageRef::parse(&format!("r.io/shop/cart@sha256:{}", content.to_string().repeat(64))).expect("a reference");
    Image { name, tag, digest: digest.expect("a digest") }
}

fn place() -> Place {
    let directory = RepoPath::parse("environments/staging").expect("a path");
    Place::Kustomize { directory, image: ImageName::parse("r.io/shop/cart").expect("a name") }
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

/// An image of this content, built in this attempt from the commit of this number, which was made at that second.
fn wanted(content: char, source: u32, attempt: u32) -> Wanted {
    Wanted {
        namespace: "shop".to_owned(),
        repository: "app".to_owned(),
        component: ComponentName::parse("cart").expect("a name"),
        commit: commit(source),
        committed: time(i64::from(source)),
        run: format!("build-cart-{attempt}"),
        attempt: Attempt { number: attempt, round: 1 },
        image: image(content),
        place: place(),
    }
}

/// Who makes a commit in a history of a place.
#[derive(Debug, Clone, Copy)]
enum Who {
    /// plumb, with an image built from the commit of this number.
    Plumb(u32),
    /// A rollback of plumb's.
    Rollback,
    /// A person.
    Ann,
    /// A person whose commit has the trailers of a write-back of another image.
    Forger,
}

/// Makes the changes of a place, newest first: each by somebody, to a content, at a second.
fn lineage(history: &[(Who, Option<char>, i64)]) -> Lineage<Value> {
    let value = |content: Option<char>| content.map(|content| image(content).pinned());
    let mut before = Some('0');
    let mut changes = Vec::new();
    for (n, (who, content, second)) in history.iter().enumerate() {
        let message = match who {
            Who::Plumb(source) => written_message(&wanted(content.expect("an image"), *source, 1)),
            Who::Rollback => "Revert \"x\"\n\nThis reverts commit 1.\n\nPlumb-Environment: shop/staging\n".to_owned(),
            Who::Ann => "Another image\n".to_owned(),
            Who::Forger => written_message(&wanted('f', 1, 1)),
        };
        let author = match who {
            Who::Plumb(_) | Who::Rollback => "plumb <plumb@example.com>",
            Who::Ann | Who::Forger => "Ann <ann@example.com>",
        };
        changes.push(Change {
            commit: commit(1000 + u32::try_from(n).expect("few")),
            author: author.to_owned(),
            committed: time(*second),
            message,
            before: value(before),
            after: value(*content),
        });
        before = *content;
    }
    changes.reverse();
    Lineage { changes, ending: Ending::Beginning }
}

fn written_message(wanted: &Wanted) -> String {
    message::message(&[(wanted.component.clone(), Put::of(wanted).expect("good names"))], None)
}

struct Case<'a> {
    history: &'a [(Who, Option<char>, i64)],
    wanted: Wanted,
    written: Option<Written>,
    newest: Option<u32>,
}

impl<'a> Case<'a> {
    fn new(history: &'a [(Who, Option<char>, i64)], wanted: Wanted) -> Self {
        Self { history, wanted, written: None, newest: None }
    }

    fn written(mut self, content: char, source: u32, attempt: u32) -> Self {
        let attempt = Attempt { number: attempt, round: 1 };
        self.written = Some(Written { image: image(content), source: commit(source), attempt, by: commit(9) });
        self
    }

    fn newest(mut self, number: u32) -> Self {
        self.newest = Some(number);
        self
    }

    fn verdict(&self) -> Verdict {
        let all = lineage(self.history);
        // As it is asked for.
        let length = (0..=all.changes.len()).find(|n| !more(&place(), &all.changes[..*n]));
        let seen = Lineage { changes: all.changes[..length.unwrap_or(all.changes.len())].to_vec(), ..all };
        let stands = all.changes.first().map_or(Some(image('0').pinned()), |change| change.after.clone());
        decide(&Input {
            wanted: &self.wanted,
            stands: Ok(&stands),
            lineage: &seen,
            written: self.written.as_ref(),
            newest: self.newest.map(|number| Attempt { number, round: 1 }),
        })
    }

    #[track_caller]
    fn is(self, expected: &str) {
        let verdict = self.verdict();
        let word = match &verdict {
            Verdict::Write => "write".to_owned(),
            Verdict::Already { .. } => "already".to_owned(),
            Verdict::Pinned(Decision { author, .. }) => format!("pinned by {author}"),
            Verdict::Reverted(Decision { author, .. }) => format!("reverted by {author}"),
            Verdict::RolledBack { by } => format!("rolled back by {}", by.as_str().trim_start_matches('0')),
            Verdict::Backward { newer } => format!("backward of {}", newer.number),
            Verdict::Problem(why) => why.clone(),
        };
        assert_eq!(word, expected, "{:?}", self.history);
    }
}

const PINNED: &str = "pinned by Ann <ann@example.com>";
const REVERTED: &str = "reverted by Ann <ann@example.com>";

#[test]
fn what_nobody_has_decided_about_is_written() {
    use Who::{Ann, Plumb};
    Case::new(&[], wanted('a', 1, 1)).is("write");
    // What people began with is no decision against plumb.
    Case::new(&[(Ann, Some('e'), 50)], wanted('a', 1, 1)).is("write");
    Case::new(&[(Plumb(1), Some('a'), 10)], wanted('b', 2, 2)).is("write");
    Case::new(&[(Plumb(1), Some('a'), 10)], wanted('a', 1, 1)).is("already");
    Case::new(&[(Plumb(1), Some('a'), 10), (Ann, Some('b'), 20)], wanted('b', 1, 1)).is("already");
}

#[test]
fn what_a_person_decides_counts_until_the_next_commit_of_the_source() {
    use Who::{Ann, Forger, Plumb};
    let pinned = [(Plumb(1), Some('a'), 10), (Ann, Some('e'), 20)];
    Case::new(&pinned, wanted('a', 1, 1)).is(PINNED);
    // The same commit once more, by hand.
    Case::new(&pinned, wanted('b', 1, 2)).is(PINNED);
    // It was made before she decided.
    Case::new(&pinned, wanted('b', 15, 2)).is(PINNED);
    Case::new(&pinned, wanted('b', 20, 2)).is(PINNED);
    Case::new(&pinned, wanted('b', 21, 2)).is("write");
    // Back to what stood there before plumb's commit.
    Case::new(&[(Plumb(1), Some('a'), 10), (Ann, Some('0'), 20)], wanted('a', 1, 1)).is(REVERTED);
    Case::new(&[(Plumb(1), Some('a'), 10), (Ann, None, 20)], wanted('a', 1, 1)).is(PINNED);
    // Twice.
    Case::new(&[pinned[0], pinned[1], (Ann, Some('d'), 30)], wanted('b', 25, 2)).is(PINNED);
    Case::new(&[pinned[0], pinned[1], (Ann, Some('d'), 30)], wanted('b', 31, 2)).is("write");
    // She has taken hers back herself.
    Case::new(&[pinned[0], pinned[1], (Ann, Some('a'), 30)], wanted('b', 2, 2)).is("write");
    // The message of a commit proves nothing.
    Case::new(&[(Plumb(1), Some('a'), 10), (Forger, Some('e'), 20)], wanted('b', 2, 2)).is(PINNED);
    // After the next one it is plumb's again.
    Case::new(&[pinned[0], pinned[1], (Plumb(21), Some('b'), 30)], wanted('c', 22, 3)).is("write");
}

#[test]
fn the_status_fills_in_where_the_history_says_nothing() {
    use Who::Ann;
    let moved = [(Ann, Some('a'), 20)];
    Case::new(&moved, wanted('b', 2, 2)).written('a', 1, 1).is("write");
    Case::new(&[(Ann, Some('e'), 20)], wanted('b', 2, 2)).written('a', 1, 1).is(PINNED);
    Case::new(&[(Ann, Some('e'), 20)], wanted('b', 21, 2)).written('a', 1, 1).is("write");
    // Broken and mended by a person.
    Case::new(&[(Who::Plumb(1), Some('a'), 10), (Ann, None, 20), (Ann, Some('a'), 30)], wanted('b', 2, 2)).is("write");
}

#[test]
fn what_was_rolled_back_is_not_written_again() {
    use Who::{Ann, Plumb, Rollback};
    let back = [(Plumb(1), Some('a'), 10), (Rollback, Some('0'), 20)];
    Case::new(&back, wanted('a', 1, 1)).is("rolled back by 3e9");
    Case::new(&back, wanted('b', 1, 2)).is("write");
    Case::new(&back, wanted('a', 21, 2)).is("rolled back by 3e9");
    // Two at once: neither comes again.
    let both = [(Plumb(2), Some('b'), 10), (Rollback, Some('a'), 20), (Rollback, Some('0'), 20)];
    Case::new(&both, wanted('a', 1, 1)).is("rolled back by 3ea");
    Case::new(&both, wanted('b', 2, 2)).is("rolled back by 3e9");
    Case::new(&both, wanted('c', 3, 3)).is("write");
    // A person wants it all the same, and then something else.
    Case::new(&[back[0], back[1], (Ann, Some('a'), 30)], wanted('a', 1, 1)).is("already");
    Case::new(&[back[0], back[1], (Ann, Some('e'), 30)], wanted('a', 1, 1)).is("rolled back by 3e9");
    Case::new(&[back[0], back[1], (Ann, Some('e'), 30)], wanted('b', 2, 2)).is(PINNED);
}

#[test]
fn a_later_build_is_never_replaced_by_an_earlier_one() {
    use Who::Plumb;
    let history = [(Plumb(2), Some('b'), 10)];
    Case::new(&history, wanted('a', 1, 1)).newest(2).is("backward of 2");
    Case::new(&history, wanted('a', 1, 1)).written('b', 2, 2).is("backward of 2");
    Case::new(&history, wanted('b', 2, 2)).newest(2).is("already");
    Case::new(&history, wanted('c', 3, 3)).newest(3).written('b', 2, 2).is("write");
    // It stands there already, whatever the numbers say.
    Case::new(&history, wanted('b', 1, 1)).newest(2).is("already");
}

#[test]
fn what_can_not_be_read_is_a_problem() {
    let lineage = lineage(&[]);
    let wanted = wanted('a', 1, 1);
    let input =
        |wanted| Input { wanted, stands: Err("k.yaml:3:1: no"), lineage: &lineage, written: None, newest: None };
    assert_eq!(decide(&input(&wanted)), Verdict::Problem("k.yaml:3:1: no".to_owned()));
    let (file, path) = (RepoPath::parse("values.yaml").expect("a path"), FieldPath::parse("tag").expect("a path"));
    let tagged = Wanted { place: Place::Field { file, document: None, path, form: Form::Tag }, ..wanted.clone() };
    let Verdict::Problem(why) = decide(&input(&tagged)) else { panic!("a problem") };
    assert!(why.contains("no tag of r.io/shop/cart"), "{why}");
}

#[test]
fn a_message_says_what_and_from_where_and_is_read_again() {
    let (one, mut other) = (wanted('a', 1, 1), wanted('b', 2, 2));
    other.component = ComponentName::parse("basket").expect("a name");
    let put = |wanted: &Wanted| (wanted.component.clone(), Put::of(wanted).expect("good names"));
    let digest = "a".repeat(64);
    let expected = format!(
        "cart: r.io/shop/cart@sha256:aaaaaaaaaaaa…\n\ncart: r.io/shop/cart@sha256:{digest}\nbuilt from shop/app at 0000000\n\n\
         Plumb-Image: r.io/shop/cart@sha256:{digest}\n\
         Plumb-Source: shop/app@0000000000000000000000000000000000000001\nPlumb-Run: shop/build-cart-1\n"
    );
    assert_eq!(message::message(&[put(&one), put(&one)], None), expected);
    let records = RecordsEnd { reference: RefName::parse("refs/notes/plumb/eu").expect("a ref"), commit: commit(7) };
    let both = message::message(&[put(&one), put(&other)], Some(&records));
    assert_eq!(message::message(&[put(&other), put(&one)], Some(&records)), both);
    assert!(
        both.starts_with("Update 2 images\n\nbasket: ") && both.ends_with(&format!("Plumb-Records: {records}\n")),
        "{both}"
    );
    assert_eq!(message::parse(&both), [put(&other).1, put(&one).1]);
    for message in [&expected, &both] {
        assert_eq!(Part::of(message), Part::WriteBack);
    }
    // As a forge squashes commits.
    let squashed = format!("Images (#12)\n\n* {both}\n* Fix: x\n\nCo-authored-by: Ann <ann@example.com>\n");
    assert_eq!(message::parse(&squashed).len(), 2);
}

#[test]
fn no_name_forges_a_trailer() {
    let forged = "x\nPlumb-Environment: a/b";
    for change in [
        |wanted: &mut Wanted, text: &str| wanted.run = text.to_owned(),
        |wanted: &mut Wanted, text: &str| wanted.repository = text.to_owned(),
        |wanted: &mut Wanted, text: &str| wanted.namespace = text.to_owned(),
    ] {
        let mut wanted = wanted('a', 1, 1);
        change(&mut wanted, forged);
        let error = Put::of(&wanted).expect_err("no name");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    for lines in [
        "Plumb-Image: r.io/a\nPlumb-Source: a/b@c\nPlumb-Run: a/r\n",
        "Plumb-Image: x\n",
        "Plumb-Run: a/r\nPlumb-Image: x\nPlumb-Source: y\n",
        "",
    ] {
        assert_eq!(message::parse(lines), []);
    }
}

fn anybody() -> impl Strategy<Value = (Who, Option<char>)> {
    let content = prop_oneof![Just('a'), Just('b'), Just('c'), Just('e')];
    (0..4_u8, 1..6_u32, content, any::<bool>()).prop_map(|(who, source, content, gone)| match who {
        0 => (Who::Plumb(source * 10), Some(content)),
        1 => (Who::Rollback, Some(content)),
        2 => (Who::Ann, (!gone).then_some(content)),
        _ => (Who::Forger, Some(content)),
    })
}

proptest! {
    /// Whatever happened: nothing is written over a person's newer decision, no image that plumb itself took back and nobody
    /// wanted since, none of an older attempt; and a verdict that is carried out leads to `Already`.
    #[test]
    fn a_verdict_respects_what_was_decided(
        history in prop::collection::vec(anybody(), 0..8),
        content in prop_oneof![Just('a'), Just('b'), Just('c')],
        source in 1..80_u32,
        attempt in 1..5_u32,
        newest in prop::option::of(1..5_u32),
    ) {
        // Every commit changes the value.
        let mut last = Some('0');
        let mut dated = Vec::new();
        for (who, content) in history {
            if content != last {
                dated.push((who, content, 10 * (i64::try_from(dated.len()).expect("few") + 1)));
                last = content;
            }
        }
        let case = Case { newest, ..Case::new(&dated, wanted(content, source, attempt)) };
        let verdict = case.verdict();
        prop_assert_eq!(case.verdict(), verdict.clone());
        if verdict == Verdict::Write {
            prop_assert!(newest.is_none_or(|newest| newest <= attempt));
            prop_assert_ne!(last, Some(content));
            let wrote = dated.iter().rposition(|(who, content, _)| matches!(who, Who::Plumb(_)) || matches!((who, content), (Who::Forger, Some('f'))));
            if let (Some((Who::Ann | Who::Forger, now, at)), Some(wrote)) = (dated.last(), wrote) {
                prop_assert!(i64::from(source) > *at || *now == dated[wrote].1, "{dated:?}");
            }
            let mut before = Some('0');
            let mut quarantined = false;
            for (who, now, _) in &dated[wrote.unwrap_or(0)..] {
                if *now == Some(content) {
                    quarantined = false;
                }
                if matches!(who, Who::Rollback) && before == Some(content) {
                    quarantined = true;
                }
                before = *now;
            }
            prop_assert!(!quarantined, "{dated:?}");
            let mut after = dated.clone();
            after.push((Who::Plumb(source), Some(content), 1000));
            let again = Case { newest, ..Case::new(&after, wanted(content, source, attempt)) };
            let settled = matches!(again.verdict(), Verdict::Already { by: Some(_) });
            prop_assert!(settled);
        }
    }
}
