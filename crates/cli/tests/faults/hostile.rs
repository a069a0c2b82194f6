//! Clients and workers that mean harm: the server stays within its memory, and others are served.

mod attack;
mod honest;
mod site;
mod workers;

use attack::{Attack, Attacker};
use honest::Honest;
use site::Site;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Hostile requests in the short form.
const REQUESTS: u64 = 6_000;
/// Hostile requests under way at a time, besides the connections that are only held open.
const AT_ONCE: u64 = 96;
/// What the server may take: 150 MB.
const RESIDENT_KB_MAX: u64 = 150_000_000 / 1_024;
/// Looks of 50 ms each until what hostile calls took must have been given back.
const CALM_LOOKS: u32 = 1_800;

fn requests() -> u64 {
    std::env::var("CHANCERY_HOSTILE").map_or(REQUESTS, |text| text.parse().expect("CHANCERY_HOSTILE is a number"))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_hostile_tenant_and_strangers_take_neither_the_memory_nor_the_places_of_others() {
    run(async {
        let site = Arc::new(Site::open().await);
        let honest = Honest::start(&site);
        let calm = honest.rest(Duration::from_millis(1_500)).await;
        let idle_kb = site.resident_kb();
        let attacker = Arc::new(Attacker::new(&site));
        let count = requests();
        let started = honest.now();
        reaches_each_limit(&attacker).await;
        let mut lanes = JoinSet::new();
        for lane in 0..AT_ONCE {
            let attacker = Arc::clone(&attacker);
            lanes.spawn(async move {
                for number in (lane..count).step_by(usize::try_from(AT_ONCE).unwrap()) {
                    drop(attacker.send(Attack::of(number)).await);
                }
            });
        }
        while let Some(ended) = lanes.join_next().await {
            ended.unwrap();
        }
        let took = started.elapsed();
        let under_attack = honest.take();
        let (sent, answers) = attacker.report();
        let peak_kb = site.peak_kb();
        println!("{sent} hostile requests in {took:.1?}; resident: {idle_kb} kB before, {peak_kb} kB at most");
        for (attack, answers) in &answers {
            println!("  {attack:?}: {answers:?}");
        }
        println!("others before:  {calm}\nothers meanwhile: {under_attack}");
        assert!(sent >= count, "{sent}");
        assert!(peak_kb <= RESIDENT_KB_MAX, "{peak_kb} kB were resident");
        assert!(under_attack.sagas > 0 && under_attack.probes > 0, "it proves nothing: {under_attack}");
        assert_eq!(under_attack.wrong, Vec::<String>::new());
        // A newcomer of another tenant is let in at once, but for the moments in which the system has no room itself.
        assert!(under_attack.refused * 10 <= under_attack.probes, "{under_attack}");
        drop(attacker);
        site.comes_to_rest(CALM_LOOKS).await;
        let after = honest.rest(Duration::from_millis(1_500)).await;
        println!("others after:   {after}; resident: {} kB", site.resident_kb());
        assert!(after.sagas > 0 && after.refused == 0 && after.wrong.is_empty(), "{after}");
        honest.end().await;
        Arc::into_inner(site).unwrap().stop();
    });
}

/// One request at a time, so that it is no other limit that they meet, each until it is answered as it must be: one that
/// is refused while it is still sent may see its connection closed in place of the answer.
async fn reaches_each_limit(attacker: &Attacker) {
    const TRIES: usize = 20;
    for (attack, wanted) in [
        (Attack::HugeHead, "431"),
        (Attack::HugeBody, "413"),
        (Attack::EndlessBody, "413"),
        (Attack::DeepJson, "400"),
        (Attack::ManyValues, "413"),
        (Attack::ManyObjects, "413"),
        (Attack::BadKey, "401"),
        (Attack::Definition, "400"),
        (Attack::LargeInput, "201"),
        (Attack::LargeInput, "429"),
        // Those before leave no room for it.
        (Attack::ManyInputs, "429"),
        (Attack::Page, "200"),
    ] {
        let mut said = Vec::new();
        while said.last().is_none_or(|last| last != wanted) {
            assert!(said.len() < TRIES, "{attack:?} was never answered with {wanted}: {said:?}");
            said.push(attacker.send(attack).await);
        }
    }
}

#[test]
fn tasks_that_a_worker_takes_and_never_answers_go_to_another() {
    run(workers::takes_and_never_answers());
}

#[test]
fn answers_for_the_tasks_of_others_are_refused_and_change_nothing() {
    run(workers::answers_for_others());
}

#[test]
fn few_files_make_few_connections_and_strangers_still_go_first() {
    run(async {
        let site = Site::with_files(256).await;
        let attacker = Attacker::new(&site);
        let mut silent = Vec::new();
        for _ in 0..400 {
            silent.push(attacker.connect().await);
        }
        let site = Arc::new(site);
        let honest = Honest::start(&site);
        let served = honest.rest(Duration::from_millis(1_500)).await;
        assert!(served.sagas > 0 && served.probes > 0 && served.wrong.is_empty(), "{served}");
        honest.end().await;
        drop(silent);
    });
}
