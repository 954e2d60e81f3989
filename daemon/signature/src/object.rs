//! A commit or a tag as Git stores it: the bytes that its signature covers, the signature, and who made it when.
//!
//! Stricter than Git: what could be read in two ways is refused, so that what was verified is what Git shows.

use jiff::Timestamp;

use crate::untrusted::Untrusted;

/// Largest object that is looked at: a commit's message is text that people write.
pub const OBJECT_BYTES_MAX: usize = 1 << 20;

/// Largest signature that is looked at, armor included: post-quantum ones stay below.
pub const SIGNATURE_BYTES_MAX: usize = 64 << 10;

/// The header of a signature over the object with SHA-1 ids, and over the one with SHA-256 ids.
const SHA1_HEADER: &str = "gpgsig";
const SHA256_HEADER: &str = "gpgsig-sha256";

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    OpenPgp,
    Ssh,
}

/// A signed object, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    /// What the signature covers.
    pub(crate) payload: Vec<u8>,
    pub(crate) format: Format,
    /// In its armor, one signature and nothing else.
    pub(crate) signature: String,
    /// The committer's or tagger's email.
    pub(crate) email: String,
    /// The committer's or tagger's time.
    pub(crate) time: Timestamp,
}

/// Takes a commit apart (gitformat-signature: the payload is the object without its signature headers).
pub(crate) fn commit(raw: &[u8]) -> Result<Signed, Untrusted> {
    let object = Object::read(raw)?;
    let mut fields = object.fields.iter();
    let tree = fields.next().filter(|field| field.name == b"tree").ok_or_else(|| missing("tree"))?;
    let ours = signature_header(tree.value())?;
    let mut rest = fields.skip_while(|field| field.name == b"parent");
    rest.next().filter(|field| field.name == b"author").ok_or_else(|| missing("author"))?;
    let committer = rest.next().filter(|field| field.name == b"committer").ok_or_else(|| missing("committer"))?;
    let mut signature = None;
    for field in rest {
        match field.name {
            b"tree" | b"parent" | b"author" | b"committer" => {
                return Err(Untrusted::malformed("a header stands twice or out of order"));
            }
            name if name == ours.as_bytes() && signature.replace(field.lines()).is_some() => {
                return Err(Untrusted::malformed("it has two signatures"));
            }
            _ => {}
        }
    }
    let signature = signature.ok_or(Untrusted::Unsigned)?;
    object.signed(committer, object.body, &signature)
}

/// Takes a tag apart: its signature stands at the end of its message.
pub(crate) fn tag(raw: &[u8]) -> Result<Signed, Untrusted> {
    let object = Object::read(raw)?;
    let [target, kind, name, tagger, rest @ ..] = object.fields.as_slice() else { return Err(missing("tagger")) };
    for (field, expected) in [(target, "object"), (kind, "type"), (name, "tag"), (tagger, "tagger")] {
        if field.name != expected.as_bytes() {
            return Err(missing(expected));
        }
    }
    if rest.iter().any(|field| matches!(field.name, b"object" | b"type" | b"tag" | b"tagger")) {
        return Err(Untrusted::malformed("a header stands twice or out of order"));
    }
    let lines = object.body.split_inclusive(|byte| *byte == b'\n');
    let (mut at, mut begin) = (0, None);
    for line in lines {
        if line.starts_with(b"-----BEGIN ") && format(line).is_some() {
            begin = Some(at);
        }
        at += line.len();
    }
    let (message, signature) = object.body.split_at(begin.ok_or(Untrusted::Unsigned)?);
    object.signed(tagger, message, signature)
}

struct Object<'a> {
    fields: Vec<Field<'a>>,
    /// From the empty line on.
    body: &'a [u8],
}

/// A header with its continuation lines.
struct Field<'a> {
    name: &'a [u8],
    /// With the last line break.
    whole: &'a [u8],
}

