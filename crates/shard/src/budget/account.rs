//! Accounts: what was settled and what is reserved, within one window. Counting is all that is done here.

use crate::row::{AccountRow, Sealed};
use chancery_base::limits::ACCOUNTS_MAX;
use chancery_base::{Name, Timestamp};
use chancery_engine::{AccountId, AccountOf, Charge};
use chancery_policy::Window;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many accounts go when one is opened: more than one, so that they become fewer, and few, so that no batch is made
/// of nothing else.
const SWEPT: usize = 2;

/// The time that an account counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Of a budget: the number of the entry with which its accounts began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<u64>,
    /// Since when.
    pub since: Timestamp,
    /// When it is over; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Span {
    /// The time around an instant.
    #[must_use]
    pub fn around(opened: Option<u64>, window: Option<Window>, now: Timestamp) -> Self {
        let (since, until) = match window.map(|window| window.around(now)) {
            Some((since, until)) => (since, Some(until)),
            None => (Timestamp::EPOCH, None),
        };
        Self { opened, since, until }
    }

    /// The time in which something was counted.
    #[must_use]
    pub const fn of(charge: &Charge) -> Self {
        Self { opened: charge.opened, since: charge.since, until: charge.until }
    }
}

/// An account within one span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Which.
    pub id: AccountId,
    /// What is out.
    pub reserved: u64,
    /// What was spent.
    pub settled: u64,
    /// In what time.
    pub span: Span,
}

impl Account {
    /// What is taken of the limit.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.settled.saturating_add(self.reserved)
    }

    const fn empty(id: AccountId, span: Span) -> Self {
        Self { id, reserved: 0, settled: 0, span }
    }

    fn take(&mut self, charge: &Charge) {
        match charge.account.of {
            AccountOf::Budget(_) => self.reserved = self.reserved.saturating_add(charge.amount),
            AccountOf::Rate(_) => self.settled = self.settled.saturating_add(charge.amount),
        }
    }

    /// Whether something was counted in its time.
    fn is_of(&self, charge: &Charge) -> bool {
        self.span == Span::of(charge)
    }

    /// What a row says; none if it is damaged.
    #[must_use]
    pub fn of(row: &AccountRow) -> Option<Self> {
        row.body.read::<Self>().filter(|account| key(&account.id) == row.account)
    }

    /// Its row.
    #[must_use]
    pub fn row(&self) -> AccountRow {
        AccountRow { account: key(&self.id), body: Sealed::written(self) }
    }
}

/// What the row of an account is named: no two accounts share a name, since names of budgets have no `/`.
pub(crate) fn key(id: &AccountId) -> String {
    match &id.of {
        AccountOf::Budget(name) => format!("budget/{name}/{}", id.holder),
        AccountOf::Rate(policy) => format!("rate/{}/{policy}/{}", policy.len(), id.holder),
    }
}

/// The accounts of a tenant. Those whose time is over go when the next one is opened: what was counted in them bears on
/// nothing any more, and what comes in late finds nothing to change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    of: BTreeMap<AccountId, Account>,
    ends: BTreeSet<(Timestamp, AccountId)>,
}

impl FromIterator<Account> for Accounts {
    fn from_iter<I: IntoIterator<Item = Account>>(accounts: I) -> Self {
        let of: BTreeMap<AccountId, Account> =
            accounts.into_iter().map(|account| (account.id.clone(), account)).collect();
        let ends = of.values().filter_map(|account| Some((account.span.until?, account.id.clone()))).collect();
        Self { of, ends }
    }
}

impl Accounts {
    /// One of them.
    #[must_use]
    pub fn get(&self, id: &AccountId) -> Option<&Account> {
        self.of.get(id)
    }

    /// What its row is named, and what it says; none: it has none.
    pub(crate) fn row_of(&self, id: &AccountId) -> (String, Option<Sealed>) {
        (key(id), self.of.get(id).map(|account| account.row().body))
    }

    /// All of them, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.of.values()
    }

    /// How it stands in this time. Time does not go back: where it counts in a later one, it stands as it does there.
    #[must_use]
    pub fn at(&self, id: &AccountId, span: Span) -> Account {
        self.known_at(id, span).cloned().unwrap_or_else(|| Account::empty(id.clone(), span))
    }

    /// What is taken of its limit in this time, as [`Accounts::at`], and that time.
    pub(crate) fn used_at(&self, id: &AccountId, span: Span) -> (u64, Span) {
        self.known_at(id, span).map_or((0, span), |account| (account.used(), account.span))
    }

    fn known_at(&self, id: &AccountId, span: Span) -> Option<&Account> {
        self.of.get(id).filter(|account| account.span >= span)
    }

    /// Whether it can be counted in.
    #[must_use]
    pub fn has_room(&self, id: &AccountId, now: Timestamp) -> bool {
        let is_known = self.of.contains_key(id) || self.of.len() < ACCOUNTS_MAX;
        is_known || self.ends.first().is_some_and(|(until, _)| *until <= now)
    }

    /// Reserves what is handed out; of a rate, it stays counted. Gives the accounts that changed or went.
    pub fn take(&mut self, charge: &Charge, now: Timestamp) -> Vec<AccountId> {
        let (id, span) = (&charge.account, Span::of(charge));
        let mut touched = vec![id.clone()];
        if let Some(account) = self.of.get_mut(id).filter(|account| account.span >= span) {
            account.take(charge);
            return touched;
        }
        self.forget(id);
        touched.extend(self.sweep(now));
        self.ends.extend(span.until.map(|until| (until, id.clone())));
        self.of.entry(id.clone()).or_insert_with(|| Account::empty(id.clone(), span)).take(charge);
        touched
    }

    /// Settles what was reserved, at what it cost, and returns the rest.
    pub fn settle(&mut self, charge: &Charge, cost: u64) -> Option<AccountId> {
        let account = self.reserving(charge)?;
        account.reserved = account.reserved.saturating_sub(charge.amount);
        account.settled = account.settled.saturating_add(cost.min(charge.amount));
        Some(charge.account.clone())
    }

    /// Returns what was reserved.
    pub fn give_back(&mut self, charge: &Charge) -> Option<AccountId> {
        self.settle(charge, 0)
    }

    /// Forgets the accounts of a budget; gives them.
    pub fn close(&mut self, budget: &Name) -> Vec<AccountId> {
        let ids = self.of.keys().filter(|id| matches!(&id.of, AccountOf::Budget(name) if name == budget));
        let ids: Vec<AccountId> = ids.cloned().collect();
        ids.iter().for_each(|id| self.forget(id));
        ids
    }

    /// The account that something is reserved in; none where its time is over.
    fn reserving(&mut self, charge: &Charge) -> Option<&mut Account> {
        self.of.get_mut(&charge.account).filter(|account| charge.is_reserved() && account.is_of(charge))
    }

    fn forget(&mut self, id: &AccountId) {
        let account = self.of.remove(id);
        if let Some(until) = account.and_then(|account| account.span.until) {
            self.ends.remove(&(until, id.clone()));
        }
    }

    /// Forgets some of the accounts whose time is over; gives them.
    fn sweep(&mut self, now: Timestamp) -> Vec<AccountId> {
        let over = self.ends.iter().take_while(|(until, _)| *until <= now).take(SWEPT);
        let over: Vec<AccountId> = over.map(|(_, id)| id.clone()).collect();
        over.iter().for_each(|id| self.forget(id));
        over
    }
}
