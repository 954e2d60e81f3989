//! A server on loopback: its socket, its thread, its runtime, and its orderly end.

use std::future::Future;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::GitError;
use crate::port;

/// A thread that serves; on drop it ends, and the port is closed.
#[derive(Debug)]
pub(super) struct Listening {
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    socket: Option<TcpListener>,
}

/// Returns a free port with the socket that listens on it.
pub(super) fn free() -> Result<(u16, TcpListener), GitError> {
    port::listener().map_err(|error| GitError::NoPort(error.to_string()))
}

impl Listening {
    /// Serves what comes in at a socket, on a thread and in a runtime of their own.
    pub(super) fn begin<F: Future<Output = ()>>(
        port: u16,
        socket: TcpListener,
        serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static,
    ) -> Result<Self, GitError> {
        let failed = |source| GitError::Listen { port, source };
        socket.set_nonblocking(true).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let kept = socket.try_clone().map_err(failed)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(socket).map_err(failed)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener) => {}
                    _ = stopped => {}
                }
            });
            // The runtime ends here, and with it every connection and every process of Git.
        });
        Ok(Self { running: Some((stop, thread)), socket: Some(kept) })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            // An error means that the thread is gone already.
            let _ = stop.send(());
            let _ = thread.join();
        }
        self.socket.take().into_iter().for_each(shut);
    }
}

/// Closes a socket for all who hold it. Closing alone is not enough: a process that another thread is about to start holds it too, for a
/// moment, and it would go on taking connections. (Only a stream offers it; the kind of a socket is no matter to the system call.)
pub(super) fn shut(socket: TcpListener) {
    let _ = TcpStream::from(OwnedFd::from(socket)).shutdown(Shutdown::Both);
}
