//! Reads the `Status` of a refused request into an [`ApiError`].
//!
//! Owns: the server's habits, each observed on a real one: server-side apply answers 500 without a reason to a field
//! that its schema does not know, 413 comes without a body, an unknown path is not a `Status` at all.

use std::time::Duration;

use http::StatusCode;
use kube::core::Status;
use plumb_core::{right::MissingRight, text};

use super::{
    Action, ApiError, FieldConflict, FieldProblem,
    redact::{Values, redact},
};

/// The longest text of the server that is passed on: enough for every message seen, and a bound for a hostile one.
const MAX_MESSAGE: usize = 2_000;

/// The longest value of a field that a refusal repeats, in characters.
const MAX_VALUE: usize = 40;

/// The most fields that one refusal names: more help nobody.
const MAX_PROBLEMS: usize = 50;

/// Turns the answer to a refused request into an error; `body` need not be a `Status`.
pub(crate) fn read(action: Action, code: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> ApiError {
    let status = serde_json::from_slice::<Status>(body).ok().filter(|status| status.is_failure());
    let mut status = status.unwrap_or_else(|| Status { message: text_of(body), ..Status::default() });
    if action.secret {
        hide_values(&mut status, &action.values);
    }
    let message = text::start(&status.message, MAX_MESSAGE).to_owned();
    let by_content = read_admission(&action, &message)
        .or_else(|| read_typed_patch(&action, code, &message))
        .or_else(|| read_causes(&action, &status));
    by_content.unwrap_or_else(|| read_code(action, code, retry_after, &status, message))
}

fn text_of(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(MAX_MESSAGE)]).trim().to_owned()
}

fn hide_values(status: &mut Status, values: &Values) {
    status.message = redact(&status.message, values);
    for cause in status.details.iter_mut().flat_map(|details| &mut details.causes) {
        cause.message = redact(&cause.message, values);
    }
}

/// Recognises webhooks and policies, which answer with whatever code they like.
fn read_admission(action: &Action, message: &str) -> Option<ApiError> {
    let action = action.clone();
    if let Some((by, said)) = quoted(message, "admission webhook \"", '"', " denied the request") {
        let said = said.trim_start_matches([':', ' ']);
        let message = if said.is_empty() { "without explanation" } else { said };
        return Some(ApiError::Denied { action, by: by.to_owned(), message: message.to_owned() });
    }
    if let Some((by, said)) = quoted(message, "ValidatingAdmissionPolicy '", '\'', "") {
        let said = said.split_once("denied request: ").map_or(said, |(_, said)| said);
        return Some(ApiError::Denied { action, by: by.to_owned(), message: said.to_owned() });
    }
    let (webhook, said) = quoted(message, "failed calling webhook \"", '"', "")?;
    let message = said.trim_start_matches([':', ' ']).to_owned();
    Some(ApiError::WebhookFailed { action, webhook: webhook.to_owned(), message })
}

/// Returns the name between `before` and `quote`, and what follows `after`.
fn quoted<'a>(message: &'a str, before: &str, quote: char, after: &str) -> Option<(&'a str, &'a str)> {
    let (_, rest) = message.split_once(before)?;
    let (name, rest) = rest.split_once(quote)?;
    Some((name, rest.strip_prefix(after)?))
}

/// Recognises what server-side apply says of fields that do not fit the schema: 500 or 400, and all in the text.
fn read_typed_patch(action: &Action, code: StatusCode, message: &str) -> Option<ApiError> {
    let problems = if let Some((_, list)) = message.split_once("failed to create typed patch object (") {
        let (_, list) = list.split_once("): ")?;
        list.trim_start_matches("errors:").lines().filter_map(typed_problem).collect()
    } else if let Some((_, list)) = message.split_once("strict decoding error: ") {
        list.split(", ").map(strict_problem).collect()
    } else if message.contains("error decoding from json: ") || code == StatusCode::BAD_REQUEST {
        vec![FieldProblem { field: String::new(), message: message.to_owned(), immutable: false }]
    } else {
        Vec::new()
    };
    invalid(action, problems)
}

/// Reads `.spec.replica: field not declared in schema`.
fn typed_problem(line: &str) -> Option<FieldProblem> {
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    let (field, message) = line.split_once(": ").filter(|(field, _)| field.starts_with('.')).unwrap_or(("", line));
    let field = field.trim_start_matches('.').to_owned();
    let message = message.replace("field not declared in schema", "unknown field");
    Some(FieldProblem { field, message, immutable: false })
}

/// Reads `unknown field "spec.m"`.
fn strict_problem(text: &str) -> FieldProblem {
    match quoted(text, "unknown field \"", '"', "") {
        Some((field, _)) => {
            FieldProblem { field: field.to_owned(), message: "unknown field".to_owned(), immutable: false }
        }
        None => FieldProblem { field: String::new(), message: text.to_owned(), immutable: false },
    }
}

