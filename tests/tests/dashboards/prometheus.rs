//! The programs of Prometheus, where they are installed.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use system_tests::{
    daemon, http,
    site::{Site, config_map},
    wait,
};
use tempfile::TempDir;

use crate::{alerts, boards, page::root};

/// Returns whether a program is there; says so if it is not.
fn is_installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        let remark =
            format!("{program} is not installed (Debian: apt install prometheus): nothing was tested with it\n");
        // Nobody is left to tell if that fails.
        let _ = std::io::stderr().write_all(remark.as_bytes());
    }
    there
}

fn promtool(arguments: &[&str]) {
    let output =
        Command::new("promtool").args(arguments).current_dir(root().join("dashboards")).output().expect("promtool");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {}:\n{said}", arguments.join(" "));
}

#[test]
fn promtool_takes_the_rules_and_their_cases_and_the_expressions_of_the_dashboards() {
    if !is_installed("promtool") {
        return;
    }
    promtool(&["check", "rules", "rules.yaml"]);
    promtool(&["test", "rules", "rules.test.yaml"]);
    // As recording rules, since promtool knows no dashboards.
    let rules = boards::boards().into_values().flat_map(|board| boards::expressions(&board)).enumerate().map(
        |(number, (_, expression, _))| {
            let expression = expression.replace("$__rate_interval", "5m").replace("$__range", "1h");
            json!({"record": format!("dashboard:{number}"), "expr": expression})
        },
    );
    let document = json!({"groups": [{"name": "dashboards", "rules": rules.collect::<Vec<_>>()}]});
    let folder = TempDir::with_prefix("plumb-promtool-").expect("a folder");
    let file = folder.path().join("dashboards.yaml");
    fs::write(&file, document.to_string()).expect("a file");
    promtool(&["check", "rules", file.to_str().expect("a path in UTF-8")]);
}

/// A Prometheus that ends with the test.
struct Prometheus {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Starts one that scrapes a plumb every second, with plumb's rules.
    fn start(target: &str) -> Self {
        let folder = TempDir::with_prefix("plumb-prometheus-").expect("a folder");
        let rules = root().join("dashboards/rules.yaml");
        let configuration = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules.to_str().expect("a path in UTF-8")],
            "scrape_configs": [{"job_name": "plumb", "honor_labels": true, "static_configs": [{"targets": [target]}]}],
        });
        fs::write(folder.path().join("prometheus.yaml"), configuration.to_string()).expect("a file");
        // Free a moment ago: who takes it in between makes the test fail, not pass.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").to_string();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("prometheus.yaml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus starts");
        Self { child, address, _folder: folder }
    }

    fn ask(&self, path: &str) -> Result<Value, String> {
        let answer = http::get(&self.address, path)?;
        serde_json::from_str(&answer).map_err(|error| error.to_string())
    }

    /// Returns how many series an instant query gives.
    fn count(&self, query: &str) -> Result<usize, String> {
        let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.ask(&format!("/api/v1/query?query={query}"))?;
        Ok(answer["data"]["result"].as_array().ok_or(answer.to_string())?.len())
    }
}

#[test]
fn a_real_prometheus_scrapes_a_running_plumb_and_every_panel_and_rule_is_evaluated() {
    if !is_installed("prometheus") {
        return;
    }
    let plumb = daemon::shared();
    let site = Site::new(lab::shared(), "prometheus");
    site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "One");
    site.environment("app", "app", json!({}));
    let prometheus = Prometheus::start(&plumb.metrics_address());
    let of_site = format!("{{namespace=\"{}\", environment=\"app\"}}", site.namespace);
    for query in [
        "up{job=\"plumb\"} == 1".to_owned(),
        format!("plumb_environment_ready{of_site} == 1"),
        format!("plumb_environment_applied_timestamp_seconds{of_site} > 1.7e9"),
        format!("plumb_repository_looks_total{{namespace=\"{}\", result=\"fetched\"}} >= 1", site.namespace),
        "plumb_watched_kinds{state=\"known\"} > 0".to_owned(),
        "plumb_api_requests_total{verb=\"patch\", result=\"success\"} > 0".to_owned(),
        "plumb_pass_seconds_count > 0".to_owned(),
    ] {
        wait::until(&query, || match prometheus.count(&query)? {
            0 => Err("no series".to_owned()),
            _ => Ok(()),
        });
    }
    for (panel, expression, _) in boards::boards().values().flat_map(boards::expressions) {
        let expression = expression.replace("$__rate_interval", "5m").replace("$__range", "1h");
        let expression = ["$namespace", "$environment", "$repository", "$trigger"]
            .iter()
            .fold(expression, |expression, variable| expression.replace(variable, ".*"));
        prometheus.count(&expression).unwrap_or_else(|error| panic!("{panel}: {expression}: {error}"));
    }
    wait::until("every rule to be evaluated", || {
        let answer = prometheus.ask("/api/v1/rules")?;
        let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
        let rules: Vec<&Value> =
            groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten()).collect();
        let well = rules.iter().filter(|rule| rule["health"] == "ok").count();
        if well == alerts::alerts().len() { Ok(()) } else { Err(answer.to_string()) }
    });
}
