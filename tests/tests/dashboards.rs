//! `dashboards/` and the daemon's metrics hold each other to their word: every metric is on a dashboard, nothing names a metric,
//! a label or a value that does not exist, and every alert has a runbook.
//!
//! Reads the daemon's own catalogue of metrics. Where Prometheus is installed (Debian's package `prometheus`), `promtool`
//! tests the rules and a real Prometheus scrapes a running plumb; where it is not, those two say so.

#[path = "dashboards/alerts.rs"]
mod alerts;
#[path = "dashboards/boards.rs"]
mod boards;
#[path = "../../daemon/src/metrics/catalogue.rs"]
#[expect(dead_code, reason = "the daemon uses what the tests do not")]
mod catalogue;
#[path = "dashboards/families.rs"]
mod families;
#[path = "docs/page.rs"]
#[expect(dead_code, reason = "the tests of the documents use the rest")]
mod page;
#[path = "dashboards/prometheus.rs"]
mod prometheus;
#[path = "dashboards/promql.rs"]
mod promql;
