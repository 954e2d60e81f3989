//! Which of two resourceVersions is the newer one.
//!
//! They are decimal numbers without leading zeros since Kubernetes 1.35 says so (KEP-5504), and always were on etcd;
//! whatever else an aggregated server hands out can't be compared.

/// Returns whether `this` is newer than `other`; two that can't be compared are neither newer nor older.
pub(super) fn is_newer(this: &str, other: &str) -> bool {
    match (digits(this), digits(other)) {
        (Some(this), Some(other)) => (this.len(), this) > (other.len(), other),
        _ => false,
    }
}

fn digits(text: &str) -> Option<&str> {
    let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| text.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers_of_any_size() {
        let check = |this: &str, other: &str, newer: bool| assert_eq!(is_newer(this, other), newer, "{this} {other}");
        check("10", "9", true);
        check("9", "10", false);
        check("9", "9", false);
        check("100000000000000000000000000000000000000001", "100000000000000000000000000000000000000000", true);
        check("1", "", false);
        check("b", "a", false);
        check("7", "a", false);
    }
}
