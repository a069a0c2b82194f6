//! Ids: UUIDv7 (RFC 9562) behind types, on the wire a prefix and 32 hex digits.

use crate::digest::HexText;
use crate::wire::as_text;
use crate::{Digest, Entropy, Slot, Timestamp};
use std::str::FromStr;
use uuid::Uuid;

/// Why a text is not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct IdError {
    text: String,
    expected: &'static str,
}

/// Makes a UUIDv7 whose `rand_a` is `rand_a` (12 bits).
fn uuid_v7(now: Timestamp, rand_a: u16, entropy: &mut Entropy) -> Uuid {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    let [_, _, m0, m1, m2, m3, m4, m5] = millis.to_be_bytes();
    let [a0, a1] = rand_a.to_be_bytes();
    let [r0, r1, r2, r3, r4, r5, r6, r7] = entropy.bytes8();
    Uuid::from_bytes([m0, m1, m2, m3, m4, m5, 0x70 | (a0 & 0x0f), a1, 0x80 | (r0 & 0x3f), r1, r2, r3, r4, r5, r6, r7])
}

fn parse_uuid(text: &str, prefix: &str) -> Option<Uuid> {
    let hex = text.strip_prefix(prefix)?;
    crate::digest::hex_decode::<16>(hex).map(Uuid::from_bytes)
}

macro_rules! id {
    ($(#[$doc:meta])* $type:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Uuid);

        impl $type {
            /// The id with these bytes, as the store keeps it.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// Its 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Its text, made without the heap.
            #[must_use]
            pub fn text(&self) -> HexText<36> {
                HexText::new($prefix.as_bytes(), self.as_bytes())
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let uuid = parse_uuid(text, $prefix);
                uuid.map(Self).ok_or_else(|| IdError { text: shorten(text), expected: $expected })
            }
        }

        as_text!($type);
    };
}

macro_rules! draw {
    ($type:ident) => {
        impl $type {
            /// Draws a new id.
            pub fn draw(now: Timestamp, entropy: &mut Entropy) -> Self {
                let [high, low, ..] = entropy.bytes8();
                Self(uuid_v7(now, u16::from_be_bytes([high, low]), entropy))
            }
        }
    };
}

id!(
    /// A transaction, `txn_…`. Its `rand_a` is its slot, so that any node can route it.
    TransactionId, "txn_", "a transaction's id (`txn_` and 32 hex digits)"
);
id!(
    /// A decision, `dec_…`.
    DecisionId, "dec_", "a decision's id (`dec_` and 32 hex digits)"
);
id!(
    /// A credential, `key_…`.
    KeyId, "key_", "a key's id (`key_` and 32 hex digits)"
);
id!(
    /// A secret that calls are signed with, `whs_…`: its name, not the secret.
    SigningSecretId, "whs_", "a signing secret's id (`whs_` and 32 hex digits)"
);
id!(
    /// A stop, `stp_…`.
    StopId, "stp_", "a stop's id (`stp_` and 32 hex digits)"
);
id!(
    /// An artefact that proves something, `evd_…`.
    EvidenceId, "evd_", "an evidence's id (`evd_` and 32 hex digits)"
);
id!(
    /// An override of the tenant's policy, `ovr_…`.
    OverrideId, "ovr_", "an override's id (`ovr_` and 32 hex digits)"
);
id!(
    /// An event that a step emitted, `evt_…`.
    EventId, "evt_", "an event's id (`evt_` and 32 hex digits)"
);
id!(
    /// A request to people, `req_…`. Its `rand_a` is the slot of its transaction, so that any node can route it.
    RequestId, "req_", "a request's id (`req_` and 32 hex digits)"
);
draw!(DecisionId);
draw!(EventId);
draw!(EvidenceId);
draw!(KeyId);
draw!(OverrideId);
draw!(SigningSecretId);
draw!(StopId);

impl RequestId {
    /// The id of the request that entry `n` of a transaction opened: whoever knows these knows it, so that a replay
    /// gives the same and no log can say another.
    #[must_use]
    pub fn of(opened_at: Timestamp, transaction: TransactionId, n: u64) -> Self {
        let seed = [b"request".as_slice(), transaction.as_bytes(), &n.to_be_bytes()];
        let mut entropy = Entropy::from_seed(*Digest::of_parts(&seed).as_bytes());
        Self(uuid_v7(opened_at, transaction.slot().number(), &mut entropy))
    }
}

impl TransactionId {
    /// Draws a new id in a slot.
    pub fn draw(now: Timestamp, slot: Slot, entropy: &mut Entropy) -> Self {
        Self(uuid_v7(now, slot.number(), entropy))
    }

    /// The least id that is drawn at a time or after: what was drawn before it in full milliseconds is less.
    #[must_use]
    pub fn first_of(time: Timestamp) -> Self {
        let [_, _, m0, m1, m2, m3, m4, m5] = u64::try_from(time.as_millis()).unwrap_or(0).to_be_bytes();
        Self::from_bytes([m0, m1, m2, m3, m4, m5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The slot in `rand_a`.
    #[must_use]
    pub fn slot(&self) -> Slot {
        let [_, _, _, _, _, _, high, low, ..] = self.0.as_bytes();
        let number = (u16::from(high & 0x0f) << 8) | u16::from(*low);
        // INVARIANT: 12 bits are always a slot.
        Slot::new(number).unwrap_or_else(|| Slot::of_key(&crate::TenantId::system(), ""))
    }
}

/// What kind of principal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A program.
    Service,
    /// An AI agent.
    Agent,
}

impl PrincipalKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::User, Self::Service, Self::Agent];

    const fn prefix(self) -> &'static str {
        match self {
            Self::User => "usr_",
            Self::Service => "svc_",
            Self::Agent => "agt_",
        }
    }

    /// The Cedar entity type: `User`, `Service`, `Agent`.
    #[must_use]
    pub const fn entity_type(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Service => "Service",
            Self::Agent => "Agent",
        }
    }

    /// The word on the wire: `user`, `service`, `agent`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::Agent => "agent",
        }
    }
}

