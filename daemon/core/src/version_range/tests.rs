//! What Masterminds/semver 3.4 answers, by its documentation and its own tables.

use super::*;

#[test]
fn ranges_hold_what_flux_and_helm_say_they_hold() {
    let check = |range: &str, inside: &[&str], outside: &[&str]| {
        let read = VersionRange::parse(range).expect(range);
        let holds = |text: &&str| read.holds(&Version::parse(text).expect("a version"));
        for text in inside {
            assert!(holds(text), "{range} holds {text}");
        }
        for text in outside {
            assert!(!holds(text), "{range} does not hold {text}");
        }
    };
    check("1.2.3", &["1.2.3", "1.2.3+build"], &["1.2.4", "1.2.3-rc.1"]);
    check("v1.2.3", &["1.2.3"], &["1.2.4"]);
    check("=2.0", &["2.0.0", "2.0.1"], &["2.1.0", "1.2.3"]);
    check("2", &["2.1.1"], &["1.0.0", "3.4.5"]);
    check("1.x", &["1.0.0", "1.4.0"], &["2.0.0", "0.9.0", "1.4.0-rc.1"]);
    check("2.1.*", &["2.1.0", "2.1.1"], &["2.2.1"]);
    check("0.0.X", &["0.0.3"], &["0.1.0", "1.2.3"]);
    check("*", &["0.0.0", "4.5.6"], &["1.2.3-alpha.1"]);
    check("*-0", &["1.2.3-alpha.1", "1.2.3"], &[]);
    check("!=4.1.0", &["4.1.1"], &["4.1.0", "5.1.0-alpha.1"]);
    check("!=4.1", &["5.1.0", "4.2.0"], &["4.1.0", "4.1.1", "5.1.0-alpha.1"]);
    check("!=4.x", &["5.1.0"], &["4.1.0"]);
    check("!=4.1-alpha", &["4.1.0", "4.1.0-beta"], &["4.1.0-alpha"]);
    check(">1.1", &["4.1.0", "1.2.0"], &["1.1.0", "1.1.1", "4.1.0-rc.1"]);
    check(">11", &["12.0.0"], &["11.1.0"]);
    check(">1.2.3-alpha.1", &["1.2.3-alpha.2", "1.3.3-alpha.2", "1.2.3"], &["1.2.3-alpha.1"]);
    check(">0-0", &["1.0.0-alpha"], &["0.0.1-alpha"]);
    check("<1.1", &["0.1.0"], &["1.1.0", "1.1.1", "0.1.0-alpha"]);
    check("<1.x", &["0.1.1"], &["1.1.1", "2.0.0"]);
    check("<0-z", &["0.0.0-alpha"], &["0.0.0"]);
    check(">=1.1", &["1.1.0", "4.1.0"], &["0.0.9", "4.1.0-beta"]);
    check("=>1.1", &["1.1.0"], &["1.0.9"]);
    check(">=0.0.0-0", &["0.0.0-alpha", "1.2.3", "3.4.5-beta.1"], &[]);
    check("<=1.1", &["1.1.0", "1.1.1", "0.1.0"], &["1.2.0", "0.1.0-alpha"]);
    check("=<11", &["11.2.3", "1.2.3"], &["12.2.3"]);
    check("<=1.1-a", &["0.1.0-alpha"], &["1.2.0"]);
    check("~1.2.3", &["1.2.3", "1.2.5"], &["1.2.2", "1.3.2", "1.2.4-rc.1"]);
    check("~1.2", &["1.2.0", "1.2.4"], &["1.3.4"]);
    check("~1", &["1.0.0", "1.3.5"], &["2.1.1"]);
    check("~1.x", &["1.3.5"], &["2.1.1"]);
    check("~>2.0", &["2.0.9"], &["2.1.0"]);
    check("~*", &["2.1.1"], &[]);
    check("~0.0.0", &["1.2.3"], &[]);
    check("~1.2.3-beta.2", &["1.2.3-beta.4", "1.2.4-beta.2", "1.2.3"], &["1.3.4-beta.2", "1.2.3-beta.1"]);
    check("^1.2.3", &["1.2.3", "1.8.9"], &["2.8.9", "1.2.1", "1.3.0-rc.1"]);
    check("^1.2", &["1.8.9"], &["1.1.9", "2.0.0"]);
    check("^1", &["1.8.9"], &["2.8.9", "0.9.9"]);
    check("^1.x", &["1.1.1"], &["2.1.1", "1.1.1-beta1"]);
    check("^0.2.3", &["0.2.5"], &["0.5.6", "0.2.2", "1.0.0"]);
    check("^0.2", &["0.2.5"], &["0.5.6"]);
    check("^0.0.3", &["0.0.3"], &["0.0.4", "0.1.0"]);
    check("^0.0", &["0.0.3"], &["0.1.4", "1.0.4"]);
    check("^0", &["0.2.3"], &["1.1.4"]);
    check("^*", &["0.2.3", "7.0.0"], &[]);
    check("^1.2.0-alpha.0", &["1.2.1-alpha.1", "1.2.0-alpha.0", "1.9.0"], &["2.0.0-alpha.1"]);
    check(">=1.0 <2", &["1.0.0", "1.9.9"], &["2.0.0", "0.9.9"]);
    check(">1.1, <2", &["1.2.1"], &["1.1.1", "2.0.0"]);
    check(">= 1.1,   < 2   != 1.2.3", &["1.2.4"], &["1.2.3", "2.0.0"]);
    check(">=1.1, <2, !=1.2.3 || > 3", &["4.1.2", "1.2.4"], &["3.1.2", "3.0.0", "1.2.3"]);
    check("1.2 - 2.3", &["1.2.0", "2.3.9"], &["1.1.9", "2.4.0"]);
    check("1.5.0 - 4.5 !=2.0.0", &["3.7.0"], &["2.0.0", "5.0.0"]);
    check("1.1-3", &["1.1.0-3", "1.1.5-4"], &["1.1.0-2", "4.3.2"]);
    check("3 - 4 || => 5.0, < 6", &["3.5.0", "4.9.0", "5.5.0"], &["6.0.0", "2.9.9"]);
    // One constraint that names a pre-release lets them count for its whole group, and for no other.
    check(">=1.0.0-0 <2", &["1.5.0-rc.1", "1.5.0"], &["2.0.0"]);
    check("~1.0.0-0 || 3.x", &["1.0.1-rc.1", "3.1.0"], &["3.1.0-rc.1"]);
}

