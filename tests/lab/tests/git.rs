//! Real Git through files and through smart HTTP, with and without credentials, behaving and misbehaving.
#![allow(clippy::unwrap_used)] // clippy knows tests, but not the functions that tests share

use std::thread;
use std::time::{Duration, Instant};

use lab::git::{BareRepository, Behaviour, HttpServer, WorkingCopy};

const DEADLINE: Duration = Duration::from_secs(60);

/// Returns a server's root with one repository `shop` in it.
fn shop() -> (tempfile::TempDir, BareRepository) {
    let root = tempfile::tempdir().unwrap();
    let repository = BareRepository::create_in(root.path(), "shop").unwrap();
    (root, repository)
}

/// Returns a URL with user and password in it, as a person would type it.
fn with_credentials(url: &str, user: &str, password: &str) -> String {
    url.replace("http://", &format!("http://{user}:{password}@"))
}

#[test]
fn commits_arrive_branches_move_and_go() {
    let repository = BareRepository::create().unwrap();
    let copy = WorkingCopy::clone(&repository.url()).unwrap().author("Ann", "ann@example.com");
    let first = copy.commit_and_push(&[("a/one.yaml", "one"), ("two.yaml", "two")], "first").unwrap();
    assert_eq!(repository.branch("main").unwrap(), first);
    assert_eq!(repository.git(&["log", "--format=%an <%ae> %s", "main"]).unwrap(), "Ann <ann@example.com> first");

    copy.remove(&["a"]).unwrap();
    copy.link("three.yaml", "two.yaml").unwrap();
    let second = copy.commit_and_push(&[], "second").unwrap();
    let files = repository.git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", &second]).unwrap();
    assert_eq!(files, "120000 three.yaml\n100644 two.yaml");

    copy.reset(&first).unwrap();
    let third = copy.commit(&[("two.yaml", "other")], "third").unwrap();
    assert!(copy.push().unwrap_err().to_string().contains("rejected"));
    assert_eq!(repository.branch("main").unwrap(), second);
    copy.force_push().unwrap();
    assert_eq!(repository.branch("main").unwrap(), third);

    copy.branch("feature").unwrap();
    copy.push().unwrap();
    assert_eq!(repository.branch("feature").unwrap(), third);
    copy.switch("main").unwrap();
    copy.delete_branch("feature").unwrap();
    assert!(repository.branch("feature").is_err());
    assert_eq!(copy.head().unwrap(), third);

    let undone = copy.revert(&third).unwrap();
    assert_ne!(undone, third);
    let other = WorkingCopy::clone(&repository.url()).unwrap();
    copy.push().unwrap();
    other.pull().unwrap();
    assert_eq!(other.head().unwrap(), undone);
}

#[test]
fn the_remote_head_can_be_another_branch() {
    let repository = BareRepository::create().unwrap();
    let copy = WorkingCopy::clone(&repository.url()).unwrap();
    copy.commit_and_push(&[("file", "main")], "on main").unwrap();
    copy.branch("trunk").unwrap();
    let trunk = copy.commit_and_push(&[("file", "trunk")], "on trunk").unwrap();
    repository.set_head("trunk").unwrap();
    assert_eq!(WorkingCopy::clone(&repository.url()).unwrap().head().unwrap(), trunk);
}

#[test]
fn http_serves_clones_and_takes_pushes() {
    let (root, repository) = shop();
    let server = HttpServer::start(root.path(), None).unwrap();
    let copy = WorkingCopy::clone(&server.url("shop")).unwrap();
    // Larger than git's buffer for posts, so that the push comes in chunks.
    let large = "plumb ".repeat(400_000);
    let noise: String =
        (0..400_000_u32).map(|n| char::from(b' ' + (n.wrapping_mul(2_654_435_761) >> 24) as u8 % 90)).collect();
    let pushed = copy.commit_and_push(&[("large", &large), ("noise", &noise)], "large").unwrap();
    assert_eq!(repository.branch("main").unwrap(), pushed);
    server.forget();
    assert_eq!(WorkingCopy::clone(&server.url("shop")).unwrap().head().unwrap(), pushed);
    let requests = server.requests();
    assert_eq!(requests[0].path, "/shop.git/info/refs");
    assert_eq!(requests[0].query, "service=git-upload-pack");
    assert!(requests.iter().all(|request| request.status == Some(200)), "{requests:?}");
    let missing = WorkingCopy::clone(&server.url("nothing")).unwrap_err().to_string();
    assert!(missing.contains("not found"), "{missing}");
}

#[test]
fn http_wants_the_right_credentials() {
    let (root, repository) = shop();
    let server = HttpServer::start(root.path(), Some(("ann", "s3cret"))).unwrap();
    let url = server.url("shop");
    for wrong in [url.clone(), with_credentials(&url, "ann", "wrong"), with_credentials(&url, "bob", "s3cret")] {
        assert!(WorkingCopy::clone(&wrong).is_err(), "{wrong}");
    }
    assert!(server.requests().iter().all(|request| request.status == Some(401)), "{:?}", server.requests());
    server.forget();
    let copy = WorkingCopy::clone(&with_credentials(&url, "ann", "s3cret")).unwrap();
    let pushed = copy.commit_and_push(&[("file", "text")], "through the door").unwrap();
    assert_eq!(repository.branch("main").unwrap(), pushed);
    let requests = server.requests();
    assert!(requests.iter().any(|request| request.user.as_deref() == Some("ann") && request.status == Some(200)));
}

#[test]
fn http_can_hang_fail_and_refuse_and_come_back() {
    let (root, repository) = shop();
    WorkingCopy::clone(&repository.url()).unwrap().commit_and_push(&[("file", "text")], "first").unwrap();
    let server = HttpServer::start(root.path(), None).unwrap();
    let url = server.url("shop");

    server.set(Behaviour::Fail).unwrap();
    let failed = WorkingCopy::clone(&url).unwrap_err().to_string();
    assert!(failed.contains("503"), "{failed}");

    server.set(Behaviour::Refuse).unwrap();
    let refused = WorkingCopy::clone(&url).unwrap_err().to_string();
    assert!(refused.contains("refused") || refused.contains("Couldn't connect"), "{refused}");

    server.set(Behaviour::Hang).unwrap();
    server.forget();
    let clone = thread::spawn(move || WorkingCopy::clone(&url).unwrap().head().unwrap());
    let begun = Instant::now();
    while server.requests().is_empty() {
        assert!(begun.elapsed() < DEADLINE, "the request never came");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(server.requests()[0].status, None);
    assert!(!clone.is_finished());
    server.set(Behaviour::Serve).unwrap();
    assert_eq!(clone.join().unwrap(), repository.branch("main").unwrap());
}

#[tokio::test]
async fn a_server_starts_and_ends_inside_a_runtime() {
    let (root, _repository) = shop();
    let server = HttpServer::start(root.path(), None).unwrap();
    server.set(Behaviour::Refuse).unwrap();
    server.set(Behaviour::Serve).unwrap();
    drop(server);
}
