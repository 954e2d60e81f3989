//! One conversation with a server, besides the objects: who we are, and whether the server is who it should be.
//!
//! Owns: libgit2's callbacks for logins, host keys and certificates, and the reason why one of them said no.
//! Credentials are sent once, when the server asks, and never to another host: with a login no redirect is followed.
//! Must never do: take a host key that known_hosts does not hold, leave a private key in a file.

use std::{
    cell::{Cell, RefCell},
    fs, io,
    path::Path,
};

use git2::{
    AutotagOption, Cred, CredentialType, ErrorClass, ErrorCode, FetchOptions, PushOptions, RemoteCallbacks,
    RemoteRedirect, cert::Cert,
};
use openssl::x509::X509;
use tempfile::TempDir;

use super::{certificate, fault, identity};
use crate::{
    error::GitError,
    globals,
    known_hosts::{BadLine, HostKey, Known, KnownHosts},
    remote::{Credentials, Login, Remote, SshHost},
};

/// Most that one fetch may receive: a server must not fill the disk, and no repository of environments comes near.
const MAX_FETCH_BYTES: usize = 4 << 30;

/// Where a worker puts what libgit2 and OpenSSL take from files only. None of it is secret.
pub(super) struct Desk {
    directory: TempDir,
    /// The authorities that this process trusts from now on.
    trusted: RefCell<Option<String>>,
}

/// A conversation that can begin.
pub(super) struct Conversation<'a> {
    remote: &'a Remote,
    known: Known,
    refusal: RefCell<Option<GitError>>,
    certificate: RefCell<Vec<u8>>,
    too_large: Cell<bool>,
}

impl Desk {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { directory: tempfile::tempdir()?, trusted: RefCell::default() })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Makes the process trust the authorities of this remote. They cannot be taken back, so a process serves one set.
    fn trust(&self, authority: Option<&str>) -> Result<(), GitError> {
        let mut trusted = self.trusted.borrow_mut();
        if trusted.as_deref() == authority {
            return Ok(());
        }
        let (None, Some(text)) = (trusted.as_ref(), authority) else {
            return Err(GitError::Worker {
                detail: "it trusts other authorities; each set has workers of its own".into(),
            });
        };
        let invalid = |detail: String| GitError::Authority { detail };
        let read = X509::stack_from_pem(text.as_bytes()).map_err(|error| invalid(error.to_string()))?;
        if read.is_empty() {
            return Err(invalid("there is none in it".into()));
        }
        let path = self.path().join("authorities.pem");
        fs::write(&path, text).map_err(|error| GitError::Worker { detail: error.to_string() })?;
        globals::trust(&path).map_err(|error| invalid(error.message().to_owned()))?;
        *trusted = Some(text.to_owned());
        Ok(())
    }

    /// Lets libgit2 ask the server for the types of host keys that are known, whichever it prefers itself.
    fn prefer(&self, known: &Known, host: &SshHost) -> Result<(), GitError> {
        let directory = self.path().join(".ssh");
        let lines: String = known.accepted.iter().map(|key| key.line(host)).collect();
        let written = fs::create_dir_all(&directory).and_then(|()| fs::write(directory.join("known_hosts"), lines));
        written.map_err(|error| GitError::Worker { detail: error.to_string() })?;
        globals::set_home(self.path());
        Ok(())
    }
}

impl<'a> Conversation<'a> {
    /// Finds what is wrong with the credentials before anything is sent.
    pub(super) fn prepare(remote: &'a Remote, desk: &Desk) -> Result<Self, GitError> {
        let known = match remote.url.ssh_host() {
            Some(host) => {
                let known = check_ssh(remote, host)?;
                desk.prefer(&known, host)?;
                known
            }
            None => {
                desk.trust(remote.credentials.authority.as_deref())?;
                Known::default()
            }
        };
        let (refusal, certificate) = (RefCell::default(), RefCell::default());
        Ok(Self { remote, known, refusal, certificate, too_large: Cell::default() })
    }

