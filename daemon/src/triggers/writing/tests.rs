//! Images written back into real repositories, while a person goes on pushing with plain Git.

mod race;

use std::{os::unix::net::UnixStream, sync::Mutex};

use jiff::Timestamp;
use lab::git::{BareRepository, WorkingCopy};
use plumb_core::{
    commit::RepoPath,
    trigger::{
        image::{Image, ImageName, ImageRef},
        name::ComponentName,
        place::{FieldPath, Form, Place},
        write_back::Decision,
    },
};
use plumb_git::{
    mirror::Mirror,
    remote::{Credentials, FileUrls, RemoteUrl},
    worker::{self, Settings},
    workers::{Connection, Workers},
};

use super::*;

const MAIN: &str = "refs/heads/main";
const KUSTOMIZATION: &str = "env/kustomization.yaml";
const FIRST: &str = "# shop\nresources:\n- web.yaml\nimages:\n- name: r.io/shop/cart # cart\n  newTag: v0\n";
const VALUES: &str = "image:\n  repository: r.io/shop/web\n  digest: none # web\n";

/// A repository, a person's clone of it, and plumb's own mirror.
struct Bench {
    bare: BareRepository,
    ann: WorkingCopy,
    workers: Workers,
    mirror: tempfile::TempDir,
}

/// What happens to a push of plumb's.
enum Fate {
    /// It is made.
    Made,
    /// It is made, and its answer is lost.
    Lost,
}

impl Bench {
    fn new() -> Self {
        let bare = BareRepository::create().expect("a repository");
        let ann = WorkingCopy::clone(&bare.url()).expect("a clone").author("Ann", "ann@example.com");
        ann.commit_and_push(&[(KUSTOMIZATION, FIRST), ("env/values.yaml", VALUES)], "First").expect("a commit");
        let workers = Workers::new(Box::new(worker), 4);
        Self { bare, ann, workers, mirror: tempfile::tempdir().expect("a directory") }
    }

    /// Returns a desk; `before` is called before each push, and says what becomes of it.
    fn desk<'a>(&'a self, before: impl Fn() -> Fate + Send + Sync + 'a) -> Desk<'a> {
        let url = RemoteUrl::parse(&self.bare.url(), FileUrls::Allowed).expect("an address");
        let remote = Remote { url, credentials: Credentials::default(), timeout: Duration::from_secs(60) };
        let mirror = self.mirror.path().join("mirror");
        Mirror::open_or_create(&mirror).expect("a mirror");
        let (to, at) = (remote.clone(), mirror.clone());
        let fetch: Fetch<'a> = Box::new(move |name| {
            let (to, at) = (to.clone(), at.clone());
            Box::pin(async move { self.workers.fetch_ref(&to, &at, &name).await })
        });
        let (to, at, before) = (remote.clone(), mirror.clone(), Arc::new(before));
        let push: Push<'a> = Box::new(move |update| {
            let (to, at, before) = (to.clone(), at.clone(), Arc::clone(&before));
            Box::pin(async move {
                let fate = before();
                let pushed = self.workers.push(&to, &at, &[update]).await;
                match fate {
                    Fate::Made => pushed,
                    Fate::Lost => Err(GitError::TimedOut { url: to.url.to_string(), seconds: 60 }),
                }
            })
        });
        let uptime = || Duration::ZERO;
        Desk {
            remote,
            mirror,
            person: Person::parse("plumb <plumb@example.com>").expect("a person"),
            key: Arc::new(None),
            demand: Demand::Nothing,
            trusted: commit(0),
            records: None,
            clock: Clock::new(|| time(0), || 7, uptime),
            tenure: Tenure::begin(Arc::new(uptime), Duration::from_secs(1)),
            fetch,
            push,
        }
    }

    async fn write(&self, wants: &[Want]) -> Vec<Became> {
        self.desk(|| Fate::Made).write(&main(), wants.to_vec()).await.expect("an answer")
    }

    /// Returns what a file holds on a branch.
    fn file(&self, branch: &str, path: &str) -> String {
        self.bare.git(&["show", &format!("{branch}:{path}")]).expect("a file")
    }

    fn log(&self, format: &str) -> Vec<String> {
        let log = self.bare.git(&["log", &format!("--format={format}"), "main"]).expect("a log");
        log.lines().map(str::to_owned).collect()
    }

    fn head(&self) -> CommitId {
        CommitId::parse(self.bare.branch("main").expect("a commit").trim()).expect("an id")
    }

    /// Ann takes over what is there, changes files and pushes.
    fn ann(&self, files: &[(&str, &str)], message: &str) -> CommitId {
        self.ann.git(&["pull", "--quiet", "--rebase", "origin", "main"]).expect("no conflict");
        CommitId::parse(self.ann.commit_and_push(files, message).expect("a push").trim()).expect("an id")
    }
}

