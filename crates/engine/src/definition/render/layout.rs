//! Where boxes and lines go: layers as rows (Sugiyama, Tagawa and Toda 1981). Lines that pass a layer have a place in
//! it, so that they cross no box.

use crate::definition::Definition;
use std::collections::BTreeMap;

/// Between two boxes of a row.
const GAP: f64 = 36.0;
/// Places for lines that pass a layer. Where there would be more, lines go straight.
const PASSING_MAX: usize = 10_000;
/// Times that every row is put in order and in place, downward and upward.
const SWEEPS: usize = 8;

/// How far a box reaches to the left and to the right of its middle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) left: f64,
    pub(super) right: f64,
}

/// Where everything is, from left to right; rows are counted.
#[derive(Debug)]
pub(super) struct Layout {
    /// The middle of each step's box, by its position in the definition.
    pub(super) steps: Vec<f64>,
    /// Every line.
    pub(super) lines: Vec<Line>,
    pub(super) width: f64,
}

/// A line from one step to another, by their positions, and the middles of the rows between that it passes.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) passes: Vec<f64>,
}

/// A step, or a place where a line passes.
#[derive(Debug)]
struct Cell {
    row: usize,
    extent: Extent,
    middle: f64,
    above: Vec<usize>,
    below: Vec<usize>,
}

#[derive(Debug, Default)]
struct Net {
    cells: Vec<Cell>,
    rows: Vec<Vec<usize>>,
}

/// Lays a definition out; `extents` are its steps'.
pub(super) fn layout(definition: &Definition, extents: &[Extent]) -> Layout {
    let mut net = Net::default();
    for (step, extent) in definition.steps.iter().zip(extents) {
        net.add(usize::try_from(step.layer).unwrap_or(0), *extent);
    }
    let lines = net.connect(definition);
    for _ in 0..SWEEPS {
        net.sort(true);
        net.sort(false);
    }
    net.pack();
    for _ in 0..SWEEPS {
        net.place(true);
        net.place(false);
    }
    net.finish(definition.steps.len(), lines)
}

impl Net {
    fn add(&mut self, row: usize, extent: Extent) -> usize {
        let at = self.cells.len();
        self.cells.push(Cell { row, extent, middle: 0.0, above: Vec::new(), below: Vec::new() });
        if self.rows.len() <= row {
            self.rows.resize_with(row + 1, Vec::new);
        }
        if let Some(cells) = self.rows.get_mut(row) {
            cells.push(at);
        }
        at
    }

    fn join(&mut self, upper: usize, lower: usize) {
        if let Some(cell) = self.cells.get_mut(upper) {
            cell.below.push(lower);
        }
        if let Some(cell) = self.cells.get_mut(lower) {
            cell.above.push(upper);
        }
    }

    /// Every line, from step to step by way of the cells that it passes.
    fn connect(&mut self, definition: &Definition) -> Vec<(usize, usize, Vec<usize>)> {
        let mut lines = Vec::new();
        for (to, step) in definition.steps.iter().enumerate() {
            for from in step.after.iter().map(|before| before.position()) {
                let row = usize::try_from(step.layer).unwrap_or(0);
                let between = self.cells.get(from).map_or(0, |cell| cell.row) + 1..row;
                let is_room = self.cells.len() + between.len() <= definition.steps.len() + PASSING_MAX;
                let passed = self.pass(from, if is_room { between } else { 0..0 });
                self.join(passed.last().copied().unwrap_or(from), to);
                lines.push((from, to, passed));
            }
        }
        lines
    }

    /// Places for a line in the rows that it passes.
    fn pass(&mut self, from: usize, rows: std::ops::Range<usize>) -> Vec<usize> {
        let mut last = from;
        let passed = rows.map(|row| {
            let cell = self.add(row, Extent { left: 4.0, right: 4.0 });
            self.join(last, cell);
            last = cell;
            cell
        });
        passed.collect()
    }

    fn neighbours(&self, cell: usize, above: bool) -> &[usize] {
        self.cells.get(cell).map_or(&[], |cell| if above { &cell.above } else { &cell.below })
    }

    fn rows_in(&self, downward: bool) -> Vec<usize> {
        if downward { (0..self.rows.len()).collect() } else { (0..self.rows.len()).rev().collect() }
    }

