//! Bytes and armor to OpenPGP packets, without the leniency that would hide a cut-off revocation.

use std::io::Read as _;

use pgp::{
    armor::Dearmor,
    composed::{Deserializable as _, SignedPublicKey},
    errors::Error,
    packet::{Packet, PacketParser, Signature},
};

use super::certificate::Certificate;
use crate::{allowed_signers::Wrong, untrusted::Untrusted};

const BEGIN: &str = "-----BEGIN PGP ";
const END: &str = "-----END PGP ";

/// Reads the single signature of an armored text.
pub(crate) fn signature(text: &str) -> Result<Signature, Untrusted> {
    let broken = |what: &str| Untrusted::malformed(format!("its OpenPGP signature {what}"));
    if text.matches(BEGIN).count() != 1 || !text.trim_end().lines().last().unwrap_or_default().starts_with(END) {
        return Err(broken("is no single block of armor"));
    }
    let bytes = dearmor(text).map_err(|_| broken("is no block of armor that can be read"))?;
    let packets = packets(&bytes).map_err(|_| broken("is cut off or broken"))?;
    match <[Packet; 1]>::try_from(packets) {
        Ok([Packet::Signature(signature)]) => Ok(signature),
        _ => Err(broken("is not exactly one")),
    }
}

/// Reads every certificate of a Secret's entry, armored or not, and says what is wrong in which line.
pub(crate) fn certificates(bytes: &[u8]) -> (Vec<Certificate>, Vec<Wrong>) {
    let blocks = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN ") => blocks(text),
        _ => vec![(0, Ok(bytes.to_vec()))],
    };
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for (line, block) in blocks {
        match block.and_then(|bytes| of_block(&bytes)) {
            Ok(certificates) => found.extend(certificates),
            Err(what) => wrong.push((line, what)),
        }
    }
    (found, wrong)
}

/// Takes the armor from each block of a text; each with the number of its first line.
fn blocks(text: &str) -> Vec<(usize, Result<Vec<u8>, String>)> {
    let mut blocks: Vec<(usize, Vec<&str>)> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("-----BEGIN ") {
            blocks.push((number + 1, Vec::new()));
            inside = true;
        }
        // What stands between blocks is for people, as in files that keyservers give.
        if let Some((_, block)) = blocks.last_mut().filter(|_| inside) {
            block.push(line);
        }
        inside &= !line.starts_with("-----END ");
    }
    let taken = |(number, lines): (usize, Vec<&str>)| {
        let whole = lines.last().is_some_and(|line| line.starts_with(END));
        let bytes = match lines.first().copied().unwrap_or_default() {
            begin if begin.contains("PRIVATE KEY") => Err(PRIVATE.to_owned()),
            begin if !begin.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----") => {
                Err("this is no OpenPGP certificate".to_owned())
            }
            _ if !whole => Err("this block has no end; copy all of it".to_owned()),
            _ => dearmor(&(lines.join("\n") + "\n")),
        };
        (number, bytes)
    };
    blocks.into_iter().map(taken).collect()
}

const PRIVATE: &str =
    "this is a private key; put only public keys here (gpg --armor --export), and replace this one, it was shown";

fn of_block(bytes: &[u8]) -> Result<Vec<Certificate>, String> {
    let packets = packets(bytes)?;
    if packets.iter().any(|packet| matches!(packet, Packet::SecretKey(_) | Packet::SecretSubkey(_))) {
        return Err(PRIVATE.to_owned());
    }
    if !matches!(packets.first(), Some(Packet::PublicKey(_))) {
        return Err("this holds no OpenPGP certificate; export one with gpg --armor --export".to_owned());
    }
    let keys = SignedPublicKey::from_packets(packets.into_iter().map(Ok).peekable());
    keys.map(|key| match key {
        Ok(key) => Ok(Certificate::of(&key)),
        Err(error) => Err(format!("this is no OpenPGP certificate that can be read: {error}")),
    })
    .collect()
}

fn dearmor(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = Dearmor::new(text.as_bytes()).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| format!("this armor can't be read: {error}"))
}

fn packets(bytes: &[u8]) -> Result<Vec<Packet>, String> {
    let mut packets = Vec::new();
    for packet in PacketParser::new(bytes) {
        match packet {
            Ok(Packet::Marker(_) | Packet::Padding(_) | Packet::Trust(_)) => {}
            Ok(packet) => packets.push(packet),
            // A newer sort of key or signature, which may be left out (RFC 9580, section 4.3).
            Err(Error::Unsupported { .. }) => {}
            Err(Error::InvalidPacketContent { source }) if matches!(*source, Error::Unsupported { .. }) => {}
            Err(error) => return Err(format!("this OpenPGP data can't be read: {error}")),
        }
    }
    Ok(packets)
}
