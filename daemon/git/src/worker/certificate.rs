//! What is wrong with a server's certificate, in words; whether anything is, libgit2 and OpenSSL decide.

use std::{cmp::Ordering, net::IpAddr};

use openssl::{
    asn1::Asn1Time,
    nid::Nid,
    x509::{X509, X509NameRef},
};

use crate::error::GitError;

/// How many of a certificate's names are shown.
const NAMED_HOSTS: usize = 5;

/// Says why a certificate was refused; `detail` is what libgit2 said.
pub(super) fn refused(url: String, certificate: &[u8], detail: &str) -> GitError {
    let Ok(certificate) = X509::from_der(certificate) else {
        return GitError::Certificate { url, detail: detail.to_owned() };
    };
    if let Some(detail) = out_of_date(&certificate) {
        return GitError::CertificateExpired { url, detail };
    }
    if detail.contains("hostname") {
        return GitError::CertificateHost { url, names: names(&certificate) };
    }
    let issuer = name(certificate.issuer_name());
    let detail = match certificate.subject_name().try_cmp(certificate.issuer_name()) {
        Ok(Ordering::Equal) => format!("it is signed by itself ({issuer})"),
        _ => format!("it is signed by {issuer}, which is unknown here"),
    };
    GitError::Certificate { url, detail }
}

fn out_of_date(certificate: &X509) -> Option<String> {
    let now = Asn1Time::days_from_now(0).ok()?;
    if certificate.not_after() < now {
        return Some(format!("ended on {}", certificate.not_after()));
    }
    (certificate.not_before() > now).then(|| format!("begins on {}", certificate.not_before()))
}

fn names(certificate: &X509) -> String {
    let alternatives = certificate.subject_alt_names().into_iter().flatten();
    let names: Vec<String> = alternatives
        .filter_map(|name| name.dnsname().map(str::to_owned).or_else(|| name.ipaddress().and_then(address)))
        .take(NAMED_HOSTS)
        .collect();
    if names.is_empty() { name(certificate.subject_name()) } else { names.join(", ") }
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    four.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)).map(|address| address.to_string())
}

fn name(name: &X509NameRef) -> String {
    let common = name.entries_by_nid(Nid::COMMONNAME).next();
    let entry = common.or_else(|| name.entries().next()).and_then(|entry| entry.data().to_string().ok());
    entry.map_or_else(|| "nobody".to_owned(), |text| text.chars().filter(|c| !c.is_control()).take(100).collect())
}
