//! What needs no server: a token is read from a file or the standard input, never from the command line.

use crate::commands::decide::entity;
use crate::error::CliError;
use crate::input;
use crate::output::fields;
use crate::session::Session;
use crate::show;
use chancery_app::clock;
use chancery_base::limits::{CAPABILITY_BYTES_MAX, CAPABILITY_KEYS_MAX};
use chancery_base::{PublicKey, Timestamp, duration};
use chancery_capability::{Attenuation, CapabilityError, Demand, Presenter, Proof, Resource, Verified, Verifier};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Bytes of a file of public keys at most: a line each.
const KEYS_BYTES_MAX: usize = 128 * CAPABILITY_KEYS_MAX;

/// Show what a token says of itself. Nothing of it is checked.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery capability inspect task.token
  chancery capability inspect - -o json < task.token")]
pub(crate) struct InspectArgs {
    /// The token; - for the standard input.
    file: PathBuf,
}

/// Narrow a token: what comes out grants what it grants and what is said here leaves, never more.
///
/// It takes no key and no server. What is not said stays as it is; what is said twice may be either.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery capability attenuate task.token --expires 60s > short.token
  chancery capability attenuate - --action refund --resource Order::17 --amount 50 \\
      < task.token > narrow.token")]
pub(crate) struct AttenuateArgs {
    /// The token; - for the standard input.
    file: PathBuf,
    /// For this action alone. Can be repeated.
    #[arg(long, value_name = "ACTION")]
    action: Vec<String>,
    /// For this resource alone: the entity type, `::`, and the id. Can be repeated.
    #[arg(long, value_name = "TYPE::ID", value_parser = entity)]
    resource: Vec<(String, String)>,
    /// Until then: from now on, such as 60s, or an instant.
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<Timestamp>,
    /// For so much at most, of what its budget counts.
    #[arg(long, value_name = "N")]
    amount: Option<u64>,
}

/// Check a token: who issued it, that it has not expired, that it grants this, and who shows it. Exits 1 if not.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "\
Examples:
  chancery capability verify task.token --key chancery.keys --action refund \\
      --resource Order::17 --challenge 5f1c --proof task.proof
  chancery capability verify - --key chancery.keys --action refund --resource Order::17 \\
      --amount 50 --no-proof < task.token",
    group = clap::ArgGroup::new("presenter").required(true).args(["proof", "no_proof"])
)]
pub(crate) struct VerifyArgs {
    /// The token; - for the standard input.
    file: PathBuf,
    /// The issuer's public keys: a file with one a line, as `chancery capability keys` shows them. Can be repeated.
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// What would be done.
    #[arg(long, value_name = "ACTION")]
    action: String,
    /// To what: the entity type, `::`, and the id.
    #[arg(long, value_name = "TYPE::ID", value_parser = entity)]
    resource: (String, String),
    /// How much it spends, of what the token's budget counts.
    #[arg(long, value_name = "N", default_value_t = 0)]
    amount: u64,
    /// What for; the token has to say the same.
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    /// The challenge that its presenter was given, in hex.
    #[arg(long, value_name = "HEX", requires = "proof", value_parser = challenge)]
    challenge: Option<Challenge>,
    /// A file with the proof that its presenter holds the key that it is bound to.
    #[arg(long, value_name = "FILE", requires = "challenge")]
    proof: Option<PathBuf>,
    /// Do not ask who shows it: a service that takes tokens never does so.
    #[arg(long)]
    no_proof: bool,
}

/// The bytes of a challenge.
#[derive(Debug, Clone)]
struct Challenge(Vec<u8>);

/// What a token says of itself.
#[derive(Debug, Serialize)]
struct Inspected {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<u32>,
    blocks: Vec<String>,
}

/// What a checked token says.
#[derive(Debug, Serialize)]
struct Checked {
    verified: bool,
    proven: bool,
    narrowed: usize,
    id: String,
    tenant: String,
    principal: String,
    transaction: String,
    step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    phase: &'static str,
    attempt: u32,
    input: String,
    decision: String,
    action: String,
    resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<u64>,
    worker: String,
    key: PublicKey,
    expires_at: Timestamp,
}

impl Checked {
    fn of(verified: Verified) -> Self {
        let Verified { claims, narrowed, proven } = verified;
        Self {
            verified: true,
            proven,
            narrowed,
            id: claims.id.to_string(),
            tenant: claims.tenant.to_string(),
            principal: claims.principal.to_string(),
            transaction: claims.transaction.to_string(),
            step: claims.step.to_string(),
            index: claims.index,
            phase: claims.phase.word(),
            attempt: claims.attempt,
            input: claims.input.to_string(),
            decision: claims.decision.to_string(),
            action: claims.action,
            resource: claims.resource.to_string(),
            purpose: claims.purpose,
            budget: claims.budget,
            worker: claims.worker.to_string(),
            key: claims.key,
            expires_at: claims.expires_at,
        }
    }
}