    /// Returns who we are and whom we trust.
    pub(super) fn callbacks(&self) -> RemoteCallbacks<'_> {
        let mut callbacks = RemoteCallbacks::new();
        let mut sent = false;
        callbacks.credentials(move |_url, _user, allowed| self.login(allowed, &mut sent));
        callbacks.certificate_check(|certificate, host| self.check(certificate, host));
        callbacks
    }

    /// Returns how to fetch.
    pub(super) fn options(&self) -> FetchOptions<'_> {
        let mut callbacks = self.callbacks();
        callbacks.transfer_progress(|progress| {
            self.too_large.set(progress.received_bytes() > MAX_FETCH_BYTES);
            !self.too_large.get()
        });
        let mut options = FetchOptions::new();
        options.remote_callbacks(callbacks).download_tags(AutotagOption::None).update_fetchhead(false);
        options.follow_redirects(self.redirects());
        if let Some(header) = self.header() {
            options.custom_headers(&[&header]);
        }
        options
    }

    /// Returns how to push.
    pub(super) fn push_options<'b>(&self, callbacks: RemoteCallbacks<'b>) -> PushOptions<'b> {
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks).packbuilder_parallelism(1).follow_redirects(self.redirects());
        if let Some(header) = self.header() {
            options.custom_headers(&[&header]);
        }
        options
    }

    fn redirects(&self) -> RemoteRedirect {
        match self.remote.credentials.login {
            Some(_) => RemoteRedirect::None,
            None => RemoteRedirect::Initial,
        }
    }

    fn header(&self) -> Option<String> {
        match &self.remote.credentials.login {
            Some(Login::Bearer { token }) => Some(format!("Authorization: Bearer {token}")),
            _ => None,
        }
    }

    /// Returns what a server said, bounded, on one line and without what is secret.
    pub(super) fn cleaned(&self, said: &str) -> String {
        fault::cleaned(said, &self.remote.credentials)
    }

    /// Returns why the conversation failed.
    pub(super) fn fault(&self, error: &git2::Error) -> GitError {
        let url = self.remote.url.to_string();
        if let Some(refusal) = self.refusal.take() {
            return refusal;
        }
        if self.too_large.get() {
            let limit_mebibytes = u64::try_from(MAX_FETCH_BYTES >> 20).unwrap_or(u64::MAX);
            return GitError::TooLarge { url, limit_mebibytes };
        }
        match (fault::of_server(error, self.remote), self.remote.url.ssh_host()) {
            (GitError::Certificate { url, detail }, None) => {
                certificate::refused(url, &self.certificate.borrow(), &detail)
            }
            (GitError::Server { url, detail }, Some(host)) => self.ssh_fault(url, detail, host),
            (other, _) => other,
        }
    }

    /// Tells what libssh2 calls by the same class.
    fn ssh_fault(&self, url: String, detail: String, host: &SshHost) -> GitError {
        if detail.contains("Unable to exchange encryption keys") {
            return changed(url, host, "none of these types".to_owned(), &self.known);
        }
        let key = match &self.remote.credentials.login {
            Some(Login::Key { identity, .. }) if detail.contains("private key") => identity,
            _ => return GitError::Server { url, detail },
        };
        GitError::Identity { url, detail: identity::unreadable(key).to_owned() }
    }

    fn login(&self, allowed: CredentialType, sent: &mut bool) -> Result<Cred, git2::Error> {
        let user = self.remote.url.ssh_host().map(|host| host.user.as_str());
        if let (true, Some(user)) = (allowed.is_username(), user) {
            // Asked for before the login itself, where the address names no user.
            return Cred::username(user);
        }
        let first = !std::mem::replace(sent, true);
        match (&self.remote.credentials.login, user) {
            (Some(Login::Password { username, password }), None) if first && allowed.is_user_pass_plaintext() => {
                Cred::userpass_plaintext(username, password)
            }
            (Some(Login::Key { identity, passphrase }), Some(user)) if first && allowed.is_ssh_memory() => {
                Cred::ssh_key_from_memory(user, None, identity, passphrase.as_deref())
            }
            // Asked again means refused; without this libgit2 would send them for ever.
            _ => Err(git2::Error::new(ErrorCode::Auth, ErrorClass::Http, "the server asks for other credentials")),
        }
    }

    fn check(&self, shown: &Cert<'_>, connected: &str) -> Result<git2::CertificateCheckStatus, git2::Error> {
        if let Some(certificate) = shown.as_x509() {
            *self.certificate.borrow_mut() = certificate.data().to_owned();
            // OpenSSL's own verdict counts; it is only put into words later.
            return Ok(git2::CertificateCheckStatus::CertificatePassthrough);
        }
        let key = shown.as_hostkey().and_then(|key| key.hostkey()).map(HostKey::new);
        match self.judge(key, connected) {
            Ok(()) => Ok(git2::CertificateCheckStatus::CertificateOk),
            Err(refusal) => {
                *self.refusal.borrow_mut() = Some(refusal);
                Err(git2::Error::new(ErrorCode::Certificate, ErrorClass::Ssh, "the host key is not trusted"))
            }
        }
    }

    /// Decides about the host key of the server that libgit2 is connected to.
    fn judge(&self, key: Option<HostKey>, connected: &str) -> Result<(), GitError> {
        let url = self.remote.url.to_string();
        let host = self.remote.url.ssh_host().filter(|host| host.name.eq_ignore_ascii_case(connected));
        let (Some(key), Some(host)) = (key, host) else {
            return Err(GitError::Server { url, detail: format!("there is no host key to check for {connected}") });
        };
        if self.known.revoked.contains(&key) {
            return Err(GitError::HostKeyRevoked { url, host: host.known_as(), shown: key.fingerprint() });
        }
        if self.known.accepted.contains(&key) {
            return Ok(());
        }
        Err(changed(url, host, key.fingerprint(), &self.known))
    }
}

fn changed(url: String, host: &SshHost, shown: String, known: &Known) -> GitError {
    let expected: Vec<_> = known.accepted.iter().map(HostKey::fingerprint).collect();
    GitError::HostKeyChanged { url, host: host.known_as(), shown, expected: expected.join(" or "), scan: host.scan() }
}

/// Reads what the Secret holds for ssh.
fn check_ssh(remote: &Remote, host: &SshHost) -> Result<Known, GitError> {
    let Credentials { login, known_hosts, authority: _ } = &remote.credentials;
    let url = remote.url.to_string();
    let Some(Login::Key { identity, passphrase }) = login else { return Err(GitError::CredentialsMissing { url }) };
    if let Err(detail) = identity::check(identity, passphrase.as_deref()) {
        return Err(GitError::Identity { url, detail: detail.to_owned() });
    }
    let read = KnownHosts::parse(known_hosts.as_deref().unwrap_or_default());
    let lines =
        read.map_err(|BadLine { number, why }| GitError::KnownHosts { line: number, detail: why.to_owned() })?;
    let known = lines.of(host);
    if known.accepted.is_empty() {
        return Err(GitError::HostKeyUnknown { url, host: host.known_as(), scan: host.scan() });
    }
    Ok(known)
}
