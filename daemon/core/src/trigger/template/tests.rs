//! Texts with variables, and what is refused of them.

use proptest::prelude::*;
use serde_json::json;

use super::*;
fn variables() -> Variables {
    Variables {
        revision: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        short_revision: "0123456".to_owned(),
        repo_url: "https://git.example.com/shop/web.git".to_owned(),
        repo_owner: "shop".to_owned(),
        repo_name: "web".to_owned(),
        source_branch: "main".to_owned(),
        git_tag: String::new(),
        sender: "Ada \"the\" {{ revision }}\nL".to_owned(),
        target_namespace: "builds".to_owned(),
        component: "cart".to_owned(),
        changed_files: "a/b\nc".to_owned(),
        committed_at: "2026-11-22T13:00:00Z".to_owned(),
        trigger: "web".to_owned(),
    }
}

#[test]
fn values_come_in_place_of_variables() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let template = Template::parse(json!({ "a": [text] })).expect("a template");
        assert_eq!(template.fill(&variables()), json!({ "a": [expected] }));
    }
    check("", "");
    check("none", "none");
    check("{{ revision }}", "0123456789abcdef0123456789abcdef01234567");
    check("{{short_revision}}", "0123456");
    check("x{{  component\n}}y{{component}}", "xcartycart");
    check("{{ repo_url }} {{ repo_owner }} {{ repo_name }}", "https://git.example.com/shop/web.git shop web");
    check("{{ source_branch }}={{ target_branch }}", "main=main");
    check("[{{ git_tag }}]", "[]");
    check("by {{ sender }}", "by Ada \"the\" {{ revision }} L");
    check("{{ event_type }} {{ target_namespace }} {{ trigger }}", "push builds web");
    check("{{ changed_files }}", "a/b\nc");
    check("{{ committed_at }}", "2026-11-22T13:00:00Z");
    // What stays.
    check("$(params.x) ${x} {x} }} { {", "$(params.x) ${x} {x} }} { {");
    check("{{{{ revision }}}} {{ component }}", "{{{{ revision }}}} cart");
    check("{{{{{ x", "{{{{{ x");
    check("{{ \"{{\" }} .Values.x }}", "{{ .Values.x }}");
    check("{{\"{{\"}}{{ component }}}}", "{{cart}}");
    check("{\"a\":{\"b\":{{ component }}}}", "{\"a\":{\"b\":cart}}");
}

#[test]
fn what_is_no_text_stays_and_what_is_needed_is_known() {
    let value =
        json!({ "a": null, "b": [1, 2.5, true, {}], "c": { "d": "{{ component }}", "e": "{{ changed_files }}" } });
    let template = Template::parse(value.clone()).expect("a template");
    assert_eq!(template.names(), &BTreeSet::from([Variable::Component, Variable::ChangedFiles]));
    let filled = template.fill(&variables());
    assert_eq!((&filled["a"], &filled["b"]), (&value["a"], &value["b"]));
    let keys: Vec<_> = filled.as_object().expect("a map").keys().collect();
    assert_eq!(keys, ["a", "b", "c"]);
    assert_eq!(Template::parse(json!("{{ trigger }}")).expect("a text").fill(&variables()), json!("web"));
}

#[test]
fn what_stands_for_nothing_is_told_with_what_to_write() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = Template::parse(json!({ "spec": { "params": [{ "name": "a", "value": text }] } })).expect_err(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, ".spec.params[0].value");
        assert!(found[0].to_string().contains(expected), "{}", found[0]);
    }
    check(
        "{{ revison }}",
        "{{ revison }} is no variable (did you mean revision?); there are revision, short_revision,",
    );
    check("{{ Revision }}", "did you mean revision?");
    check("{{ repo-url }}", "did you mean repo_url?");
    check("{{ zzzz }}", "{{ zzzz }} is no variable; there are revision");
    check("{{ pull_request_number }}", "not supported: runs are made for commits");
    check("{{ pull_request_labels }}", "not for pull requests");
    check("{{ trigger_comment }}", "not for pull requests");
    check("{{ event }}", "write {{ event_type }}");
    check("{{ body.head_commit.id }}", "not for requests of a forge");
    check("{{ headers['x'] }}", "not for requests of a forge");
    check("{{ files.all }}", "write {{ changed_files }}");
    check("{{ source_url }}", "write {{ repo_url }}");
    check("{{ git_auth_secret }}", "a Secret of your own");
    let literally = "for two braces as they are write {{ \"{{\" }}";
    check("{{ .Values.x }}", &format!("{{{{ .Values.x }}}} is no variable of plumb: {literally}"));
    check("docker inspect -f '{{.Id}}'", literally);
    check("{{ a | b }}", literally);
    check("{{ revision component }}", literally);
    check("{{}}", literally);
    check("{{{ revision }}}", literally);
    check("{{ \"x\" }}", literally);
    check("${{ github.sha }}", literally);
    check("echo {{ revision", &format!("is never closed: write \"}}}}\" behind the variable; {literally}"));
    check("{{", "is never closed");
}

