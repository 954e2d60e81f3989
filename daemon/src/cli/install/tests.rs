//! What `plumb install` prints is what `manifests/` holds.

use std::{env, fs, path::Path};

use super::*;

#[test]
fn the_definitions_in_manifests_are_those_of_the_types() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/crds.yaml");
    let generated = definitions().unwrap();
    if env::var_os("PLUMB_UPDATE").is_some() {
        fs::write(&file, &generated).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap();
    assert!(kept == generated, "manifests/crds.yaml differs from the types: run this test once with PLUMB_UPDATE=1");
}

#[test]
fn the_deployment_names_the_image_of_this_version_once() {
    assert_eq!(DEPLOYMENT.matches(IMAGE).count(), 1, "set the image of manifests/deployment.yaml to {IMAGE:?}");
}

#[test]
fn images_are_names() {
    let check = |text: &str, valid: bool| assert_eq!(image(text).is_ok(), valid, "{text:?}");
    check("plumb:1.0", true);
    check("registry.example.com:5000/a/plumb@sha256:0123", true);
    check("plumb:", false);
    check("a b", false);
    check("a\nb: c", false);
    check("", false);
}
