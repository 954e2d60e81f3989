//! What became of one note: a note may only grow at its end, by whole lines.

use std::collections::BTreeSet;

use super::version::Version;

/// How a note differs from what it was.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// Lines that were not there.
    pub(super) added: Vec<String>,
    /// Lines that are gone.
    pub(super) removed: Vec<String>,
    /// Lines that stand where others stood.
    pub(super) edited: Vec<(String, String)>,
    /// Whether lines that stayed changed their order, or new ones stand before old ones.
    pub(super) reordered: bool,
}

/// Compares a note with what it was.
pub(super) fn compare(before: &Version, after: &Version) -> Comparison {
    let grown = after.beyond(before).filter(|_| before.bytes().is_empty() || before.bytes().ends_with(b"\n"));
    if let Some(added) = grown {
        return Comparison { added: lines(added), ..Comparison::default() };
    }
    let (before, after) = (lines(before.bytes()), lines(after.bytes()));
    let (old, new): (BTreeSet<&String>, BTreeSet<&String>) = (before.iter().collect(), after.iter().collect());
    let kept_before = before.iter().filter(|line| new.contains(line));
    let kept_after = after.iter().filter(|line| old.contains(line));
    let mut found = Comparison { reordered: !kept_before.eq(kept_after), ..Comparison::default() };
    let mut taken = BTreeSet::new();
    for (place, line) in before.iter().enumerate().filter(|(_, line)| !new.contains(line)) {
        match after.get(place).filter(|is| !old.contains(is)) {
            Some(is) => {
                taken.insert(place);
                found.edited.push((line.clone(), is.clone()));
            }
            None => found.removed.push(line.clone()),
        }
    }
    let added = after.iter().enumerate().filter(|(place, line)| !old.contains(line) && !taken.contains(place));
    found.added = added.map(|(_, line)| line.clone()).collect();
    // Something else than lines differs: line ends, or a new line stands before old ones.
    found.reordered |= found.removed.is_empty() && found.edited.is_empty();
    found
}

fn lines(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
