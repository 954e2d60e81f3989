//! Tekton Pipelines on a control plane that is up: its objects are applied, then its processes run like the other tools.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use serde_json::{Value, json};

use super::{Plane, PlaneError, Settled};
use crate::assets::TektonAssets;
use crate::guard::tekton;
use crate::port;
use crate::tekton::Tekton;

/// The manager of what the laboratory applies.
const MANAGER: &str = "lab";

/// What an installation settles for the life of the plane.
#[derive(Debug, Clone)]
pub(super) struct Installed {
    assets: TektonAssets,
    webhook_port: u16,
}

impl Plane {
    /// Puts Tekton on the control plane and returns once runs can be created; a second time does nothing.
    pub(in crate::guard) async fn install_tekton(&mut self, assets: &TektonAssets) -> Result<(), PlaneError> {
        if self.tekton.is_some() {
            return Ok(());
        }
        let client = self.settled.as_ref().ok_or(PlaneError::NotStarted)?.client.clone();
        let [webhook_port] = port::free()?;
        for object in tekton::manifests(&assets.config, webhook_port)? {
            apply(&client, object).await?;
        }
        // A process that looks for a kind before it is served looks again only seconds later.
        self.until("the kinds of Tekton are not served", || are_kinds_established(&client)).await?;
        let installed = Installed { assets: assets.clone(), webhook_port };
        self.spawn_tekton(Tekton::Controller, &installed)?;
        self.run_webhook(&client, &installed).await?;
        self.tekton = Some(installed);
        Ok(())
    }

    /// Kills a process of Tekton.
    pub(in crate::guard) async fn stop_tekton(&mut self, process: Tekton) -> Result<(), PlaneError> {
        let tool = self.tools.remove(process.name()).ok_or(PlaneError::NoTekton)?;
        tool.ended().await;
        Ok(())
    }

    /// Starts a process of Tekton again, and returns once the webhook does its work if it is that.
    pub(in crate::guard) async fn start_tekton(&mut self, process: Tekton) -> Result<(), PlaneError> {
        let installed = self.tekton.clone().ok_or(PlaneError::NoTekton)?;
        let client = self.settled.as_ref().ok_or(PlaneError::NotStarted)?.client.clone();
        if self.tools.contains_key(process.name()) {
            return Ok(());
        }
        match process {
            Tekton::Controller => self.spawn_tekton(process, &installed),
            Tekton::Webhook => self.run_webhook(&client, &installed).await,
        }
    }

    /// Starts those processes of Tekton anew that run, as the other controllers when the API server is back.
    pub(super) async fn renew_tekton(&mut self, settled: &Settled) -> Result<(), PlaneError> {
        let Some(installed) = self.tekton.clone() else { return Ok(()) };
        for process in [Tekton::Controller, Tekton::Webhook] {
            let Some(tool) = self.tools.remove(process.name()) else { continue };
            tool.ended().await;
            match process {
                Tekton::Controller => self.spawn_tekton(process, &installed)?,
                Tekton::Webhook => self.run_webhook(&settled.client, &installed).await?,
            }
        }
        Ok(())
    }

    async fn run_webhook(&mut self, client: &Client, installed: &Installed) -> Result<(), PlaneError> {
        self.spawn_tekton(Tekton::Webhook, installed)?;
        self.until("Tekton's webhook does not do its work", || is_webhook_ready(client)).await
    }

    fn spawn_tekton(&mut self, process: Tekton, installed: &Installed) -> Result<(), PlaneError> {
        let binary = match process {
            Tekton::Controller => &installed.assets.controller,
            Tekton::Webhook => &installed.assets.webhook,
        };
        let environment = tekton::environment(process, &self.layout, installed.webhook_port);
        self.spawn_with(process.name(), binary, &tekton::flags(process), &environment)
    }
}

async fn apply(client: &Client, object: Value) -> Result<(), PlaneError> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let [version, kind, name] = ["/apiVersion", "/kind", "/metadata/name"].map(|path| text(path).unwrap_or_default());
    let namespace = text("/metadata/namespace");
    let what = format!("{kind} {name}");
    let failed = |source| PlaneError::Apply { what, source: Box::new(source) };
    let types = TypeMeta { api_version: version, kind };
    let kind = match GroupVersionKind::try_from(&types) {
        Ok(kind) => ApiResource::from_gvk(&kind),
        Err(_) => return Err(PlaneError::Version { what: format!("{} {name}", types.kind) }),
    };
    let objects: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    };
    let applied = objects.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&object)).await;
    applied.map(drop).map_err(failed)
}

/// Returns whether every kind that there is can be written.
async fn are_kinds_established(client: &Client) -> bool {
    let kinds = Api::<CustomResourceDefinition>::all(client.clone()).list(&ListParams::default()).await;
    kinds.is_ok_and(|kinds| {
        kinds.iter().all(|kind| {
            let conditions = kind.status.as_ref().and_then(|status| status.conditions.as_ref());
            conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Established" && one.status == "True"))
        })
    })
}

/// Returns whether the webhook converts, completes and judges. All three have to be asked for: until the webhook has said
/// what it wants to see, everything passes it.
async fn is_webhook_ready(client: &Client) -> bool {
    let fair = dry_run(client, &tekton::trial_run(tekton::fair_tasks())).await;
    if !fair.is_ok_and(|run| run["spec"]["serviceAccountName"] == "default") {
        return false;
    }
    let refused = dry_run(client, &tekton::trial_run(json!([]))).await;
    matches!(refused, Err(kube::Error::Api(status)) if status.message.contains("validation.webhook"))
}

/// Has a run tried.
async fn dry_run(client: &Client, run: &Value) -> kube::Result<Value> {
    let request = http::Request::post("/apis/tekton.dev/v1beta1/namespaces/default/pipelineruns?dryRun=All")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(run.to_string().into_bytes());
    client.request(request.map_err(kube::Error::HttpError)?).await
}
