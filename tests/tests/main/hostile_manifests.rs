//! Denial of service by what is in Git or in the cluster: whatever a repository or another manager brings, the Environment
//! concerned says what is wrong with which file, and all others go on.

use std::fmt::Write as _;

use serde_json::{Value, json};
use system_tests::{
    daemon,
    site::{Site, config_map},
    wait,
};

/// What is made for one Environment: its files, and words of the answer.
struct Attack {
    name: &'static str,
    files: Vec<(String, String)>,
    words: &'static str,
}

fn one(name: &'static str, text: String, words: &'static str) -> Attack {
    Attack { name, files: vec![(format!("{name}/bomb.yaml"), text)], words }
}

/// Returns pieces of text, numbered, one after the other.
fn repeated(count: usize, mut piece: impl FnMut(&mut String, usize)) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        piece(&mut text, number);
        text
    })
}

fn attacks() -> Vec<Attack> {
    let laughs = repeated(9, |text, level| {
        let items = if level == 0 { vec!["lol".to_owned(); 9] } else { vec![format!("*a{}", level - 1); 9] };
        writeln!(text, "a{level}: &a{level} [{}]", items.join(",")).expect("text");
    });
    let many = (0..3_000).map(|number| {
        let value = if number == 1_777 { "{".to_owned() } else { config_map(&format!("c{number}"), "k", "1") };
        (format!("many-files/{}/c{number}.yaml", number % 50), value)
    });
    let deep: Vec<String> = (0..70).map(|level| format!("d{level}")).collect();
    let deep = (format!("deep-folders/{}/a.yaml", deep.join("/")), config_map("a", "k", "1"));
    vec![
        one("aliases", laughs, "repeat too much"),
        one("nesting", format!("a: {}", "[".repeat(500_000)), "nested"),
        one("json-nesting", "{\"a\":".repeat(100_000), "nested"),
        one("itself", "a: &a [*a]\n".to_owned(), "contains itself"),
        one("large-file", format!("a: {}\n", "x".repeat(17 << 20)), "larger than 16 MiB"),
        one("documents", "a: 1\n---\n".repeat(100_001), "documents"),
        one("nodes", format!("a: [{}]\n", "1,".repeat(1_000_001)), "keys and values"),
        one("problems", "a: [\n---\n".repeat(50_000), "more"),
        one("long-line", format!("{}: 1\n", "k".repeat(3 << 20)), "bomb.yaml"),
        one("large-object", config_map("large", "k", &"x".repeat(2_000_000)), "can't be larger"),
        one("twice", format!("{}---\n", config_map("same", "k", "1")).repeat(2_000), "already defined"),
        one("binary", "\u{1}\u{2}".repeat(100_000), "control character"),
        Attack { name: "many-files", files: many.collect(), words: "c1777.yaml" },
        Attack { name: "deep-folders", files: vec![deep], words: "nested deeper than" },
    ]
}

#[test]
fn files_made_to_take_memory_or_time_are_refused_by_name_and_the_others_go_on() {
    daemon::shared();
    let (site, free) = (Site::new(lab::shared(), "hostile"), Site::new(lab::shared(), "peaceful"));
    let round = |value: &str| free.push(&[("app/a.yaml", &config_map("a", "round", value))], "A round");
    let commit = round("0");
    free.environment("app", "app", json!({}));
    free.wait_applied("app", &commit);
    let attacks = attacks();
    for attack in &attacks {
        let files: Vec<_> = attack.files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        site.copy.commit(&files, attack.name).expect("a commit");
    }
    site.copy.push().expect("a push");
    attacks.iter().for_each(|attack| site.environment(attack.name, attack.name, json!({})));
    // While they are read.
    for number in 1..=3 {
        let commit = round(&number.to_string());
        free.wait_applied("app", &commit);
    }
    for Attack { name, words, .. } in &attacks {
        wait::until(&format!("{name} to be refused"), || {
            let (ready, reason, message) = site.condition(name, "Ready");
            let named = reason == "InvalidFiles" && message.contains(name) && message.contains(words);
            if ready == "False" && named { Ok(()) } else { Err(format!("{ready} {reason}: {message}")) }
        });
        let status = site.status(name);
        assert_eq!(status["lastApplied"], Value::Null, "{name}");
        let size = status.to_string().len();
        assert!(size < 64 << 10, "the status of {name} has {size} bytes");
    }
    // A file in order, and each of them goes on.
    let repaired = site.push(&[("aliases/bomb.yaml", &config_map("fine", "k", "1"))], "Repaired");
    site.wait_applied("aliases", &repaired);
}

