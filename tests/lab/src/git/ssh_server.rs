//! An ssh server for Git: the real `git-upload-pack` and `git-receive-pack` behind russh on loopback.
//!
//! Needs no `sshd`. Runs on a thread of its own, lets in whom it is told to by public key, and can change its host keys.

mod connection;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use russh::keys::PublicKey;
use russh::{MethodKind, MethodSet, server};
use tokio::sync::watch;

use self::connection::Connection;
use super::listening::{self, Listening};
use super::ssh_key::SshKey;
use super::{Behaviour, GitError};

/// How long the server thinks before it refuses a login; real ones take longer, against guessing.
const REFUSE_AFTER: Duration = Duration::from_millis(5);

/// A login that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshLogin {
    /// The user that was asked for.
    pub user: String,
    /// The algorithm of the signature, `rsa-sha2-512`.
    pub algorithm: String,
}

/// A running server for every repository below a folder; ends on drop.
pub struct SshServer {
    port: u16,
    shared: Arc<Shared>,
    behaviour: watch::Sender<Behaviour>,
    _listening: Listening,
}

struct Shared {
    root: PathBuf,
    host_keys: Mutex<Vec<SshKey>>,
    allowed: Mutex<Vec<PublicKey>>,
    logins: Mutex<Vec<SshLogin>>,
    behaviour: watch::Receiver<Behaviour>,
}

impl fmt::Debug for SshServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshServer").field("port", &self.port).field("root", &self.shared.root).finish_non_exhaustive()
    }
}

impl SshServer {
    /// Serves the repositories below a folder with these host keys, to nobody yet.
    ///
    /// # Errors
    /// When there is no free port or no thread.
    pub fn start(root: &Path, host_keys: &[SshKey]) -> Result<Self, GitError> {
        let (port, socket) = listening::free()?;
        let (behaviour, current) = watch::channel(Behaviour::Serve);
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            host_keys: Mutex::new(host_keys.to_vec()),
            allowed: Mutex::default(),
            logins: Mutex::default(),
            behaviour: current,
        });
        let served = Arc::clone(&shared);
        let listening = Listening::begin(port, socket, |listener| accept(listener, served))?;
        Ok(Self { port, shared, behaviour, _listening: listening })
    }

    /// Lets a key in, for any user name.
    pub fn allow(&self, key: &SshKey) {
        lock(&self.shared.allowed).push(key.private.public_key().clone());
    }

    /// No longer lets a key in.
    pub fn forbid(&self, key: &SshKey) {
        lock(&self.shared.allowed).retain(|allowed| allowed.key_data() != key.private.public_key().key_data());
    }

    /// Shows other host keys from the next connection on.
    pub fn set_host_keys(&self, keys: &[SshKey]) {
        *lock(&self.shared.host_keys) = keys.to_vec();
    }

    /// Changes what the server does with new connections: all but [`Behaviour::Serve`] and [`Behaviour::Hang`] close them.
    pub fn set(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// Returns the URL of a repository, `url("shop")` for the folder `shop.git`.
    pub fn url(&self, repository: &str) -> String {
        format!("ssh://git@127.0.0.1:{}/{repository}.git", self.port)
    }

    /// Returns host and port as `known_hosts` writes them.
    pub fn host(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns what `ssh-keyscan` would: a line for each host key.
    pub fn known_hosts(&self) -> String {
        let keys = lock(&self.shared.host_keys);
        keys.iter().map(|key| format!("{} {}\n", self.host(), key.public())).collect()
    }

    /// Returns every login so far.
    pub fn logins(&self) -> Vec<SshLogin> {
        lock(&self.shared.logins).clone()
    }
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut behaviour = shared.behaviour.clone();
            let now = behaviour.wait_for(|behaviour| *behaviour != Behaviour::Hang).await.map(|behaviour| *behaviour);
            if !now.is_ok_and(|behaviour| behaviour == Behaviour::Serve) {
                return;
            }
            let config = Arc::new(config(&shared));
            // A client that goes away, or does not like the host key, is part of some tests.
            if let Ok(session) = server::run_stream(config, stream, Connection::new(shared)).await {
                let _ = session.await;
            }
        });
    }
}

fn config(shared: &Shared) -> server::Config {
    server::Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: REFUSE_AFTER,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: lock(&shared.host_keys).iter().map(|key| key.private.clone()).collect(),
        nodelay: true,
        ..server::Config::default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
