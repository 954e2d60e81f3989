//! The right to write, for as long as a lease is valid.
//!
//! Owns: the moment until which one tenure is valid, by this machine's own clock, and the count of writes under way.
//! `request` asks before it sends and again when the connection takes the body. Must never do: become valid again once
//! it has ended; whoever gets the lease back begins another tenure.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::watch;
use tower::BoxError;

/// The time since some moment in the past, as this machine counts it: it never goes back, and stops for nothing.
pub type Uptime = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The right to write for as long as a lease is valid; clones share it.
#[derive(Clone)]
pub struct Tenure(Arc<Shared>);

struct Shared {
    uptime: Uptime,
    /// In nanoseconds; 0 once it has ended.
    valid_until: AtomicU64,
    writes: watch::Sender<usize>,
}

/// A tenure has ended before a write was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease was lost before the request was sent")]
pub(crate) struct Ended;

impl fmt::Debug for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenure").field("valid", &self.is_valid()).finish_non_exhaustive()
    }
}

/// Two are equal if they are the same one.
impl PartialEq for Tenure {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Tenure {
    /// Begins a tenure that is valid until `valid_until` on the clock `uptime`.
    pub fn begin(uptime: Uptime, valid_until: Duration) -> Self {
        let valid_until = AtomicU64::new(nanoseconds(valid_until));
        Self(Arc::new(Shared { uptime, valid_until, writes: watch::Sender::new(0) }))
    }

    /// Returns a tenure that never was valid: whoever has it may read only.
    pub fn none() -> Self {
        Self::begin(Arc::new(|| Duration::ZERO), Duration::ZERO)
    }

    /// Makes it valid for longer; one that has ended stays so.
    pub fn extend(&self, valid_until: Duration) {
        let later = nanoseconds(valid_until);
        let extended = |now: u64| (now != 0 && now < later).then_some(later);
        // Refused where it has ended, or is valid for longer already.
        let _ = self.0.valid_until.fetch_update(Ordering::AcqRel, Ordering::Acquire, extended);
    }

    /// Ends it for good: nothing more is sent.
    pub fn end(&self) {
        self.0.valid_until.store(0, Ordering::Release);
    }

    /// Returns whether a write may be sent now.
    pub fn is_valid(&self) -> bool {
        nanoseconds((self.0.uptime)()) < self.0.valid_until.load(Ordering::Acquire)
    }

    /// Waits until no write is under way.
    pub async fn settled(&self) {
        let mut writes = self.0.writes.subscribe();
        // The sender lives as long as this borrow of it.
        let _ = writes.wait_for(|writes| *writes == 0).await;
    }

    /// Counts a write in, if one may be sent now.
    pub(crate) fn write(&self) -> Result<Write, Ended> {
        let write = Write(self.clone());
        self.0.writes.send_modify(|writes| *writes += 1);
        // Asked after counting, so that whoever ends the tenure and waits for writes can't miss this one.
        if self.is_valid() { Ok(write) } else { Err(Ended) }
    }
}

/// A write under way.
#[derive(Debug)]
pub(crate) struct Write(Tenure);

impl Drop for Write {
    fn drop(&mut self) {
        self.0.0.writes.send_modify(|writes| *writes -= 1);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A body that is given out only while a tenure is valid. The API server carries out no request whose body breaks off,
/// so a write that waited for a connection while the lease was lost does nothing.
pub(crate) struct GatedBody<B> {
    body: B,
    /// Nothing for what is no write.
    tenure: Option<Tenure>,
}

impl<B> GatedBody<B> {
    /// Takes the tenure from the request's extensions, where `request` puts it.
    pub(crate) fn gate(request: Request<B>) -> Request<Self> {
        let tenure = request.extensions().get::<Tenure>().cloned();
        request.map(|body| Self { body, tenure })
    }
}

impl<B: Body<Error: Into<BoxError>> + Unpin> Body for GatedBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if self.tenure.as_ref().is_some_and(|tenure| !tenure.is_valid()) {
            return Poll::Ready(Some(Err(Ended.into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that a test moves.
    fn clock() -> (Arc<AtomicU64>, Uptime) {
        let seconds = Arc::new(AtomicU64::new(0));
        let read = Arc::clone(&seconds);
        (seconds, Arc::new(move || Duration::from_secs(read.load(Ordering::Relaxed))))
    }

    #[test]
    fn it_is_valid_until_its_time_and_can_be_extended_until_it_has_ended() {
        let (seconds, uptime) = clock();
        let tenure = Tenure::begin(uptime, Duration::from_secs(10));
        let check = |at: u64, valid: bool| {
            seconds.store(at, Ordering::Relaxed);
            assert_eq!(tenure.is_valid(), valid, "at {at} s");
            assert_eq!(tenure.write().is_ok(), valid, "at {at} s");
        };
        check(9, true);
        check(10, false);
        tenure.extend(Duration::from_secs(20));
        check(19, true);
        tenure.extend(Duration::from_secs(5));
        check(19, true);
        tenure.end();
        tenure.extend(Duration::from_secs(90));
        check(19, false);
        assert!(!Tenure::none().is_valid());
    }

    #[tokio::test]
    async fn it_is_settled_once_no_write_is_under_way() {
        let (_, uptime) = clock();
        let tenure = Tenure::begin(uptime, Duration::from_secs(10));
        let (one, other) = (tenure.write().expect("a valid tenure"), tenure.write().expect("a valid tenure"));
        tenure.end();
        let settled = tenure.settled();
        let mut settled = std::pin::pin!(settled);
        assert!(futures::poll!(&mut settled).is_pending());
        drop(one);
        assert!(futures::poll!(&mut settled).is_pending());
        drop(other);
        assert!(futures::poll!(&mut settled).is_ready());
    }
}