#[test]
fn a_health_rule_that_would_never_end_is_ended_and_the_others_go_on() {
    daemon::shared();
    let (site, free) = (Site::new(lab::shared(), "endless"), Site::new(lab::shared(), "rules"));
    let data = repeated(900, |text, number| writeln!(text, "  k{number}: v{number}").expect("text"));
    let large = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: large\ndata:\n{data}");
    site.push(&[("app/large.yaml", &large)], "A large one");
    let rule = "self.data.all(a, self.data.all(b, self.data.all(c, self.data.all(d, a + b + c + d != 'x'))))";
    let health = json!({ "health": [{ "apiVersion": "v1", "kind": "ConfigMap", "current": rule }] });
    site.environment("app", "app", health);
    let commit = free.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One");
    free.environment("app", "app", json!({}));
    free.wait_applied("app", &commit);
    wait::until("the rule to be ended", || {
        let status = site.status("app").to_string();
        if status.contains("it costs too much") { Ok(()) } else { Err(status) }
    });
}

#[test]
fn fields_of_many_managers_and_a_drift_of_many_fields_stay_small_and_are_put_back() {
    daemon::shared();
    let site = Site::new(lab::shared(), "crowded");
    let data = repeated(600, |text, number| writeln!(text, "  k{number}: v{number}").expect("text"));
    let large = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: crowded\ndata:\n{data}");
    let commit = site.push(&[("app/crowded.yaml", &large)], "Many fields");
    site.environment("app", "app", json!({}));
    site.wait_applied("app", &commit);
    let fields = |prefix: &str, count: usize, value: &str| {
        let pairs = (0..count).map(|number| (format!("{prefix}{number}"), Value::from(value)));
        pairs.collect::<serde_json::Map<_, _>>()
    };
    for manager in 0..20 {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "crowded", "namespace": site.namespace },
            "data": fields(&format!("m{manager}-"), 100, "theirs"),
        });
        let manager = format!("--field-manager=manager-{manager}");
        lab::shared()
            .kubectl_with_input(&["apply", "--server-side", &manager, "-f", "-"], &object.to_string())
            .expect("fields of another manager");
    }
    let patch = json!({ "data": fields("k", 600, "drifted") }).to_string();
    site.kubectl(&["patch", "configmap", "crowded", "--field-manager", "ann", "--type", "merge", "--patch", &patch])
        .expect("a patch");
    wait::until("all of it to be put back", || {
        let data = site.get("configmap", "crowded").expect("it stays")["data"].clone();
        let wrong = data.as_object().map_or(0, |data| data.values().filter(|value| *value == "drifted").count());
        if wrong == 0 { Ok(()) } else { Err(format!("{wrong} fields are not")) }
    });
    wait::until("the drift to be told", || {
        let status = site.status("app");
        let fields = status["drift"][0]["fields"].as_array().map_or(0, Vec::len);
        let told = status["drift"][0].to_string().contains("ann") && (1..=10).contains(&fields);
        if told { Ok(()) } else { Err(status["drift"].to_string()) }
    });
    let size = site.status("app").to_string().len();
    assert!(size < 16 << 10, "the status has {size} bytes");
    let theirs = &site.get("configmap", "crowded").expect("it stays")["data"]["m19-99"];
    assert_eq!(theirs, "theirs", "what others added stays theirs");
}
