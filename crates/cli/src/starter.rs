//! What `chancery dev` brings: the starter bundle, and the closures that `examples/hello.yaml` runs.

use crate::error::CliError;
use chancery_app::Closures;
use chancery_base::Name;
use chancery_engine::StepError;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Where the starter bundle is written, in the directory where `dev` is run.
pub(crate) const DIR: &str = "chancery-starter";
/// The definition beside it, for those who have no `examples/`.
pub(crate) const HELLO: &str = "hello.yaml";

const FILES: [(&str, &str); 4] = [
    ("bundle.yaml", include_str!("../../../examples/starter/bundle.yaml")),
    ("hello.cedar", include_str!("../../../examples/starter/hello.cedar")),
    ("schema.cedarschema", include_str!("../../../examples/starter/schema.cedarschema")),
    (HELLO, include_str!("../../../examples/hello.yaml")),
];
/// Greetings that one call gives at most.
const TIMES_MAX: u64 = 100;

/// Writes the starter bundle unless there is one; says whether it did.
pub(crate) fn write(dir: &Path) -> Result<bool, CliError> {
    if dir.exists() {
        return Ok(false);
    }
    fs::create_dir(dir).map_err(|source| CliError::Write { path: dir.to_owned(), source })?;
    for (name, text) in FILES {
        let path = dir.join(name);
        fs::write(&path, text).map_err(|source| CliError::Write { path, source })?;
    }
    Ok(true)
}

/// `hello.greet` and `hello.fail`.
pub(crate) fn closures() -> Result<Closures, CliError> {
    let name = |text: &str| text.parse::<Name>().map_err(|error| CliError::Usage(error.to_string()));
    Ok(Closures::new().with(name("hello.greet")?, |task| async move { Ok(greet(&task.input)) }).with(
        name("hello.fail")?,
        |_task| async move {
            Err(StepError::fatal("HelloFailed", "this step always fails, so that what was done before it is undone"))
        },
    ))
}

fn greet(input: &Value) -> Value {
    let name = input.get("name").and_then(Value::as_str).unwrap_or("world");
    let times = input.get("times").and_then(Value::as_u64).unwrap_or(1).min(TIMES_MAX);
    let greetings: Vec<String> = (0..times).map(|_| format!("Hello, {name}!")).collect();
    json!({"text": greetings.join(" ")})
}
