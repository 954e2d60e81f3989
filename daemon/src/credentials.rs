//! What a Secret holds for a Repository: the keys that Flux uses, read for the kind of address that they are for.
//!
//! Must never do: put a value into an error, guess what a key that is missing might have been.

use k8s_openapi::api::core::v1::Secret;
use plumb_git::remote::{Credentials, Login, RemoteUrl};

/// Reads a Secret for an address; an error says what is missing or too much, without the Secret's name and values.
pub(crate) fn read(url: &RemoteUrl, secret: &Secret) -> Result<Credentials, String> {
    let keys = Keys(secret);
    if url.ssh_host().is_some() {
        let login =
            Login::Key { identity: with_line_break(keys.required("identity")?), passphrase: keys.line("password")? };
        return Ok(Credentials {
            login: Some(login),
            known_hosts: Some(keys.required("known_hosts")?),
            authority: None,
        });
    }
    if url.local_path().is_some() {
        return Ok(Credentials::default());
    }
    let login = match (keys.line("username")?, keys.line("password")?, keys.line("bearerToken")?) {
        (Some(username), Some(password), None) => Some(Login::Password { username, password }),
        (None, None, Some(token)) => Some(Login::Bearer { token }),
        (None, None, None) => None,
        (_, _, Some(_)) => return Err("has bearerToken besides username or password: keep one way to log in".into()),
        (None, Some(_), None) => return Err("has no key username: add it".into()),
        (Some(_), None, None) => return Err("has no key password: add it".into()),
    };
    let authority = keys.text("ca.crt")?;
    if login.is_none() && authority.is_none() {
        return Err(
            "has neither username and password, nor bearerToken, nor ca.crt: add what the server asks for".into()
        );
    }
    Ok(Credentials { login, known_hosts: None, authority })
}

/// Returns what to say where an address needs a Secret and none is named.
pub(crate) fn without(url: &RemoteUrl) -> Result<Credentials, String> {
    if url.ssh_host().is_some() {
        return Err(
            "spec.url is an ssh address: name a Secret with the keys identity and known_hosts in spec.secretRef".into(),
        );
    }
    Ok(Credentials::default())
}

struct Keys<'a>(&'a Secret);

impl Keys<'_> {
    fn text(&self, key: &str) -> Result<Option<String>, String> {
        let bytes = self.0.data.as_ref().and_then(|data| data.get(key));
        let text = bytes.map(|bytes| String::from_utf8(bytes.0.clone())).transpose();
        let text = text.map_err(|_| format!("has a key {key} that is not UTF-8: write it as text"))?;
        Ok(text.filter(|text| !text.trim().is_empty()))
    }

    fn required(&self, key: &str) -> Result<String, String> {
        self.text(key)?.ok_or_else(|| format!("has no key {key}, which ssh needs: add it"))
    }

    /// Returns a value of one line; many tools leave a line break at its end.
    fn line(&self, key: &str) -> Result<Option<String>, String> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let line = text.trim_end_matches(['\r', '\n']);
        if line.chars().any(char::is_control) {
            return Err(format!("has a key {key} with a line break or a control character in it: write it anew"));
        }
        Ok(Some(line.to_owned()))
    }
}

/// Private keys end with a line break, which some ways of making a Secret take away.
fn with_line_break(key: String) -> String {
    if key.ends_with('\n') { key } else { key + "\n" }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use plumb_git::remote::FileUrls;

    use super::*;

    #[test]
    fn a_secret_is_read_for_its_address() {
        let check = |url: &str, keys: &[(&str, &str)], expected: Result<Credentials, &str>| {
            let url = RemoteUrl::parse(url, FileUrls::Allowed).expect("an address");
            let data = keys.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
            let secret = Secret { data: Some(data.collect()), ..Secret::default() };
            match (read(&url, &secret), expected) {
                (found, Ok(expected)) => assert_eq!(found, Ok(expected), "{keys:?}"),
                (found, Err(words)) => {
                    let message = found.expect_err(words);
                    assert!(message.contains(words) && !message.contains("hunter2"), "{keys:?}: {message}");
                }
            }
        };
        let (https, ssh) = ("https://git.example.com/a", "git@git.example.com:a");
        let login = |login| Credentials { login: Some(login), ..Credentials::default() };
        let user = Credentials::password("ada", "hunter2");
        check(https, &[("username", "ada"), ("password", "hunter2\n")], Ok(user.clone()));
        check(https, &[("bearerToken", "hunter2\n")], Ok(login(Login::Bearer { token: "hunter2".into() })));
        let trusting = Credentials { authority: Some("PEM".into()), ..Credentials::default() };
        check(https, &[("ca.crt", "PEM")], Ok(trusting.clone()));
        let both = [("username", "ada"), ("password", "hunter2"), ("ca.crt", "PEM"), ("identity", "not for https")];
        check(https, &both, Ok(Credentials { login: user.login, ..trusting }));
        check(https, &[], Err("neither username and password, nor bearerToken, nor ca.crt"));
        check(https, &[("bearerToken", " \n")], Err("neither"));
        check(https, &[("username", "ada")], Err("no key password"));
        check(https, &[("password", "hunter2")], Err("no key username"));
        check(https, &[("username", "ada"), ("password", "hunter2"), ("bearerToken", "hunter2")], Err("keep one way"));
        check(https, &[("bearerToken", "hunter2\r\nX-Other: 1")], Err("a line break or a control character"));
        let key = |passphrase: Option<&str>| Credentials {
            known_hosts: Some("lines".into()),
            ..login(Login::Key { identity: "key\n".into(), passphrase: passphrase.map(str::to_owned) })
        };
        check(ssh, &[("identity", "key"), ("known_hosts", "lines")], Ok(key(None)));
        check(ssh, &[("identity", "key\n"), ("known_hosts", "lines"), ("password", "p")], Ok(key(Some("p"))));
        check(ssh, &[("identity", "hunter2")], Err("no key known_hosts"));
        check(ssh, &[("known_hosts", "lines"), ("password", "hunter2")], Err("no key identity"));
        check("file:///srv/a", &[("username", "ada")], Ok(Credentials::default()));
    }
}
