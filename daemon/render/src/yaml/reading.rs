//! The reading of one file: what was found, what is wrong, what may still be read.

use plumb_core::{commit::RepoPath, object::Origin, problem::Problem, text::shortened};

use super::{
    Document, Options, Position, Strictness,
    build::{self, Stop},
    event::{Event, Events, SyntaxError},
    granit::YamlEvents,
    indent::{self, Indented},
    json::JsonEvents,
    limits::{MESSAGE, PROBLEMS},
    split::{Chunk, Part, split},
    text,
};

/// Everything that reading a file gave: documents and problems, either of which may be empty.
pub(crate) struct Reading<'r> {
    pub(crate) file: &'r RepoPath,
    pub(crate) options: &'r Options,
    pub(crate) documents: Vec<Document>,
    pub(crate) problems: Vec<Problem>,
    /// Problems beyond the number that is reported.
    unreported: usize,
    /// Nodes read so far.
    pub(super) nodes: usize,
    /// How many bytes may still be parsed again for their indentation.
    indentable: usize,
}

/// Reads a file to its end, whatever is wrong with parts of it.
pub(crate) fn scan<'r>(file: &'r RepoPath, bytes: &[u8], options: &'r Options) -> Reading<'r> {
    let mut reading = Reading {
        file,
        options,
        documents: Vec::new(),
        problems: Vec::new(),
        unreported: 0,
        nodes: 0,
        indentable: indent::BYTES,
    };
    if bytes.len() > options.limits.bytes {
        let message = format!("the file has {} bytes; at most {} are read", bytes.len(), options.limits.bytes);
        reading.report(Position::default(), message, "split it into several files");
    } else {
        match text::decode(bytes, options.strictness) {
            Ok(text) if is_json(&text) => reading.json(&text),
            Ok(text) => reading.yaml(&text),
            Err(wrong) => reading.report(wrong.at, wrong.message, "store the file as UTF-8"),
        }
    }
    reading
}

/// Returns whether kubectl reads the file as a stream of JSON objects: its first character is `{`.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

impl Reading<'_> {
    /// Notes a problem; a message that quotes a very long key or name is cut.
    pub(crate) fn report(&mut self, at: Position, message: impl Into<String>, remedy: impl Into<String>) {
        if self.full() {
            self.unreported += 1;
            return;
        }
        let message = shortened(&message.into(), MESSAGE);
        self.problems.push(Problem { origin: at.in_file(self.file), message, remedy: remedy.into() });
    }

    /// Returns whether further problems are only counted, so that nothing needs to be looked up for them.
    pub(crate) fn full(&self) -> bool {
        self.problems.len() >= PROBLEMS
    }

    /// Returns how many problems there are, reported or only counted.
    pub(crate) fn problem_count(&self) -> usize {
        self.problems.len() + self.unreported
    }

    pub(super) fn strict(&self) -> bool {
        self.options.strictness == Strictness::Strict
    }

    pub(super) fn syntax(&mut self, error: SyntaxError) -> Stop {
        self.report(error.at, error.message, error.remedy);
        Stop::Document
    }

    /// Returns all problems; those beyond the limit as one.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        if self.unreported > 0 {
            self.problems.push(Problem {
                origin: Origin { file: self.file.clone(), line: 0, column: 0 },
                message: format!("the file has {} more problems", self.unreported),
                remedy: "correct the first ones and look again".to_owned(),
            });
        }
        self.problems
    }

    fn yaml(&mut self, text: &str) {
        if let Some(wrong) = text::control_character(text) {
            return self.report(wrong.at, wrong.message, "remove it, or write it as an escape in double quotes");
        }
        for part in split(text) {
            let stopped = match part {
                Part::Document(chunk) => self.chunk(chunk),
                Part::BadSeparator(at) => {
                    self.report(at, "text stands behind ---", "put it on a line of its own");
                    Ok(())
                }
                Part::Directive(at) => {
                    let message = "a line that starts with % is a directive, which Kubernetes does not read";
                    self.report(at, message, "remove it");
                    Ok(())
                }
            };
            if stopped == Err(Stop::File) {
                return;
            }
        }
    }

    fn chunk(&mut self, chunk: Chunk<'_>) -> Result<(), Stop> {
        let (problems, unreported, nodes) = (self.problems.len(), self.unreported, self.nodes);
        let stopped = self.document(chunk);
        if stopped != Err(Stop::Document) {
            return stopped;
        }
        match Indented::new(chunk, self.options.limits.depth, &mut self.indentable) {
            None => stopped,
            Some(indented) => {
                self.problems.truncate(problems);
                (self.unreported, self.nodes) = (unreported, nodes);
                self.document(indented.chunk(chunk.line))
            }
        }
    }

    fn document(&mut self, chunk: Chunk<'_>) -> Result<(), Stop> {
        let mut events = YamlEvents::new(chunk, self.options.limits.depth);
        let found = build::document(self, &mut events, build::has_alias(chunk.text))?;
        if found && self.strict() {
            let (event, at) = events.next().map_err(|error| self.syntax(error))?;
            if !matches!(event, Event::End) {
                let message = "kubectl drops what stands behind the end of a document";
                self.report(at, message, "start the next document with a line of three dashes");
            }
        }
        Ok(())
    }

    fn json(&mut self, text: &str) {
        let mut events = JsonEvents::new(text);
        // A broken object hides the ones after it: there is nothing like `---` to find them by.
        while let Ok(true) = build::document(self, &mut events, false) {}
    }

    /// Keeps a document that is not null.
    pub(super) fn keep(&mut self, document: Document) -> Result<(), Stop> {
        if self.documents.len() >= self.options.limits.documents {
            let at = Position { line: document.origin.line, column: document.origin.column };
            let message = format!("the file has more than {} documents", self.options.limits.documents);
            self.report(at, message, "split it into several files");
            return Err(Stop::File);
        }
        self.documents.push(document);
        Ok(())
    }
}