impl<'a> Object<'a> {
    fn read(raw: &'a [u8]) -> Result<Self, Untrusted> {
        if raw.len() > OBJECT_BYTES_MAX {
            return Err(Untrusted::TooLarge { limit_kibibytes: OBJECT_BYTES_MAX >> 10 });
        }
        let end = raw.windows(2).position(|pair| pair == b"\n\n").map_or(raw.len(), |at| at + 1);
        let (header, body) = raw.split_at(end);
        if header.contains(&0) {
            return Err(Untrusted::malformed("its header holds a NUL byte"));
        }
        let mut fields: Vec<Field<'a>> = Vec::new();
        let mut at = 0;
        for line in header.split_inclusive(|byte| *byte == b'\n') {
            let begin = at;
            at += line.len();
            if line.starts_with(b" ") {
                let field = fields.last_mut().ok_or_else(|| Untrusted::malformed("its header begins with a space"))?;
                let length = field.whole.len() + line.len();
                field.whole = &header[at - length..at];
                continue;
            }
            let name = line.split(|byte| matches!(byte, b' ' | b'\n')).next().unwrap_or_default();
            let known = [SHA1_HEADER, SHA256_HEADER].iter().any(|known| name == known.as_bytes());
            if name.starts_with(SHA1_HEADER.as_bytes()) && !known {
                return Err(Untrusted::malformed("it has a signature header that Git does not know"));
            }
            fields.push(Field { name, whole: &header[begin..at] });
        }
        Ok(Self { fields, body })
    }

    fn signed(&self, made: &Field<'_>, message: &[u8], signature: &[u8]) -> Result<Signed, Untrusted> {
        if signature.len() > SIGNATURE_BYTES_MAX {
            return Err(Untrusted::TooLarge { limit_kibibytes: SIGNATURE_BYTES_MAX >> 10 });
        }
        let kept = self.fields.iter().filter(|field| !field.name.starts_with(SHA1_HEADER.as_bytes()));
        let mut payload: Vec<u8> = kept.flat_map(|field| field.whole.iter().copied()).collect();
        payload.extend_from_slice(message);
        let format =
            format(signature).ok_or_else(|| Untrusted::malformed("its signature begins with no known line"))??;
        let signature = String::from_utf8(signature.to_vec());
        let signature = signature.map_err(|_| Untrusted::malformed("its signature is not text"))?;
        let (email, time) = identity(made.value())?;
        Ok(Signed { payload, format, signature, email, time })
    }
}

impl Field<'_> {
    fn value(&self) -> &[u8] {
        let value = self.whole.get(self.name.len() + 1..).unwrap_or_default();
        value.strip_suffix(b"\n").unwrap_or(value)
    }

    /// Returns the value with the space that marks a continuation taken from each line.
    fn lines(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for line in self.value().split_inclusive(|byte| *byte == b'\n') {
            lines.extend_from_slice(if lines.is_empty() { line } else { line.strip_prefix(b" ").unwrap_or(line) });
        }
        lines
    }
}

fn missing(name: &str) -> Untrusted {
    Untrusted::malformed(format!("its header {name} is missing or out of order"))
}

/// Returns the header that holds the signature over this form of the object, told by the length of its ids.
fn signature_header(tree: &[u8]) -> Result<&'static str, Untrusted> {
    match (tree.len(), tree.iter().all(u8::is_ascii_hexdigit)) {
        (40, true) => Ok(SHA1_HEADER),
        (64, true) => Ok(SHA256_HEADER),
        _ => Err(Untrusted::malformed("its tree is no id")),
    }
}

/// Returns how the signature that begins here is written; nothing where none begins.
fn format(signature: &[u8]) -> Option<Result<Format, Untrusted>> {
    let begins = |line: &str| signature.starts_with(line.as_bytes());
    if begins("-----BEGIN PGP SIGNATURE-----") || begins("-----BEGIN PGP MESSAGE-----") {
        Some(Ok(Format::OpenPgp))
    } else if begins("-----BEGIN SSH SIGNATURE-----") {
        Some(Ok(Format::Ssh))
    } else if begins("-----BEGIN SIGNED MESSAGE-----") {
        Some(Err(Untrusted::Unsupported { what: "an X.509 one (gpgsm)".to_owned() }))
    } else {
        None
    }
}

/// Reads `Name <email> seconds zone`. Exactly one pair of brackets, so that nobody reads another email.
fn identity(value: &[u8]) -> Result<(String, Timestamp), Untrusted> {
    let unclear = || Untrusted::malformed("its committer or tagger is not written as Name <email> seconds zone");
    let text = std::str::from_utf8(value).map_err(|_| unclear())?;
    let (_, rest) = text.split_once('<').ok_or_else(unclear)?;
    let (email, when) = rest.split_once('>').ok_or_else(unclear)?;
    let mut when = when.split_ascii_whitespace();
    let (Some(seconds), Some(_), None) = (when.next(), when.next(), when.next()) else { return Err(unclear()) };
    if text.matches(['<', '>']).count() != 2 || !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(unclear());
    }
    let seconds = seconds.parse().map_err(|_| unclear())?;
    let time = Timestamp::from_second(seconds).map_err(|_| unclear())?;
    Ok((email.to_owned(), time))
}
