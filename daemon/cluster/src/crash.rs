//! A switch for tests: the process is aborted right before or right after its N-th effect.
//!
//! Every effect on something outside of the process passes here: each write that needs a tenure (`request`) and each push
//! (the daemon calls it). Compiled only where debug assertions are on, which they never are in what is shipped; there it does
//! nothing unless the environment variable `PLUMB_TEST_CRASH` names a file, and that file exists.
//! Must never do: anything at all in a release build.

/// Names the file that arms the switch: `before` or `after`, a number from 1, and texts of which an effect's description has to
/// contain one to count, such as a namespace.
#[cfg(debug_assertions)]
pub const VARIABLE: &str = "PLUMB_TEST_CRASH";

/// An effect under way.
#[derive(Debug)]
#[must_use = "an effect that has happened is ended"]
pub struct Effect {
    #[cfg(debug_assertions)]
    number: Option<u64>,
}

impl Effect {
    /// Begins one; does not return where the process is to be aborted before it.
    pub fn begin(description: impl std::fmt::Display) -> Self {
        #[cfg(debug_assertions)]
        return Self { number: armed::begin(&description) };
        #[cfg(not(debug_assertions))]
        {
            let _ = description;
            Self {}
        }
    }

    /// Ends one that has happened, whatever came of it; does not return where the process is to be aborted after it.
    pub fn end(self) {
        #[cfg(debug_assertions)]
        armed::end(self.number);
    }
}

#[cfg(debug_assertions)]
mod armed {
    use std::{
        fmt::Display,
        fs,
        path::PathBuf,
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
    };

    static FILE: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::var_os(super::VARIABLE).map(PathBuf::from));
    static BEGUN: AtomicU64 = AtomicU64::new(0);

    /// Where the process is to be aborted.
    struct Place {
        moment: String,
        number: u64,
        texts: Vec<String>,
    }

    fn place() -> Option<Place> {
        let written = fs::read_to_string(FILE.as_ref()?).ok()?;
        let mut words = written.split_whitespace();
        let (moment, number) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        Some(Place { moment, number, texts: words.map(str::to_owned).collect() })
    }

    pub(super) fn begin(description: &impl Display) -> Option<u64> {
        let place = place()?;
        let description = description.to_string();
        if !place.texts.iter().any(|text| description.contains(text)) {
            return None;
        }
        let number = BEGUN.fetch_add(1, Ordering::SeqCst) + 1;
        tracing::info!("effect {number}: {description}");
        abort_at("before", number);
        Some(number)
    }

    pub(super) fn end(number: Option<u64>) {
        if let Some(number) = number {
            abort_at("after", number);
        }
    }

    fn abort_at(moment: &str, number: u64) {
        if place().is_some_and(|place| place.moment == moment && place.number == number) {
            tracing::error!("aborted {moment} effect {number}, as {} says", super::VARIABLE);
            std::process::abort();
        }
    }
}