impl FromStr for PrincipalKind {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let kind = Self::ALL.into_iter().find(|kind| kind.word() == text);
        kind.ok_or_else(|| IdError { text: shorten(text), expected: "a kind of principal (user, service, agent)" })
    }
}

/// Who acts: `usr_…`, `svc_…` or `agt_…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PrincipalId {
    kind: PrincipalKind,
    uuid: Uuid,
}

impl PrincipalId {
    /// The platform itself, as it stands in entries that nobody asked for, such as a lapsed lease.
    pub const SYSTEM: Self = Self { kind: PrincipalKind::Service, uuid: Uuid::nil() };

    /// Draws a new id.
    pub fn draw(kind: PrincipalKind, now: Timestamp, entropy: &mut Entropy) -> Self {
        let [high, low, ..] = entropy.bytes8();
        Self { kind, uuid: uuid_v7(now, u16::from_be_bytes([high, low]), entropy) }
    }

    /// What kind of principal this is.
    #[must_use]
    pub const fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// Its text, made without the heap.
    #[must_use]
    pub fn text(&self) -> HexText<36> {
        HexText::new(self.kind.prefix().as_bytes(), self.uuid.as_bytes())
    }
}

impl FromStr for PrincipalId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let found = PrincipalKind::ALL.into_iter().find_map(|kind| Some((kind, parse_uuid(text, kind.prefix())?)));
        let expected = "a principal's id (`usr_`, `svc_` or `agt_` and 32 hex digits)";
        found.map(|(kind, uuid)| Self { kind, uuid }).ok_or_else(|| IdError { text: shorten(text), expected })
    }
}

as_text!(PrincipalId);

/// What an error repeats of a text that somebody sent.
fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_carries_its_slot() {
        let mut entropy = Entropy::from_seed([1; 32]);
        for number in [0, 1, 255, 256, 4095] {
            let slot = Slot::new(number).unwrap();
            let id = TransactionId::draw(Timestamp::from_micros(1_795_246_020_000_000), slot, &mut entropy);
            assert_eq!(id.slot(), slot);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(Uuid::from_bytes(*id.as_bytes()).get_version_num(), 7);
        }
    }

    #[test]
    fn a_requests_id_follows_from_the_entry_that_opened_it() {
        let mut entropy = Entropy::from_seed([4; 32]);
        let now = Timestamp::from_micros(1_795_246_020_000_000);
        let transaction = TransactionId::draw(now, Slot::new(77).unwrap(), &mut entropy);
        let id = RequestId::of(now, transaction, 3);
        assert_eq!(id, RequestId::of(now, transaction, 3));
        assert_ne!(id, RequestId::of(now, transaction, 4));
        assert_eq!(TransactionId::from_bytes(*id.as_bytes()).slot(), transaction.slot());
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn what_was_drawn_before_a_time_is_less_than_its_first_id() {
        let mut entropy = Entropy::from_seed([3; 32]);
        let mut draw =
            |micros| TransactionId::draw(Timestamp::from_micros(micros), Slot::new(0).unwrap(), &mut entropy);
        let first = TransactionId::first_of(Timestamp::from_micros(1_795_246_020_000_500));
        assert!(draw(1_795_246_019_999_999) < first);
        assert!(draw(1_795_246_020_000_000) > first);
    }

    #[test]
    fn a_wrong_id_says_what_was_expected() {
        let error = "dec_1".parse::<TransactionId>().unwrap_err();
        assert_eq!(error.to_string(), "`dec_1` is not a transaction's id (`txn_` and 32 hex digits)");
        let id = PrincipalId::draw(PrincipalKind::Agent, Timestamp::EPOCH, &mut Entropy::from_seed([2; 32]));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("xyz_00".parse::<PrincipalId>().is_err());
    }
}
