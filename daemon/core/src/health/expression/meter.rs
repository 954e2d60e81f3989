//! A bound on what one evaluation costs, written into the expression itself.
//!
//! The interpreter has no limit of its own, and two lines can ask for more than the age of the universe:
//! `[1,2,3].exists(a, [1,2,3].exists(b, …))`, or `[self.a].map(x, x+x).map(x, x+x)…`. So every value that an operator, a
//! function, a list or a loop works on passes through a function `@meter`, which counts its size against a fixed number
//! of steps and fails once they are used up. A loop pays for all its turns before the first one; whatever may still be
//! done after the failure was paid for before. Names with `@` can't be written in CEL, so no expression gets around it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cel::{
    Context, ExecutionError, FunctionContext, IdedExpr,
    common::{
        ast::{CallExpr, EntryExpr, Expr, LiteralValue},
        types::{CelBytes, CelInt, CelList, CelMap, CelMapKey, CelOptional, CelString},
        value::{CowVal, Val},
    },
};

/// Steps of one evaluation; one takes about 100 ns, and the index waits for it.
const STEPS_MAX: u64 = 100_000;

/// Bytes of text that count as one step.
const BYTES_PER_STEP: usize = 64;

/// The function through which values pass: `@meter(value)`, or `@meter(range, steps of one turn)`.
const METER: &str = "@meter";

/// What it says once all steps are used up.
const EXHAUSTED: &str = "all steps are used up";

/// Operators that look at no more of their operands than whether they are true, or at one element.
const CHEAP: [&str; 6] = ["_?_:_", "_&&_", "_||_", "!_", "_[_]", "@not_strictly_false"];

/// Gives a context the function that metered expressions call, with all steps left.
pub(super) fn install(context: &mut Context<'_, '_>) {
    type Function = Box<
        dyn for<'context, 'call> Fn(
                &mut FunctionContext<'context, 'call>,
            ) -> Result<CowVal<'context, 'call>, ExecutionError>
            + Send
            + Sync,
    >;
    let left = Arc::new(AtomicU64::new(STEPS_MAX));
    let meter: Function = Box::new(move |call| {
        let mut arguments = call.args.drain(..);
        let value = arguments.next().ok_or(ExecutionError::MissingArgumentOrTarget)?;
        let turn = arguments.next().and_then(|turn| turn.downcast_ref::<CelInt>().map(|turn| *turn.inner()));
        let turns = turn.zip(value.as_sizer()).map(|(turn, sizer)| turn.saturating_mul(*sizer.size().inner()));
        let mut steps = left.load(Ordering::Relaxed);
        let enough = spend(&mut steps, turns.map_or(0, |turns| u64::try_from(turns).unwrap_or(u64::MAX)))
            && weigh(value.as_ref(), &mut steps);
        left.store(if enough { steps } else { 0 }, Ordering::Relaxed);
        let value = if turn.is_some() { in_order(value) } else { value };
        if enough { Ok(value) } else { Err(ExecutionError::function_error(METER, EXHAUSTED)) }
    });
    let added = context.add_function(METER, meter);
    added.expect("because no function of the standard library begins with @");
}

/// Returns whether an evaluation ended because it cost too much.
pub(super) fn is_exhausted(error: &ExecutionError) -> bool {
    matches!(error, ExecutionError::FunctionError { function, .. } if function == METER)
}

/// Returns the sorted keys of a map that a loop is about to go through: the interpreter's maps have another order each time,
/// and none may reach a verdict.
fn in_order<'b, 'v>(range: CowVal<'b, 'v>) -> CowVal<'b, 'v> {
    let Some(map) = range.downcast_ref::<CelMap>() else { return range };
    let mut keys: Vec<&CelMapKey<'v>> = map.inner().keys().collect();
    keys.sort();
    let keys: Vec<Box<dyn Val + 'v>> = keys.into_iter().map(|key| key.inner().clone_as_boxed()).collect();
    CowVal::owned(CelList::from(keys))
}

