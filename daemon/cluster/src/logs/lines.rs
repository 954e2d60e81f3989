//! Lines of a log: cut out of the bytes as they come, and found again after the stream broke.

use std::collections::VecDeque;

use jiff::Timestamp;

/// The longest line that is passed on in one piece: a container may write for ever without ending one.
const LINE_MAX: usize = 64 * 1024;
/// The longest time before a line: RFC 3339 with nanoseconds and an offset has 35 characters.
const TIME_MAX: usize = 40;

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When the container wrote it; absent in what the server says itself, and in later pieces of a line.
    pub time: Option<Timestamp>,
    /// What it wrote, whatever that is.
    pub text: Vec<u8>,
    /// It is a further piece of a line that is too long for one.
    pub continues: bool,
}

/// Cuts bytes into lines.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    rest: Vec<u8>,
    /// The rest belongs to a line of which a piece was passed on.
    continues: bool,
}

impl Cutter {
    pub(super) fn push(&mut self, mut bytes: &[u8], into: &mut VecDeque<Line>) {
        while !bytes.is_empty() {
            let room = LINE_MAX - self.rest.len();
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(bytes.len().min(room));
            self.rest.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken + usize::from(end.is_some())..];
            if end.is_some() || self.rest.len() == LINE_MAX {
                self.pass(into, end.is_none());
            }
        }
    }

    /// Passes on what is left, although its line has no end.
    pub(super) fn end(&mut self, into: &mut VecDeque<Line>) {
        if !self.rest.is_empty() {
            self.pass(into, false);
        }
    }

    fn pass(&mut self, into: &mut VecDeque<Line>, goes_on: bool) {
        let piece = std::mem::take(&mut self.rest);
        let continues = std::mem::replace(&mut self.continues, goes_on);
        // The end of a line that was just as long as a piece.
        if continues && piece.is_empty() {
            return;
        }
        let (time, text) = if continues { (None, piece) } else { timed(piece) };
        into.push_back(Line { time, text, continues });
    }
}

/// Takes the time off a line.
fn timed(mut line: Vec<u8>) -> (Option<Timestamp>, Vec<u8>) {
    let space = line.iter().take(TIME_MAX).position(|byte| *byte == b' ');
    let read = |end: usize| std::str::from_utf8(&line[..end]).ok()?.parse::<Timestamp>().ok();
    let Some((end, time)) = space.and_then(|end| Some((end, read(end)?))) else { return (None, line) };
    (Some(time), line.split_off(end + 1))
}

/// How far a log was read: behind how many lines of which time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    time: Option<Timestamp>,
    /// Lines of exactly that time.
    lines: usize,
}

impl Place {
    /// Moves on behind a line.
    pub fn pass(&mut self, line: &Line) {
        match line.time {
            Some(time) if Some(time) == self.time => self.lines += 1,
            Some(time) => *self = Self { time: Some(time), lines: 1 },
            None => {}
        }
    }

    /// Returns the second in which it is, as the API server wants it: it knows no fractions.
    pub(super) fn since(&self) -> Option<String> {
        let time = self.time?;
        let whole = Timestamp::from_second(time.as_second()).unwrap_or(time);
        Some(whole.to_string())
    }

    /// Returns whether a line of a log that was opened anew at this place was passed before; `again` counts, from 0, the lines of the
    /// place's very time.
    pub(super) fn is_behind(&self, line: &Line, again: &mut usize) -> bool {
        let (Some(time), Some(place)) = (line.time, self.time) else { return false };
        if time == place && *again < self.lines {
            *again += 1;
            return true;
        }
        time < place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<Line> {
        let (mut cutter, mut lines) = (Cutter::default(), VecDeque::new());
        for piece in pieces {
            cutter.push(piece, &mut lines);
        }
        cutter.end(&mut lines);
        lines.into()
    }

    fn line(time: Option<&str>, text: &str) -> Line {
        let time = time.map(|time| time.parse().expect("a time"));
        Line { time, text: text.as_bytes().to_vec(), continues: false }
    }

    #[test]
    fn lines_are_cut_wherever_the_bytes_are_cut() {
        let log = "2026-11-20T10:00:00.5Z one\n2026-11-20T10:00:01.123456789+02:00  two  \n\nunable to retrieve\n2026-11-20T10:00:02Z \nend";
        let expected = [
            line(Some("2026-11-20T10:00:00.5Z"), "one"),
            line(Some("2026-11-20T08:00:01.123456789Z"), " two  "),
            line(None, ""),
            line(None, "unable to retrieve"),
            line(Some("2026-11-20T10:00:02Z"), ""),
            line(None, "end"),
        ];
        for at in 0..log.len() {
            let (one, other) = log.as_bytes().split_at(at);
            assert_eq!(cut(&[one, other]), expected, "cut at {at}");
        }
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let long = "x".repeat(2 * LINE_MAX + 7);
        let found = cut(&[b"2026-11-20T10:00:02Z ", long.as_bytes(), b"\nshort\n"]);
        let sizes: Vec<_> = found.iter().map(|line| (line.text.len(), line.time.is_some(), line.continues)).collect();
        let first = LINE_MAX - "2026-11-20T10:00:02Z ".len();
        let last = 2 * LINE_MAX + 7 - first - LINE_MAX;
        assert_eq!(sizes, [(first, true, false), (LINE_MAX, false, true), (last, false, true), (5, false, false)]);
        let exactly = "y".repeat(LINE_MAX);
        let found = cut(&[exactly.as_bytes(), b"\nnext\n"]);
        assert_eq!(found.iter().map(|line| line.text.len()).collect::<Vec<_>>(), [LINE_MAX, 4]);
    }

    #[test]
    fn a_log_that_is_opened_again_goes_on_where_it_was() {
        let of = |second: &str, text: &str| line(Some(&format!("2026-11-20T10:00:{second}Z")), text);
        let all = [of("00.1", "a"), of("00.2", "b"), of("00.2", "c"), of("00.2", "d"), of("00.3", "e"), of("01", "f")];
        for read in 0..=all.len() {
            let mut place = Place::default();
            all[..read].iter().for_each(|line| place.pass(line));
            let mut again = 0;
            let news: Vec<_> = all.iter().filter(|line| !place.is_behind(line, &mut again)).collect();
            assert_eq!(news, all[read..].iter().collect::<Vec<_>>(), "{read} were read");
            let since = (read > 0).then(|| format!("2026-11-20T10:00:0{}Z", read / 6));
            assert_eq!(place.since(), since);
        }
    }
}
