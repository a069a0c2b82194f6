use super::*;
use chancery_base::{Entropy, Slot};
use std::time::Duration;

fn at(second: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(second))
}

fn transaction(number: u64) -> TransactionId {
    TransactionId::draw(at(number), Slot::new(7).unwrap(), &mut Entropy::from_seed([1; 32]))
}

fn evidence(number: u64, name: &str, bound: Option<BoundTo>) -> Evidence {
    let digest = Digest::of(&number.to_be_bytes());
    let media_type = "application/pdf".to_owned();
    let terms = Terms { name: name.parse().unwrap(), media_type, digest, size: Some(8), link: None, bound };
    let id = EvidenceId::draw(at(number), &mut Entropy::from_seed([2; 32]));
    Evidence { id, terms, by: PrincipalId::SYSTEM, added_at: at(number), until: at(number + 100) }
}

fn of(number: u64, step: Option<&str>) -> Option<BoundTo> {
    Some(BoundTo { transaction: transaction(number), step: step.map(|step| step.parse().unwrap()) })
}

#[test]
fn a_row_reads_back_and_only_under_its_own_id() {
    for bound in [None, of(1, None), of(1, Some("ship"))] {
        let evidence = evidence(1, "dpia", bound);
        let row = evidence.row();
        assert_eq!(Evidence::of(&row), Some(evidence));
        let other = EvidenceRow { id: EvidenceId::from_bytes([9; 16]), ..row };
        assert_eq!(Evidence::of(&other), None);
    }
}

#[test]
fn evidence_counts_for_what_it_is_bound_to_until_its_time_is_over() {
    let index: EvidenceIndex = [
        evidence(1, "dpia", None),
        evidence(2, "dpia", of(1, None)),
        evidence(3, "dpia", of(1, Some("ship"))),
        evidence(4, "contract", of(2, None)),
    ]
    .into_iter()
    .collect();
    let found = |name: &str, scope, step: Option<(u64, &str)>, now| {
        let step = step.map(|(number, step)| (transaction(number), step));
        let found = index.find(&name.parse().unwrap(), scope, step, at(now))?;
        Some(found.added_at.since(Timestamp::EPOCH).as_secs())
    };
    for (name, scope, step, now, expected) in [
        ("dpia", Scope::Tenant, None, 10, Some(1)),
        ("dpia", Scope::Tenant, Some((1, "ship")), 10, Some(1)),
        ("dpia", Scope::Tenant, None, 101, None),
        ("dpia", Scope::Transaction, None, 10, None),
        ("dpia", Scope::Transaction, Some((1, "pay")), 10, Some(2)),
        ("dpia", Scope::Transaction, Some((1, "pay")), 101, Some(2)),
        ("dpia", Scope::Transaction, Some((1, "pay")), 102, None),
        ("dpia", Scope::Transaction, Some((1, "ship")), 102, Some(3)),
        ("dpia", Scope::Transaction, Some((2, "ship")), 10, None),
        ("contract", Scope::Transaction, Some((2, "ship")), 10, Some(4)),
        ("contract", Scope::Tenant, Some((2, "ship")), 10, None),
        ("absent", Scope::Tenant, None, 10, None),
    ] {
        assert_eq!(found(name, scope, step, now), expected, "{name} {scope:?} {step:?} at {now}");
    }
    assert_eq!((index.next_end(), index.ended(at(102)).count()), (Some(at(101)), 2));
}

#[test]
fn what_is_no_media_type_or_link_is_named() {
    let with = |media_type: &str, link: Option<&str>| {
        let terms = evidence(1, "dpia", None).terms;
        Terms { media_type: media_type.to_owned(), link: link.map(str::to_owned), ..terms }.check()
    };
    for good in ["application/pdf", "text/plain; charset=utf-8", "image/svg+xml"] {
        assert_eq!(with(good, Some("https://dms.example/7")), Ok(()), "{good}");
    }
    for bad in ["", "pdf", "application/", "/pdf", "a b/c", "text/plain\r\nx: y", &format!("a/{}", "b".repeat(127))] {
        assert!(with(bad, None).unwrap_err().starts_with("type: "), "{bad}");
    }
    assert!(with("a/b", Some("")).unwrap_err().starts_with("link: "));
    assert!(with("a/b", Some("x\ny")).unwrap_err().starts_with("link: "));
}

#[test]
fn it_is_kept_for_a_second_at_least_and_ten_years_at_most() {
    let kept = |seconds: u64| check_until(at(1_000), at(1_000 + seconds));
    assert_eq!((kept(1), kept(10 * 365 * 86_400)), (Ok(()), Ok(())));
    assert!(kept(0).is_err() && kept(10 * 365 * 86_400 + 1).is_err());
    assert!(check_until(at(1_000), at(999)).is_err(), "the past");
}
