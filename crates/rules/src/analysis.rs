//! What is wrong with what a table means: rows that overlap, contradict one another or never fire, and gaps.
//!
//! Each row is a box: a set of values for each input. The inputs' lines are cut where a cell begins or ends, as in the
//! index, and a box is looked at one input after another, the rows that are left with it.

use crate::bits::Bits;
use crate::finding::{Finding, Severity};
use crate::hit::HitPolicy;
use crate::set::Set;
use crate::table::{Row, Table, Then};
use chancery_base::limits::{TABLE_FINDINGS_MAX, TABLE_LOOKS_MAX};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Gaps that are told.
const GAPS_MAX: usize = 10;
/// What a place of a search counts: what it remembers takes memory, of which this keeps some twenty megabytes.
const PLACE_LOOKS: usize = 1 << 10;

impl Table {
    /// Looks for rows that contradict one another under the hit policy, rows that can never fire and, where a row is to
    /// fire, for gaps. The errors come first, each in the order of the rows.
    #[must_use]
    pub fn analyse(&self) -> Vec<Finding> {
        let mut analysis = Analysis::new(self);
        analysis.opaque();
        match self.hit_policy() {
            HitPolicy::Unique => analysis.pairs(|_, _, _| Some("`unique` allows one of them".to_owned())),
            HitPolicy::Any => analysis.pairs(|table, first, second| table.difference(first, second)),
            HitPolicy::First => analysis.masked(|_, before, row| before < row),
            HitPolicy::Priority => {
                analysis.masked(|ranks, other, row| (ranks.get(other), other) < (ranks.get(row), row))
            }
            HitPolicy::RuleOrder
            | HitPolicy::OutputOrder
            | HitPolicy::Collect
            | HitPolicy::CollectSum
            | HitPolicy::CollectMin
            | HitPolicy::CollectMax
            | HitPolicy::CollectCount => {}
        }
        if self.hit_policy().wants_a_hit() {
            analysis.gaps();
        }
        analysis.end()
    }

    /// The output that two rows give differently, in words; none where they give the same.
    fn difference(&self, first: usize, second: usize) -> Option<String> {
        let then = |row: usize| self.inner.rows.get(row).map(|row| row.then.as_slice()).unwrap_or_default();
        let pairs = then(first).iter().zip(then(second)).zip(&self.inner.outputs);
        pairs
            .filter_map(|((one, other), output)| match (one, other) {
                (Then::Constant(one), Then::Constant(other)) if one != other => {
                    Some(format!("`{}` is {one} there and {other} here, which `any` does not allow", output.name))
                }
                // What is computed may come to the same.
                (Then::Constant(_) | Then::Computed(_), Then::Constant(_) | Then::Computed(_)) => None,
            })
            .next()
    }

    /// The rank of each row, where all of its outputs are constants.
    fn ranks(&self) -> Vec<Option<Vec<usize>>> {
        let rank = |row: &Row| {
            let constants = row.then.iter().zip(&self.inner.outputs).map(|(then, output)| match then {
                Then::Constant(value) => Some((output.name.clone(), value.clone())),
                Then::Computed(_) => None,
            });
            Some(self.rank(&constants.collect::<Option<Map<String, Value>>>()?))
        };
        self.inner.rows.iter().map(rank).collect()
    }
}

struct Analysis<'a> {
    table: &'a Table,
    /// The box of each row; of a cell that is an expression all that the input can be.
    boxes: Vec<Vec<Set>>,
    /// The rows without expressions in their cells: what is known of them is all there is to know.
    solid: Bits,
    /// From which input on each row takes all that the inputs can be.
    open_from: Vec<usize>,
    findings: Vec<Finding>,
    /// What may still be looked at.
    looks: usize,
}

/// A box that no row covers: a set for each input, as far as they are restricted.
type Hole = Vec<Set>;

