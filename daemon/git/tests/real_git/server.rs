//! A tiny HTTP server over `git http-backend`, and some that behave badly.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use plumb_git::remote::{FileUrls, RemoteUrl};

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Behaviour {
    /// Serves the repositories below a directory to all.
    Serve(PathBuf),
    /// Serves them to who sends this as `Authorization`.
    Protect(PathBuf, String),
    /// Answers with this status line.
    Status(&'static str),
    /// Sends everyone to another address.
    Redirect(String),
    /// Takes the request and never answers.
    Hang,
    /// Answers with bytes that are neither HTTP nor Git.
    Garbage,
    /// Says that it is Git, and is not.
    Html,
}

/// A server that runs until the test ends.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    method: String,
    target: String,
    pub(crate) headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Server {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behaviour, log) = (behaviour.clone(), Arc::clone(&log));
                // A client that goes away early is part of some tests.
                thread::spawn(move || drop(answer(stream, &behaviour, &log)));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self, repository: &str) -> RemoteUrl {
        let text = format!("{}/{repository}", self.origin("127.0.0.1"));
        RemoteUrl::parse(&text, FileUrls::Refused).expect("an http address")
    }

    /// Returns scheme, host and port, with one of this machine's names as the host.
    pub(crate) fn origin(&self, host: &str) -> String {
        format!("http://{host}:{}", self.address.port())
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

fn answer(mut stream: TcpStream, behaviour: &Behaviour, log: &Mutex<Vec<Request>>) -> io::Result<()> {
    let request = read(&mut stream)?;
    log.lock().expect("not poisoned").push(request.clone());
    let plain = |stream: &mut TcpStream, head: &str, body: &str| {
        write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    };
    match behaviour {
        Behaviour::Serve(root) => backend(&mut stream, &request, root),
        Behaviour::Protect(root, secret) if request.headers.get("authorization") == Some(secret) => {
            backend(&mut stream, &request, root)
        }
        Behaviour::Protect(..) => {
            plain(&mut stream, "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"lab\"", "who are you?")
        }
        Behaviour::Status(status) => plain(&mut stream, status, "no"),
        Behaviour::Redirect(target) => {
            plain(&mut stream, &format!("302 Found\r\nLocation: {target}{}", request.target), "there")
        }
        Behaviour::Html => plain(&mut stream, "200 OK\r\nContent-Type: text/html", "<h1>Welcome</h1>"),
        Behaviour::Garbage => stream.write_all(&[0x16, 0xff, 0, 7, 0xfe].repeat(1000)),
        Behaviour::Hang => {
            // Until the client goes away.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).map(|_| ())
        }
    }
}

fn read(stream: &mut TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        request.headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = request.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    Ok(request)
}

/// Runs `git http-backend` as CGI (RFC 3875).
fn backend(stream: &mut TcpStream, request: &Request, root: &PathBuf) -> io::Result<()> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", root)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    child.stdin.take().expect("piped").write_all(&request.body)?;
    let output = child.wait_with_output()?.stdout;
    let split = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(output.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&output[..split]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let body = &output[split..];
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{head}", body.len())?;
    stream.write_all(body)
}
