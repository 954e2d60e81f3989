//! Events from a stream of JSON values, with positions. Its own reader because kubectl reads a file that starts
//! with `{` as JSON, which YAML parsers do not read in full (tabs, long keys, surrogate escapes).

use std::borrow::Cow;

use super::{
    Position,
    event::{Event, Events, Style, SyntaxError},
};

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value of the stream, or its end.
    Document,
    /// The end of a document.
    DocumentEnd,
    Value,
    /// A value or `]`.
    FirstElement,
    Key,
    /// A key or `}`.
    FirstKey,
    /// `,` or the closing bracket.
    Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Array,
    Object,
}

/// The events of a text that holds JSON values one after the other (RFC 8259).
pub(crate) struct JsonEvents<'a> {
    text: &'a str,
    offset: usize,
    /// The position at `counted`.
    at: Position,
    /// The offset up to which lines and columns are counted.
    counted: usize,
    open: Vec<Open>,
    expect: Expect,
}

impl<'a> JsonEvents<'a> {
    /// Starts at the beginning of a text.
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            offset: 0,
            at: Position { line: 1, column: 1 },
            counted: 0,
            open: Vec::new(),
            expect: Expect::Document,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn skip_white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.offset += 1;
        }
    }

    /// Counts on from where it counted last, so that a file of one long line is counted once.
    fn position(&mut self) -> Position {
        for character in self.text[self.counted..self.offset].chars() {
            if character == '\n' {
                self.at = Position { line: self.at.line.saturating_add(1), column: 1 };
            } else {
                self.at.column = self.at.column.saturating_add(1);
            }
        }
        self.counted = self.offset;
        self.at
    }

    fn error(&mut self, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            at: self.position(),
            message: message.into(),
            remedy: "a file that starts with { is read as JSON; put a line of three dashes above it if it is YAML"
                .to_owned(),
            underindented: None,
        }
    }

    fn unexpected(&mut self, wanted: &str) -> SyntaxError {
        match self.text[self.offset..].chars().next() {
            Some(found) => self.error(format!("found {found:?} where JSON has {wanted}")),
            None => self.error(format!("the file ends where JSON has {wanted}")),
        }
    }

    fn closed(&self) -> Expect {
        if self.open.is_empty() { Expect::DocumentEnd } else { Expect::Next }
    }

    fn value(&mut self) -> Result<Event<'a>, SyntaxError> {
        match self.peek() {
            Some(b'{') => {
                self.offset += 1;
                self.open.push(Open::Object);
                self.expect = Expect::FirstKey;
                Ok(Event::MappingStart { anchor: None })
            }
            Some(b'[') => {
                self.offset += 1;
                self.open.push(Open::Array);
                self.expect = Expect::FirstElement;
                Ok(Event::SequenceStart { anchor: None })
            }
            Some(b'"') => {
                let text = self.string()?;
                self.expect = self.closed();
                Ok(Event::Scalar { text, style: Style::Quoted, tag: None, anchor: None })
            }
            _ => {
                let text = self.literal()?;
                self.expect = self.closed();
                Ok(Event::Scalar { text: Cow::Borrowed(text), style: Style::Literal, tag: None, anchor: None })
            }
        }
    }

    fn close(&mut self) -> Event<'a> {
        self.offset += 1;
        let event = match self.open.pop() {
            Some(Open::Array) => Event::SequenceEnd,
            Some(Open::Object) | None => Event::MappingEnd,
        };
        self.expect = self.closed();
        event
    }

    fn key(&mut self) -> Result<Event<'a>, SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let text = self.string()?;
        self.skip_white_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("a colon"));
        }
        self.offset += 1;
        self.expect = Expect::Value;
        Ok(Event::Scalar { text, style: Style::Quoted, tag: None, anchor: None })
    }

    fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        let bytes = self.text.as_bytes();
        let start = self.offset + 1;
        let mut end = start;
        let mut escaped = false;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(0..0x20) => {
                    self.offset = end;
                    return Err(self.error("a string of JSON can't hold a line break or a control character"));
                }
                Some(_) => end += 1,
                None => return Err(self.error("this string has no end")),
            }
        }
        let token = &self.text[self.offset..=end];
        let text = if escaped {
            let Ok(text) = serde_json::from_str(token) else {
                return Err(self.error("this string has an escape that JSON does not have"));
            };
            Cow::Owned(text)
        } else {
            Cow::Borrowed(&self.text[start..end])
        };
        self.offset = end + 1;
        Ok(text)
    }

    fn literal(&mut self) -> Result<&'a str, SyntaxError> {
        let rest = &self.text[self.offset..];
        let end =
            rest.find(|found: char| !found.is_ascii_alphanumeric() && !"+-.".contains(found)).unwrap_or(rest.len());
        let token = &rest[..end];
        if !matches!(token, "null" | "true" | "false") && !is_number(token) {
            return Err(self.unexpected("a value"));
        }
        self.offset += end;
        Ok(token)
    }

    fn next_or_close(&mut self) -> Result<Option<Event<'a>>, SyntaxError> {
        match (self.peek(), self.open.last()) {
            (Some(b','), Some(open)) => {
                self.expect = if *open == Open::Array { Expect::Value } else { Expect::Key };
                self.offset += 1;
                Ok(None)
            }
            (Some(b']'), Some(Open::Array)) | (Some(b'}'), Some(Open::Object)) => Ok(Some(self.close())),
            (_, Some(Open::Array)) => Err(self.unexpected("a comma or ]")),
            (_, _) => Err(self.unexpected("a comma or }")),
        }
    }
}

impl<'a> Events<'a> for JsonEvents<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Position), SyntaxError> {
        loop {
            if self.expect == Expect::DocumentEnd {
                self.expect = Expect::Document;
                return Ok((Event::DocumentEnd, self.position()));
            }
            self.skip_white_space();
            let at = self.position();
            let event = match self.expect {
                Expect::Document if self.peek().is_none() => Event::End,
                Expect::Document => {
                    self.expect = Expect::Value;
                    Event::DocumentStart
                }
                Expect::FirstElement if self.peek() == Some(b']') => self.close(),
                Expect::FirstKey if self.peek() == Some(b'}') => self.close(),
                Expect::Value | Expect::FirstElement => self.value()?,
                Expect::Key | Expect::FirstKey => self.key()?,
                Expect::Next | Expect::DocumentEnd => match self.next_or_close()? {
                    Some(event) => event,
                    None => continue,
                },
            };
            return Ok((event, at));
        }
    }
}

/// `-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?`
fn is_number(token: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = token.strip_prefix('-').unwrap_or(token);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    digits(whole) && !leading_zero && fraction.is_none_or(digits) && exponent.is_none_or(digits)
}
