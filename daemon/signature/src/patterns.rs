//! Lists of patterns as OpenSSH reads them (ssh_config(5), PATTERNS): `*` and `?`, and `!` to except.

use std::fmt;

use wildmatch::WildMatch;

/// A comma-separated list of patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    except: bool,
    text: String,
}

impl Patterns {
    /// Parses a list; nothing if one of its patterns is empty.
    pub(crate) fn parse(list: &str) -> Option<Self> {
        let pattern = |text: &str| {
            let (except, text) = text.strip_prefix('!').map_or((false, text), |text| (true, text));
            (!text.is_empty()).then(|| Pattern { except, text: text.to_owned() })
        };
        list.split(',').map(pattern).collect::<Option<_>>().map(Self)
    }

    /// Returns whether a pattern fits and none that excepts does.
    pub(crate) fn fit(&self, text: &str) -> bool {
        let fits = |except: bool| {
            let mut patterns = self.0.iter().filter(move |pattern| pattern.except == except);
            patterns.any(|pattern| WildMatch::new(&pattern.text).matches(text))
        };
        fits(false) && !fits(true)
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns =
            self.0.iter().map(|pattern| format!("{}{}", if pattern.except { "!" } else { "" }, pattern.text));
        f.write_str(&patterns.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_openssh_says() {
        let check = |list: &str, text: &str, expected: bool| {
            assert_eq!(Patterns::parse(list).expect("a list").fit(text), expected, "{list} on {text}");
        };
        check("ada@example.com", "ada@example.com", true);
        check("ada@example.com", "Ada@example.com", false);
        check("*@example.com", "ada@example.com", true);
        check("*@example.com", "ada@example.com.evil.org", false);
        check("*@example.com,!eve@example.com", "eve@example.com", false);
        check("!eve@example.com", "ada@example.com", false);
        check("a?a@example.com", "ada@example.com", true);
        check("a?a@example.com", "aa@example.com", false);
        check("bob@example.com,ada@*", "ada@example.com", true);
        check("*", "", true);
        check("*a*b*c", "xxaxxbxxc", true);
        check("*a*b*c", "xxaxxbxx", false);
    }

    #[test]
    fn an_empty_pattern_is_refused() {
        for list in ["", "a,,b", "!", "a,"] {
            assert_eq!(Patterns::parse(list), None, "{list:?}");
        }
    }

    #[test]
    fn many_stars_cost_little() {
        let list = Patterns::parse(&"*a".repeat(2000)).expect("a list");
        assert!(!list.fit(&"a".repeat(1999)));
    }
}