#[test]
fn all_of_it_is_told_at_once_with_its_place() {
    let value = json!({
        "{{ a }}": 1,
        "metadata": { "annotations": { "example.com/x": "{{ x }} {{ y }}" } },
        "spec": { "script": "{{ component }} {{ sender }}", "args": ["{{ sender }}", "{{ .z }}"] },
    });
    let found = Template::parse(value).expect_err("faults");
    let mut paths: Vec<_> = found.iter().map(|unknown| unknown.path.as_str()).collect();
    paths.sort_unstable();
    let annotation = ".metadata.annotations[\"example.com/x\"]";
    assert_eq!(
        paths,
        [".metadata.annotations[\"example.com/x\"]", annotation, ".spec.args[1]", ".spec.script", "[\"{{ a }}\"]"]
    );
    assert!(found.contains(&Unknown { path: "[\"{{ a }}\"]".to_owned(), fault: Fault::Key }));
    assert!(found.contains(&Unknown { path: ".spec.script".to_owned(), fault: Fault::Script(Variable::Sender) }));
    let said = Fault::Script(Variable::Sender).to_string();
    assert!(said.starts_with("{{ sender }} in a script") && said.contains("as a parameter"), "{said}");
}

#[test]
fn variables_are_bounded() {
    #[track_caller]
    fn check(name: &str, max: usize, fault: &Fault) {
        let of = |count: usize| Template::parse(json!([format!("{{{{ {name} }}}}").repeat(count)]));
        assert!(of(max).is_ok());
        assert_eq!(of(max + 1).expect_err("too many"), [Unknown { path: String::new(), fault: fault.clone() }]);
    }
    check("component", USES_MAX, &Fault::TooMany);
    check("changed_files", CHANGED_USES_MAX, &Fault::ChangedTooOften);
    let template = Template::parse(json!("{{ sender }}")).expect("a template");
    let filled = template.fill(&Variables { sender: "ß".repeat(1000), ..Variables::default() });
    assert_eq!(filled.as_str().map(|text| text.chars().count()), Some(256));
}

#[test]
fn every_variable_has_one_name() {
    let names: BTreeSet<&str> = Variable::ALL.map(Variable::name).into();
    assert_eq!(names.len(), Variable::ALL.len());
    for variable in Variable::ALL {
        assert_eq!(Variable::parse(variable.name()), Some(variable));
    }
}

/// Says how an object is built, without its texts.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(_) => json!("text"),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| (key.clone(), shape(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn texts() -> impl Strategy<Value = String> {
    let variable =
        prop::sample::select(Variable::ALL.to_vec()).prop_map(|variable| format!("{{{{ {} }}}}", variable.name()));
    let part = prop_oneof![2 => variable, 1 => Just("{{ \"{{\" }}".to_owned()), 3 => "[a-z}$\"\\\\ ]{0,5}"];
    prop::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
}

fn objects() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![texts().prop_map(Value::from), any::<i64>().prop_map(Value::from), Just(Value::Null)];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_never_becomes_structure(object in objects(), hostile in "[\\PC\n\"{}$,:]{0,20}") {
        let Ok(template) = Template::parse(object.clone()) else { return Ok(()) };
        let value = || hostile.clone();
        let variables = Variables {
            revision: value(), short_revision: value(), repo_url: value(), repo_owner: value(), repo_name: value(),
            source_branch: value(), git_tag: value(), sender: value(), target_namespace: value(), component: value(),
            changed_files: value(), committed_at: value(), trigger: value(),
        };
        let filled = template.fill(&variables);
        prop_assert_eq!(shape(&filled), shape(&object));
        // What it does not name, it does not show.
        if template.names().is_empty() {
            prop_assert_eq!(template.fill(&Variables::default()), filled);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[{}\" a-z.\\PC]{0,24}") {
        let Ok(template) = Template::parse(json!(text)) else { return Ok(()) };
        // Without variables nothing changes but the braces that stand for themselves.
        if template.names().is_empty() && !text.contains('"') {
            prop_assert_eq!(template.fill(&variables()), json!(text));
        }
    }
}
