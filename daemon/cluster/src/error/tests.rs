//! Answers of a real API server, and what they are read as.

use http::StatusCode;
use plumb_core::{class::Class, object::ObjectKey};
use serde_json::{Value, json};

use super::{Action, ApiError, read};

fn key(kind: &str) -> ObjectKey {
    ObjectKey {
        group: String::new(),
        kind: kind.to_owned(),
        namespace: Some("shop".to_owned()),
        name: "web".to_owned(),
    }
}

fn failure(code: u16, reason: &str, message: &str, causes: Value) -> ApiError {
    failure_of("ConfigMap", code, reason, message, causes)
}

fn failure_of(kind: &str, code: u16, reason: &str, message: &str, causes: Value) -> ApiError {
    let details = json!({ "name": "web", "causes": causes });
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "details": details, "code": code,
    });
    let code = StatusCode::from_u16(code).unwrap();
    read(Action::on("apply", &key(kind)), code, None, status.to_string().as_bytes())
}

fn check(error: &ApiError, class: Class, text: &str) {
    assert_eq!((error.class(), error.to_string().as_str()), (class, text));
}

#[test]
fn fields_that_the_schema_does_not_know_are_named_one_by_one() {
    let message = "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): errors:\n  \
        .spec.replicas: expected numeric (int or float), got string\n  \
        .spec.template.spec.containers[name=\"c\"].imag: field not declared in schema";
    let error = failure(500, "", message, json!([]));
    check(
        &error,
        Class::Wait,
        "apply ConfigMap shop/web: refused: spec.replicas: expected numeric (int or float), got string; \
         spec.template.spec.containers[name=\"c\"].imag: unknown field; correct the object in Git",
    );
    let one = "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema";
    assert_eq!(failure(500, "", one, json!([])).problems()[0].field, "spec.replica");
    let strict = "Foo in version \"v1\" cannot be handled as a Foo: strict decoding error: unknown field \"spec.m\", unknown field \"spec.k\"";
    let error = failure(400, "BadRequest", strict, json!([]));
    assert_eq!(error.problems().iter().map(|problem| problem.field.as_str()).collect::<Vec<_>>(), ["spec.m", "spec.k"]);
}

#[test]
fn an_immutable_field_is_recognised() {
    let causes = json!([{ "reason": "FieldValueInvalid", "field": "spec.selector",
        "message": "Invalid value: {\"a\":\"c\"}: field is immutable" }]);
    let error = failure(422, "Invalid", "Deployment.apps \"web\" is invalid: …", causes);
    assert!(error.is_immutable());
    assert_eq!(error.problems()[0].field, "spec.selector");
}

#[test]
fn a_long_value_gives_way_to_the_reason() {
    let check = |message: &str, expected: &str| {
        let causes = json!([{ "reason": "FieldValueInvalid", "field": "spec.template", "message": message }]);
        let error = failure(422, "Invalid", "Job.batch \"a\" is invalid: …", causes);
        assert_eq!(error.problems()[0].message, expected);
    };
    let long = format!("{{\"labels\":{{\"a\":\"{}\"}}}}", "b".repeat(2_500));
    let start = &long[..40];
    check(
        &format!("Invalid value: {long}: field is immutable"),
        &format!("Invalid value: {start}…: field is immutable"),
    );
    check("Invalid value: {\"a\":\"c\"}: field is immutable", "Invalid value: {\"a\":\"c\"}: field is immutable");
    check("Invalid value: 70000: must be between 1 and 65535", "Invalid value: 70000: must be between 1 and 65535");
    check("Unsupported value: \"x\": supported values: \"y\"", "Unsupported value: \"x\": supported values: \"y\"");
    check("Required value", "Required value");
}

#[test]
fn conflicts_name_manager_and_field() {
    let causes = json!([
        { "reason": "FieldManagerConflict", "message": "conflict with \"kubectl-edit\" using apps/v1", "field": ".spec.replicas" },
        { "reason": "FieldManagerConflict", "message": "conflict with \"m1\"", "field": ".spec.selector" },
    ]);
    let error = failure(409, "Conflict", "Apply failed with 2 conflicts", causes);
    check(
        &error,
        Class::Retry,
        "apply ConfigMap shop/web: other managers own its fields: .spec.replicas (kubectl-edit), .spec.selector (m1)",
    );
}

#[test]
fn admission_is_named() {
    let denied = "admission webhook \"guard.example.com\" denied the request: not on Fridays";
    let error = failure(403, "Forbidden", denied, json!([]));
    assert!(
        matches!(&error, ApiError::Denied { by, message, .. } if by == "guard.example.com" && message == "not on Fridays")
    );
    let policy = "configmaps \"web\" is forbidden: ValidatingAdmissionPolicy 'calm' with binding 'calm' denied request: evil is not good";
    let error = failure(422, "Invalid", policy, json!([{ "message": policy }]));
    assert!(matches!(&error, ApiError::Denied { by, message, .. } if by == "calm" && message == "evil is not good"));
    let down = "Internal error occurred: failed calling webhook \"down.example.com\": failed to call webhook: connection refused";
    let error = failure(500, "InternalError", down, json!([{ "message": down }]));
    assert!(matches!(&error, ApiError::WebhookFailed { webhook, .. } if webhook == "down.example.com"));
    assert_eq!(error.class(), Class::Retry);
}

