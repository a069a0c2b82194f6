//! What nobody changed.

use crate::world::World;
use chancery_app::verify::{self, Options};

#[test]
fn an_untouched_store_is_verified() {
    let world = World::make();
    let mut last = None;
    let options = Options { keys: None, checkpoints: world.checkpoints.clone(), ..Options::default() };
    let report = verify::run(world.dir(), &options, &mut |progress| last = Some(progress)).unwrap();
    let last = last.unwrap();
    assert_eq!((last.entries, last.total), (report.entries, report.entries));
    assert_eq!(report.uncovered(), 0);
    assert_eq!(report.logs.len(), 3);
    let acme = report.logs.iter().find(|log| log.origin.tenant().as_str() == "acme").unwrap();
    assert!(acme.size.0 > 256, "{acme:?}");
    assert!(acme.checkpoints >= 3, "{acme:?}");
    assert!(acme.transactions_open >= 3, "{acme:?}");
    assert!(acme.tiles >= 3, "{acme:?}");
    assert_eq!(acme.payloads_withheld, 0);
    assert!(report.rows > 100, "{report:?}");
}

#[test]
fn what_cannot_be_checked_is_listed() {
    let columns: Vec<_> = verify::UNCHECKED_COLUMNS.iter().map(|(column, _)| *column).collect();
    assert_eq!(columns, ["logs.owner", "notifiers.secret", "logs.epoch"], "this list may only shrink");
    let tables: Vec<_> = verify::UNCHECKED_REMOVALS.iter().map(|(table, _)| *table).collect();
    assert_eq!(tables, ["checkpoints"], "this list may only shrink");
}
