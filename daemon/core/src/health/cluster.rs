//! Verdicts of what makes a cluster rather than runs in it: services, definitions, aggregated APIs, autoscalers, budgets.

use crate::health::{Health, Object};
use serde_json::Value;

pub(super) fn service(object: Object<'_>) -> Health {
    if object.text("/spec/type") != "LoadBalancer" {
        return Health::current("exists");
    }
    let addresses = object.at("/status/loadBalancer/ingress").and_then(Value::as_array);
    match addresses.and_then(|addresses| addresses.first()) {
        None => Health::in_progress("the load balancer has no address yet"),
        Some(address) => {
            let of = |name: &str| address.get(name).and_then(Value::as_str);
            match of("ip").or_else(|| of("hostname")) {
                Some(address) => Health::current(format!("reachable at {address}")),
                None => Health::current("has a load balancer"),
            }
        }
    }
}

pub(super) fn definition(object: Object<'_>) -> Health {
    if let Some(refused) = object.condition("NamesAccepted").filter(|condition| condition.status == "False") {
        return Health::failed(format!("its names are not accepted{}", refused.because()));
    }
    match object.condition("Established") {
        Some(established) if established.holds() => Health::current("established"),
        Some(established) if established.status == "False" && established.reason != "Installing" => {
            Health::failed(format!("not established{}", established.because()))
        }
        _ => Health::in_progress("not established yet"),
    }
}

pub(super) fn api_service(object: Object<'_>) -> Health {
    match object.condition("Available") {
        Some(available) if available.holds() => Health::current("available"),
        Some(available) => Health::in_progress(format!("not available{}", available.because())),
        None => Health::in_progress("not available yet"),
    }
}

pub(super) fn autoscaler(object: Object<'_>) -> Health {
    for (kind, what) in [("AbleToScale", "cannot scale"), ("ScalingActive", "does not scale")] {
        let Some(condition) = object.condition(kind) else { continue };
        // Scaling is disabled on purpose while the target has zero replicas.
        if condition.status == "False" && condition.reason != "ScalingDisabled" {
            return Health::in_progress(format!("{what}{}", condition.because()));
        }
    }
    Health::current("exists")
}

/// A budget that allows no disruption now does its work; one that can't be computed does not.
pub(super) fn disruption_budget(object: Object<'_>) -> Health {
    match object.condition("DisruptionAllowed").filter(|condition| condition.reason == "SyncFailed") {
        Some(failed) => Health::in_progress(format!("not computed{}", failed.because())),
        None => Health::current("exists"),
    }
}

pub(super) fn signing_request(object: Object<'_>) -> Health {
    for kind in ["Denied", "Failed"] {
        if let Some(condition) = object.condition(kind).filter(|condition| condition.holds()) {
            return Health::failed(format!("{}{}", kind.to_lowercase(), condition.because()));
        }
    }
    if object.condition("Approved").is_none() {
        return Health::in_progress("not approved yet");
    }
    if object.text("/status/certificate").is_empty() {
        return Health::in_progress("approved, not signed yet");
    }
    Health::current("signed")
}
