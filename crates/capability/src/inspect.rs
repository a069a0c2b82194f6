//! Looking at a token without believing it.

use crate::{CapabilityError, text};

/// What a token says of itself. Nobody checked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// By what number it names the key that it says it was issued under.
    pub key_id: Option<u32>,
    /// Its blocks as Datalog: the issuer's, then what its holders added.
    pub blocks: Vec<String>,
}

/// What a token says of itself.
///
/// # Errors
/// If it is no token.
pub fn inspect(token: &str) -> Result<Inspected, CapabilityError> {
    let biscuit = text::read(token)?;
    let blocks = (0..biscuit.block_count()).map(|index| biscuit.print_block_source(index));
    let blocks = blocks.collect::<Result<_, _>>().map_err(CapabilityError::form)?;
    Ok(Inspected { key_id: biscuit.root_key_id(), blocks })
}