    /// Puts each row into the order of the middle of its neighbours' places in the row before.
    fn sort(&mut self, downward: bool) {
        for row in self.rows_in(downward) {
            let beside = if downward { row.checked_sub(1) } else { Some(row + 1) };
            let beside = beside.and_then(|beside| self.rows.get(beside)).map(Vec::as_slice).unwrap_or_default();
            let places: BTreeMap<usize, usize> = beside.iter().enumerate().map(|(at, cell)| (*cell, at)).collect();
            let cells = self.rows.get(row).map(Vec::as_slice).unwrap_or_default();
            let keyed = cells.iter().enumerate().map(|(at, cell)| {
                let near = self.neighbours(*cell, downward).iter().filter_map(|other| places.get(other));
                (mean(near.map(|at| as_f64(*at))).unwrap_or_else(|| as_f64(at)), *cell)
            });
            let mut keyed: Vec<(f64, usize)> = keyed.collect();
            // Stable: what is as good as another stays where it was.
            keyed.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            if let Some(slot) = self.rows.get_mut(row) {
                *slot = keyed.into_iter().map(|(_, cell)| cell).collect();
            }
        }
    }

    /// Puts the boxes of each row side by side.
    fn pack(&mut self) {
        for row in &self.rows {
            let mut right = 0.0;
            for at in row {
                if let Some(cell) = self.cells.get_mut(*at) {
                    cell.middle = right + cell.extent.left;
                    right = cell.middle + cell.extent.right + GAP;
                }
            }
        }
    }

    /// Moves each row's boxes towards their neighbours in the row before, as near as their order and width allow.
    fn place(&mut self, downward: bool) {
        for row in self.rows_in(downward) {
            let cells = self.rows.get(row).cloned().unwrap_or_default();
            let mut offset = 0.0;
            let mut reach = None;
            let mut wanted = Vec::with_capacity(cells.len());
            for at in &cells {
                let Some(cell) = self.cells.get(*at) else { continue };
                offset += reach.map_or(0.0, |right: f64| right + GAP + cell.extent.left);
                reach = Some(cell.extent.right);
                let near = self.neighbours(*at, downward).iter().filter_map(|other| self.cells.get(*other));
                let middle = mean(near.map(|other| other.middle)).unwrap_or(cell.middle);
                wanted.push((middle - offset, offset));
            }
            let ascending = ascending(&wanted.iter().map(|(wanted, _)| *wanted).collect::<Vec<_>>());
            for ((at, (_, offset)), place) in cells.iter().zip(&wanted).zip(ascending) {
                if let Some(cell) = self.cells.get_mut(*at) {
                    cell.middle = place + offset;
                }
            }
        }
    }

    /// From the left edge on.
    fn finish(self, steps: usize, lines: Vec<(usize, usize, Vec<usize>)>) -> Layout {
        let left = self.cells.iter().map(|cell| cell.middle - cell.extent.left).fold(f64::INFINITY, f64::min);
        let right = self.cells.iter().map(|cell| cell.middle + cell.extent.right).fold(f64::NEG_INFINITY, f64::max);
        let middle = |at: &usize| self.cells.get(*at).map_or(0.0, |cell| cell.middle - left);
        Layout {
            steps: (0..steps).map(|at| middle(&at)).collect(),
            lines: lines
                .into_iter()
                .map(|(from, to, passed)| Line { from, to, passes: passed.iter().map(middle).collect() })
                .collect(),
            width: right - left,
        }
    }
}

/// The ascending numbers that are nearest to these in the sum of squares: those that descend become their mean
/// (pool adjacent violators; Ayer and others 1955).
fn ascending(numbers: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::with_capacity(numbers.len());
    for number in numbers {
        let mut pool = (*number, 1);
        while let Some((mean, count)) = pools.pop_if(|(mean, _)| *mean > pool.0) {
            let both = count + pool.1;
            pool = ((mean * as_f64(count) + pool.0 * as_f64(pool.1)) / as_f64(both), both);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(mean, count)| std::iter::repeat_n(mean, count)).collect()
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = numbers.fold((0.0, 0_u32), |(sum, count), number| (sum + number, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// INVARIANT: counts of boxes, far below 2^32.
fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::ascending;

    #[test]
    fn what_descends_is_pooled() {
        for (numbers, expected) in [
            (vec![], vec![]),
            (vec![1.0, 2.0, 3.0], vec![1.0, 2.0, 3.0]),
            (vec![3.0, 1.0], vec![2.0, 2.0]),
            (vec![1.0, 5.0, 3.0, 4.0, 9.0], vec![1.0, 4.0, 4.0, 4.0, 9.0]),
            (vec![3.0, 2.0, 1.0], vec![2.0, 2.0, 2.0]),
        ] {
            assert_eq!(ascending(&numbers), expected, "{numbers:?}");
        }
    }
}
