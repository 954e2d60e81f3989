//! One connection to the ssh server: who is let in, and the one command that it may run.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Shared, SshLogin, lock};
use crate::git::command;

/// The number of standard error among the streams of a channel (RFC 4254, section 5.2).
const STDERR: u32 = 1;

/// What a shell says when it can't run something.
const CANNOT_RUN: u32 = 127;

/// The state of one connection.
pub(super) struct Connection {
    shared: Arc<Shared>,
    /// Channels that wait for their command.
    open: BTreeMap<u32, Channel<Msg>>,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, open: BTreeMap::new() }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let data = key.public_key.key_data();
        if !lock(&self.shared.allowed).iter().any(|allowed| allowed.key_data() == data) {
            return Ok(Auth::reject());
        }
        lock(&self.shared.logins).push(SshLogin { user: user.to_owned(), algorithm: key.algorithm.to_string() });
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.open.insert(channel.id().into(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        let Some(channel) = self.open.remove(&id.into()) else { return session.channel_failure(id) };
        session.channel_success(id)?;
        let line = String::from_utf8_lossy(data).into_owned();
        let root = self.shared.root.clone();
        // An error means that the client has gone.
        tokio::spawn(async move { run(&root, &line, channel).await });
        Ok(())
    }
}

/// Runs what the client asks for, with the channel as its three streams, and closes the channel.
async fn run(root: &Path, line: &str, channel: Channel<Msg>) -> Result<(), russh::Error> {
    let (mut input, output) = channel.split();
    let status = match service(root, line) {
        None => {
            output.make_writer_ext(Some(STDERR)).write_all(b"only Git is served here\n").await?;
            CANNOT_RUN
        }
        Some((service, path)) => {
            let mut child = spawn(service, &path)?;
            let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let (Some(mut stdin), Some(mut stdout), Some(mut stderr)) = streams else {
                return Err(io::Error::other("git was started without its streams").into());
            };
            let feed = async {
                // Git may end before it has read everything.
                let _ = tokio::io::copy(&mut input.make_reader(), &mut stdin).await;
                drop(stdin);
                std::future::pending::<()>().await;
            };
            let answer = async {
                let (mut one, mut other) = (output.make_writer(), output.make_writer_ext(Some(STDERR)));
                let copies =
                    tokio::join!(tokio::io::copy(&mut stdout, &mut one), tokio::io::copy(&mut stderr, &mut other));
                copies.0.and(copies.1)?;
                child.wait().await
            };
            let ended = tokio::select! {
                () = feed => unreachable!("because feeding waits for ever at its end"),
                ended = answer => ended?,
            };
            ended.code().and_then(|code| u32::try_from(code).ok()).unwrap_or(CANNOT_RUN)
        }
    };
    output.exit_status(status).await?;
    output.eof().await?;
    output.close().await
}

fn spawn(service: &str, path: &Path) -> io::Result<tokio::process::Child> {
    Command::from(command::hermetic())
        .arg(service)
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Reads `git-upload-pack '/shop.git'`; the path is one below the root.
fn service<'a>(root: &Path, line: &'a str) -> Option<(&'a str, PathBuf)> {
    let (service, argument) = line.split_once(' ')?;
    let service = service.strip_prefix("git-").filter(|service| ["upload-pack", "receive-pack"].contains(service))?;
    let path = argument.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    let below: PathBuf = Path::new(path).components().filter(|part| *part != Component::RootDir).collect();
    let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| (service, root.join(below)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_git_below_the_root_is_run() {
        let check = |line: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(service, path)| (service, PathBuf::from(path)));
            assert_eq!(service(Path::new("/srv"), line), expected, "{line}");
        };
        check("git-upload-pack '/shop.git'", Some(("upload-pack", "/srv/shop.git")));
        check("git-receive-pack 'shop.git'", Some(("receive-pack", "/srv/shop.git")));
        check("git-upload-pack '/../shop.git'", None);
        check("git-upload-archive '/shop.git'", None);
        check("sh", None);
        check("sh -c 'true'", None);
    }
}
