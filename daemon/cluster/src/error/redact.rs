//! Cuts values out of the API server's words about Secrets.
//!
//! Owns: the two places where the server is known to quote a value: Go's `%#v` of a typed-patch error
//! (`got &value.valueUnstructured{…}`) and `Invalid value: …` of a validation error.

/// What stands in for a value.
const HIDDEN: &str = "(not shown)";

/// Returns the message without the values that it quotes.
pub(super) fn redact(message: &str) -> String {
    message.lines().map(redact_line).collect::<Vec<_>>().join("\n")
}

fn redact_line(line: &str) -> String {
    if let Some(start) = line.find("got &") {
        return format!("{}{HIDDEN}", &line[..start + "got ".len()]);
    }
    for mark in ["Invalid value: ", "Unsupported value: ", "Duplicate value: "] {
        if let Some(start) = line.find(mark) {
            let after = start + mark.len();
            // What follows the value is worth keeping only if it can't be part of it.
            let rest = line[after..].rfind("\": ").map_or("", |end| &line[after + end + 1..]);
            return format!("{}{HIDDEN}{rest}", &line[..after]);
        }
    }
    line.to_owned()
}
