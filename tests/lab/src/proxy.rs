//! A TCP proxy on loopback that stands for the network between a process and a server, and can fail like one.
//!
//! Owns its listener, its connections and their threads, and ends them on drop. Looks at no byte that it moves.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

/// Bytes moved in one go.
const CHUNK: usize = 16 * 1024;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Moves every byte.
    Up,
    /// Moves none and keeps all: connections stay open, new ones are taken, and what is sent waits to be moved later.
    Paused,
    /// Breaks every connection, open and new ones.
    Cut,
    /// Breaks every open connection, and each new one as soon as so many bytes have come back from the server: in the
    /// middle of a handshake, of an answer, of an event.
    CutAfter(usize),
}

/// A running proxy; ends on drop.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    network: Network,
    ended: bool,
    /// Bytes that wait to be moved.
    held: usize,
    /// Connections that were broken after so many bytes.
    broken: usize,
    connections: Vec<TcpStream>,
}

impl Proxy {
    /// Starts a proxy in front of a server on this machine.
    ///
    /// # Errors
    /// When no port of loopback can be listened on.
    pub fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = State { network: Network::Up, ended: false, held: 0, broken: 0, connections: Vec::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let listening =
            thread::Builder::new().name("proxy".to_owned()).spawn(move || of_thread.listen(&listener, server))?;
        Ok(Self { address, shared, listening: Some(listening) })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many bytes are held back: sent by one side, and not yet moved to the other.
    pub fn held(&self) -> usize {
        self.shared.state().held
    }

    /// Returns how many connections were broken by [`Network::CutAfter`] at its byte, since the start.
    pub fn broken(&self) -> usize {
        self.shared.state().broken
    }

    /// Makes the network behave so from now on.
    pub fn set(&self, network: Network) {
        let mut state = self.shared.state();
        state.network = network;
        if matches!(network, Network::Cut | Network::CutAfter(_)) {
            state.break_all();
        }
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.ended = true;
        state.break_all();
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

impl State {
    fn break_all(&mut self) {
        for connection in self.connections.drain(..) {
            // It may be broken already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(self: Arc<Self>, listener: &TcpListener, server: SocketAddr) {
        for client in listener.incoming() {
            if self.state().ended {
                return;
            }
            let Ok(client) = client else { continue };
            // A connection that can't be made is one that breaks.
            let _ = self.connect(client, server);
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream, server: SocketAddr) -> io::Result<()> {
        let server = TcpStream::connect(server)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ways = [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)];
        let mut state = self.state();
        if state.network == Network::Cut {
            return client.shutdown(Shutdown::Both);
        }
        state.connections.extend([client, server]);
        drop(state);
        for (to_client, (from, to)) in [false, true].into_iter().zip(ways) {
            let (sender, receiver) = mpsc::channel();
            let (taking, giving) = (Arc::clone(self), Arc::clone(self));
            thread::Builder::new().name("proxy".to_owned()).spawn(move || taking.take(from, &sender))?;
            thread::Builder::new().name("proxy".to_owned()).spawn(move || giving.give(to, &receiver, to_client))?;
        }
        Ok(())
    }

    /// Takes what one side sends, until it ends.
    fn take(&self, mut from: TcpStream, held: &mpsc::Sender<Vec<u8>>) {
        let mut chunk = vec![0; CHUNK];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            self.state().held += read;
            if held.send(chunk[..read].to_vec()).is_err() {
                return;
            }
        }
    }

    /// Moves it to the other side while the network is up.
    fn give(&self, mut to: TcpStream, held: &mpsc::Receiver<Vec<u8>>, to_client: bool) {
        let mut given = 0;
        for bytes in held {
            let paused = |state: &mut State| state.network == Network::Paused && !state.ended;
            let mut state = self.changed.wait_while(self.state(), paused).unwrap_or_else(PoisonError::into_inner);
            state.held -= bytes.len();
            let most = match state.network {
                Network::CutAfter(most) if to_client => most.saturating_sub(given).min(bytes.len()),
                _ => bytes.len(),
            };
            let breaks = most < bytes.len();
            state.broken += usize::from(breaks);
            drop(state);
            given += most;
            if to.write_all(&bytes[..most]).is_err() || breaks {
                let _ = to.shutdown(Shutdown::Both);
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Starts a server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || io::copy(&mut stream.try_clone().unwrap(), &mut stream));
            }
        });
        address
    }

    fn send_and_read(stream: &mut TcpStream, text: &str) -> io::Result<String> {
        stream.write_all(text.as_bytes())?;
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[test]
    fn it_moves_bytes_holds_them_and_breaks_connections() {
        let proxy = Proxy::start(echo()).unwrap();
        let connect = || {
            let stream = TcpStream::connect(proxy.address()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            stream
        };
        let mut stream = connect();
        assert_eq!(send_and_read(&mut stream, "up").unwrap(), "up");
        proxy.set(Network::Paused);
        let reader = thread::spawn(move || (send_and_read(&mut stream, "held").unwrap(), stream));
        let other = thread::spawn({
            let mut stream = connect();
            move || send_and_read(&mut stream, "new").unwrap()
        });
        proxy.set(Network::Up);
        let (answer, mut stream) = reader.join().unwrap();
        assert_eq!((answer.as_str(), other.join().unwrap().as_str()), ("held", "new"));
        proxy.set(Network::Cut);
        assert!(send_and_read(&mut stream, "cut").is_err());
        assert!(send_and_read(&mut connect(), "cut").is_err());
        proxy.set(Network::Up);
        assert_eq!(send_and_read(&mut connect(), "again").unwrap(), "again");
        proxy.set(Network::CutAfter(4));
        let mut stream = connect();
        assert_eq!(send_and_read(&mut stream, "four").unwrap(), "four");
        assert_eq!(proxy.broken(), 0);
        assert!(send_and_read(&mut stream, "more").is_err());
        assert_eq!(proxy.broken(), 1);
        let mut part = [0; 4];
        let mut stream = connect();
        stream.write_all(b"more than four").unwrap();
        stream.read_exact(&mut part).unwrap();
        assert_eq!(&part, b"more", "what comes before it arrives");
    }
}
