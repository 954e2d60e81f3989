//! Kubernetes quantities (`500m`, `1Gi`, `1e3`): when two spellings are one amount.
//!
//! Owns: the format of `k8s.io/apimachinery/pkg/api/resource`. Must never do: round.

/// An amount in billionths, the API server's own resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

/// Decimal digits of the resolution.
const NANO_DIGITS: i32 = 9;

impl Quantity {
    /// Returns the amount that a text says; nothing if it is no quantity, or one that is finer than a
    /// billionth or too large, since those the API server changes.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (base, exponent) = scale(suffix)?;
        let (negative, digits) = match number.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let all = format!("{whole}{fraction}");
        if all.is_empty() && !digits.starts_with('0') || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mantissa: i128 = if all.is_empty() { 0 } else { all.parse().ok()? };
        let shift = NANO_DIGITS + exponent - i32::try_from(fraction.len()).ok()?;
        let power = 10_i128.checked_pow(shift.unsigned_abs())?;
        let scaled = mantissa.checked_mul(base)?;
        let amount = if shift >= 0 { scaled.checked_mul(power)? } else { exact(scaled, power)? };
        Some(Self(if negative { -amount } else { amount }))
    }

    /// Returns the amount in billionths.
    pub fn nanos(self) -> i128 {
        self.0
    }
}

fn exact(amount: i128, divisor: i128) -> Option<i128> {
    (amount % divisor == 0).then(|| amount / divisor)
}

/// Returns the factor and the decimal exponent of a suffix.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    const DECIMAL: [(&str, i32); 10] =
        [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
    if let Some(power) = BINARY.iter().position(|unit| *unit == suffix) {
        return Some((1 << (10 * (power + 1)), 0));
    }
    if let Some((_, exponent)) = DECIMAL.iter().find(|(unit, _)| *unit == suffix) {
        return Some((1, *exponent));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (-30..=30).contains(&exponent).then_some((1, exponent))
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn spellings_of_one_amount_are_equal() {
        let same = |spellings: &[&str]| {
            let first = Quantity::parse(spellings[0]).expect("a quantity");
            for spelling in spellings {
                assert_eq!(Quantity::parse(spelling), Some(first), "{spelling}");
            }
        };
        same(&["1", "1000m", "1.0", "+1", "1000000u", "1e0", "1."]);
        same(&["0.5", "500m", ".5", "5e-1"]);
        same(&["1Gi", "1024Mi", "1048576Ki", "1073741824"]);
        same(&["1e3", "1k", "1000", "1E3"]);
        same(&["0", "0.0", "0m", "0Ki"]);
        same(&["-1", "-1000m"]);
        assert_ne!(Quantity::parse("1M"), Quantity::parse("1Mi"));
        assert_eq!(Quantity::parse("1n").map(Quantity::nanos), Some(1));
    }

    #[test]
    fn what_is_no_quantity_or_would_be_rounded_is_nothing() {
        for text in [
            "",
            "m",
            "1 Gi",
            "1gi",
            "one",
            "1.2.3",
            "--1",
            "0.1n",
            "1e99",
            "99999999999999999999999999999999999Ei",
            ".",
        ] {
            assert_eq!(Quantity::parse(text), None, "{text:?}");
        }
    }
}
