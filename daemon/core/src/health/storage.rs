//! Verdicts of claims and volumes.

use crate::health::{Health, Object};

pub(super) fn claim(object: Object<'_>) -> Health {
    match object.text("/status/phase") {
        "Bound" => Health::current("bound"),
        "Lost" => Health::failed("its volume is lost"),
        _ => Health::in_progress("not bound to a volume yet"),
    }
}

pub(super) fn volume(object: Object<'_>) -> Health {
    match object.text("/status/phase") {
        "Failed" => Health::failed(format!("could not be reclaimed: {}", object.text("/status/message"))),
        _ => Health::current("exists"),
    }
}
