//! Repositories behind a real ssh server: keys of all types, host keys, and what goes wrong with either.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::OnceLock,
    time::Duration,
};

use lab::git::{Behaviour, OpenSsh, SshKey, SshKeyKind, SshServer};
use openssl::{base64, hash::MessageDigest, pkey::PKey, sign::Signer};
use plumb_core::{class::Class, commit::RepoPath};
use plumb_git::{
    mirror::Mirror,
    remote::{Credentials, FileUrls, Login, RefSelector, Remote, RemoteUrl},
    workers::Workers,
};

use crate::{
    pool::{processes, remote},
    repository::TestRepository,
};

const KINDS: [SshKeyKind; 3] = [SshKeyKind::Ed25519, SshKeyKind::Ecdsa, SshKeyKind::Rsa];

/// A repository behind a server that lets one key of each type in.
struct Served {
    source: TestRepository,
    server: SshServer,
    workers: Workers,
}

/// Returns a key of each type, made once: RSA takes its time.
fn keys() -> &'static [SshKey; 3] {
    static KEYS: OnceLock<[SshKey; 3]> = OnceLock::new();
    KEYS.get_or_init(|| KINDS.map(|kind| SshKey::generate(kind).expect("a key")))
}

impl Served {
    fn new() -> Self {
        let source = TestRepository::new();
        source.change("a.yaml", "one");
        let root = source.path().parent().expect("the home of the repository");
        let server = SshServer::start(root, keys()).expect("a server");
        keys().iter().for_each(|key| server.allow(key));
        let homes = source.beside("homes");
        fs::create_dir(&homes).expect("a directory");
        Self { workers: processes(homes, 2), server, source }
    }

    fn url(&self) -> RemoteUrl {
        // A repository with a working tree has its objects in a folder of this name.
        address(&self.server.url("repository/"))
    }

    fn remote(&self, identity: String, passphrase: Option<&str>, known_hosts: &str) -> Remote {
        let login = Login::Key { identity, passphrase: passphrase.map(str::to_owned) };
        let credentials =
            Credentials { login: Some(login), known_hosts: Some(known_hosts.to_owned()), authority: None };
        Remote { credentials, ..remote(self.url()) }
    }

    fn mirror(&self, name: &str) -> PathBuf {
        Mirror::open_or_create(&self.source.beside(name)).expect("a mirror").path().to_owned()
    }
}

fn address(text: &str) -> RemoteUrl {
    RemoteUrl::parse(text, FileUrls::Refused).expect("an ssh address")
}

#[tokio::test]
async fn keys_of_every_type_and_format_log_in() {
    let served = Served::new();
    let known_hosts = served.server.known_hosts();
    let algorithms = ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-"];
    for (key, algorithm) in keys().iter().zip(algorithms) {
        let forms = [
            (key.identity(), None),
            (key.identity().trim_end().to_owned(), None),
            (key.encrypted("correct horse"), Some("correct horse")),
            (key.pem(), None),
            (key.encrypted_pem("correct horse"), Some("correct horse")),
        ];
        for (number, (identity, passphrase)) in forms.into_iter().enumerate() {
            let before = served.server.logins().len();
            let remote = served.remote(identity, passphrase, &known_hosts);
            let found = served.workers.advertised(&remote, &RefSelector::Head).await;
            let found = found.unwrap_or_else(|error| panic!("{algorithm}, form {number}: {error}"));
            assert_eq!(found.commit, served.source.head(), "{algorithm}, form {number}");
            let logins = served.server.logins();
            assert_eq!(logins.len(), before + 1, "{algorithm}, form {number}");
            assert_eq!(logins[before].user, "git");
            assert!(logins[before].algorithm.starts_with(algorithm), "{:?}", logins[before]);
        }
    }
}

#[tokio::test]
async fn a_repository_is_followed_over_ssh() {
    let served = Served::new();
    let mirror = served.mirror("mirror");
    let remote = served.remote(keys()[0].identity(), None, &served.server.known_hosts());
    for content in ["two", "three"] {
        let commit = served.source.change("a.yaml", content);
        let advertised = served.workers.advertised(&remote, &RefSelector::Head).await.expect("HEAD is there");
        assert_eq!(advertised.commit, commit);
        let fetched = served.workers.fetch(&remote, &mirror, &advertised).await.expect("it can be fetched");
        let opened = Mirror::open_or_create(&mirror).expect("a mirror");
        let tree = opened.snapshot(&fetched.commit).and_then(|it| it.read(&RepoPath::root())).expect("a snapshot");
        assert_eq!(&*tree.files[0].content, content.as_bytes());
    }
}