fn spend(left: &mut u64, steps: u64) -> bool {
    match left.checked_sub(steps) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

/// Takes the size of a value off the steps; returns whether they were enough, and looks no further once they are not.
fn weigh(value: &dyn Val, left: &mut u64) -> bool {
    let text = |bytes: usize| u64::try_from(bytes / BYTES_PER_STEP).unwrap_or(u64::MAX).saturating_add(1);
    if let Some(string) = value.downcast_ref::<CelString>() {
        spend(left, text(string.inner().len()))
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        spend(left, text(bytes.inner().len()))
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        spend(left, 1) && list.inner().iter().all(|item| weigh(item.as_ref(), left))
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        let key = |key: &CelMapKey<'_>| if let CelMapKey::String(key) = key { text(key.inner().len()) } else { 1 };
        spend(left, 1) && map.inner().iter().all(|(name, item)| spend(left, key(name)) && weigh(item.as_ref(), left))
    } else if let Some(optional) = value.downcast_ref::<CelOptional>() {
        spend(left, 1) && optional.inner().is_none_or(|value| weigh(value, left))
    } else {
        spend(left, 1)
    }
}

/// Returns the expression with every value metered that costs according to its size.
pub(super) fn metered(expression: IdedExpr) -> IdedExpr {
    let IdedExpr { id, expr } = expression;
    let expr = match expr {
        Expr::Call(call) => Expr::Call(call_metered(call)),
        Expr::Select(mut select) => {
            select.operand = Box::new(metered(*select.operand));
            Expr::Select(select)
        }
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(operand).collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = operand(std::mem::take(&mut entry.key));
                    entry.value = operand(std::mem::take(&mut entry.value));
                }
            }
            Expr::Map(map)
        }
        Expr::Comprehension(mut comprehension) => {
            for part in [
                &mut comprehension.accu_init,
                &mut comprehension.loop_cond,
                &mut comprehension.loop_step,
                &mut comprehension.result,
            ] {
                *part = metered(std::mem::take(part));
            }
            let turn = nodes(&comprehension.loop_cond) + nodes(&comprehension.loop_step);
            let turn = i64::try_from(turn).unwrap_or(i64::MAX);
            let turn = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Int(CelInt::from(turn))) };
            let range = metered(std::mem::take(&mut comprehension.iter_range));
            comprehension.iter_range = call(vec![range, turn]);
            Expr::Comprehension(comprehension)
        }
        expr @ (Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_)) => expr,
    };
    IdedExpr { id, expr }
}

fn call_metered(mut call: CallExpr) -> CallExpr {
    let part = if CHEAP.contains(&call.func_name.as_str()) { metered } else { operand };
    call.args = call.args.into_iter().map(part).collect();
    // `optional.of(x)` is a function with a long name, not a method.
    let is_namespace =
        |target: &IdedExpr| matches!(&target.expr, Expr::Ident(name) if name == "optional") && call.func_name != "size";
    call.target = call.target.map(|target| if is_namespace(&target) { target } else { Box::new(part(*target)) });
    call
}

/// Returns what an operator works on, metered. Literals are as long as they are written; what a loop has gathered so far
/// was metered as it was put in, and the interpreter only recognises it as it stands.
fn operand(expression: IdedExpr) -> IdedExpr {
    let expression = metered(expression);
    match &expression.expr {
        Expr::Literal(_) | Expr::List(_) | Expr::Map(_) => expression,
        Expr::Ident(name) if name.starts_with('@') => expression,
        _ => call(vec![expression]),
    }
}

fn call(args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: METER.to_owned(), target: None, args }) }
}

/// Returns how many nodes one turn of a loop evaluates, but for the loops inside, which pay for themselves.
fn nodes(expression: &IdedExpr) -> usize {
    let inside = match &expression.expr {
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).map(nodes).sum(),
        Expr::Select(select) => nodes(&select.operand),
        Expr::List(list) => list.elements.iter().map(nodes).sum(),
        Expr::Map(map) => map.entries.iter().map(entry_nodes).sum(),
        Expr::Comprehension(comprehension) => {
            nodes(&comprehension.iter_range) + nodes(&comprehension.accu_init) + nodes(&comprehension.result)
        }
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => 0,
    };
    inside + 1
}

fn entry_nodes(entry: &cel::common::ast::IdedEntryExpr) -> usize {
    match &entry.expr {
        EntryExpr::MapEntry(entry) => nodes(&entry.key) + nodes(&entry.value),
        EntryExpr::StructField(_) => 0,
    }
}
