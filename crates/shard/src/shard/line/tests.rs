//! Against a list that is searched from its front, and the promises by themselves.

use super::*;
use chancery_base::Entropy;

fn rank(priority: i8, key: &str) -> Rank {
    Rank { priority, key: (!key.is_empty()).then(|| Arc::from(key)) }
}

/// Takes whoever is next out of a line.
fn serve(line: &mut Line<u32>, of: impl Fn(u32) -> Rank) -> Option<u32> {
    let next = line.next()?;
    line.take_turn();
    line.remove(&of(next), next);
    line.sweep();
    Some(next)
}

/// Fills a line with numbers in the order in which they came, and empties it.
#[track_caller]
fn check(came: &[(i8, &str)], expected: &[u32]) {
    let mut line = Line::default();
    let of = |number: u32| {
        let (priority, key) = came[number as usize];
        rank(priority, key)
    };
    for number in 0..u32::try_from(came.len()).unwrap() {
        line.insert(&of(number), number);
    }
    assert_eq!(line.len(), came.len());
    let served: Vec<u32> = std::iter::from_fn(|| serve(&mut line, of)).collect();
    assert_eq!(served, expected);
    assert!(line.sweep());
}

#[test]
fn without_a_word_what_waits_longest_goes_first() {
    check(&[(0, ""), (0, ""), (0, "")], &[0, 1, 2]);
}

#[test]
fn the_higher_priority_goes_first() {
    check(&[(0, ""), (5, ""), (-3, ""), (5, "")], &[1, 3, 0, 2]);
}

#[test]
fn keys_of_one_priority_take_turns_and_what_has_none_is_one_of_them() {
    check(&[(0, "a"), (0, "a"), (0, "a"), (0, "b"), (0, "c"), (0, "")], &[5, 0, 3, 4, 1, 2]);
    check(&[(0, "a"), (0, "a"), (1, "a"), (0, "b")], &[2, 0, 3, 1]);
}

#[test]
fn whose_turn_it_was_is_kept_while_what_waits_is_taken_out_and_put_back() {
    let mut line = Line::default();
    for number in 0..6 {
        line.insert(&rank(0, ["a", "b", "c"][number as usize % 3]), number);
    }
    let of = |number: u32| rank(0, ["a", "b", "c"][number as usize % 3]);
    assert_eq!(serve(&mut line, of), Some(0));
    // As when the index is brought up to date with the one transaction that all of these are of.
    for number in 1..6 {
        line.remove(&of(number), number);
    }
    for number in 1..6 {
        line.insert(&of(number), number);
    }
    assert_eq!(line.next(), Some(1), "it is not the first key's turn again");
}

/// The same said plainly: what came, in a list.
#[derive(Debug, Default)]
struct Naive {
    waiting: Vec<(u32, i8, String)>,
    last: BTreeMap<i8, String>,
}

impl Naive {
    fn next(&self) -> Option<u32> {
        let highest = self.waiting.iter().map(|(_, priority, _)| *priority).max()?;
        let mut keys: Vec<&String> =
            self.waiting.iter().filter(|(_, priority, _)| *priority == highest).map(|(_, _, key)| key).collect();
        keys.sort();
        keys.dedup();
        let last = self.last.get(&highest);
        let key = last.and_then(|last| keys.iter().find(|key| **key > last)).or(keys.first())?;
        let of_key = self.waiting.iter().filter(|(_, priority, other)| *priority == highest && other == *key);
        of_key.map(|(number, ..)| *number).min()
    }

    fn serve(&mut self) -> Option<u32> {
        let next = self.next()?;
        let at = self.waiting.iter().position(|(number, ..)| *number == next).unwrap();
        let (_, priority, key) = self.waiting.remove(at);
        self.last.insert(priority, key);
        self.last.retain(|priority, _| self.waiting.iter().any(|(_, other, _)| other == priority));
        Some(next)
    }

    fn rank_of(&self, number: u32) -> Option<Rank> {
        self.waiting.iter().find(|(other, ..)| *other == number).map(|(_, priority, key)| rank(*priority, key))
    }
}

#[test]
fn any_comings_and_goings_are_served_as_the_plain_list_says() {
    let mut entropy = Entropy::from_seed([4; 32]);
    for _ in 0..200 {
        let (mut line, mut naive) = (Line::default(), Naive::default());
        for number in 0..120 {
            let [what, priority, key, ..] = entropy.bytes8();
            match what % 8 {
                0..=3 => {
                    let (priority, key) =
                        ([-1, 0, 0, 2][usize::from(priority % 4)], ["", "a", "b", "c"][usize::from(key % 4)]);
                    line.insert(&rank(priority, key), number);
                    naive.waiting.push((number, priority, key.to_owned()));
                }
                // It is cancelled.
                4 if !naive.waiting.is_empty() => {
                    let (gone, ..) = naive.waiting[usize::from(key) % naive.waiting.len()].clone();
                    line.remove(&naive.rank_of(gone).unwrap(), gone);
                    line.sweep();
                    naive.waiting.retain(|(number, ..)| *number != gone);
                    let Naive { waiting, last } = &mut naive;
                    last.retain(|priority, _| waiting.iter().any(|(_, other, _)| other == priority));
                }
                _ => {
                    let of = |number| naive.rank_of(number).unwrap();
                    let served = serve(&mut line, of);
                    assert_eq!(served, naive.serve());
                }
            }
            assert_eq!(line.next(), naive.next());
            assert_eq!(line.len(), naive.waiting.len());
            assert_eq!(line.oldest(), naive.waiting.iter().map(|(number, ..)| *number).min());
        }
    }
}

/// Between two turns of a key every other one that waited all the while has had its own.
#[test]
fn no_key_waits_for_two_turns_of_another() {
    let mut entropy = Entropy::from_seed([5; 32]);
    let keys = ["a", "b", "c", "d"];
    let mut line = Line::default();
    let of = |number: u32| rank(0, keys[number as usize % 4]);
    let mut came = [0_u32; 4];
    let mut turns: Vec<usize> = Vec::new();
    for _ in 0..2_000 {
        // One key comes far more often than the others; each has something waiting at all times.
        for key in 0..4_u32 {
            let waits = line.sets().any(|items: &BTreeSet<u32>| items.iter().any(|number| number % 4 == key));
            let more = if key == 0 { 3 } else { u32::from(!waits) };
            for _ in 0..more {
                let number = came[key as usize] * 4 + key;
                line.insert(&of(number), number);
                came[key as usize] += 1;
            }
        }
        if entropy.bytes8()[0].is_multiple_of(2) {
            turns.push(serve(&mut line, of).unwrap() as usize % 4);
        }
    }
    assert!(turns.len() > 500);
    for four in turns.chunks_exact(4) {
        let mut four = four.to_vec();
        four.sort_unstable();
        assert_eq!(four, [0, 1, 2, 3]);
    }
}
