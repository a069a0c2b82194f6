//! Task tokens: the name of an attempt, and the proof that it was handed out.
//!
//! `tsk_` and base64url of transaction (16 bytes), step (4), clone (4), phase (1), attempt (4) and the first 16 bytes
//! of HMAC-SHA-256 (RFC 2104) over these, the tenant and the digest of the attempt's input. So a token that a worker
//! presents says which attempt it is for without a look-up, can't be made up, and does not fit another input.

use chancery_base::digest::{hex_decode, hex_encode};
use chancery_base::secret::constant_time_eq;
use chancery_base::webhook::hmac_sha256;
use chancery_base::{Digest, TenantId, TransactionId};
use chancery_engine::definition::StepIndex;
use chancery_engine::{NodeRef, Phase};
use std::fmt;
use std::str::FromStr;

const NAMED: usize = 16 + 4 + 4 + 1 + 4;
const MAC: usize = 16;
const LEN: usize = NAMED + MAC;
const PREFIX: &str = "tsk_";
const CAPABILITY_PREFIX: &str = "cap_";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Which attempt of which step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptRef {
    /// Whose step.
    pub transaction: TransactionId,
    /// The step's index.
    pub step: u32,
    /// 0 for the step as a whole; a clone of a fan-out is one more than its index.
    pub clone: u32,
    /// The step or its compensation.
    pub phase: Phase,
    /// Which attempt, from 1.
    pub attempt: u32,
}

impl AttemptRef {
    /// An attempt of a node.
    #[must_use]
    pub const fn of(transaction: TransactionId, node: NodeRef, phase: Phase, attempt: u32) -> Self {
        Self { transaction, step: node.step.0, clone: node.clone, phase, attempt }
    }

    /// Which node it is of.
    #[must_use]
    pub const fn node(&self) -> NodeRef {
        NodeRef { step: StepIndex(self.step), clone: self.clone }
    }
}

/// What the capability token of an attempt is called and revoked by: `cap_` and 58 hex digits, which spell the attempt.
/// It is public, since it proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CapabilityId(pub AttemptRef);

/// Why a text is not the id of a capability token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a capability is `cap_` followed by 58 lower-case hex digits")]
pub struct CapabilityIdError;

/// A token as a worker presents it: which attempt it is for can be read, whether it is genuine must be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskToken {
    /// Which attempt it says that it is for.
    pub attempt: AttemptRef,
    mac: [u8; MAC],
}

/// Why a text is not a task token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task is `tsk_` followed by 60 characters of base64url, as it was handed out")]
pub struct TokenError;

/// The node's key for task tokens. Never printed.
#[derive(Clone)]
pub struct TokenKey([u8; 32]);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey([redacted])")
    }
}

impl TokenKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The token of an attempt whose input has this digest.
    #[must_use]
    pub fn issue(&self, tenant: &TenantId, attempt: AttemptRef, input: &Digest) -> TaskToken {
        TaskToken { attempt, mac: self.mac(tenant, attempt, input) }
    }

    /// Whether a token is the one that was issued for its attempt with this input; in constant time.
    #[must_use]
    pub fn verify(&self, tenant: &TenantId, token: &TaskToken, input: &Digest) -> bool {
        constant_time_eq(&self.mac(tenant, token.attempt, input), &token.mac)
    }

    fn mac(&self, tenant: &TenantId, attempt: AttemptRef, input: &Digest) -> [u8; MAC] {
        let tenant_len = u64::try_from(tenant.as_str().len()).unwrap_or(u64::MAX).to_be_bytes();
        let message = [&tenant_len, tenant.as_str().as_bytes(), &attempt.to_bytes(), input.as_bytes()];
        let full = hmac_sha256(&self.0, &message);
        let mut out = [0; MAC];
        for (to, from) in out.iter_mut().zip(full) {
            *to = from;
        }
        out
    }
}

impl AttemptRef {
    fn to_bytes(self) -> [u8; NAMED] {
        let mut out = [0; NAMED];
        let phase = [match self.phase {
            Phase::Do => 0,
            Phase::Undo => 1,
            Phase::Confirm => 2,
        }];
        let step = self.step.to_be_bytes();
        let clone = self.clone.to_be_bytes();
        let attempt = self.attempt.to_be_bytes();
        let parts = self.transaction.as_bytes().iter().chain(&step).chain(&clone).chain(&phase).chain(&attempt);
        for (to, from) in out.iter_mut().zip(parts) {
            *to = *from;
        }
        out
    }

