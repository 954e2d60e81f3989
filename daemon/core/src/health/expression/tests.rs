//! Tables of what expressions mean, what is no expression, and what costs too much.

use serde_json::{Value, json};

use super::{Expression, LENGTH_MAX};

fn object() -> Value {
    json!({
        "apiVersion": "example.com/v1", "kind": "Database",
        "metadata": {
            "name": "main", "generation": 3, "labels": {"tier": "gold", "example.com/zone": "a"},
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": {"replicas": 3, "big": 18_446_744_073_709_551_615_u64, "share": 0.5, "none": null},
        "status": {
            "phase": "Ready", "ready": 3, "observed": 3, "secret": "hunter2",
            "conditions": [{"type": "Up", "status": "True"}, {"type": "Busy", "status": "False"}],
            "members": ["a", "b"],
        },
    })
}

#[test]
fn what_holds() {
    let check = |text: &str, expected: bool| {
        assert_eq!(Expression::compile(text).unwrap().holds(&object()), Ok(expected), "{text}");
    };
    check("self.status.phase == 'Ready'", true);
    check("self.status.phase == \"Broken\"", false);
    check("self.status.phase in ['Ready', 'Idle']", true);
    check("has(self.status.phase) && !has(self.status.error)", true);
    check("self.status.ready == self.spec.replicas && self.status.ready - 1 >= 2", true);
    check("self.spec.big > 1 && self.spec.share * 2.0 == 1.0 && self.spec.none == null", true);
    check("self.status.conditions.exists(c, c.type == 'Up' && c.status == 'True')", true);
    check("self.status.conditions.all(c, c.status == 'True')", false);
    check("self.status.conditions.filter(c, c.type == 'Up')[0].status == 'True'", true);
    check("self.status.conditions.exists_one(c, c.status == 'True')", true);
    check("size(self.status.members) == 2 && self.status.members.size() == 2", true);
    check("self.status.members.map(m, m + '-0') == ['a-0', 'b-0']", true);
    check("self.status.members.all(m, self.status.conditions.exists(c, c.type != m))", true);
    check("self.metadata.labels['example.com/zone'] == 'a' && 'tier' in self.metadata.labels", true);
    check("self.metadata.labels.exists(name, name.startsWith('example.com/'))", true);
    check("self.metadata.labels.map(name, name) == ['example.com/zone', 'tier']", true);
    check("{'b': 1, 'c': 2, 'a': 3}.map(name, name) == ['a', 'b', 'c'] && {'a': 1} == {'a': 1}", true);
    check("self.status.?error.orValue('') == ''", true);
    check("optional.of(self.status.phase).hasValue()", true);
    check("self.status.error == 'x' || self.status.phase == 'Ready'", true);
    check("string(self.status.ready) == '3' && int('3') == self.status.ready", true);
    check("type(self.status.ready) == int", true);
    check("self.status.ready > 2 ? self.status.phase.contains('ead') : false", true);
    check("{'a': [1, 2]}.a[1] == 2 && [[1], [2]][0][0] == 1", true);
    // Everybody's fields are no part of how well it is.
    check("has(self.metadata.managedFields)", false);
    check("self.metadata.name\n  == 'main' // the first one", true);
}

#[test]
fn what_has_no_value_says_why_without_any_value() {
    let check = |text: &str, expected: &str| {
        let error = Expression::compile(text).unwrap().holds(&object()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    };
    check("self.status.error == 'x'", "there is no error");
    check("self.spec.size.width > 1", "there is no size");
    check("self.status.phase", "it is neither true nor false");
    check("self.status.ready > '2'", "found no matching overload for '_>_' applied to '(int, string)'");
    check("self.status.members[7] == 'a'", "an index is out of bounds");
    check("1 / 0 == 1", "division by zero");
    check("self.spec.big + 1u == 1u", "a number is too large");
    check("self.status.phase.size(1) == 1", "found no matching overload for 'size' applied to 'string.(int)'");
    // What a computed key says may be secret.
    check("self.status[self.status.secret] == 1", "there is no such key");
    check("self.status.secret + 1 == 1", "a value is not of the type that it needs");
    check("int(self.status.secret) == 1", "a value is not of the type that it needs");
}

#[test]
fn what_is_no_expression_says_where() {
    let check = |text: &str, expected: &str| {
        let error = Expression::compile(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    };
    check("self.status.phase = 'Ready'", "line 1, column 19: ");
    check("self.status.phase ==", "line 1, column 21: ");
    check("", "line 1, column 1: ");
    check(
        "self.a &&\n  status.b",
        "line 2, column 3: there is no status; the object is self, such as self.status.status",
    );
    check("selfish.a", "line 1, column 1: there is no selfish");
    check("self.self2 == self2", "line 1, column 6: there is no self2");
    check("[1].exists(x, x > 0) && x > 0", "line 1, column 12: there is no x");
    check("self.name.matches('a+')", "line 1, column 11: there is no function matches");
    check("self.at.getHours() == 1", "line 1, column 9: there is no function getHours");
    check("Thing{a: 1} == 1", "line 1, column 1: there is no message type Thing");
    check(&format!("self.{}", "a".repeat(LENGTH_MAX)), "line 1, column 1025: longer than 1024 bytes");
}

/// An object of many small and some large values.
fn large() -> Value {
    let items: Vec<Value> = (0..10_000).map(|number| json!({"type": format!("item-{number}")})).collect();
    json!({"status": {"items": items, "text": "x".repeat(500_000)}})
}

#[test]
fn what_costs_too_much_is_ended() {
    let check = |text: &str, expected: Result<bool, &str>| {
        let result = Expression::compile(text).unwrap().holds(&large());
        assert_eq!(result.map_err(|error| error.to_string()), expected.map_err(str::to_owned), "{text}");
    };
    let ended = Err("it costs too much");
    check("self.status.items.exists(i, i.type == 'item-9999')", ended);
    check("self.status.items.size() == 10000", Ok(true));
    check("self.status.text.size() == 500000", Ok(true));
    check("self.status.items.all(i, has(i.type))", Ok(true));
    check("self.status.items.all(a, self.status.items.all(b, a != b))", ended);
    // Errors that `exists` and `||` pass over do not keep a loop going.
    check("self.status.items.exists(a, self.status.items.exists(b, self.status.items.exists(c, c.none == b)))", ended);
    check("self.status.items.exists(a, self.status.items == self.status.items)", ended);
    check("self.status.items.map(a, self.status).size() == 1", ended);
    check("self.status.items.filter(a, self.status.text + self.status.text == '').size() == 0", ended);
    check("self.status.items.exists(a, self.?status.?items.hasValue())", ended);
    let digits = "[0,1,2,3,4,5,6,7,8,9]";
    let nested = |depth: usize| {
        let open: String = (0..depth).map(|level| format!("{digits}.all(v{level}, ")).collect();
        format!("{open}true{}", ")".repeat(depth))
    };
    check(&nested(2), Ok(true));
    check(&nested(8), ended);
    let doubled = format!("[self.status.text]{}.size() == 1", ".map(x, x + x)".repeat(9));
    check(&doubled, ended);
    let doubled = format!("['x']{}[0].size() > 1", ".map(x, x+x)".repeat(9));
    check(&doubled, Ok(true));
    let listed = format!("[[1]]{}.size() == 1", ".map(x, x + x)".repeat(9));
    check(&listed, Ok(true));
}
