//! A token as text: Biscuit's base64, URL-safe and padded.

use crate::CapabilityError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use biscuit_auth::UnverifiedBiscuit;
use chancery_base::limits::{CAPABILITY_BLOCKS_MAX, CAPABILITY_BYTES_MAX};

/// The bytes of a token.
pub(crate) fn decode(token: &str) -> Result<Vec<u8>, CapabilityError> {
    if token.len() > CAPABILITY_BYTES_MAX {
        return Err(CapabilityError::TooLarge);
    }
    URL_SAFE.decode(token).map_err(CapabilityError::form)
}

/// The text of a token.
pub(crate) fn encode(bytes: &[u8]) -> Result<String, CapabilityError> {
    let text = URL_SAFE.encode(bytes);
    if text.len() > CAPABILITY_BYTES_MAX { Err(CapabilityError::TooLarge) } else { Ok(text) }
}

/// Reads a token without believing it.
pub(crate) fn read(token: &str) -> Result<UnverifiedBiscuit, CapabilityError> {
    let biscuit = UnverifiedBiscuit::from(decode(token)?).map_err(CapabilityError::form)?;
    // The first block is the issuer's.
    if biscuit.block_count() > CAPABILITY_BLOCKS_MAX + 1 {
        return Err(CapabilityError::TooDeep);
    }
    Ok(biscuit)
}