#[tokio::test]
async fn any_of_several_host_keys_will_do() {
    let served = Served::new();
    // Whichever the server would rather show: the types that are known are asked for.
    for key in keys() {
        let line = format!("{} {}\n", served.server.host(), key.public());
        let remote = served.remote(keys()[0].identity(), None, &line);
        let found = served.workers.advertised(&remote, &RefSelector::Head).await;
        assert_eq!(found.expect("the host key is known").commit, served.source.head(), "{line}");
    }
    let [one, ..] = keys();
    let hidden = format!("{} {}\n", hashed(&served.server.host()), one.public());
    let pattern = format!("[127.0.0.*]:{} {}\n", served.server.port(), one.public());
    for line in [hidden, pattern] {
        let remote = served.remote(one.identity(), None, &line);
        served.workers.advertised(&remote, &RefSelector::Head).await.expect("the host key is known");
    }
}

/// Hides a name as `ssh-keygen -H` does.
fn hashed(name: &str) -> String {
    let salt = [7; 20];
    let key = PKey::hmac(&salt).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha1(), &key).expect("a signer");
    let digest = signer.sign_oneshot_to_vec(name.as_bytes()).expect("a digest");
    format!("|1|{}|{}", base64::encode_block(&salt), base64::encode_block(&digest))
}

#[tokio::test]
async fn a_host_key_that_is_not_known_stops_everything() {
    let served = Served::new();
    let [ed25519, ecdsa, rsa] = keys();
    let (host, scan) = (served.server.host(), format!("`ssh-keyscan -p {} 127.0.0.1`", served.server.port()));
    let line = |key: &SshKey| format!("{host} {}\n", key.public());
    let another = SshKey::generate(SshKeyKind::Ed25519).expect("a key");
    let check = async |known_hosts: &str, reason: &str, words: &[&str]| {
        let remote = served.remote(ed25519.identity(), None, known_hosts);
        let error = served.workers.advertised(&remote, &RefSelector::Head).await.expect_err(reason);
        assert_eq!((error.reason(), error.class()), (reason, Class::Wait), "{error}");
        for words in words {
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    };
    check("", "HostKeyUnknown", &[&host, &scan]).await;
    check(&line(ed25519).replace(&host, "127.0.0.1"), "HostKeyUnknown", &[&host, &scan]).await;
    check("nonsense\n", "KnownHostsInvalid", &["line 1 of known_hosts"]).await;
    check(&line(&another), "HostKeyChanged", &["ssh-ed25519 SHA256:", "or somebody stands in between", &scan]).await;
    let revoked = format!("{}@revoked * {}\n", line(ed25519), ed25519.public());
    check(&revoked, "HostKeyRevoked", &[&host, "ssh-ed25519 SHA256:"]).await;
    assert_eq!(served.server.logins(), [], "nobody logged in");

    // The key that was known is gone from the server, and with it the whole type.
    served.server.set_host_keys(std::slice::from_ref(rsa));
    check(&line(ecdsa), "HostKeyChanged", &["none of these types", "ecdsa-sha2-nistp256 SHA256:", &scan]).await;
    served.server.set_host_keys(&[another]);
    check(&line(ed25519), "HostKeyChanged", &["shows the host key ssh-ed25519 SHA256:", &scan]).await;
}

#[tokio::test]
async fn a_key_that_cannot_be_used_says_why_and_shows_nothing() {
    let served = Served::new();
    let [ed25519, _, rsa] = keys();
    let stranger = SshKey::generate(SshKeyKind::Ed25519).expect("a key");
    let cut =
        ed25519.identity().lines().take(3).collect::<Vec<_>>().join("\n") + "\n-----END OPENSSH PRIVATE KEY-----\n";
    let cases = [
        (stranger.identity(), None, "KeyRefused", "register the public half of identity"),
        (ed25519.encrypted("correct horse"), None, "IdentityInvalid", "add its passphrase as the key password"),
        (ed25519.encrypted("correct horse"), Some("battery staple"), "IdentityInvalid", "password does not open it"),
        (rsa.encrypted("correct horse"), Some("battery staple"), "IdentityInvalid", "password does not open it"),
        (rsa.encrypted_pem("correct horse"), Some("battery staple"), "IdentityInvalid", "password does not open it"),
        (rsa.encrypted_pem("correct horse"), None, "IdentityInvalid", "add its passphrase as the key password"),
        (ed25519.public(), None, "IdentityInvalid", "it is a public key"),
        ("hunter2".to_owned(), None, "IdentityInvalid", "OpenSSH's format or PEM"),
        (cut, None, "IdentityInvalid", "cannot be read"),
    ];
    for (identity, passphrase, reason, words) in cases {
        let secret = identity.lines().nth(1).unwrap_or("hunter2").to_owned();
        let remote = served.remote(identity, passphrase, &served.server.known_hosts());
        let error = served.workers.advertised(&remote, &RefSelector::Head).await.expect_err(words);
        assert_eq!((error.reason(), error.class()), (reason, Class::Wait), "{words}: {error}");
        let shown = format!("{error} {error:?} {remote:?}");
        assert!(shown.contains(words), "{shown}");
        assert!(!shown.contains(&secret) && !shown.contains("battery") && !shown.contains("horse"), "{shown}");
    }
    let nobody = remote(served.url());
    let error = served.workers.advertised(&nobody, &RefSelector::Head).await.expect_err("no key at all");
    assert!(error.to_string().contains("identity and known_hosts"), "{error}");
}

#[tokio::test]
async fn what_the_server_says_becomes_a_reason() {
    let served = Served::new();
    let known = served.remote(keys()[0].identity(), None, &served.server.known_hosts());
    let missing = Remote { url: address(&served.server.url("missing")), ..known.clone() };
    let error = served.workers.advertised(&missing, &RefSelector::Head).await.expect_err("no such repository");
    assert_eq!(error.reason(), "RepositoryNotFound", "{error}");

    let hurried = Remote { timeout: Duration::from_secs(2), ..known.clone() };
    served.server.set(Behaviour::Hang);
    let error = served.workers.advertised(&hurried, &RefSelector::Head).await.expect_err("it never answers");
    assert_eq!(error.reason(), "TimedOut", "{error}");
    served.server.set(Behaviour::Refuse);
    let error = served.workers.advertised(&known, &RefSelector::Head).await.expect_err("it hangs up");
    assert_eq!(error.class(), Class::Retry, "{error}");
    served.server.set(Behaviour::Serve);
    served.workers.advertised(&known, &RefSelector::Head).await.expect("it serves again");

    // Nothing of the key is in any file of the worker, which still runs.
    let secret = keys()[0].identity().lines().nth(1).expect("a line of the key").to_owned();
    let (mut folders, mut files) = (vec![served.source.beside("homes")], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            if entry.file_type().expect("a type").is_dir() {
                folders.push(entry.path());
            } else {
                let content = fs::read(entry.path()).expect("a file");
                assert!(!String::from_utf8_lossy(&content).contains(&secret), "{}", entry.path().display());
                files += 1;
            }
        }
    }
    assert!(files > 0, "the worker's known_hosts is there");
}

