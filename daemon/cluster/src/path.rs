//! Where the API server keeps what: paths and queries.
//!
//! Owns: writing them, with every part escaped, since names come from files that anybody may have written.

use plumb_core::{
    kinds::{Kind, Scope},
    object::{Gvk, ObjectKey},
};

/// Returns the path of a group and version.
pub(crate) fn version(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("/api/{}", escape(version))
    } else {
        format!("/apis/{}/{}", escape(group), escape(version))
    }
}

/// Returns the path of all objects of a kind, in one namespace or in all.
pub(crate) fn collection(kind: &Kind, namespace: Option<&str>) -> String {
    let Gvk { group, version: at, kind: _ } = &kind.gvk;
    let within = match (kind.scope, namespace) {
        (Scope::Namespaced, Some(namespace)) => format!("/namespaces/{}", escape(namespace)),
        (Scope::Namespaced, None) | (Scope::Cluster, _) => String::new(),
    };
    format!("{}{within}/{}", version(group, at), escape(&kind.plural))
}

/// Returns the path of one object.
pub(crate) fn object(kind: &Kind, key: &ObjectKey) -> String {
    format!("{}/{}", collection(kind, key.namespace.as_deref()), escape(&key.name))
}

/// Returns `?a=b&c=d`, or nothing without parameters.
pub(crate) fn query<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<_> = parameters.into_iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Escapes everything but RFC 3986's unreserved characters and the colon of RBAC names.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b':' => escaped.push(char::from(byte)),
            // A lone dot or two would be read as "here" and "one up".
            b'.' if text != "." && text != ".." => escaped.push('.'),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(api_version: &str, scope: Scope) -> Kind {
        Kind {
            gvk: Gvk::new(api_version, "Thing"),
            plural: "things".to_owned(),
            scope,
            watchable: true,
            defined_by: None,
        }
    }

    fn key(namespace: Option<&str>, name: &str) -> ObjectKey {
        let namespace = namespace.map(str::to_owned);
        ObjectKey { group: String::new(), kind: "Thing".to_owned(), namespace, name: name.to_owned() }
    }

    #[test]
    fn paths_follow_group_scope_and_namespace() {
        let check = |api: &str, scope: Scope, namespace: Option<&str>, name: &str, expected: &str| {
            assert_eq!(object(&kind(api, scope), &key(namespace, name)), expected);
        };
        check("v1", Scope::Namespaced, Some("a"), "b", "/api/v1/namespaces/a/things/b");
        check("apps/v1", Scope::Namespaced, Some("a"), "b.c", "/apis/apps/v1/namespaces/a/things/b.c");
        check("v1", Scope::Cluster, None, "system:b", "/api/v1/things/system:b");
        check("v1", Scope::Cluster, None, "../x?y", "/api/v1/things/..%2Fx%3Fy");
        check("v1", Scope::Cluster, None, "..", "/api/v1/things/%2E%2E");
        assert_eq!(collection(&kind("v1", Scope::Namespaced), None), "/api/v1/things");
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(query([]), "");
        assert_eq!(query([("labelSelector", "a/b!=c"), ("limit", "1")]), "?labelSelector=a%2Fb%21%3Dc&limit=1");
    }
}
