//! Exports over the API: they verify, say what they are of, leave an entry, and only those who may get them.

use crate::house::House;
use crate::http::Answer;
use chancery_ledger::Keys;
use chancery_ledger::export::{ExportFault, ExportReport, ExportVerifier, Form};
use serde_json::{Value, json};

/// The body of an answer whose length nobody knew when it began.
fn whole(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.header("transfer-encoding")), (200, Some("chunked")), "{answer:?}");
    let (mut rest, mut text) = (answer.text(), String::new());
    loop {
        let (length, after) = rest.split_once("\r\n").unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return text;
        }
        let (piece, after) = after.split_at_checked(length).unwrap();
        text += piece;
        rest = after.strip_prefix("\r\n").unwrap();
    }
}

async fn export(house: &House, key: &str, body: Value) -> Answer {
    house.post("/v1/exports", key, &body).await
}

async fn verify(house: &House, text: &str) -> Result<ExportReport, ExportFault> {
    let key = house.get("/v1/ledger/key", &house.owner).await.text().trim().parse().unwrap();
    let keys = Keys::one(key);
    let mut verifier = ExportVerifier::new(&keys);
    for line in text.split_inclusive('\n') {
        verifier.line(line.as_bytes())?;
    }
    verifier.finish()
}

/// The newest entry of a kind: its data and payload.
async fn newest(house: &House, kind: &str) -> Option<(Value, Value)> {
    let entries = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let record = |entry: &Value| serde_json::from_str::<Value>(entry["record"].as_str().unwrap()).unwrap();
    let found = entries["items"].as_array()?.iter().rfind(|entry| record(entry)["kind"] == json!(kind))?.clone();
    Some((record(&found)["data"].clone(), found["payload"].clone()))
}

#[tokio::test]
async fn an_export_verifies_in_every_form_and_leaves_an_entry() {
    let house = House::new().await;
    house.shop().await;
    let (auditor_id, auditor) = house.principal("aud", &["auditor"]).await;
    for _ in 0..3 {
        house.order(&house.owner).await;
    }
    for form in Form::ALL {
        let size = house.log_size().await;
        let ask = json!({ "format": form.word(), "payloads": true, "justification": "a yearly audit" });
        let answer = export(&house, &auditor, ask).await;
        assert_eq!(answer.header("content-type"), Some(form.media_type()));
        let name = format!("attachment; filename=\"acme-0-{}.{}\"", size - 1, form.extension());
        assert_eq!(answer.header("content-disposition"), Some(name.as_str()));
        let report = verify(&house, &whole(&answer)).await.unwrap();
        assert_eq!((report.form, report.complete, report.manifest.from), (form, true, 0));
        assert_eq!((report.manifest.to, report.closing.counts.entries), (size, size));
        assert_eq!((report.manifest.entry, report.manifest.actor.to_string()), (size, auditor_id.clone()));
        assert!(report.closing.counts.payloads > 5 && report.closing.counts.erased == 0, "{report:?}");
        let (data, payload) = newest(&house, "export.made").await.unwrap();
        assert_eq!(data, json!({ "format": form.word(), "from": 0, "payloads": true, "to": size }));
        assert_eq!(payload, json!({ "justification": "a yearly audit" }));
    }
}

