//! The first column in which two rows differ.

use chancery_shard::replay::{NotifierSeen, SigningSecretSeen};
use chancery_shard::row::{
    AccountRow, BudgetRow, BundleRow, CredentialRow, DefinitionRow, EventRow, EvidenceContentRow, EvidenceRow, KeyRow,
    MaintenanceRow, OverrideRow, PrincipalRow, QueueRow, RequestRow, RetentionRow, ScheduleRow, Sealed, SettingsRow,
    StepRow, StopRow, TargetRow, TenantRow, TransactionRow, TrustRow,
};
use chancery_store::scan::SlotRow;

/// A row that can say in which column it differs from another.
pub(super) trait Differs: PartialEq {
    /// The first column that differs, none where the rows are equal.
    fn differs(&self, other: &Self) -> Option<&'static str>;
}

/// Compares fields with the columns that they are in; what is not named is noticed too, as `key`.
macro_rules! differs {
    ($row:ty { $($field:ident => $column:literal),* $(,)? } $($sealed:ident)?) => {
        impl Differs for $row {
            fn differs(&self, other: &Self) -> Option<&'static str> {
                let plain: &[(bool, &'static str)] = &[$((self.$field != other.$field, $column)),*];
                let plain = plain.iter().find(|(differs, _)| *differs).map(|(_, column)| *column);
                $(let plain = plain.or_else(|| sealed(&self.$sealed, &other.$sealed));)?
                plain.or_else(|| (self != other).then_some("key"))
            }
        }
    };
}

differs!(TransactionRow {
    id => "id",
    log => "log",
    definition => "definition",
    version => "version",
    definition_digest => "definition_digest",
    status => "status",
    principal => "principal",
    started_at => "started_at",
    ended_at => "ended_at",
    wake_at => "wake_at",
    input_seq => "input_seq",
    output_seq => "output_seq",
    kept => "kept",
    business_key => "business_key",
    parent => "parent_id",
    settings => "settings",
} body);

differs!(StepRow {
    transaction => "transaction_id",
    step => "step",
    clone => "clone",
    status => "status",
    attempt => "attempt",
    wake_at => "wake_at",
    output_seq => "output_seq",
    undo_seq => "undo_seq",
    intent_seq => "intent_seq",
} body);

differs!(RequestRow {
    log => "log",
    step => "step",
    clone => "clone",
    status => "status",
    kind => "kind",
    role => "role",
    opened_at => "opened_at",
    due_at => "due_at",
    decided_at => "decided_at",
} body);

differs!(EventRow { event_type => "type", subject => "subject" });

differs!(PrincipalRow { id => "id" } body);

differs!(KeyRow { request => "request", transaction => "transaction_id" });

differs!(CredentialRow {
    principal => "principal",
    hash => "hash",
    issued_at => "issued_at",
    expires_at => "expires_at",
    revoked_at => "revoked_at",
});

differs!(TargetRow { target => "target" } body);

differs!(QueueRow { queue => "queue" } body);

differs!(SettingsRow { changed_at => "changed_at", changed_by => "changed_by", source => "source" });

differs!(MaintenanceRow {} body);
differs!(RetentionRow {} body);
differs!(TrustRow {} body);
differs!(NotifierSeen { name => "name", password => "secret" } body);
differs!(OverrideRow { id => "id" } body);
differs!(StopRow { id => "id" } body);
differs!(BudgetRow { name => "name" } body);
differs!(AccountRow { account => "account" } body);
differs!(EvidenceRow { id => "id" } body);
differs!(ScheduleRow { name => "name" } body);

differs!(SigningSecretSeen { target => "target", hash => "secret", issued_at => "issued_at" });

differs!(DefinitionRow { digest => "digest", registered_at => "registered_at", source => "source" });

differs!(BundleRow {
    digest => "digest",
    pushed_at => "pushed_at",
    pushed_by => "pushed_by",
    signatures => "signatures",
    source => "source",
});

differs!(TenantRow { shards => "shards", hash_key => "hash_key", created_at => "created_at" });

differs!(SlotRow { last => "last_slot", shard => "shard", version => "version" });

impl Differs for chancery_base::Digest {
    fn differs(&self, other: &Self) -> Option<&'static str> {
        (self != other).then_some("digest")
    }
}

/// What is compared of the content of evidence: its digest, which its entry has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    is_plain: bool,
    has_nonce: bool,
    digest: chancery_base::Digest,
}

impl Content {
    /// One that has this digest.
    pub(super) const fn with(digest: chancery_base::Digest) -> Self {
        Self { is_plain: true, has_nonce: false, digest }
    }

    /// That of a row.
    pub(super) fn of(row: &EvidenceContentRow) -> Self {
        let Sealed { key, nonce, bytes } = &row.body;
        let (is_plain, has_nonce) = (key == Sealed::PLAIN, !nonce.is_empty());
        Self { is_plain, has_nonce, digest: chancery_base::Digest::of(bytes) }
    }
}

impl Differs for Content {
    fn differs(&self, other: &Self) -> Option<&'static str> {
        if self.is_plain != other.is_plain {
            Some("body_key")
        } else if self.has_nonce != other.has_nonce {
            Some("body_nonce")
        } else {
            (self.digest != other.digest).then_some("body")
        }
    }
}

fn sealed(one: &Sealed, other: &Sealed) -> Option<&'static str> {
    if one.key != other.key {
        Some("body_key")
    } else if one.nonce != other.nonce {
        Some("body_nonce")
    } else {
        (one.bytes != other.bytes).then_some("body")
    }
}