#[tokio::test]
async fn openssh_takes_the_same_keys() {
    let server = match OpenSsh::start(keys(), keys()).expect("files and a port") {
        Ok(server) => server,
        Err(why) => {
            // Past the capture of the test harness, so that it is known what was not tested.
            writeln!(io::stderr(), "not tested against OpenSSH: {why}").expect("stderr");
            return;
        }
    };
    let served = Served::new();
    let url = address(&server.url(served.source.path()));
    for (number, key) in keys().iter().enumerate() {
        for (identity, passphrase) in [(key.identity(), None), (key.encrypted("correct horse"), Some("correct horse"))]
        {
            let known_hosts = server.known_hosts().lines().nth(number).expect("a line for each key").to_owned();
            let remote = Remote { url: url.clone(), ..served.remote(identity, passphrase, &known_hosts) };
            let found = served.workers.advertised(&remote, &RefSelector::Head).await.expect("it lets us in");
            assert_eq!(found.commit, served.source.head());
            let mirror = served.mirror(&format!("mirror-{number}"));
            served.workers.fetch(&remote, &mirror, &found).await.expect("it can be fetched");
        }
    }
    let stranger = SshKey::generate(SshKeyKind::Ed25519).expect("a key");
    let remote = Remote { url: url.clone(), ..served.remote(stranger.identity(), None, &server.known_hosts()) };
    let error = served.workers.advertised(&remote, &RefSelector::Head).await.expect_err("a stranger");
    assert_eq!(error.reason(), "KeyRefused", "{error}");
    let missing = address(&server.url(&served.source.beside("missing")));
    let remote = Remote { url: missing, ..served.remote(keys()[0].identity(), None, &server.known_hosts()) };
    let error = served.workers.advertised(&remote, &RefSelector::Head).await.expect_err("no such repository");
    assert_eq!(error.reason(), "RepositoryNotFound", "{error}");
    let mut known = server.known_hosts();
    known = known.replace(&keys()[0].public(), &stranger.public());
    let known: String = known.lines().take(1).collect();
    let remote = Remote { url, ..served.remote(keys()[0].identity(), None, &known) };
    let error = served.workers.advertised(&remote, &RefSelector::Head).await.expect_err("another host key");
    assert_eq!(error.reason(), "HostKeyChanged", "{error}");
}
