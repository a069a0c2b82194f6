//! The benchmark's saga as a Restate service: ten sequential steps, each of which takes 1 KiB and passes it on.
//!
//! A step is `ctx.run`: it runs in this process, apart from the server, and the next one begins when the server has
//! made its result durable. Another service's call as a step would cost Restate more.

use restate_sdk::prelude::*;
use serde_json::Value;

const STEPS: usize = 10;

struct Saga;

#[service]
impl Saga {
    #[handler]
    async fn run(&self, ctx: Context<'_>, input: Json<Value>) -> Result<Json<Value>, HandlerError> {
        let mut payload = input.into_inner();
        for _ in 0..STEPS {
            let given = payload;
            payload = ctx.run(move || async move { Ok(Json(given)) }).await?.into_inner();
        }
        Ok(Json(payload))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::args().nth(1).ok_or("the address to listen on is missing")?.parse()?;
    HttpServer::new(Endpoint::builder().bind(Saga).build()).listen_and_serve(listen).await;
    Ok(())
}
