//! What a Repository logs in with: whatever servers do and say, and however workers end, nothing that plumb says, keeps or
//! shows holds a password, a token, a key or its passphrase; nor do the command lines and environments of its processes.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use lab::{
    ControlPlane,
    git::{Access, Behaviour, HttpServer, SshKey, SshKeyKind, SshServer},
};
use serde_json::{Value, json};
use system_tests::{
    canary::{Canary, Said, on_disk, processes, said},
    daemon::Daemon,
    wait,
};

use crate::credentials::Guarded;

/// The ways in which a server repeats what it was sent.
const REPEATING: [&str; 5] = ["/error", "/status", "/redirect", "/garbage", "/challenge"];

/// Starts a server that repeats the login it gets, as sent and decoded, by the way that the path names; it ends with the tests.
fn repeating_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is none of its business.
            let _ = repeat(stream);
        }
    });
    format!("http://{address}")
}

fn repeat(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut lines, mut line) = (Vec::new(), String::new());
    while reader.read_line(&mut line)? > 2 {
        lines.push(std::mem::take(&mut line).trim().to_owned());
    }
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let login = lines.iter().find_map(|line| line.strip_prefix("Authorization: ")).unwrap_or("nobody");
    let decoded = login.split(' ').next_back().and_then(|word| BASE64.decode(word).ok());
    let decoded = decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let secret = decoded.split(':').next_back().unwrap_or_default();
    let told = format!("{login} {decoded} {secret}");
    let answer = |head: &str, body: &str| {
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    };
    let answer = match path {
        _ if login == "nobody" => answer("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"lab\"", "who are you?"),
        path if path.starts_with("/error") => {
            let packet = |text: String| format!("{:04x}{text}", text.len() + 4);
            let body = format!(
                "{}0000{}",
                packet("# service=git-upload-pack\n".to_owned()),
                packet(format!("ERR you are {told}\n"))
            );
            answer("200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement", &body)
        }
        path if path.starts_with("/status") => answer(&format!("500 {told}"), &told),
        path if path.starts_with("/redirect") => {
            let target = format!("http://{}@127.0.0.1:1/{secret}/{}", decoded, login.replace(' ', "/"));
            answer(&format!("302 Found\r\nLocation: {target}"), &told)
        }
        path if path.starts_with("/challenge") => {
            answer(&format!("403 {told}\r\nWWW-Authenticate: Basic realm=\"{told}\""), &told)
        }
        _ => format!("{told}\r\n{told}"),
    };
    stream.write_all(answer.as_bytes())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    // Until the client goes away.
    reader.read_to_end(&mut Vec::new()).map(|_| ())
}

/// Returns all that can be learned without reading Secrets.
fn everything(daemon: &Daemon, guarded: &Guarded) -> Vec<Said> {
    let mut all = said(daemon, &guarded.site, &["app"]);
    all.extend(on_disk(&daemon.data()));
    all.extend(processes(daemon));
    all
}

/// Waits until a worker talks to a server that does not answer, looks at it, and kills it.
fn look_at_a_worker_and_kill_it(daemon: &Daemon, all: &mut Vec<Said>, asked: impl Fn() -> bool) {
    wait::until("a worker to ask", || {
        if asked() && !daemon.workers().is_empty() { Ok(()) } else { Err(format!("{:?}", daemon.workers())) }
    });
    all.extend(processes(daemon));
    all.extend(on_disk(&daemon.data()));
    kill(&daemon.workers());
}

fn kill(workers: &[u32]) {
    for worker in workers {
        // One that has just ended can't be killed.
        let _ = Command::new("kill").args(["-KILL", &worker.to_string()]).output().expect("kill runs");
    }
}

fn own_plane() -> &'static ControlPlane {
    lab::own()
}

