//! One GET on loopback (HTTP/1.0, RFC 1945): all that the tests need of HTTP.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// Longer than any page of the daemon takes.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the body of a page, or the first line of an answer that is not 200.
///
/// # Errors
/// In words: no connection, or another status.
pub fn get(address: &str, path: &str) -> Result<String, String> {
    let mut stream = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(|error| error.to_string())?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.lines().next().unwrap_or_default();
    if status.contains(" 200 ") { Ok(body.to_owned()) } else { Err(format!("{status}: {}", body.trim())) }
}
