//! The documents say what the program does: every flag, field, metric, reason and refusal, every command, every link and
//! every example is compared with the code.
//!
//! Reads the documents and the sources; runs `plumb --help` and a control plane for the examples. Must never repeat a list
//! that the code has.

#[path = "docs/commands.rs"]
mod commands;
#[path = "docs/examples.rs"]
mod examples;
#[path = "docs/fields.rs"]
mod fields;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/page.rs"]
mod page;
#[path = "docs/records.rs"]
mod records;
#[path = "docs/threats.rs"]
mod threats;
#[path = "docs/variables.rs"]
mod variables;
#[path = "docs/words.rs"]
mod words;