/// Has plumb log in to servers that work, refuse, hang and repeat, with the keys of a Secret.
fn over_http(name: &str, canary: &Canary, right: &dyn Fn(&str) -> Value, access: &dyn Fn(&str) -> Access) {
    let plane = own_plane();
    let daemon = Daemon::start_with(plane, &["--log-format", "json"]);
    let guarded = Guarded::on(plane, name);
    let server = HttpServer::start(guarded.folder.path(), None).expect("a server");
    server.set_access(access(canary.value()));
    let first = guarded.push("1");
    guarded.secret(right(canary.value()));
    guarded.follow(&server.url("shop"));
    guarded.site.wait_applied("app", &first);
    let mut all = everything(&daemon, &guarded);

    server.set_access(access("another"));
    guarded.wait_failed("refused the credentials");
    all.extend(everything(&daemon, &guarded));
    server.set_access(access(canary.value()));
    let second = guarded.push("2");
    guarded.site.wait_applied("app", &second);

    server.forget();
    server.set(Behaviour::Hang).expect("a server that hangs");
    look_at_a_worker_and_kill_it(&daemon, &mut all, || !server.requests().is_empty());
    guarded.wait_failed("");
    server.set(Behaviour::Serve).expect("a server that works again");
    let third = guarded.push("3");
    guarded.site.wait_applied("app", &third);

    let repeating = repeating_server();
    for path in REPEATING {
        guarded.follow(&format!("{repeating}{path}/shop.git"));
        guarded.wait_failed(path);
        all.extend(everything(&daemon, &guarded));
    }
    canary.expect_unsaid(&all);
}

#[test]
fn a_password_is_nowhere_whatever_the_server_does() {
    let canary = Canary::new();
    let right = |password: &str| json!({ "username": "ada", "password": password });
    let access = |password: &str| Access::Password { user: "ada".into(), password: password.into() };
    over_http("canary-password", &canary, &right, &access);
}

#[test]
fn a_bearer_token_is_nowhere_whatever_the_server_does() {
    let canary = Canary::new();
    let access = |token: &str| Access::Bearer(token.into());
    over_http("canary-token", &canary, &|token| json!({ "bearerToken": token }), &access);
}

#[test]
fn a_key_and_its_passphrase_are_nowhere_whatever_the_server_does() {
    let plane = own_plane();
    let daemon = Daemon::start(plane);
    let guarded = Guarded::on(plane, "canary-key");
    let key = |kind| SshKey::generate(kind).expect("a key");
    let server = SshServer::start(guarded.folder.path(), &[key(SshKeyKind::Ed25519)]).expect("a server");
    let (login, passphrase) = (key(SshKeyKind::Rsa), Canary::new());
    server.allow(&login);
    let (plain, encrypted) = (login.identity(), login.encrypted(passphrase.value()));
    // Lines from the private half, which the public one does not have.
    let line = |text: &str| Canary::of(text.lines().rev().nth(2).expect("a line before the last"));
    let canaries = [line(&plain), line(&encrypted), line(&login.pem()), passphrase.clone()];
    let secret = |known: &str, password: &str| {
        guarded.secret(json!({ "identity": encrypted, "password": password, "known_hosts": known }));
    };
    let known = server.known_hosts();
    secret(&known, passphrase.value());
    let first = guarded.push("1");
    guarded.follow(&server.url("shop"));
    guarded.site.wait_applied("app", &first);
    let mut all = everything(&daemon, &guarded);

    server.set_host_keys(&[key(SshKeyKind::Ed25519)]);
    guarded.wait_failed("shows the host key");
    all.extend(everything(&daemon, &guarded));
    secret(&server.known_hosts(), &format!("{}x", passphrase.value()));
    guarded.wait_failed("passphrase");
    all.extend(everything(&daemon, &guarded));
    secret(&server.known_hosts(), passphrase.value());
    server.forbid(&login);
    guarded.wait_failed("does not accept the key");
    all.extend(everything(&daemon, &guarded));
    server.allow(&login);
    guarded.secret(json!({ "identity": plain, "known_hosts": server.known_hosts() }));
    let second = guarded.push("2");
    guarded.site.wait_applied("app", &second);

    // One that has been started since waits for the server.
    server.set(Behaviour::Hang);
    let before = daemon.workers();
    kill(&before);
    look_at_a_worker_and_kill_it(&daemon, &mut all, || daemon.workers().iter().all(|worker| !before.contains(worker)));
    guarded.wait_failed("");
    server.set(Behaviour::Serve);
    let third = guarded.push("3");
    guarded.site.wait_applied("app", &third);
    all.extend(everything(&daemon, &guarded));
    canaries.iter().for_each(|canary| canary.expect_unsaid(&all));
}
