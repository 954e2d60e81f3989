//! Values as SSH writes them (RFC 4251, section 5).

/// Bytes that are read value by value; each is nothing where the bytes end too early.
pub(super) struct Strings<'a>(pub(super) &'a [u8]);

impl<'a> Strings<'a> {
    /// Reads bytes with their length before them.
    pub(super) fn next(&mut self) -> Option<&'a [u8]> {
        let length = self.short_number()?;
        let (text, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(text)
    }

    /// Reads a uint32.
    pub(super) fn short_number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    /// Reads a uint64.
    pub(super) fn number(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }
}