    fn from_bytes(bytes: &[u8; NAMED]) -> Option<Self> {
        let (transaction, rest) = bytes.split_first_chunk::<16>()?;
        let (step, rest) = rest.split_first_chunk::<4>()?;
        let (clone, rest) = rest.split_first_chunk::<4>()?;
        let (phase, rest) = rest.split_first_chunk::<1>()?;
        let (attempt, _) = rest.split_first_chunk::<4>()?;
        let phase = match phase {
            [0] => Phase::Do,
            [1] => Phase::Undo,
            [2] => Phase::Confirm,
            _ => return None,
        };
        Some(Self {
            transaction: TransactionId::from_bytes(*transaction),
            step: u32::from_be_bytes(*step),
            clone: u32::from_be_bytes(*clone),
            phase,
            attempt: u32::from_be_bytes(*attempt),
        })
    }
}

impl fmt::Display for CapabilityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CAPABILITY_PREFIX}{}", hex_encode(&self.0.to_bytes()))
    }
}

impl FromStr for CapabilityId {
    type Err = CapabilityIdError;

    fn from_str(text: &str) -> Result<Self, CapabilityIdError> {
        let bytes = text.strip_prefix(CAPABILITY_PREFIX).and_then(hex_decode).ok_or(CapabilityIdError)?;
        AttemptRef::from_bytes(&bytes).map(Self).ok_or(CapabilityIdError)
    }
}

impl fmt::Display for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        let named = self.attempt.to_bytes();
        let mut bytes = named.iter().chain(&self.mac).copied();
        let mut text = String::with_capacity(LEN / 3 * 4);
        while let (Some(a), Some(b), Some(c)) = (bytes.next(), bytes.next(), bytes.next()) {
            let group = u32::from_be_bytes([0, a, b, c]);
            for shift in [18, 12, 6, 0] {
                let index = usize::try_from((group >> shift) & 63).unwrap_or(0);
                text.push(char::from(*ALPHABET.get(index).unwrap_or(&b'A')));
            }
        }
        f.write_str(&text)
    }
}

// INVARIANT: a token's bytes are whole groups of three, so base64 needs no padding.
const _: () = assert!(LEN.is_multiple_of(3));

impl FromStr for TaskToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.strip_prefix(PREFIX).filter(|rest| rest.len() == LEN / 3 * 4).ok_or(TokenError)?;
        let mut out = [0; LEN];
        for (to, from) in out.chunks_exact_mut(3).zip(text.as_bytes().chunks_exact(4)) {
            let mut group = 0_u32;
            for character in from {
                group = (group << 6) | u32::from(sextet(*character).ok_or(TokenError)?);
            }
            let [_, bytes @ ..] = group.to_be_bytes();
            to.copy_from_slice(&bytes);
        }
        let (named, mac) = out.split_first_chunk::<NAMED>().ok_or(TokenError)?;
        let attempt = AttemptRef::from_bytes(named).ok_or(TokenError)?;
        Ok(Self { attempt, mac: mac.try_into().ok().ok_or(TokenError)? })
    }
}

fn sextet(character: u8) -> Option<u8> {
    Some(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chancery_base::{Entropy, Slot, Timestamp};

    #[test]
    fn a_token_reads_back_and_fits_one_attempt_of_one_input() {
        let key = TokenKey::new([3; 32]);
        let tenant: TenantId = "acme".parse().unwrap();
        let transaction =
            TransactionId::draw(Timestamp::EPOCH, Slot::new(9).unwrap(), &mut Entropy::from_seed([1; 32]));
        let attempt = AttemptRef { transaction, step: 2, clone: 0, phase: Phase::Undo, attempt: 7 };
        let input = Digest::of(b"input");
        let token = key.issue(&tenant, attempt, &input);
        assert_eq!(token.to_string().len(), 64);
        assert_eq!(token.to_string().parse(), Ok(token));
        assert!(key.verify(&tenant, &token, &input));
        assert!(!key.verify(&tenant, &token, &Digest::of(b"another")));
        assert!(!key.verify(&"acme2".parse().unwrap(), &token, &input));
        assert!(!TokenKey::new([4; 32]).verify(&tenant, &token, &input));
        let next = TaskToken { attempt: AttemptRef { attempt: 8, ..attempt }, ..token };
        assert!(!key.verify(&tenant, &next, &input));
        let id = CapabilityId(attempt);
        assert_eq!((id.to_string().len(), id.to_string().parse()), (62, Ok(id)));
        let no_phase = id.to_string().replace("0000000001", "0000000009");
        for bad in ["", "cap_", &no_phase, &id.to_string().to_uppercase()] {
            assert_eq!(bad.parse::<CapabilityId>(), Err(CapabilityIdError), "{bad}");
        }
        for bad in ["", "tsk_", "tsk_AAAA", &"x".repeat(64), &format!("tsk_{}", "=".repeat(60))] {
            assert_eq!(bad.parse::<TaskToken>(), Err(TokenError), "{bad}");
        }
    }
}
