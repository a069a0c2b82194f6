//! Prints the `OpenAPI` document: `cargo run -q -p chancery-server --example openapi > openapi.json`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(chancery_server::openapi::text().as_bytes())
}
