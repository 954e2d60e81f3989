//! Measures how fast the reader is on ordinary manifests: `cargo run --release -p plumb-render --example speed`.
#![expect(clippy::print_stdout, reason = "it prints its measurement")]

use std::{fmt::Write as _, time::Instant};

use plumb_core::commit::RepoPath;
use plumb_render::{plain, yaml::Options};

/// Best of so many runs, so that a busy machine disturbs less.
const RUNS: usize = 5;

fn main() {
    let mut text = String::new();
    for index in 0..4_000 {
        deployment(&mut text, index).expect("text");
    }
    let file = RepoPath::parse("all.yaml").expect("a path");
    let mut best = f64::MAX;
    let mut objects = 0;
    for _ in 0..RUNS {
        let started = Instant::now();
        objects = plain::manifests(&file, text.as_bytes(), &Options::default()).expect("valid manifests").len();
        best = best.min(started.elapsed().as_secs_f64());
    }
    let megabytes = f64::from(u32::try_from(text.len()).expect("a small file")) / 1e6;
    println!("{objects} objects, {megabytes:.1} MB, {:.1} MB/s", megabytes / best);
}

fn deployment(text: &mut String, index: usize) -> std::fmt::Result {
    write!(
        text,
        r#"---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{index}
  namespace: team-{team}
  labels:
    app.kubernetes.io/name: app-{index}
    app.kubernetes.io/part-of: suite
  annotations:
    checksum/config: 5f1ae9b8d2a64c6fb1c1a7a5f0ce0f2d5f1ae9b8d2a64c6fb1c1a7a5f0ce0f2d
    prometheus.io/scrape: "true"
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app.kubernetes.io/name: app-{index}
  strategy:
    type: RollingUpdate
    rollingUpdate: {{maxSurge: 25%, maxUnavailable: 0}}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: app-{index}
    spec:
      serviceAccountName: app-{index}
      securityContext: {{runAsNonRoot: true, fsGroup: 65532}}
      containers:
      - name: main
        image: registry.example.com/team/app-{index}:1.2.{replicas}
        imagePullPolicy: IfNotPresent
        args: ["--listen=:8080", "--log-level=info"]
        ports:
        - containerPort: 8080
          name: http
          protocol: TCP
        env:
        - name: MODE
          value: "production"
        - name: PASSWORD
          valueFrom:
            secretKeyRef:
              name: app-{index}
              key: password
        resources:
          requests:
            cpu: 100m
            memory: 128Mi
        livenessProbe:
          httpGet: {{path: /healthz, port: http}}
          initialDelaySeconds: 5
      # keep the configuration next to the application
      volumes:
      - name: configuration
        configMap:
          name: app-{index}
          defaultMode: 0440
"#,
        team = index % 50,
        replicas = index % 9 + 1,
    )
}
