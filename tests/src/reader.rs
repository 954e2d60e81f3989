//! Reading the API server over a kept connection, so that waiting for something costs no process.
//!
//! Never writes: writes go through kubectl, as a person's do.

use std::sync::OnceLock;

use kube::Client;
use lab::ControlPlane;
use serde_json::Value;
use tokio::runtime::Runtime;

/// An administrator's eyes on one control plane.
#[derive(Clone)]
pub struct Reader {
    client: Client,
}

impl Reader {
    /// Connects to a control plane.
    pub fn new(plane: &ControlPlane) -> Self {
        Self { client: runtime().block_on(plane.client()) }
    }

    /// Returns what stands at a path, or nothing if there is no such thing.
    ///
    /// # Errors
    /// In words: everything but an answer and a 404.
    pub fn get(&self, path: &str) -> Result<Option<Value>, String> {
        let request = http::Request::get(path).body(Vec::new()).map_err(|error| format!("{path}: {error}"))?;
        match runtime().block_on(self.client.request::<Value>(request)) {
            Ok(value) => Ok(Some(value)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(format!("{path}: {error}")),
        }
    }

    /// Returns the objects of a collection; none if there is no such collection.
    ///
    /// # Errors
    /// As [`Reader::get`].
    pub fn list(&self, path: &str) -> Result<Vec<Value>, String> {
        let list = self.get(path)?.unwrap_or_default();
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"))
}