#[tokio::test]
async fn an_export_is_of_what_was_asked_for() {
    let house = House::new().await;
    house.shop().await;
    let (first, second) = (house.order(&house.owner).await, house.order(&house.owner).await);
    let asked = async |more: Value| {
        let mut ask = json!({ "justification": "a test" });
        ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let text = whole(&export(&house, &house.owner, ask).await);
        let report = verify(&house, &text).await.unwrap();
        (text, report)
    };
    let (text, report) = asked(json!({ "from": 3, "to": 6 })).await;
    assert_eq!((report.manifest.from, report.manifest.to, report.closing.counts.entries), (3, 6, 3));
    assert!(report.complete && !text.contains("\"salt\""), "payloads were not asked for");
    let (text, report) = asked(json!({ "transaction": first, "payloads": true })).await;
    assert!(!report.complete && text.contains(&first) && !text.contains(&second), "{text}");
    assert_eq!(report.closing.counts.payloads, report.closing.counts.entries);
    let (text, report) = asked(json!({ "kinds": "bundle." })).await;
    assert_eq!(report.closing.counts.entries, 2, "{text}");
    assert_eq!(newest(&house, "export.made").await.unwrap().1["kinds"], json!("bundle."));
    // By time: an entry's own time and later has it, before has it not.
    let entries = house.get("/v1/ledger/entries?limit=1000", &house.owner).await.json();
    let at = |seq: usize| {
        let record: Value = serde_json::from_str(entries["items"][seq]["record"].as_str().unwrap()).unwrap();
        record["at"].clone()
    };
    let (_, report) = asked(json!({ "since": at(4), "until": at(9) })).await;
    assert!((1..=4).contains(&report.manifest.from) && (5..=9).contains(&report.manifest.to), "{report:?}");
    assert!(report.complete && report.manifest.times.0.is_some() && report.manifest.times.1.is_some());
    let (_, report) = asked(json!({ "since": at(4), "to": 8 })).await;
    assert!((1..=4).contains(&report.manifest.from) && report.manifest.to == 8, "{report:?}");
}

#[tokio::test]
async fn what_cannot_be_exported_leaves_no_entry() {
    let house = House::new().await;
    house.shop().await;
    house.order(&house.owner).await;
    let size = house.log_size().await;
    let other = "txn_019312d8a0b07c3e9f2a4b5c6d7e8f90";
    for (body, status, says) in [
        (json!({}), "400 invalid-body", "justification"),
        (json!({ "justification": " " }), "400 invalid-request", "a justification is needed"),
        (json!({ "justification": "a", "form": "csv" }), "400 invalid-body", "form"),
        (json!({ "justification": "a", "format": "pdf" }), "400 invalid-body", "pdf"),
        (json!({ "justification": "a", "from": "yesterday" }), "400 invalid-body", "yesterday"),
        (
            json!({ "justification": "a", "to": 5, "until": "2222-01-01T00:00:00Z" }),
            "400 invalid-request",
            "until: `to`",
        ),
        (json!({ "justification": "a", "to": 5000 }), "400 invalid-request", "the log has"),
        (json!({ "justification": "a", "from": 3, "to": 3 }), "400 invalid-request", "no entry from 3 on"),
        (json!({ "justification": "a", "kinds": "Step" }), "400 invalid-request", "kinds: a word is"),
        (json!({ "justification": "a", "kinds": "nothing." }), "400 invalid-request", "no kind of entry begins with"),
        (json!({ "justification": "a", "since": "2222-01-01T00:00:00Z" }), "404 not-found", "no entry at 2222"),
        (json!({ "justification": "a", "until": "1999-01-01T00:00:00Z" }), "404 not-found", "before 1999"),
        (json!({ "justification": "a", "transaction": other }), "404 not-found", other),
    ] {
        let refused = export(&house, &house.owner, body.clone()).await;
        assert_eq!(refused.slug(), status, "{body}");
        assert!(refused.text().contains(says), "{}", refused.text());
    }
    assert_eq!(house.log_size().await, size, "nothing left, nothing is recorded");
}

#[tokio::test]
async fn only_auditors_and_owners_make_exports() {
    let house = House::new().await;
    let ask = json!({ "justification": "a test" });
    for role in ["operator", "developer", "approver", "service"] {
        let (_, key) = house.principal(role, &[role]).await;
        assert_eq!(export(&house, &key, ask.clone()).await.slug(), "403 denied", "{role}");
    }
    let other = house.tenant("other").await;
    let text = whole(&export(&house, &other, ask).await);
    assert!(text.contains("test.example/other/") && !text.contains("test.example/acme/"), "it is of one's own tenant");
}
