use super::*;
use crate::row::AccountRow;
use chancery_engine::{AccountId, AccountOf, Charge};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

fn terms(limit: u64, window: Option<&str>) -> BudgetTerms {
    let window = window.map(|window| window.parse().unwrap());
    BudgetTerms { limit, measure: Measure::Count, per: Per::Tenant, unit: None, window }
}

fn at(secs: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(secs))
}

fn id(holder: &str) -> AccountId {
    AccountId { holder: holder.to_owned(), of: AccountOf::Budget("refunds".parse().unwrap()) }
}

#[test]
fn a_budget_says_what_it_counts() {
    let amount = |unit: Option<&str>| BudgetTerms {
        measure: Measure::Amount,
        unit: unit.map(str::to_owned),
        ..terms(100, Some("month"))
    };
    for (terms, why) in [
        (amount(None), "unit: it is missing"),
        (amount(Some(" ")), "unit: it has 1 to 64 bytes"),
        (amount(Some(&"x".repeat(65))), "unit: it has 1 to 64 bytes"),
        (BudgetTerms { unit: Some("EUR".to_owned()), ..terms(100, None) }, "unit: it is of amounts"),
        (terms(u64::MAX, None), "limit: 18446744073709551615, it may be 0 to 9007199254740992"),
    ] {
        let err = terms.check().unwrap_err();
        assert!(err.starts_with(why), "{err}");
    }
    assert_eq!(amount(Some("EUR cents")).check(), Ok(()));
    assert_eq!(terms(0, None).check(), Ok(()));
}

#[test]
fn accounts_go_on_under_another_limit_and_begin_anew_where_something_else_is_counted() {
    let by = PrincipalId::SYSTEM;
    let first = Budget::set(None, terms(100, Some("day")), (by, at(1), 7));
    assert_eq!(Budget::set(Some(&first), terms(200, Some("day")), (by, at(2), 9)).opened, 7);
    assert_eq!(Budget::set(Some(&first), terms(100, Some("hour")), (by, at(2), 9)).opened, 9);
    let per = BudgetTerms { per: Per::Principal, ..terms(100, Some("day")) };
    assert_eq!(Budget::set(Some(&first), per, (by, at(2), 9)).opened, 9);
    let name = "refunds".parse().unwrap();
    assert_eq!(Budget::of(&first.row(&name)), Some(first));
}

#[test]
fn an_account_s_row_reads_back_and_no_two_share_a_name() {
    let span = Span::around(Some(3), Some("hour".parse().unwrap()), at(7_205));
    assert_eq!((span.since, span.until), (at(7_200), Some(at(10_800))));
    let account = Account { id: id("usr_1"), reserved: 5, settled: 7, span };
    assert_eq!(Account::of(&account.row()), Some(account.clone()));
    let another = AccountRow { account: "budget/refunds/usr_2".to_owned(), ..account.row() };
    assert_eq!(Account::of(&another), None, "it is another's");
    let rate = |policy: &str, holder: &str| {
        account::key(&AccountId { holder: holder.to_owned(), of: AccountOf::Rate(policy.to_owned()) })
    };
    assert_ne!(rate("a/b", "c"), rate("a", "b/c"));
}

#[test]
fn what_comes_in_after_its_window_changes_nothing() {
    let window = Some("1m".parse().unwrap());
    let mut accounts = Accounts::default();
    let late = charge(&accounts, "ann", 5, window, at(10));
    accounts.take(&late, at(10));
    let next = charge(&accounts, "ann", 1, window, at(70));
    accounts.take(&next, at(70));
    assert_eq!(accounts.settle(&late, 5), None);
    assert_eq!(accounts.give_back(&late), None);
    let account = accounts.get(&id("ann")).unwrap();
    assert_eq!((account.reserved, account.settled), (1, 0));
    // A clock that went back does not take the account back.
    let back = charge(&accounts, "ann", 1, window, at(10));
    assert_eq!(back.since, at(60));
}

