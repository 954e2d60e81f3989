//! The certificates of one control plane or Git server: an authority, one server certificate, and client certificates on demand.
//!
//! Everything is on P-256 keys: a key costs nothing, an RSA key half a second. The authority's key never leaves memory.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

/// The first address of the service network, which the Service `kubernetes` gets.
const KUBERNETES_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// The names under which the API server is reached from outside and from Pods.
const SERVER_NAMES: [&str; 4] = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];

/// How many groups a client certificate can carry. rcgen keeps one value per attribute type; the type written as a
/// number counts as another one, which gives a second place and no third.
pub(crate) const MAX_GROUPS: usize = 2;

/// The number of the attribute type "organisation" (X.520).
const ORGANISATION: [u64; 4] = [2, 5, 4, 10];

/// A certificate with its private key, both PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The key pair that signs service account tokens, both parts PEM.
pub(crate) struct TokenKeys {
    pub(crate) public: String,
    pub(crate) private: String,
}

/// The authority that every part of a control plane trusts.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    /// Creates an authority with a new key.
    pub(crate) fn new() -> Result<Self, Error> {
        Self::named("plumb laboratory")
    }

    /// Creates an authority with a new key and this name.
    pub(crate) fn named(common: &str) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(common, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// Returns the authority's own certificate as PEM.
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Returns the authority's own certificate as DER.
    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    /// Creates the certificate that every listening tool shows.
    pub(crate) fn server(&self) -> Result<Identity, Error> {
        let mut params = CertificateParams::new(SERVER_NAMES.map(String::from))?;
        for address in [Ipv4Addr::LOCALHOST, KUBERNETES_SERVICE] {
            params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(address)));
        }
        params.distinguished_name = name("kube-apiserver", &[]);
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Creates a certificate as [`Authority::server`] does, which ended long ago.
    pub(crate) fn expired_server(&self) -> Result<Identity, Error> {
        let mut params = CertificateParams::new(SERVER_NAMES.map(String::from))?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2001, 12, 31);
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Creates a certificate for a host that is not this machine.
    pub(crate) fn server_elsewhere(&self, host: &str) -> Result<Identity, Error> {
        self.sign(CertificateParams::new([host.to_owned()])?, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Creates the certificate of a client: Kubernetes takes the common name for the user, organisations for groups.
    ///
    /// # Panics
    /// With more than [`MAX_GROUPS`] groups: one would be lost.
    pub(crate) fn client(&self, user: &str, groups: &[&str]) -> Result<Identity, Error> {
        assert!(groups.len() <= MAX_GROUPS, "a client certificate carries at most {MAX_GROUPS} groups");
        let mut params = CertificateParams::default();
        params.distinguished_name = name(user, groups);
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose) -> Result<Identity, Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Creates the keys for service account tokens.
pub(crate) fn token_keys() -> Result<TokenKeys, Error> {
    let key = KeyPair::generate()?;
    Ok(TokenKeys { public: key.public_key_pem(), private: key.serialize_pem() })
}

fn name(common: &str, organisations: &[&str]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    let places = [DnType::OrganizationName, DnType::CustomDnType(ORGANISATION.to_vec())];
    for (place, organisation) in places.into_iter().zip(organisations) {
        name.push(place, *organisation);
    }
    name.push(DnType::CommonName, common);
    name
}
