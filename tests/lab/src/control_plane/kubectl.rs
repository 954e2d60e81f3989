//! kubectl on one control plane, apart from the user's own configuration and cache.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use super::{ControlPlane, LabError};

/// Runs kubectl and returns its stdout.
pub(super) fn run(plane: &ControlPlane, arguments: &[&str], input: &str) -> Result<String, LabError> {
    let start = |source| LabError::KubectlStart { binary: plane.kubectl.clone(), source };
    let mut child = Command::new(&plane.kubectl)
        .args(arguments)
        .env("KUBECONFIG", &plane.kubeconfig)
        .env("KUBECACHEDIR", plane.directory().join("kubectl-cache"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let mut stdin = child.stdin.take().expect("because stdin was asked for as a pipe");
    let output = thread::scope(|scope| {
        // Beside the reading: a kubectl that writes before it has read everything would block both.
        scope.spawn(move || {
            // A kubectl that does not read its input says itself what is wrong.
            let _ = stdin.write_all(input.as_bytes());
        });
        child.wait_with_output()
    });
    let output = output.map_err(start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut stderr = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    for death in plane.deaths() {
        stderr.push('\n');
        stderr.push_str(&death);
    }
    Err(LabError::Kubectl { arguments: arguments.join(" "), stderr })
}
