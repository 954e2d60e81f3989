//! Objects as YAML that kubectl, and plumb itself, read back as the same objects.

use serde::Serialize;
use serde_json::Value;

use super::error::CliError;

/// Returns one document, without a separator; `what` names it in an error.
pub(crate) fn document<T: Serialize>(what: &str, value: &T) -> Result<String, CliError> {
    let text = serde_saphyr::to_string(value);
    let text = text.map_err(|error| CliError::Yaml { object: what.to_owned(), message: error.to_string() })?;
    Ok(if text.ends_with('\n') { text } else { text + "\n" })
}

/// Returns a file of several objects, each begun by `---`.
pub(crate) fn documents<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Result<String, CliError> {
    let mut text = String::new();
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let what = format!("{} {name}", object["kind"].as_str().unwrap_or("object"));
        text.push_str("---\n");
        text.push_str(&document(&what, object)?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use plumb_core::commit::RepoPath;
    use plumb_render::{plain, yaml::Options};
    use serde_json::json;

    use super::*;

    /// Texts that YAML 1.1, YAML 1.2 or a careless writer takes for something else.
    const TRAPS: [&str; 44] = [
        "",
        " ",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "true",
        "False",
        "null",
        "~",
        "Null",
        "012",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "1e3",
        "1.",
        ".5",
        "+1",
        "-1",
        "1:30",
        "2001-01-01",
        ".inf",
        ".NaN",
        "=",
        "<<",
        "- a",
        "a: b",
        "a #b",
        "#",
        "%a",
        "@a",
        "`a",
        "*a",
        "&a",
        "!a",
        "[a",
        "{a",
        "'a\"",
        " lead",
        "trail ",
    ];

    const LINES: [&str; 10] = [
        "a\n",
        "a",
        "a\n\n",
        "\na",
        "a\nb",
        "a\n  b\n",
        "  a\nb\n",
        "\ta\n",
        "a\r\nb",
        "a\u{85}b\u{2028}\u{7}é\u{1f600}",
    ];

    fn read_back(text: &str) -> Vec<Value> {
        let file = RepoPath::parse("a.yaml").unwrap();
        let found = plain::manifests(&file, text.as_bytes(), &Options::default());
        let found = found.unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
        found.into_iter().map(|manifest| manifest.value.as_ref().clone()).collect()
    }

    #[test]
    fn every_text_is_read_back_as_it_was() {
        for trap in TRAPS.iter().chain(&LINES) {
            let mut map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } });
            map["data"] = json!({ "value": trap, "list": [trap, trap], *trap: "key" });
            assert_eq!(read_back(&documents([&map]).unwrap()), [map], "{trap:?}");
        }
    }

    #[test]
    fn numbers_and_empty_things_are_read_back_as_they_were() {
        let spec = json!({
            "int": 3, "negative": -7, "large": 9_007_199_254_740_993_i64, "float": 0.5, "tiny": 1e-30,
            "none": null, "map": {}, "list": [], "nested": [[1, [2]], { "a": [{ "b": {} }] }], "yes": true,
        });
        let objects = [
            json!({ "apiVersion": "a.example/v1", "kind": "A", "metadata": { "name": "a" }, "spec": spec }),
            json!({ "apiVersion": "a.example/v1", "kind": "A", "metadata": { "name": "b" } }),
        ];
        assert_eq!(read_back(&documents(&objects).unwrap()), objects);
    }
}
