//! What is removed, and above all what is not.

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn mirrors() -> (Mirrors, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Mirrors::new(folder.path().to_owned()), folder)
}

fn id(digit: char) -> String {
    std::iter::repeat_n(digit, 32).collect()
}

fn make(mirrors: &Mirrors, name: &str) -> PathBuf {
    let path = mirrors.root.join(name);
    fs::create_dir_all(path.join("objects/pack")).unwrap();
    path
}

#[test]
fn only_what_is_plumbs_and_long_unused_is_removed() {
    let (mirrors, _folder) = mirrors();
    let used = make(&mirrors, &format!("{}.git", id('a')));
    let unused = make(&mirrors, &format!("{}.git", id('b')));
    let damaged = make(&mirrors, &format!("{}.git{}", id('a'), plumb_git::renewal::DAMAGED));
    let unfinished = make(&mirrors, &format!("{}.git{}7", id('a'), plumb_git::renewal::ANEW));
    let foreign =
        [make(&mirrors, "notes"), make(&mirrors, "shop.git"), make(&mirrors, &format!("{}.git.bak", id('c')))];
    let _in_use = mirrors.take_up(used.clone());
    let check = |after: Duration, expected: [bool; 4]| {
        mirrors.sweep(SystemTime::now() + after);
        assert_eq!([&used, &unused, &damaged, &unfinished].map(|path| path.exists()), expected, "after {after:?}");
    };
    check(Duration::ZERO, [true; 4]);
    check(2 * DAY, [true, true, true, false]);
    check(6 * DAY, [true, true, true, false]);
    check(8 * DAY, [true, false, false, false]);
    assert!(foreign.iter().all(|path| path.exists()));
}

#[test]
fn the_time_without_use_begins_with_the_last_user() {
    let (mirrors, _folder) = mirrors();
    let path = make(&mirrors, &format!("{}.git", id('a')));
    let (one, other) = (mirrors.take_up(path.clone()), mirrors.take_up(path.clone()));
    drop(one);
    mirrors.sweep(SystemTime::now() + 30 * DAY);
    assert!(path.exists(), "one of two users is left");
    drop(other);
    mirrors.sweep(SystemTime::now() + 6 * DAY);
    assert!(path.exists());
    mirrors.sweep(SystemTime::now() + 8 * DAY);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_damaged_mirror_is_made_anew_once_in_a_while() {
    let (mirrors, _folder) = mirrors();
    let (path, now) = (mirrors.root.join("a"), Instant::now());
    assert!(!mirrors.is_to_renew(&path, now));
    mirrors.report(&path);
    mirrors.reported(&path).await;
    mirrors.renewed(&path);
    assert!(!mirrors.is_to_renew(&path, now));
    mirrors.report(&path);
    assert!(!mirrors.is_to_renew(&path, now), "so soon that the disk is to blame");
    assert!(mirrors.is_to_renew(&path, Instant::now() + RENEWAL_PAUSE));
}
