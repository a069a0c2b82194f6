//! CEL's macros. The parser leaves them as the calls they are written as.

use crate::function::TYPES;
use crate::lower::{LOOPS_MAX, Lowered, Lowering, fail};
use crate::node::{Loop, LoopKind, Node};
use cel::common::ast::{CallExpr, Expr, IdedExpr, SelectExpr};
use std::sync::Arc;

/// The macro that a call is, if it is one.
pub(crate) fn lower(lowering: &mut Lowering, id: u64, call: &CallExpr) -> Option<Lowered> {
    let name = call.func_name.as_str();
    let Some(target) = call.target.as_deref() else {
        return (name == "has").then(|| lower_has(lowering, id, &call.args));
    };
    let kind = match name {
        "all" => LoopKind::All,
        "exists" => LoopKind::Exists,
        "exists_one" | "existsOne" => LoopKind::ExistsOne,
        "filter" => LoopKind::Filter,
        "map" => LoopKind::Map,
        "optMap" => LoopKind::OptMap,
        "optFlatMap" => LoopKind::OptFlatMap,
        _ => return None,
    };
    Some(match call.args.as_slice() {
        [variable, body] => lower_loop(lowering, id, kind, target, (variable, None, body)),
        [variable, only, body] if kind == LoopKind::Map => {
            lower_loop(lowering, id, kind, target, (variable, Some(only), body))
        }
        _ => fail(id, format!("`{name}` takes a variable and an expression, as `list.{name}(x, …)`")),
    })
}

fn lower_has(lowering: &mut Lowering, id: u64, arguments: &[IdedExpr]) -> Lowered {
    let [argument] = arguments else { return fail(id, "`has` takes one field, as `has(a.b)`") };
    let Expr::Select(SelectExpr { field, .. }) = &argument.expr else {
        return fail(argument.id, "`has` takes a field, as `has(a.b)`");
    };
    let chain = lowering.lower_chain(argument, true)?;
    let Node::Select { operand, .. } = chain else { return fail(argument.id, "`has` takes a field, as `has(a.b)`") };
    Ok(Node::Has { operand, field: Arc::from(field.as_str()) })
}

fn lower_loop(
    lowering: &mut Lowering,
    id: u64,
    kind: LoopKind,
    target: &IdedExpr,
    (variable, only, body): (&IdedExpr, Option<&IdedExpr>, &IdedExpr),
) -> Lowered {
    let Expr::Ident(name) = &variable.expr else {
        return fail(variable.id, "the first argument is the name of a variable");
    };
    if name.starts_with('.') || TYPES.contains(&name.as_str()) {
        return fail(variable.id, format!("`{name}` cannot name a variable"));
    }
    let range = lowering.lower(target)?;
    if lowering.locals.len() >= LOOPS_MAX {
        return fail(id, format!("comprehensions nest at most {LOOPS_MAX} deep"));
    }
    lowering.locals.push(name.clone());
    let only = only.map(|only| lowering.lower(only)).transpose();
    let body = lowering.lower(body);
    lowering.locals.pop();
    Ok(Node::Loop(Box::new(Loop { kind, range, only: only?, body: body? })))
}