#[test]
fn accounts_whose_time_is_over_go_when_others_are_opened() {
    let window = Some("1m".parse().unwrap());
    let mut accounts = Accounts::default();
    for holder in ["ann", "bob", "cid", "dan"] {
        accounts.take(&charge(&accounts, holder, 1, window, at(10)), at(10));
    }
    let opened = accounts.take(&charge(&accounts, "eve", 1, window, at(61)), at(61));
    assert_eq!(opened, [id("eve"), id("ann"), id("bob")], "two go where one comes");
    accounts.take(&charge(&accounts, "cid", 1, window, at(61)), at(61));
    let left: Vec<&str> = accounts.iter().map(|account| &*account.id.holder).collect();
    assert_eq!(left, ["cid", "eve"]);
    assert_eq!(accounts.close(&"refunds".parse().unwrap()), [id("cid"), id("eve")]);
    assert_eq!(accounts, Accounts::default());
}

/// What a hand-out would take.
fn charge(accounts: &Accounts, holder: &str, amount: u64, window: Option<Window>, now: Timestamp) -> Charge {
    let Span { opened, since, until } = accounts.at(&id(holder), Span::around(Some(1), window, now)).span;
    Charge { account: id(holder), amount, cost: None, opened, since, until }
}

/// Something that happens: a hand-out that asks for so much, or one that is out comes in.
#[derive(Debug, Clone)]
enum Step {
    Ask { holder: u8, amount: u64 },
    Done { which: usize, cost: u64 },
    Failed { which: usize },
    Time(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8, 0..40_u64).prop_map(|(holder, amount)| Step::Ask { holder, amount }),
        2 => (any::<usize>(), 0..60_u64).prop_map(|(which, cost)| Step::Done { which, cost }),
        2 => any::<usize>().prop_map(|which| Step::Failed { which }),
        1 => (0..90_u64).prop_map(Step::Time),
    ]
}

proptest! {
    /// The naive model keeps every hand-out for ever and adds up those of the window.
    #[test]
    fn settled_and_reserved_never_exceed_the_limit_and_are_what_the_model_says(
        steps in prop::collection::vec(step(), 0..80),
        is_windowed in any::<bool>(),
    ) {
        const LIMIT: u64 = 100;
        let window = is_windowed.then(|| "1m".parse().unwrap());
        let (mut accounts, mut now) = (Accounts::default(), 0_u64);
        // Each hand-out: its charge, and what it settled at once it came in.
        let (mut out, mut spent) = (Vec::<Charge>::new(), Vec::<(Charge, u64)>::new());
        for step in steps {
            match step {
                Step::Ask { holder, amount } => {
                    let charge = charge(&accounts, &holder.to_string(), amount, window, at(now));
                    let used = accounts.at(&charge.account, Span::of(&charge)).used();
                    if used + amount <= LIMIT {
                        accounts.take(&charge, at(now));
                        out.push(charge);
                    }
                }
                Step::Done { which, cost } if !out.is_empty() => {
                    let charge = out.swap_remove(which % out.len());
                    accounts.settle(&charge, cost);
                    let cost = cost.min(charge.amount);
                    spent.push((charge, cost));
                }
                Step::Failed { which } if !out.is_empty() => {
                    accounts.give_back(&out.swap_remove(which % out.len()));
                }
                Step::Done { .. } | Step::Failed { .. } => {}
                Step::Time(secs) => now += secs,
            }
            let mut model = BTreeMap::<AccountId, (u64, u64)>::new();
            let is_now = |charge: &&Charge| charge.since == Span::around(Some(1), window, at(now)).since;
            for charge in out.iter().filter(is_now) {
                model.entry(charge.account.clone()).or_default().0 += charge.amount;
            }
            for (charge, cost) in spent.iter().filter(|(charge, _)| is_now(&charge)) {
                model.entry(charge.account.clone()).or_default().1 += cost;
            }
            for holder in 0..3 {
                let account = accounts.at(&id(&holder.to_string()), Span::around(Some(1), window, at(now)));
                let expected = model.get(&account.id).copied().unwrap_or_default();
                prop_assert_eq!((account.reserved, account.settled), expected);
                prop_assert!(account.used() <= LIMIT);
            }
        }
        for charge in out.drain(..) {
            accounts.give_back(&charge);
        }
        prop_assert!(accounts.iter().all(|account| account.reserved == 0), "nothing stays reserved");
    }
}
