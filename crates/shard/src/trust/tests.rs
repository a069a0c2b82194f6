use super::*;

const NAME: &str = "shop";

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name.parse().unwrap(), &[seed; 32])
}

fn subject(name: &Name, digest: u8) -> Subject<'_> {
    Subject { name, version: 4, digest: Digest::from_bytes([digest; 32]) }
}

fn trust(signers: &[&SigningKey], second_person: bool, signatures: u32) -> Trust {
    let signers = signers.iter().map(|key| key.verifier()).collect();
    Trust { rules: BundleRules { second_person, signatures }, signers }
}

#[test]
fn of_a_note_what_trusted_signers_signed_is_taken_if_all_of_it_is_right() {
    let name: Name = NAME.parse().unwrap();
    let (ann, ben) = (key("ann", 1), key("ben", 2));
    let of_ann = sign(subject(&name, 7), &ann).unwrap().to_string();
    let trust = trust(&[&ann], false, 1);
    let taken = trust.take(&of_ann, subject(&name, 7)).unwrap();
    assert_eq!((taken.lines.lines().count(), taken.left_out.len()), (1, 0));

    let other = trust.take(&of_ann, subject(&name, 8)).unwrap_err();
    assert!(matches!(&other, SignatureError::Subject { .. }), "{other}");
    let of_ben = sign(subject(&name, 7), &ben).unwrap();
    let taken = trust.take(&of_ben.to_string(), subject(&name, 7)).unwrap();
    assert_eq!(taken, Taken { lines: String::new(), left_out: vec!["ben".parse().unwrap()] });
    // Another's key under a trusted name has another id.
    let posing = sign(subject(&name, 7), &key("ann", 3)).unwrap().to_string();
    assert_eq!(trust.take(&posing, subject(&name, 7)), Err(SignatureError::OtherKey("ann".parse().unwrap())));
    // The right id over the signature of another text.
    let over = sign(subject(&name, 8), &ann).unwrap();
    let forged = format!("{}\n{}", subject(&name, 7).text(), lines(&over));
    assert_eq!(trust.take(&forged, subject(&name, 7)), Err(SignatureError::Wrong("ann".parse().unwrap())));
    assert!(matches!(trust.take("nothing", subject(&name, 7)), Err(SignatureError::Note(_))));
}

#[test]
fn distinct_trusted_signers_count_and_each_once() {
    let name: Name = NAME.parse().unwrap();
    let (ann, ben, cleo) = (key("ann", 1), key("ben", 2), key("cleo", 3));
    let (pusher, other) = (PrincipalId::SYSTEM, "usr_00000000000070008000000000000001".parse().unwrap());
    let notes = [&ann, &ben, &ann].map(|key| lines(&sign(subject(&name, 7), key).unwrap()));
    let all = notes.iter().fold(Arc::from(""), |all: Arc<str>, lines| united(&all, lines));
    assert_eq!(all.lines().count(), 2);

    let check = |trust: &Trust, lines: &str| trust.check(other, subject(&name, 7), (pusher, lines));
    assert_eq!(check(&trust(&[&ann, &ben], false, 2), &all), Ok(()));
    // Who is trusted no longer does not count, nor does who did not sign.
    let reasons = check(&trust(&[&ann, &cleo], false, 2), &all).unwrap_err();
    assert_eq!(reasons, ["it takes signatures of 2 trusted signers, and this bundle has 1, by `ann`"]);
    let twice = format!("{0}{0}", notes[0]);
    assert!(check(&trust(&[&ann, &ben], false, 2), &twice).is_err());
    // Signatures of another bundle are none of this one.
    let of_other = lines(&sign(subject(&name, 8), &ann).unwrap());
    assert!(check(&trust(&[&ann], false, 1), &of_other).is_err());
    assert!(check(&trust(&[&ann], false, 1), "damaged\n").is_err());
    assert_eq!(check(&trust(&[], false, 0), "damaged\n"), Ok(()));
}

#[test]
fn who_pushed_a_bundle_does_not_put_it_into_force_where_a_second_person_is_demanded() {
    let name: Name = NAME.parse().unwrap();
    let pusher = PrincipalId::SYSTEM;
    let check = |second_person| trust(&[], second_person, 0).check(pusher, subject(&name, 7), (pusher, ""));
    assert_eq!(check(false), Ok(()));
    let reasons = check(true).unwrap_err();
    assert!(reasons[0].contains("pushed this bundle, and somebody else has to put it into force"), "{reasons:?}");
}

#[test]
fn the_version_is_read_from_what_was_signed() {
    let name: Name = NAME.parse().unwrap();
    let note = sign(subject(&name, 7), &key("ann", 1)).unwrap();
    assert_eq!((version_of(&note, NAME), version_of(&note, "sho"), version_of(&note, "other")), (Some(4), None, None));
}

#[test]
fn a_row_holds_all_of_it() {
    let full = trust(&[&key("ann", 1), &key("ben", 2)], true, 2);
    assert_eq!(Trust::of(&full.row()), Some(full.clone()));
    assert!(!full.is_empty() && Trust::default().is_empty());
    assert_eq!(Trust::of(&TrustRow { body: Sealed::plain(b"{}".to_vec()) }), None);
}
