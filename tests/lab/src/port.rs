//! Free TCP ports on loopback.
//!
//! The tools take a port number, not a socket, so between choosing and binding another process may be quicker. Ports
//! below the range of outgoing connections keep that rare; who starts a tool tries again with other ports.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// The first port that is handed out: above the well-known services of a development machine.
const FIRST: u16 = 20_000;

/// The first port that is not: Kubernetes' NodePorts begin at 30,000, outgoing connections of Linux at 32,768.
const END: u16 = 30_000;

/// How many ports are tried before giving up: even with half of the range taken, one in 2^100 fails.
const TRIES: usize = 100;

/// There is no free port.
#[derive(Debug, thiserror::Error)]
#[error("no free port between {FIRST} and {END} on 127.0.0.1: end what holds them (`ss -ltn` lists them)")]
pub(crate) struct NoFreePort;

/// Returns so many different ports that nobody listens on.
pub(crate) fn free<const N: usize>() -> Result<[u16; N], NoFreePort> {
    // The listeners stay open until all ports are chosen, so that none is chosen twice.
    let mut listeners = Vec::with_capacity(N);
    for _ in 0..N {
        listeners.push(listener()?);
    }
    let mut ports = [0; N];
    for (port, (number, _)) in ports.iter_mut().zip(&listeners) {
        *port = *number;
    }
    Ok(ports)
}

/// Returns a free port with the socket that listens on it.
pub(crate) fn listener() -> Result<(u16, TcpListener), NoFreePort> {
    (0..TRIES)
        .map(|_| random_port())
        .find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|listener| (port, listener)))
        .ok_or(NoFreePort)
}

/// Returns a port of the range; the standard library's hash keys are the randomness, good enough to keep apart.
fn random_port() -> u16 {
    let number = RandomState::new().build_hasher().finish() % u64::from(END - FIRST);
    FIRST + u16::try_from(number).expect("because the rest of a division by a u16 is a u16")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_are_different_and_in_the_range() {
        let ports: BTreeSet<u16> = free::<20>().unwrap().into_iter().collect();
        assert_eq!(ports.len(), 20);
        assert!(ports.iter().all(|port| (FIRST..END).contains(port)));
    }

    #[test]
    fn a_port_in_use_is_not_handed_out() {
        let (taken, _listener) = listener().unwrap();
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).is_err());
    }
}
