//! A person or a program as Git names it in a commit: `Name <email>`.
//!
//! Must never do: hold what would break a commit's header (line breaks, angle brackets).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name and longest address: they stand in every commit.
const PART_CHARS_MAX: usize = 256;

/// A text that names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names nobody as Git does: write it as \"Name <email>\"")]
pub struct InvalidPerson(String);

/// Who wrote or made a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Person {
    name: String,
    email: String,
}

impl Person {
    /// Parses `Name <email>`.
    ///
    /// # Errors
    /// A part is missing or too long, or holds a control character or an angle bracket.
    pub fn parse(text: &str) -> Result<Self, InvalidPerson> {
        let invalid = || InvalidPerson(text.to_owned());
        let (name, rest) = text.split_once('<').ok_or_else(invalid)?;
        let (email, rest) = rest.split_once('>').ok_or_else(invalid)?;
        let (name, email) = (name.trim(), email.trim());
        let good = |part: &str| {
            let chars = part.chars().count();
            (1..=PART_CHARS_MAX).contains(&chars) && !part.chars().any(|c| c.is_control() || c == '<' || c == '>')
        };
        // Git strips dots, commas and the like from both ends of a name; one of nothing else would become empty.
        let named = name.chars().any(char::is_alphanumeric);
        if !rest.trim().is_empty() || !named || !good(name) || !good(email) || email.contains(char::is_whitespace) {
            return Err(invalid());
        }
        Ok(Self { name: name.to_owned(), email: email.to_owned() })
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the address.
    pub fn email(&self) -> &str {
        &self.email
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

impl TryFrom<String> for Person {
    type Error = InvalidPerson;
    fn try_from(text: String) -> Result<Self, InvalidPerson> {
        Self::parse(&text)
    }
}

impl From<Person> for String {
    fn from(person: Person) -> Self {
        person.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_written_as_git_writes_them() {
        let check = |text: &str, expected: Option<&str>| {
            let found = Person::parse(text).ok().map(|person| person.to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        };
        check("plumb <plumb@example.com>", Some("plumb <plumb@example.com>"));
        check("  Ada  King <ada@example.com> ", Some("Ada  King <ada@example.com>"));
        check("plumb", None);
        check("<plumb@example.com>", None);
        check("plumb <>", None);
        check("... <a@b>", None);
        check("plumb <a@b> more", None);
        check("plumb <a b>", None);
        check("a\nb <a@b>", None);
        check("a <a@b> <c@d>", None);
    }
}
