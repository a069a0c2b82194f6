//! Stops on a node: they outlive it, and what they are on begins again only once they are lifted.

use crate::house::{House, config, services};
use chancery_app::stops::{self, StopOn};
use chancery_app::{Error, Page};
use chancery_base::Kind;
use chancery_policy::Action;
use chancery_shard::input::Refusal;
use serde_json::json;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_in_force_after_a_restart_until_it_is_lifted() {
    let house = House::new(services(&Arc::default())).await;
    let grant = house.granted(Action::StopSet).await;
    let set = stops::set(&house.app, &grant, StopOn::Tenant, "a stolen key".to_owned()).await.unwrap();
    assert!(!set.existing);
    let again = stops::set(&house.app, &grant, StopOn::Tenant, "another reason".to_owned()).await.unwrap();
    assert_eq!((again.existing, &again.stop), (true, &set.stop), "it stands as it was set first");

    let house = house.reopened(config()).await;
    let read = house.granted(Action::StopRead).await;
    assert_eq!(stops::get(&house.app, &read, set.stop.id).unwrap(), set.stop);
    assert_eq!(stops::list(&house.app, &read, &Page::default()).unwrap().items, std::slice::from_ref(&set.stop));
    let refused = house.start(json!({"sku": "a"}), None).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(Refusal::Stopped(_))), "{refused}");
    assert!(refused.to_string().contains("the tenant is stopped since "), "{refused}");

    let lift = house.granted(Action::StopLift).await;
    let none = stops::lift(&house.app, &lift, set.stop.id, "  ".to_owned()).await.unwrap_err();
    assert_eq!(none.kind(), Kind::Invalid, "it takes a reason");
    stops::lift(&house.app, &lift, set.stop.id, "it is revoked".to_owned()).await.unwrap();
    let gone = stops::lift(&house.app, &lift, set.stop.id, "it is revoked".to_owned()).await.unwrap_err();
    assert_eq!(gone.kind(), Kind::Missing);
    house.start(json!({"sku": "a"}), None).await.unwrap();
}
