//! What must hold of every parser of other people's text, whatever it is given.
//!
//! Each target is a function of bytes that panics where a property does not hold: what is printed reads back as the
//! same, a canonical form is its own, there is one spelling, a refusal says where, a proof proves nothing but what it
//! was made for. The fuzzer calls them from `fuzz/fuzz_targets/`, and the tests of this crate replay
//! `fuzz/corpus/<target>/` with them, so that a find is a file that stays.

pub mod body;
mod callback;
mod capability;
mod check;
mod cron;
mod definition;
mod entry;
mod exchange;
mod export;
mod expression;
mod json;
mod note;
mod policy;
mod proof;
pub mod sample;
mod search;
pub mod seeds;
mod table;
mod tile;

/// What a target says of an input that breaks nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was read, and all that must hold of what was read does.
    Taken,
    /// It was refused, and the refusal is a good one.
    Refused,
}

/// A function that the fuzzer calls.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its file in `fuzz/fuzz_targets/` and of its folder in `fuzz/corpus/`.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub run: fn(&[u8]) -> Verdict,
}

/// Every target.
pub const TARGETS: [Target; 17] = [
    Target { name: "json", run: json::json },
    Target { name: "definition", run: definition::definition },
    Target { name: "expression", run: expression::expression },
    Target { name: "bundle", run: policy::bundle },
    Target { name: "body", run: body::bodies },
    Target { name: "exchange", run: exchange::exchange },
    Target { name: "callback", run: callback::callback },
    Target { name: "record", run: entry::record },
    Target { name: "receipt", run: entry::receipt },
    Target { name: "checkpoint", run: note::checkpoint },
    Target { name: "proof", run: proof::proof },
    Target { name: "tile", run: tile::tile },
    Target { name: "search", run: search::search },
    Target { name: "cron", run: cron::cron },
    Target { name: "table", run: table::table },
    Target { name: "export", run: export::export },
    Target { name: "capability", run: capability::capability },
];

/// Runs the target of this name.
///
/// # Panics
/// If there is none, or something does not hold: a find.
pub fn run(name: &str, data: &[u8]) -> Verdict {
    match TARGETS.iter().find(|target| target.name == name) {
        Some(target) => (target.run)(data),
        None => check::find(format_args!("there is no target `{name}`")),
    }
}
