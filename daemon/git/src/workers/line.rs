//! One request and its answer over the pipe.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use crate::protocol::{MAX_LINE_BYTES, Request, Response};

/// The pipe to one worker.
pub(super) struct Line {
    reader: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Line {
    pub(super) fn new(reader: Box<dyn AsyncRead + Send + Unpin>, writer: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        Self { reader: BufReader::new(reader), writer }
    }

    /// Sends a request and waits for a line. After an error the pipe must not be used again.
    pub(super) async fn exchange(&mut self, request: &Request) -> io::Result<Response> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        if line.len() > MAX_LINE_BYTES {
            return Err(io::Error::other("the request is too long; shorten known_hosts or ca.crt in the Secret"));
        }
        self.writer.write_all(&line).await?;
        self.writer.flush().await?;

        line.clear();
        let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        (&mut self.reader).take(limit).read_until(b'\n', &mut line).await?;
        match line.last() {
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before it answered")),
            Some(b'\n') => Ok(serde_json::from_slice(&line)?),
            Some(_) => Err(io::Error::other("its answer was cut off or is too long")),
        }
    }
}