/// Recognises what the causes of a refusal tell: field conflicts, refused fields, a namespace that goes away.
fn read_causes(action: &Action, status: &Status) -> Option<ApiError> {
    let causes = &status.details.as_ref()?.causes;
    if causes.iter().any(|cause| cause.reason == "NamespaceTerminating") {
        return Some(ApiError::NamespaceTerminating { action: action.clone() });
    }
    if status.is_conflict() {
        let conflicts = causes.iter().filter(|cause| cause.reason == "FieldManagerConflict");
        let conflicts: Vec<_> = conflicts.map(|cause| conflict(&cause.message, &cause.field)).collect();
        let action = action.clone();
        return (!conflicts.is_empty()).then_some(ApiError::Conflict { action, conflicts });
    }
    if !status.is_invalid() {
        return None;
    }
    let mut problems: Vec<FieldProblem> = Vec::new();
    for cause in causes {
        let immutable = is_immutable(&cause.message);
        let field = cause.field.replace("[]", "");
        let problem = FieldProblem { field, message: without_value(&cause.message), immutable };
        // Custom resources are told of some rules twice.
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    // A UID in an apply is a precondition; of custom resources the server says so in this way.
    if problems.iter().any(|problem| problem.immutable && problem.field == "metadata.uid") {
        let message = "the object has another uid now".to_owned();
        return Some(ApiError::Stale { action: action.clone(), message });
    }
    invalid(action, problems)
}

/// Reads `conflict with "kubectl-edit" using apps/v1`, with a subresource or a time behind it in some versions.
fn conflict(message: &str, field: &str) -> FieldConflict {
    let manager = quoted(message, "conflict with \"", '"', "").map_or(message, |(manager, _)| manager);
    FieldConflict { manager: manager.to_owned(), field: field.to_owned() }
}

/// Shortens the value in `Invalid value: VALUE: REASON`, which may be the whole template of a Job: who reads the error
/// has it in Git and needs the reason.
fn without_value(message: &str) -> String {
    let Some((kind, rest)) = message.split_once(" value: ") else { return message.to_owned() };
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde::de::IgnoredAny>();
    let Some(Ok(_)) = values.next() else { return message.to_owned() };
    let (value, reason) = rest.split_at(values.byte_offset());
    format!("{kind} value: {}{reason}", text::shortened(value, MAX_VALUE))
}

fn is_immutable(message: &str) -> bool {
    ["immutable", "may not change once set", "may not be changed", "for fields other than", "cannot be changed"]
        .iter()
        .any(|words| message.contains(words))
}

fn invalid(action: &Action, mut problems: Vec<FieldProblem>) -> Option<ApiError> {
    problems.truncate(MAX_PROBLEMS);
    let action = action.clone();
    (!problems.is_empty()).then_some(ApiError::Invalid { action, problems })
}

/// Reads `User "ada" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`, as every
/// authorizer is quoted (`forbiddenMessage` of apiserver).
fn missing_right(message: &str) -> Option<MissingRight> {
    let (_, rest) = message.split_once(" is forbidden: User \"")?;
    let (user, rest) = rest.split_once("\" cannot ")?;
    let (verb, rest) = rest.split_once(" resource \"")?;
    let (resource, rest) = rest.split_once("\" in API group \"")?;
    let (group, rest) = rest.split_once('"')?;
    let namespace = rest.strip_prefix(" in the namespace \"").and_then(|rest| Some(rest.split_once('"')?.0.to_owned()));
    // The server takes a Namespace to be in itself, where no Role can be before it is there.
    let namespace = namespace.filter(|_| (resource, group) != ("namespaces", ""));
    let text = str::to_owned;
    Some(MissingRight {
        user: text(user),
        verb: text(verb),
        resource: text(resource),
        group: text(group),
        namespace,
        name: None,
    })
}

/// Falls back to the HTTP status, which every answer has.
fn read_code(
    action: Action,
    code: StatusCode,
    retry_after: Option<Duration>,
    status: &Status,
    message: String,
) -> ApiError {
    let too_large = message.contains("request is too large") || message.contains("larger than max");
    match code {
        _ if too_large => ApiError::TooLarge { action, message },
        StatusCode::UNAUTHORIZED => ApiError::Unauthorized { action, message },
        StatusCode::FORBIDDEN => {
            let missing = missing_right(&message).map(Box::new);
            ApiError::Forbidden { action, message, missing }
        }
        // A path that the server does not route is answered in plain text, a missing object with its name.
        StatusCode::NOT_FOUND if status.details.as_ref().is_none_or(|details| details.name.is_empty()) => {
            ApiError::NotServed { action }
        }
        StatusCode::NOT_FOUND => ApiError::NotFound { action, message },
        StatusCode::CONFLICT if status.is_already_exists() => ApiError::AlreadyExists { action },
        StatusCode::CONFLICT => ApiError::Stale { action, message },
        StatusCode::GONE => ApiError::Gone { action, message },
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = if message.is_empty() { "the API server takes 3 MiB".to_owned() } else { message };
            ApiError::TooLarge { action, message }
        }
        StatusCode::UNPROCESSABLE_ENTITY => {
            let problem = FieldProblem { field: String::new(), immutable: is_immutable(&message), message };
            ApiError::Invalid { action, problems: vec![problem] }
        }
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::NotServed { action },
        StatusCode::TOO_MANY_REQUESTS => ApiError::TooManyRequests { action, retry_after },
        code if code.is_server_error() => ApiError::Server { action, code: code.as_u16(), message },
        code => ApiError::Unexpected { action, message: format!("status {code}: {message}") },
    }
}
