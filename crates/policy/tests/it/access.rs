//! Who may call the API.

use crate::support::id;
use chancery_base::{PrincipalKind, TenantId};
use chancery_policy::access::ROLES;
use chancery_policy::{Access, Action, Grant, Principal};

/// A row an action, a column a role in the order of [`ROLES`]: `x` may, `.` may not.
const MATRIX: &str = "
tenant:create          ..........
principal:create       x.........
principal:set          x.........
principal:suspend      x.........
principal:read         x..x.x....
principal:list         x..x.x....
key:issue              x.........
key:revoke             x.........
key:list               x....x....
definition:check       x.....x...
definition:register    x.....x...
definition:read        xxxxxxxxx.
bundle:check           xxx...x...
bundle:push            xx........
bundle:activate        x.x.......
bundle:read            xxxxxxx...
transaction:start      x.....xxx.
transaction:read       x..xxx....
transaction:list       x..xxx....
transaction:cancel     x..x......
transaction:drive      x.........
transaction:retry      x..x......
transaction:resolve    x..x......
transaction:signal     x..xx...x.
transaction:pause      x..x......
transaction:resume     x..x......
transaction:terminate  x..x......
transaction:bulk       x..x......
fault:inject           x.....x...
worker:exchange        x......xx.
maintenance:read       x..x.xx...
maintenance:set        x..x......
queue:read             x..x.xx...
queue:set              x..x......
target:read            x..x.xx...
target:set             x..x......
target:force           x..x......
signing_secret:issue   x.........
signing_secret:list    x..x.x....
signing_secret:retire  x.........
decision:make          xxx...xxx.
ledger:read            x..x.x....
receipt:read           x..x.x....
metrics:read           ..........
health:read            x..x.x....
";

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn with_role(role: &str) -> Principal {
    Principal::new(id(PrincipalKind::User, 1), "someone").with_roles([role.parse().unwrap()])
}

fn matrix(access: &Access, tenant: &TenantId) -> String {
    let mut text = String::from("\n");
    for action in Action::ALL {
        let may = |role: &&str| access.authorize(&with_role(role), tenant, *action, None).is_ok();
        let row: String = ROLES.iter().map(|role| if may(role) { 'x' } else { '.' }).collect();
        text += &format!("{:<22} {row}\n", action.as_str());
    }
    text
}

#[test]
fn each_role_may_what_the_table_says() {
    let access = Access::builtin().unwrap();
    assert_eq!(matrix(&access, &acme()), MATRIX);
    // In the tenant `system` the platform's operator may five things, and nothing else changes.
    let platform = MATRIX
        .replace("tenant:create          ..........", "tenant:create          .........x")
        .replace("maintenance:read       x..x.xx...", "maintenance:read       x..x.xx..x")
        .replace("maintenance:set        x..x......", "maintenance:set        x..x.....x")
        .replace("metrics:read           ..........", "metrics:read           x..x.x...x")
        .replace("health:read            x..x.x....", "health:read            x..x.x...x");
    assert_eq!(matrix(&access, &TenantId::system()), platform);
}

#[test]
fn the_starter_may_see_drive_and_cancel_their_own() {
    let access = Access::builtin().unwrap();
    for kind in PrincipalKind::ALL {
        let (mine, theirs) = (id(kind, 1), id(kind, 2));
        let own: Vec<&str> = Action::ALL
            .iter()
            .filter(|action| access.authorize(&Principal::new(mine, "me"), &acme(), **action, Some(mine)).is_ok())
            .map(|action| action.as_str())
            .collect();
        assert_eq!(
            own,
            ["transaction:read", "transaction:list", "transaction:cancel", "transaction:drive", "receipt:read"]
        );
        for action in Action::ALL {
            assert!(access.authorize(&Principal::new(mine, "me"), &acme(), *action, Some(theirs)).is_err());
        }
    }
}

#[test]
fn a_denial_says_why_and_who_may() {
    let access = Access::builtin().unwrap();
    let denied = access.authorize(&with_role("approver"), &acme(), Action::TransactionRetry, None).unwrap_err();
    assert_eq!(denied.roles, ["owner", "operator"]);
    let text = denied.to_string();
    assert!(text.contains("may not `transaction:retry`: no policy permits"), "{text}");
    assert!(text.ends_with("; it takes a role of: owner, operator"), "{text}");
    let mut suspended = with_role("owner");
    suspended.suspended = true;
    let denied = access.authorize(&suspended, &acme(), Action::HealthRead, None).unwrap_err();
    assert!(denied.to_string().ends_with("is suspended") && denied.roles.is_empty(), "{denied}");
}

#[test]
fn a_grant_says_whose_and_what_for() {
    let access = Access::builtin().unwrap();
    let owner = with_role("owner");
    let grant = access.authorize(&owner, &acme(), Action::BundlePush, None).unwrap();
    assert_eq!((grant.tenant(), grant.principal(), grant.action()), (&acme(), owner.id, Some(Action::BundlePush)));
    assert_eq!(grant.reason(), "owner: an owner runs their tenant");
    let system = Grant::system("recovery at start", acme());
    assert_eq!((system.action(), system.reason().as_str()), (None, "recovery at start"));
    for action in Action::ALL {
        assert_eq!(action.as_str().parse(), Ok(*action));
    }
}