impl<'a> Analysis<'a> {
    fn new(table: &'a Table) -> Self {
        let inputs = &table.inner.inputs;
        let (mut boxes, mut open_from) = (Vec::new(), Vec::new());
        let mut solid = Bits::none(table.rows());
        for (number, row) in table.inner.rows.iter().enumerate() {
            let sets = row.cells.iter().zip(inputs);
            let sets = sets.map(|(cell, input)| match cell.set() {
                Some(set) => set.intersection(&input.domain),
                None => input.domain.clone(),
            });
            let sets: Vec<Set> = sets.collect();
            let restricted = sets.iter().zip(inputs).rposition(|(set, input)| *set != input.domain);
            open_from.push(restricted.map_or(0, |last| last + 1));
            boxes.push(sets);
            if row.cells.iter().all(|cell| cell.set().is_some()) {
                solid.set(number);
            }
        }
        Self { table, boxes, solid, open_from, findings: Vec::new(), looks: TABLE_LOOKS_MAX }
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < TABLE_FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    fn error(&mut self, row: usize, message: String) {
        self.add(Finding::error(Some(row + 1), None, message));
    }

    /// Says which cells nothing can be seen of.
    fn opaque(&mut self) {
        let table = self.table;
        for (column, input) in table.inner.inputs.iter().enumerate() {
            let is_opaque = |row: &&(usize, &Row)| row.1.cells.get(column).is_some_and(|cell| cell.set().is_none());
            let numbered: Vec<(usize, &Row)> = table.inner.rows.iter().enumerate().collect();
            let rows: Vec<String> = numbered.iter().filter(is_opaque).map(|(row, _)| (row + 1).to_string()).collect();
            if rows.is_empty() {
                continue;
            }
            let (shown, more) = rows.split_at_checked(10).unwrap_or((&rows, &[]));
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            let message = format!(
                "nothing can be seen through the expressions in rows {}{more}: overlaps with them are not found, and \
                 what they cover counts as a gap",
                shown.join(", ")
            );
            self.add(Finding { severity: Severity::Note, row: None, column: Some(input.name.clone()), message });
        }
    }

    /// Looks at each two rows that may fire together; `fault` says what is wrong with that.
    fn pairs(&mut self, fault: impl Fn(&Table, usize, usize) -> Option<String>) {
        let rows: Vec<usize> = self.solid.iter().collect();
        for (at, second) in rows.iter().enumerate() {
            for first in rows.iter().take(at) {
                if self.findings.len() >= TABLE_FINDINGS_MAX || self.looks == 0 {
                    return self.cut_short();
                }
                let Some(both) = self.overlap(*first, *second) else { continue };
                if let Some(fault) = fault(self.table, *first, *second) {
                    let message =
                        format!("it fires together with row {}, for {}: {fault}", first + 1, self.text(&both));
                    self.error(*second, message);
                }
            }
        }
    }

    fn overlap(&mut self, first: usize, second: usize) -> Option<Hole> {
        let (one, other) = (self.boxes.get(first)?, self.boxes.get(second)?);
        for (a, b) in one.iter().zip(other) {
            self.looks = self.looks.saturating_sub(a.spans().len() + b.spans().len());
            if !a.meets(b) {
                return None;
            }
        }
        Some(one.iter().zip(other).map(|(a, b)| a.intersection(b)).collect())
    }

    /// Looks for rows that can never fire because those that go before them take all that they would.
    fn masked(&mut self, goes_before: impl Fn(&[Option<Vec<usize>>], usize, usize) -> bool) {
        let ranks = self.table.ranks();
        let ranked = self.table.hit_policy() == HitPolicy::Priority;
        // What a row that is computed gives is not known, nor therefore whether it goes before another.
        let is_known = |row: usize| !ranked || ranks.get(row).is_some_and(Option::is_some);
        for row in (0..self.table.rows()).filter(|row| is_known(*row)) {
            let mut others = Bits::none(self.table.rows());
            let before = self.solid.iter().filter(|other| is_known(*other) && goes_before(&ranks, *other, row));
            before.for_each(|other| others.set(other));
            if others.is_empty() {
                continue;
            }
            let mut search = Search { within: Some(row), max: 1, holes: Vec::new(), covered: BTreeSet::new() };
            self.search(&mut search, &mut Vec::new(), &others);
            if self.looks == 0 {
                return self.cut_short();
            }
            if search.holes.is_empty() {
                self.error(row, "it can never fire: the rows that go before it take every case".to_owned());
            }
        }
    }

    /// Looks for values for which no row fires.
    fn gaps(&mut self) {
        let mut search = Search { within: None, max: GAPS_MAX + 1, holes: Vec::new(), covered: BTreeSet::new() };
        let solid = self.solid.clone();
        self.search(&mut search, &mut Vec::new(), &solid);
        let is_cut = self.looks == 0;
        for (number, hole) in search.holes.iter().enumerate() {
            let message = if number < GAPS_MAX {
                format!("no row fires for {}", self.text(hole))
            } else {
                "there are more values for which no row fires".to_owned()
            };
            self.add(Finding { severity: Severity::Warning, row: None, column: None, message });
        }
        if is_cut {
            self.cut_short();
        }
    }

    /// Looks for what the rows of `left` do not cover, having chosen `chosen` of the inputs before.
    fn search(&mut self, search: &mut Search, chosen: &mut Hole, left: &Bits) {
        let column = chosen.len();
        if search.holes.len() >= search.max || self.looks == 0 {
            return;
        }
        if left.is_empty() {
            search.holes.push(chosen.clone());
            return;
        }
        let is_open = |row: usize| self.open_from.get(row).is_some_and(|from| *from <= column);
        if left.iter().any(is_open) || search.covered.contains(&(column, left.clone())) {
            return;
        }
        self.looks = self.looks.saturating_sub(PLACE_LOOKS);
        let holes = search.holes.len();
        for (rows, set) in self.groups(search.within, column, left) {
            chosen.push(set);
            self.search(search, chosen, &rows);
            chosen.pop();
        }
        if search.holes.len() == holes && self.looks > 0 {
            search.covered.insert((column, left.clone()));
        }
    }

    /// What an input can be, within a row's cell where one is given, by which of the rows of `left` take it.
    fn groups(&mut self, within: Option<usize>, column: usize, left: &Bits) -> BTreeMap<Bits, Set> {
        let mut groups: BTreeMap<Bits, Set> = BTreeMap::new();
        let (Some(index), Some(input)) = (self.table.inner.columns.get(column), self.table.inner.inputs.get(column))
        else {
            return groups;
        };
        let own = within.and_then(|row| self.boxes.get(row)?.get(column));
        let domain = own.unwrap_or(&input.domain);
        let mut add = |rows: Bits, set: Set| {
            let joined = groups.remove(&rows).map_or_else(|| set.clone(), |other| other.union(set.clone()));
            groups.insert(rows, joined);
        };
        for ((low, high), rows) in index.stretches() {
            let stretch = Set::span(low.clone(), high.clone());
            self.looks = self.looks.saturating_sub(2);
            if domain.meets(&stretch) {
                self.looks = self.looks.saturating_sub(crate::bits::words(self.boxes.len()));
                add(rows.and(left), stretch);
            }
        }
        if domain.has_null() {
            add(index.null_rows().and(left), Set::null());
        }
        groups
    }

    /// Which values of the inputs a box has.
    fn text(&self, hole: &Hole) -> String {
        let parts = hole.iter().zip(&self.table.inner.inputs).filter(|(set, input)| **set != input.domain);
        let parts: Vec<String> =
            parts.map(|(set, input)| format!("`{}` {}", input.name, set.text(input.kind))).collect();
        if parts.is_empty() { "all values".to_owned() } else { parts.join(" and ") }
    }

    fn cut_short(&mut self) {
        let message = "the table is too large, or has too many faults, to look at all of it".to_owned();
        self.findings.push(Finding { severity: Severity::Warning, row: None, column: None, message });
    }

    fn end(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|finding| (finding.severity, finding.row));
        self.findings.dedup();
        self.findings
    }
}

/// A search for what rows do not cover.
struct Search {
    /// The row within whose box is looked; none for all that the inputs can be.
    within: Option<usize>,
    /// How many holes are wanted.
    max: usize,
    holes: Vec<Hole>,
    /// The inputs and rows from where on all is covered.
    covered: BTreeSet<(usize, Bits)>,
}
