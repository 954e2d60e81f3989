//! Asking forges: GitHub, GitLab, Gitea, with a token from a Secret. Each kind of request is one function, over [`Desk::ask`].
//!
//! Trusts the system's authorities, as Git workers do, and that of the Secret. Must never do: follow a redirect, which would carry
//! the token elsewhere; put the token into an error, a log or a message; read without an end, or wait without one.

use std::{error::Error, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use k8s_openapi::api::core::v1::Secret;
use plumb_api::{
    Repository,
    repository::{ForgeProvider, PullRequests},
};
use plumb_cluster::{cluster::Cluster, crash, resources, tenure::Tenure};
use plumb_core::{
    class::Class,
    forge::{Forge, Place, Request, proposal::Proposal},
    operation::Failure,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde_json::Value;

use crate::{chain::chain, repositories};

/// The largest answer that is read: a pull request of GitHub has some 25 KB, and lists of them are of one branch.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// Where one repository's forge is asked; has no `Debug`, so that nothing can show the token.
struct Desk {
    forge: Forge,
    place: Place,
    token: String,
    /// Of the Secret, in PEM.
    authority: Option<String>,
    /// How long one answer may take.
    limit: Duration,
}

/// Opens a pull request where the Repository says so, unless there is one for the branch; returns it in words.
///
/// *Guarantees:* however often it is called for a branch, and wherever it is killed, one is opened.
///
/// # Errors
/// It is not known to be there; the class `Retry` says that it may help to ask again.
pub(crate) async fn propose(
    cluster: &Cluster,
    resource: &Repository,
    tenure: &Tenure,
    proposal: &Proposal,
) -> Result<String, Failure> {
    let desk = Desk::of(cluster, resource).await?;
    let Desk { forge, place, .. } = &desk;
    let (status, content) = desk.ask(forge.look_for(place, proposal)).await?;
    if let Some(before) = forge.found(status, &content, &proposal.branch)? {
        return Ok(before.words(*forge));
    }
    if !tenure.is_valid() {
        return Err(Failure { class: Class::Retry, message: "another replica writes now".to_owned() });
    }
    let (status, content) = desk.ask(forge.open(place, proposal)).await?;
    Ok(forge.opened(status, &content)?.words(*forge))
}

impl Desk {
    /// Reads what the Repository says of its forge, and the Secret that it names.
    async fn of(cluster: &Cluster, resource: &Repository) -> Result<Self, Failure> {
        let wanted = resource.spec.pull_requests.as_ref();
        let wanted = wanted.ok_or_else(|| wait("the Repository has no spec.pullRequests".to_owned()))?;
        let PullRequests { provider, secret_ref, url, project } = wanted;
        let forge = match provider {
            ForgeProvider::GitHub => Forge::GitHub,
            ForgeProvider::GitLab => Forge::GitLab,
            ForgeProvider::Gitea => Forge::Gitea,
        };
        let place = Place::of(forge, &resource.spec.url, url.as_deref(), project.as_deref()).map_err(wait)?;
        let (namespace, _) = repositories::name(resource);
        let what = format!("the Secret {namespace}/{} that spec.pullRequests.secretRef names", secret_ref.name);
        let secret = resources::get::<Secret>(cluster, &namespace, &secret_ref.name).await;
        let secret = secret.map_err(|error| Failure { class: error.class(), message: chain(&error) })?;
        let secret = secret.ok_or_else(|| wait(format!("{what} does not exist: create it, with token")))?;
        let text = |key: &str| {
            let bytes = secret.data.as_ref().and_then(|data| data.get(key));
            let text = bytes.map(|bytes| String::from_utf8(bytes.0.clone())).transpose();
            text.map_err(|_| wait(format!("{what} has a key {key} that is not UTF-8: write it as text")))
        };
        let token = text("token")?.map(|token| token.trim_end_matches(['\r', '\n']).to_owned());
        let token = token.filter(|token| !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic()));
        let token = token.ok_or_else(|| wait(format!("{what} has no key token of one word: add it")))?;
        let limit = resource.spec.timeout.get().max(Duration::from_secs(1));
        Ok(Self { forge, place, token, authority: text("ca.crt")?, limit })
    }

    /// Returns the status and the content of an answer, in which the token is nowhere; nothing stands for what is no JSON.
    ///
    /// # Errors
    /// There is none, or it is too long.
    async fn ask(&self, request: Request) -> Result<(u16, Value), Failure> {
        let Request { address, content } = request;
        let method = if content.is_some() { Method::POST } else { Method::GET };
        // Nothing is made by reading.
        let effect = content.is_some().then(|| crash::Effect::begin(format_args!("{method} {address}")));
        let answer = tokio::time::timeout(self.limit, self.send(&method, &address, content)).await;
        if let Some(effect) = effect {
            effect.end();
        }
        let late = |_| retry(format!("{} did not answer within {} s", bare(&address), self.limit.as_secs()));
        let (status, content) = answer.map_err(late)??;
        let mut content = serde_json::from_slice(&content).unwrap_or_default();
        self.hide(&mut content);
        Ok((status, content))
    }

    async fn send(&self, method: &Method, address: &str, content: Option<Value>) -> Result<(u16, Bytes), Failure> {
        let (name, value) = self.forge.header(&self.token);
        let mut value = HeaderValue::from_str(&value).map_err(|_| wait("the token fits no header".to_owned()))?;
        value.set_sensitive(true);
        let content = content.map(|content| content.to_string()).unwrap_or_default();
        let request = http::Request::builder()
            .method(method)
            .uri(address)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("plumb/", env!("CARGO_PKG_VERSION")))
            .header(name, value)
            .body(Full::new(Bytes::from(content)))
            .map_err(|error| wait(format!("{address} can't be asked, correct spec.pullRequests.url: {error}")))?;
        let address = bare(address);
        let connector = HttpsConnectorBuilder::new().with_tls_config(self.tls().await?).https_or_http();
        let client: Client<_, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build(connector.enable_http1().build());
        let answer = client.request(request).await;
        let answer = answer.map_err(|error| unanswered(address, &error))?;
        let status = answer.status().as_u16();
        match Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await {
            Ok(content) => Ok((status, content.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                let address = format!("{address} answers with more than {ANSWER_LIMIT} bytes");
                Err(wait(format!("{address}: say the address of its API in spec.pullRequests.url")))
            }
            Err(error) => Err(retry(format!("{address} ceased to answer: {}", chain(error.as_ref() as &dyn Error)))),
        }
    }

    async fn tls(&self) -> Result<ClientConfig, Failure> {
        let authority = self.authority.clone();
        let bug = |message: String| Failure { class: Class::Bug, message };
        // The system's authorities are files.
        let roots = tokio::task::spawn_blocking(move || roots(authority.as_deref())).await;
        let roots = roots.map_err(|error| bug(error.to_string()))?.map_err(|why| {
            wait(format!(
                "the key ca.crt of the Secret that spec.pullRequests.secretRef names is no certificate: {why}"
            ))
        })?;
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let tls = tls.with_safe_default_protocol_versions().map_err(|error| bug(error.to_string()))?;
        Ok(tls.with_root_certificates(roots).with_no_client_auth())
    }

    /// Takes the token out of all texts of an answer: what they say may be shown.
    fn hide(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = text.replace(&self.token, "…"),
            Value::Array(values) => values.iter_mut().for_each(|value| self.hide(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.hide(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Returns an address as it is shown.
fn bare(address: &str) -> &str {
    address.split('?').next().unwrap_or_default()
}

/// Returns why there is no answer: a server that nobody vouches for is for a person to look at.
fn unanswered(address: &str, error: &(dyn Error + 'static)) -> Failure {
    let why = chain(error);
    if !is_untrusted(error) {
        return retry(format!("{address} does not answer: {why}"));
    }
    wait(format!(
        "the certificate of {address} is not trusted: {why}; put the certificate of the authority that signed it into the key \
         ca.crt of the Secret that spec.pullRequests.secretRef names"
    ))
}

fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    // An error of I/O shows what it holds only to those who ask.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => is_untrusted(held),
        None => error.source().is_some_and(is_untrusted),
    }
}

/// Returns the authorities that are trusted: the system's (or those of SSL_CERT_FILE and SSL_CERT_DIR), and the Secret's.
fn roots(authority: Option<&str>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // Some of a system's may be of no use; a server that needs one of these is refused.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let Some(authority) = authority else { return Ok(roots) };
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
        added += 1;
    }
    if added == 0 { Err("it has nothing in PEM".to_owned()) } else { Ok(roots) }
}

fn wait(message: String) -> Failure {
    Failure { class: Class::Wait, message }
}

fn retry(message: String) -> Failure {
    Failure { class: Class::Retry, message }
}
