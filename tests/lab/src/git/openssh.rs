//! OpenSSH's own server, where it is installed: `sshd -i` for each connection to a port on loopback.
//!
//! Serves as the user who runs the tests, so it needs no rights; touches a folder of its own.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

use super::GitError;
use super::listening::{self, shut};
use super::ssh_key::SshKey;

/// Where distributions put it besides the folders of PATH, which for plain users often lacks `sbin`.
const USUAL: [&str; 2] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"];

/// A running server; ends on drop.
#[derive(Debug)]
pub struct OpenSsh {
    port: u16,
    user: String,
    host_keys: Vec<String>,
    socket: TcpListener,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl OpenSsh {
    /// Starts a server with these host keys that lets these keys in; or says why there is none.
    ///
    /// # Errors
    /// When files can't be written or there is no free port.
    pub fn start(host_keys: &[SshKey], allowed: &[SshKey]) -> Result<Result<Self, String>, GitError> {
        let Some(program) = find() else { return Ok(Err("OpenSSH's sshd is not installed".to_owned())) };
        let folder = TempDir::with_prefix("lab-sshd-");
        let folder = folder.map_err(|source| GitError::Io { doing: "creating", path: std::env::temp_dir(), source })?;
        let configuration = configure(folder.path(), host_keys, allowed)?;
        let tested = Command::new(&program).arg("-t").arg("-f").arg(&configuration).output();
        let tested = tested.map_err(|source| GitError::Io { doing: "running", path: program.clone(), source })?;
        if !tested.status.success() {
            let why = String::from_utf8_lossy(&tested.stderr).trim().to_owned();
            return Ok(Err(format!("OpenSSH's sshd can't be used here: {why}")));
        }
        let user = Command::new("id").arg("-un").output().map_err(|source| GitError::Io {
            doing: "running",
            path: PathBuf::from("id"),
            source,
        })?;
        let (port, socket) = listening::free()?;
        let listener = socket.try_clone().map_err(|source| GitError::Listen { port, source })?;
        let log = folder.path().join("log");
        let thread = thread::spawn(move || serve(&listener, &program, &configuration, &log));
        Ok(Ok(Self {
            port,
            user: String::from_utf8_lossy(&user.stdout).trim().to_owned(),
            host_keys: host_keys.iter().map(SshKey::public).collect(),
            socket,
            thread: Some(thread),
            _folder: folder,
        }))
    }

    /// Returns the URL of a repository anywhere on this machine.
    pub fn url(&self, repository: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, repository.display())
    }

    /// Returns what `ssh-keyscan` would: a line for each host key.
    pub fn known_hosts(&self) -> String {
        self.host_keys.iter().map(|key| format!("[127.0.0.1]:{} {key}\n", self.port)).collect()
    }
}

impl Drop for OpenSsh {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // Wakes the thread that accepts.
        self.socket.try_clone().into_iter().for_each(shut);
        let _ = thread.join();
    }
}

/// Serves until the socket is shut down, then ends what still runs.
fn serve(listener: &TcpListener, program: &Path, configuration: &Path, log: &Path) {
    let mut running = Vec::new();
    while let Ok((stream, address)) = listener.accept() {
        if address.ip() != Ipv4Addr::LOCALHOST {
            continue;
        }
        running.extend(start(stream, program, configuration, log).ok());
    }
    for mut child in running {
        // One that has ended already is only waited for.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn start(stream: TcpStream, program: &Path, configuration: &Path, log: &Path) -> io::Result<std::process::Child> {
    let (input, output) = (OwnedFd::from(stream.try_clone()?), OwnedFd::from(stream));
    Command::new(program)
        .args(["-i", "-e", "-f"])
        .arg(configuration)
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .stderr(File::options().create(true).append(true).open(log)?)
        .spawn()
}

fn configure(folder: &Path, host_keys: &[SshKey], allowed: &[SshKey]) -> Result<PathBuf, GitError> {
    let write = |name: &str, content: &str| {
        let path = folder.join(name);
        let written = fs::write(&path, content);
        let written = written.and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o600)));
        written.map(|()| path.clone()).map_err(|source| GitError::Io { doing: "writing", path, source })
    };
    let mut lines = vec![
        "StrictModes no".to_owned(),
        "UsePAM no".to_owned(),
        "PidFile none".to_owned(),
        "PasswordAuthentication no".to_owned(),
        "KbdInteractiveAuthentication no".to_owned(),
        "PermitRootLogin prohibit-password".to_owned(),
    ];
    for (number, key) in host_keys.iter().enumerate() {
        let path = write(&format!("host_key_{number}"), &key.identity())?;
        lines.push(format!("HostKey {}", path.display()));
    }
    let allowed: String = allowed.iter().map(|key| key.public() + "\n").collect();
    lines.push(format!("AuthorizedKeysFile {}", write("authorized_keys", &allowed)?.display()));
    write("sshd_config", &(lines.join("\n") + "\n"))
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("sshd"));
    // sshd starts itself anew, and insists on an absolute path.
    on_path.chain(USUAL.map(PathBuf::from)).find(|candidate| candidate.is_absolute() && candidate.is_file())
}
