//! A bundle, a directory and a request that all tests share.

use chancery_base::{Entropy, PrincipalId, PrincipalKind, Timestamp, json};
use chancery_policy::{Bundle, BundleError, Directory, EntityRef, Principal, Request, ResourceRef};
use serde_json::{Map, Value, json};

pub(crate) const SCHEMA: &str = r#"
entity Role;
entity Agent in [Role] = { name: String, roles: Set<String>, limit?: Long, manager?: User };
entity User in [Role] = { id: String, trusted?: Bool };
entity Definition = { tier?: String };
entity Step in [Definition] = { @asserted amount?: Long, @asserted owner?: User, tier?: String };
entity Color enum ["red", "green"];
type Place = { country: String, zip?: Long };
action all;
action run in [all] appliesTo {
  principal: [Agent, User], resource: [Step],
  context: { attempt?: Long, amount?: Long, place?: Place, tags?: Set<String>, address?: ipaddr, color?: Color }
};
action start in [all] appliesTo { principal: [Agent, User], resource: [Definition], context: {} };
"#;

pub(crate) fn id(kind: PrincipalKind, seed: u8) -> PrincipalId {
    PrincipalId::draw(kind, Timestamp::EPOCH, &mut Entropy::from_seed([seed; 32]))
}

pub(crate) fn document(policies: &str) -> Value {
    json!({ "name": "orders", "version": 1, "schema": SCHEMA, "policies": policies })
}

pub(crate) fn parse(document: &Value) -> Result<Bundle, BundleError> {
    Bundle::parse(&json::canonical(document))
}

pub(crate) fn bundle(policies: &str) -> Bundle {
    parse(&document(policies)).unwrap_or_else(|err| panic!("{err}"))
}

pub(crate) fn agent() -> PrincipalId {
    id(PrincipalKind::Agent, 1)
}

pub(crate) fn directory() -> Directory {
    let boss = id(PrincipalKind::User, 2);
    let mut agent = Principal::new(agent(), "buyer").with_roles(["buyer".parse().unwrap()]);
    agent.attributes = object(json!({
        "limit": 5000, "model": "not declared", "manager": { "type": "User", "id": boss.to_string() },
    }));
    let mut user = Principal::new(boss, "boss");
    user.attributes = object(json!({ "trusted": true }));
    let mut suspended = Principal::new(id(PrincipalKind::Agent, 3), "gone");
    suspended.suspended = true;
    Directory::new([agent, user, suspended]).unwrap()
}

pub(crate) fn request() -> Request {
    let mut resource = ResourceRef::new("Step", "create-order/charge");
    resource.parents.push(EntityRef::new("Definition", "create-order"));
    let (principal, action) = (agent().into(), "run".to_owned());
    Request { principal, action, resource, context: Map::new(), irreversible: false }
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("{value} is no object") };
    map
}