/// Starts a worker as a thread of this process.
fn worker() -> std::io::Result<Connection> {
    let (ours, theirs) = UnixStream::pair()?;
    let output = theirs.try_clone()?;
    std::thread::spawn(move || worker::serve(theirs, output, Settings::default()));
    ours.set_nonblocking(true)?;
    let (reader, writer) = tokio::net::UnixStream::from_std(ours)?.into_split();
    Ok(Connection { reader: Box::new(reader), writer: Box::new(writer), guard: Box::new(()) })
}

fn main() -> Onto {
    Onto::Branch(RefName::parse(MAIN).expect("a ref"))
}

fn commit(n: u32) -> CommitId {
    CommitId::parse(&format!("{n:040x}")).expect("an id")
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

fn digest(n: u32) -> String {
    format!("sha256:{n:064x}")
}

fn cart() -> Place {
    let directory = RepoPath::parse("env").expect("a path");
    Place::Kustomize { directory, image: ImageName::parse("r.io/shop/cart").expect("a name") }
}

fn web() -> Place {
    let (file, path) = (RepoPath::parse("env/values.yaml"), FieldPath::parse("image.digest"));
    Place::Field { file: file.expect("a path"), document: None, path: path.expect("a path"), form: Form::Digest }
}

/// Asks for the image of this number, built in the attempt of this number from the commit of this number, which was made long
/// ago.
fn want(component: &str, n: u32, place: Place) -> Want {
    let ImageRef { name, tag, .. } = ImageRef::parse(&format!("r.io/shop/{component}")).expect("a reference");
    let digest = plumb_core::trigger::image::Digest::parse(&digest(n)).expect("a digest");
    Want {
        wanted: Wanted {
            namespace: "shop".to_owned(),
            repository: "app".to_owned(),
            component: ComponentName::parse(component).expect("a name"),
            commit: commit(n),
            committed: Timestamp::UNIX_EPOCH,
            run: format!("build-{component}-{n}"),
            attempt: Attempt { number: n, round: 1 },
            image: Image { name, tag, digest },
            place,
        },
        built: time(i64::from(n)),
        written: None,
        newest: None,
    }
}

/// Makes its commit newer than anything that a person has decided.
fn newer(mut want: Want) -> Want {
    want.wanted.committed = "2100-01-01T00:00:00Z".parse().expect("a time");
    want
}

#[tokio::test]
async fn several_images_are_one_commit_and_what_can_not_be_written_holds_up_no_other() {
    let place = Bench::new();
    let nowhere = Place::Kustomize { directory: RepoPath::root(), image: ImageName::parse("x").expect("a name") };
    let wants = [want("cart", 1, cart()), want("basket", 2, nowhere), want("web", 3, web())];
    let first = place.head();
    let became = place.write(&wants).await;
    let head = place.head();
    let problem = "there is no kustomization.yaml or kustomization.yml or Kustomization in commit";
    assert!(matches!(&became[1], Became::Not(Verdict::Problem(why)) if why.starts_with(problem)), "{became:?}");
    assert_eq!((&became[0], &became[2]), (&Became::Written(head.clone()), &Became::Written(head.clone())));
    assert_eq!(
        place.file("main", KUSTOMIZATION),
        FIRST.replace("newTag: v0", &format!("digest: {}", digest(1))).trim_end()
    );
    assert_eq!(place.file("main", "env/values.yaml"), VALUES.replace("none", &digest(3)).trim_end());
    assert_eq!(place.log("%P")[0], first.as_str());
    let log = place.bare.git(&["log", "-1", "--format=%an <%ae> %cn %ct%n%B", "main"]).expect("a log");
    let (at, cart, web) = (time(3).as_second(), digest(1), digest(3));
    let expected = format!(
        "plumb <plumb@example.com> plumb {at}\nUpdate 2 images\n\ncart: r.io/shop/cart@{cart}\nbuilt from shop/app at 0000000\n\
         web: r.io/shop/web@{web}\nbuilt from shop/app at 0000000\n\nPlumb-Image: r.io/shop/cart@{cart}\n"
    );
    assert!(log.starts_with(&expected), "{log}");
    let trailers =
        place.bare.git(&["log", "-1", "--format=%(trailers:key=Plumb-Run,valueonly)", "main"]).expect("a log");
    assert_eq!(trailers.trim(), "shop/build-cart-1\nshop/build-web-3");
    // Once more nothing is written.
    let became = place.write(&wants).await;
    let already = Became::Not(Verdict::Already { by: Some(head.clone()) });
    assert_eq!((&became[0], &became[2]), (&already, &already));
    assert_eq!(place.head(), head);
    place.bare.git(&["fsck", "--full", "--strict"]).expect("a sound repository");
}

#[tokio::test]
async fn a_push_whose_answer_was_lost_is_found_again() {
    let place = Bench::new();
    let pushes = Mutex::new(0);
    let desk = place.desk(|| {
        *pushes.lock().expect("a lock") += 1;
        Fate::Lost
    });
    let became = desk.write(&main(), vec![want("cart", 1, cart())]).await.expect("an answer");
    assert_eq!(became, [Became::Not(Verdict::Already { by: Some(place.head()) })]);
    assert_eq!(*pushes.lock().expect("a lock"), 1);
    assert_eq!(place.log("%s"), ["cart: r.io/shop/cart@sha256:000000000000…", "First"]);
}

#[tokio::test]
async fn what_people_decide_and_what_was_rolled_back_is_respected() {
    let place = Bench::new();
    let one = |became: Vec<Became>| became.into_iter().next().expect("one");
    let Became::Written(_) = one(place.write(&[want("cart", 1, cart())]).await) else { panic!("written") };
    // Ann puts another image there.
    let text = place.file("main", KUSTOMIZATION).replace(&digest(1), &digest(99));
    let pin = place.ann(&[(KUSTOMIZATION, &format!("{text}\n"))], "Another one");
    for n in [1, 2] {
        let became = one(place.write(&[want("cart", n, cart())]).await);
        let Became::Not(Verdict::Pinned(Decision { by, author, .. })) = became else { panic!("{became:?}") };
        assert_eq!((by, author.as_str()), (pin.clone(), "Ann <ann@example.com>"));
    }
    let Became::Written(second) = one(place.write(&[newer(want("cart", 2, cart()))]).await) else { panic!("written") };
    // She takes plumb's commit back as Git does it.
    place.ann.git(&["pull", "--quiet", "--rebase", "origin", "main"]).expect("no conflict");
    let revert = place.ann.revert(second.as_str()).expect("a revert");
    place.ann.push().expect("a push");
    let became = one(place.write(&[want("cart", 2, cart())]).await);
    let Became::Not(Verdict::Reverted(Decision { by, .. })) = became else { panic!("{became:?}") };
    assert_eq!(by.as_str(), revert.trim());
    let Became::Written(_) = one(place.write(&[newer(want("cart", 3, cart()))]).await) else { panic!("written") };
    // A rollback of plumb's own takes the last one back.
    let text = place.file("main", KUSTOMIZATION).replace(&digest(3), &digest(99));
    let back = place.ann(&[(KUSTOMIZATION, &format!("{text}\n"))], "Revert \"x\"\n\nPlumb-Environment: shop/staging");
    let became = one(place.write(&[newer(want("cart", 3, cart()))]).await);
    assert_eq!(became, Became::Not(Verdict::RolledBack { by: back }));
    let Became::Written(_) = one(place.write(&[newer(want("cart", 4, cart()))]).await) else { panic!("written") };
}

#[tokio::test]
async fn a_branch_of_its_own_is_made_once_for_the_same_images() {
    let place = Bench::new();
    let followed = RefName::parse(MAIN).expect("a ref");
    let onto = Onto::Aside { followed, prefix: "plumb/images-main".to_owned() };
    let desk = place.desk(|| Fate::Made);
    let head = place.head();
    let propose = async |n: u32| {
        let became = desk.write(&onto, vec![want("cart", n, cart())]).await.expect("an answer");
        let [Became::Proposed { branch, commit }] = became.as_slice() else { panic!("{became:?}") };
        (branch.short().to_owned(), commit.clone())
    };
    let first = propose(1).await;
    assert_eq!(place.head(), head);
    assert!(place.file(&first.0, KUSTOMIZATION).contains(&digest(1)));
    assert_eq!(propose(1).await, first);
    place.ann(&[("other", "hers")], "Hers");
    assert_eq!(propose(1).await, first);
    assert_ne!(propose(2).await.0, first.0);
    // Once it is merged there is nothing to be done.
    place.ann.git(&["fetch", "--quiet", "origin"]).expect("a fetch");
    place.ann.git(&["merge", "--quiet", "--no-ff", "-m", "Merge", &format!("origin/{}", first.0)]).expect("a merge");
    place.ann.push().expect("a push");
    let became = desk.write(&onto, vec![want("cart", 1, cart())]).await.expect("an answer");
    assert_eq!(became, [Became::Not(Verdict::Already { by: Some(first.1) })]);
    // And what was merged is no decision of whoever merged it.
    assert_ne!(propose(2).await.0, first.0);
}

#[tokio::test]
async fn nothing_is_written_without_a_right_to_or_onto_what_nobody_has_verified() {
    let place = Bench::new();
    let head = place.head();
    let wants = || vec![want("cart", 1, cart())];
    let fails = async |desk: Desk<'_>, class: Class, words: &str| {
        let failure = desk.write(&main(), wants()).await.expect_err("a failure");
        assert!(failure.class == class && failure.message.contains(words), "{failure:?}");
        assert_eq!(place.head(), head);
    };
    let desk = || place.desk(|| Fate::Made);
    fails(Desk { tenure: Tenure::none(), ..desk() }, Class::Retry, "another replica").await;
    let unknown = || Demand::Unknown(Failure { class: Class::Wait, message: "no keys".to_owned() });
    fails(Desk { demand: unknown(), ..desk() }, Class::Retry, "is to be verified before").await;
    fails(Desk { demand: unknown(), trusted: head.clone(), ..desk() }, Class::Wait, "would not be trusted: no keys")
        .await;
    let branch = Onto::Branch(RefName::parse("refs/heads/none").expect("a ref"));
    let failure = desk().write(&branch, wants()).await.expect_err("a failure");
    assert!(failure.message.contains("has no branch none"), "{failure:?}");
}

#[tokio::test]
async fn one_place_holds_one_image() {
    let place = Bench::new();
    let wants = [want("cart", 1, cart()), want("cart", 1, cart()), want("cart", 2, cart())];
    let became = place.write(&wants).await;
    let head = place.head();
    assert_eq!(became[..2], [Became::Written(head.clone()), Became::Written(head)]);
    assert!(
        matches!(&became[2], Became::Not(Verdict::Problem(why)) if why.contains("let one entry of one trigger")),
        "{became:?}"
    );
}
