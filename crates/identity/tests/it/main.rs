//! API keys from outside.

use chancery_base::{Digest, Entropy, Timestamp};
use chancery_identity::{ApiKey, ApiKeyError, KeyRecord, Rejection};
use proptest::prelude::*;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_micros(1_795_246_020_000_000);

fn key(seed: u8) -> ApiKey {
    ApiKey::draw(NOW, &mut Entropy::from_seed([seed; 32]))
}

fn record(key: &ApiKey) -> KeyRecord {
    KeyRecord { hash: key.hash(), expires_at: None, revoked_at: None }
}

#[test]
fn a_key_reads_back_and_has_one_spelling() {
    let drawn = key(1);
    let text = drawn.text();
    let back = ApiKey::parse(text.expose()).unwrap();
    assert_eq!((back.id(), back.hash()), (drawn.id(), drawn.hash()));
    assert_eq!(text.expose().len(), 4 + 32 + 1 + 64);
    let hex = text.expose().rsplit('_').next().unwrap();
    let secret = chancery_base::digest::hex_decode::<32>(hex).unwrap();
    assert_eq!(drawn.hash(), Digest::of(&secret), "what is kept is SHA-256 of the secret's bytes");
    assert_eq!(ApiKey::parse(&text.expose().replace("chk_", "CHK_")).unwrap_err(), ApiKeyError);
}

#[test]
fn what_is_not_a_key_is_refused() {
    let good = key(1).text().expose().to_owned();
    let shouting = format!("chk_{}", good.strip_prefix("chk_").unwrap().to_uppercase());
    let cases = [
        String::new(),
        "chk_".to_owned(),
        "chk__".to_owned(),
        good.strip_prefix("chk_").unwrap().to_owned(),
        format!("{good}0"),
        format!(" {good}"),
        format!("{good}\n"),
        good.chars().take(good.len() - 1).collect(),
        good.replacen('_', "-", 2),
        shouting,
    ];
    for text in cases {
        assert_eq!(ApiKey::parse(&text).unwrap_err(), ApiKeyError, "{text:?}");
    }
}

#[test]
fn neither_debug_nor_an_error_shows_the_secret() {
    let drawn = key(3);
    let text = drawn.text();
    let secret = text.expose().rsplit('_').next().unwrap();
    for shown in [format!("{drawn:?}"), format!("{text:?}"), ApiKeyError.to_string()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_key_expires_at_the_exact_instant() {
    let drawn = key(2);
    let expiring = KeyRecord { expires_at: Some(NOW), ..record(&drawn) };
    let micro = |micros: i64| Timestamp::from_micros(NOW.as_micros() + micros);
    assert_eq!(drawn.verify(&expiring, micro(-1)), Ok(()));
    assert_eq!(drawn.verify(&expiring, NOW), Err(Rejection::Expired));
    assert_eq!(drawn.verify(&expiring, micro(1)), Err(Rejection::Expired));
    assert_eq!(drawn.verify(&record(&drawn), NOW.plus(Duration::from_secs(10 * 365 * 86_400))), Ok(()));
}

#[test]
fn a_revoked_key_does_not_work_and_a_wrong_secret_learns_nothing_of_it() {
    let drawn = key(2);
    let revoked = KeyRecord { revoked_at: Some(NOW), expires_at: Some(NOW), ..record(&drawn) };
    assert_eq!(drawn.verify(&revoked, NOW), Err(Rejection::Revoked));
    assert_eq!(key(4).verify(&revoked, NOW), Err(Rejection::WrongSecret));
}

proptest! {
    #[test]
    fn only_the_same_secret_is_accepted(seed in any::<[u8; 32]>(), place in 37_usize..101, digit in 0_usize..16) {
        let drawn = ApiKey::draw(NOW, &mut Entropy::from_seed(seed));
        let mut text = drawn.text().expose().as_bytes().to_vec();
        let before = text[place];
        text[place] = b"0123456789abcdef"[digit];
        let changed = ApiKey::parse(std::str::from_utf8(&text).unwrap()).unwrap();
        let expected = if text[place] == before { Ok(()) } else { Err(Rejection::WrongSecret) };
        prop_assert_eq!(changed.verify(&record(&drawn), NOW), expected);
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC*") {
        prop_assert!(ApiKey::parse(&text).is_err());
    }
}