#[test]
fn a_missing_right_is_told_as_the_rule_that_gives_it() {
    let message = "deployments.apps \"web\" is forbidden: User \"system:serviceaccount:shop:deployer\" cannot patch resource \
        \"deployments\" in API group \"apps\" in the namespace \"shop\"";
    check(
        &failure(403, "Forbidden", message, json!([])),
        Class::Wait,
        "apply ConfigMap shop/web: ServiceAccount shop/deployer may not patch deployments.apps in namespace shop; give it \
         this rule in a Role there: {apiGroups: [apps], resources: [deployments], verbs: [create, patch]}",
    );
    let message = "namespaces \"shop\" is forbidden: User \"ada\" cannot delete resource \"namespaces\" in API group \"\" in the \
        namespace \"shop\": RBAC: clusterrole.rbac.authorization.k8s.io \"x\" not found";
    check(
        &failure(403, "Forbidden", message, json!([])),
        Class::Wait,
        "apply ConfigMap shop/web: user ada may not delete namespaces; give it this rule in a ClusterRole: {apiGroups: [\"\"], \
         resources: [namespaces], verbs: [delete]}",
    );
    let quota = "pods \"web\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1";
    let error = failure(403, "Forbidden", quota, json!([]));
    assert_eq!(error.missing_right(), None);
    check(
        &error,
        Class::Wait,
        &format!("apply ConfigMap shop/web: not allowed ({quota}); change the object, or what forbids it"),
    );
}

#[test]
fn what_is_missing_and_what_is_not_served_differ() {
    let error = failure(404, "NotFound", "namespaces \"shop\" not found", json!([]));
    assert!(matches!(error, ApiError::NotFound { .. }));
    let action = Action::on("get", &key("ConfigMap"));
    let error = read(action, StatusCode::NOT_FOUND, None, b"404 page not found\n");
    assert!(matches!(error, ApiError::NotServed { .. }));
}

#[test]
fn a_namespace_that_goes_away_is_recognised() {
    let causes =
        json!([{ "reason": "NamespaceTerminating", "field": "metadata.namespace", "message": "being terminated" }]);
    let error = failure(403, "Forbidden", "configmaps \"web\" is forbidden: …", causes);
    assert!(matches!(error, ApiError::NamespaceTerminating { .. }));
}

#[test]
fn a_body_that_is_too_large_is_refused_without_words() {
    let error = read(Action::on("apply", &key("ConfigMap")), StatusCode::PAYLOAD_TOO_LARGE, None, b"");
    check(
        &error,
        Class::Wait,
        "apply ConfigMap shop/web: it is too large (the API server takes 3 MiB); split the object or move its data out of the cluster",
    );
}

#[test]
fn a_precondition_that_no_longer_holds_is_stale() {
    let error =
        failure(409, "Conflict", "Operation cannot be fulfilled on configmaps \"web\": uid mismatch", json!([]));
    assert!(matches!(error, ApiError::Stale { .. }));
    let causes = json!([{ "reason": "FieldValueInvalid", "field": "metadata.uid",
        "message": "Invalid value: \"u\": field is immutable" }]);
    assert!(matches!(failure(422, "Invalid", "…", causes), ApiError::Stale { .. }));
    assert!(matches!(failure(409, "AlreadyExists", "exists", json!([])), ApiError::AlreadyExists { .. }));
}

#[test]
fn values_of_secrets_are_not_shown() {
    let typed = "failed to create typed patch object (shop/web; /v1, Kind=Secret): .data.q: expected string, got &value.valueUnstructured{Value:[]interface {}{\"x\", \"hunter2\"}}";
    let validation = "Secret \"web\" is invalid: data[p]: Invalid value: \"hunter2: \\\"x\": must be shorter";
    let causes = json!([{ "reason": "FieldValueInvalid", "field": "data[p]",
        "message": "Invalid value: \"hunter2\": must be shorter" }]);
    for error in
        [failure_of("Secret", 500, "", typed, json!([])), failure_of("Secret", 422, "Invalid", validation, causes)]
    {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("data.q") || shown.contains("must be shorter"), "{shown}");
    }
}

#[test]
fn what_was_sent_of_a_secret_is_not_shown_whoever_repeats_it() {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "data": { "p": "aHVudGVyMg==" } });
    let action = Action::sending("apply", &key("Secret"), &secret);
    for said in [
        "admission webhook \"w\" denied the request: hunter2 is too short",
        "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: aHVudGVyMg== is no password",
        "etcdserver: hunter2",
    ] {
        let status = json!({ "kind": "Status", "status": "Failure", "message": said, "code": 403 });
        for body in [status.to_string(), said.to_owned()] {
            let error = read(action.clone(), StatusCode::FORBIDDEN, None, body.as_bytes());
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
            assert!(shown.contains("(not shown)"), "{shown}");
        }
    }
}
