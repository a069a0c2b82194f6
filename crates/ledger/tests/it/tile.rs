use chancery_ledger::tile::{BundleError, hashes_at, read_bundle, read_tile, write_bundle};
use chancery_ledger::{Resource, TileId, TreeSize};
use proptest::prelude::*;

fn check(path: &str, expected: Option<Resource>) {
    assert_eq!(path.parse().ok(), expected, "{path}");
    if let Some(resource) = expected {
        assert_eq!(resource.to_string(), path);
    }
}

#[test]
fn paths_are_those_of_tlog_tiles() {
    let tile = |level, index, width| Some(Resource::Tile { id: TileId { level, index }, width });
    check("checkpoint", Some(Resource::Checkpoint));
    check("tile/0/000", tile(0, 0, 256));
    check("tile/0/x001/x234/067", tile(0, 1_234_067, 256));
    check("tile/63/x001/000.p/255", tile(63, 1_000, 255));
    check("tile/entries/x123/456.p/1", Some(Resource::Entries { index: 123_456, width: 1 }));
    for bad in [
        "",
        "tile",
        "tile/0",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/0/001/234",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/x000/001",
        "tile/-1/000",
        "tile/0/+01",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "/checkpoint",
        "tile/data/000",
        "tile/0/../000",
    ] {
        check(bad, None);
    }
}

#[test]
fn a_tree_of_70000_has_the_tiles_of_the_specification() {
    let size = TreeSize(70_000);
    let all: Vec<Resource> = Resource::all(size).collect();
    let full = |wanted: u8| {
        all.iter().filter(|r| matches!(r, Resource::Tile { id, width: 256 } if id.level == wanted)).count()
    };
    assert_eq!((full(0), full(1), full(2)), (273, 1, 0));
    for (level, index, width) in [(0, 273, 112), (1, 1, 17), (2, 0, 1)] {
        assert!(all.contains(&Resource::Tile { id: TileId { level, index }, width }));
    }
    assert!(all.contains(&Resource::Entries { index: 273, width: 112 }));
    assert_eq!(all.len(), 274 + 274 + 2 + 1);
    assert_eq!(hashes_at(63, size), 0);
    let at_256: Vec<String> = Resource::all(TreeSize(256)).map(|r| r.to_string()).collect();
    assert_eq!(at_256, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
}

#[test]
fn bundles_refuse_what_does_not_fit() {
    let long = vec![0; 65_536];
    assert_eq!(write_bundle([long.as_slice()]), Err(BundleError::TooLong(65_536)));
    assert_eq!(read_bundle(&[0, 2, 1]), Err(BundleError::Cut));
    assert_eq!(read_bundle(&[0]), Err(BundleError::Cut));
    assert_eq!(read_bundle(&[0; 514]), Err(BundleError::TooMany));
    assert_eq!(read_tile(&[]), Err(0));
    assert_eq!(read_tile(&[0; 33]), Err(33));
    assert_eq!(read_tile(&[0; 257 * 32]), Err(257 * 32));
}

proptest! {
    #[test]
    fn bundles_read_back(records in proptest::collection::vec(any::<Vec<u8>>(), 0..256)) {
        let bytes = write_bundle(records.iter().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(read_bundle(&bytes).unwrap(), records);
    }

    #[test]
    fn paths_read_back(level in 0_u8..64, index in any::<u64>(), width in 1_u16..=256) {
        for resource in [Resource::Tile { id: TileId { level, index }, width }, Resource::Entries { index, width }] {
            prop_assert_eq!(resource.to_string().parse(), Ok(resource));
        }
    }
}