pub(super) fn inspect(args: &InspectArgs, session: &Session) -> Result<(), CliError> {
    let inspected = chancery_capability::inspect(&token(&args.file)?).map_err(|error| unfit(&error))?;
    let inspected = Inspected { key_id: inspected.key_id, blocks: inspected.blocks };
    session.out.show(&inspected, |inspected| {
        let titled = |(index, block): (usize, &String)| match index {
            0 => format!("// what the issuer says\n{}", block.trim_end()),
            _ => format!("// what a holder added ({index})\n{}", block.trim_end()),
        };
        inspected.blocks.iter().enumerate().map(titled).collect::<Vec<_>>().join("\n\n")
    })?;
    session.out.say("nothing of this was checked");
    Ok(())
}

pub(super) fn attenuate(args: AttenuateArgs, session: &Session) -> Result<(), CliError> {
    let resource = |(resource_type, id): (String, String)| Resource { resource_type, id };
    let to = Attenuation {
        actions: args.action,
        resources: args.resource.into_iter().map(resource).collect(),
        expires_at: args.expires,
        amount_max: args.amount,
    };
    let mut entropy = clock::entropy().map_err(|error| CliError::from(chancery_app::Error::from(error)))?;
    let narrowed = chancery_capability::attenuate(&token(&args.file)?, &to, &mut entropy);
    let narrowed = narrowed.map_err(|error| unfit(&error))?;
    session.out.show(&serde_json::json!({ "token": narrowed }), |_| narrowed.clone())?;
    Ok(())
}

pub(super) fn verify(args: VerifyArgs, session: &Session) -> Result<(), CliError> {
    let (resource_type, id) = args.resource;
    let demand = Demand {
        action: args.action,
        resource: Resource { resource_type, id },
        amount: args.amount,
        purpose: args.purpose,
    };
    let keys = args.key.iter().map(|path| keys(path)).collect::<Result<Vec<_>, _>>()?.concat();
    let token = token(&args.file)?;
    let proof = args.proof.as_deref().map(proof).transpose()?;
    let presenter = match (&proof, &args.challenge) {
        (Some(proof), Some(Challenge(challenge))) => Presenter::Proven { challenge, proof },
        // INVARIANT: then there is --no-proof: the one of the two that must be given.
        (None, _) | (_, None) => Presenter::Unproven,
    };
    let verified = Verifier::new(keys).verify(&token, &demand, presenter, clock::now());
    let checked = Checked::of(verified.map_err(|error| refused(&error))?);
    session.out.show(&checked, table)?;
    if !checked.proven {
        session.out.say("who shows it was not asked: a service that takes it asks for a proof");
    }
    Ok(())
}

fn table(checked: &Checked) -> String {
    let index = checked.index.map_or_else(String::new, |index| format!("[{index}]"));
    let attempt = format!("{}{index}, {}, attempt {}", checked.step, checked.phase, checked.attempt);
    fields([
        ("token", Some(checked.id.clone())),
        ("grants", Some(format!("{} on {}", checked.action, checked.resource))),
        ("budget", checked.budget.map(|budget| budget.to_string())),
        ("purpose", checked.purpose.clone()),
        ("until", Some(show::time(checked.expires_at))),
        ("step", Some(attempt)),
        ("transaction", Some(checked.transaction.clone())),
        ("decision", Some(checked.decision.clone())),
        ("tenant", Some(checked.tenant.clone())),
        ("for", Some(checked.principal.clone())),
        ("worker", Some(checked.worker.clone())),
        ("key", Some(checked.key.to_string())),
        ("narrowed", Some(checked.narrowed.to_string())),
    ])
}

fn unfit(error: &CapabilityError) -> CliError {
    CliError::Usage(error.to_string())
}

fn refused(error: &CapabilityError) -> CliError {
    CliError::Unverified { what: "the token".to_owned(), reason: error.to_string() }
}

fn token(path: &Path) -> Result<String, CliError> {
    let bytes = input::read(path, CAPABILITY_BYTES_MAX + 1)?;
    let text =
        String::from_utf8(bytes).map_err(|_binary| CliError::Usage(format!("{} is no token", input::name(path))))?;
    Ok(text.trim().to_owned())
}

fn keys(path: &Path) -> Result<Vec<PublicKey>, CliError> {
    let bytes = input::read(path, KEYS_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    let key = |line: &str| {
        line.trim().parse().map_err(|error| CliError::Usage(format!("{} holds no key: {error}", input::name(path))))
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(key).collect()
}

fn proof(path: &Path) -> Result<Proof, CliError> {
    let bytes = input::read(path, KEYS_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    text.trim().parse().map_err(|error| CliError::Usage(format!("{} holds no proof: {error}", input::name(path))))
}

/// An instant, or how long from now.
fn time(text: &str) -> Result<Timestamp, String> {
    match duration::parse(text) {
        Ok(from_now) => Ok(clock::now().plus(from_now)),
        Err(_) => input::time(text),
    }
}

fn challenge(text: &str) -> Result<Challenge, String> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len().is_multiple_of(2));
    let digits = digits.ok_or("write it as pairs of hex digits")?;
    let byte = |pair: &[u32]| pair.iter().fold(0_u32, |byte, digit| byte << 4 | digit);
    Ok(Challenge(digits.chunks_exact(2).filter_map(|pair| u8::try_from(byte(pair)).ok()).collect()))
}