#[test]
fn a_range_that_cannot_be_read_is_refused() {
    let check = |range: &str, words: &str| {
        let error = VersionRange::parse(range).expect_err(range).to_string();
        assert!(error.contains(words) && error.contains("~1.2"), "{range}: {error}");
    };
    check("", "empty");
    check("1.2 ||", "empty");
    check(">= bar", "neither a number nor x");
    check("BAR >= 1.2.3", "neither a number nor x");
    check("12.3.4.1234", "three numbers");
    check("12.3.34~ 1.2.3", "something behind a version");
    check("==1.2", "operator");
    check("1.2 -", "neither a number nor x");
    check("1.2.3-rc_1", "something behind a version");
    check("1.2.3-01", "pre-release");
    check("99999999999999999999999", "neither a number nor x");
    check("main", "neither a number nor x");
}

#[test]
fn the_newest_tag_wins_whatever_the_order() {
    let check = |range: &str, tags: &[&str], expected: Option<&str>| {
        let range = VersionRange::parse(range).expect(range);
        assert_eq!(range.newest(tags.iter().copied()), expected, "{range}: {tags:?}");
        assert_eq!(range.newest(tags.iter().rev().copied()), expected, "{range}: {tags:?}");
    };
    check("1.x", &["1.9.0", "1.10.0", "2.0.0", "latest"], Some("1.10.0"));
    check("1.x", &["v1.9.0", "v1.10.0", "1.2.0"], Some("v1.10.0"));
    check(">=1", &["1.0.0", "2.0.0-rc.1"], Some("1.0.0"));
    check(">=1-0", &["1.0.0", "2.0.0-rc.2", "2.0.0-rc.10"], Some("2.0.0-rc.10"));
    check("*", &["1.0.0+a", "1.0.0+b"], Some("1.0.0+b"));
    check("*", &["1.0", "v1", "release-1.0.0", "vv1.0.0", "01.0.0"], None);
    check("^3", &["1.0.0"], None);
}

#[test]
fn tags_are_listed_newest_first() {
    assert_eq!(versions(["1.2.0", "v1.10.0", "main", "1.10.0-rc.1"]), ["v1.10.0", "1.10.0-rc.1", "1.2.0"]);
}

#[test]
fn a_range_crosses_a_pipe_as_text() {
    let range = VersionRange::parse(">=1.0 <2").expect("a range");
    let text = serde_json::to_string(&range).expect("JSON");
    assert_eq!(text, "\">=1.0 <2\"");
    assert_eq!(serde_json::from_str::<VersionRange>(&text).expect("a range"), range);
    assert!(serde_json::from_str::<VersionRange>("\"main\"").is_err());
}
