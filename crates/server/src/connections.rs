//! The connections that there are, and which of them goes when there is no room for another.
//!
//! Whoever has shown no valid key is a *stranger*; after that a connection is its tenant's. One that has a request in
//! hand stays. Of those that wait for the rest of a head, or for another request, the one that has waited longest goes:
//! a stranger where there is one, else one of the tenant that has most. So a newcomer finds a place however many sit in
//! the house and say nothing, and saying something slowly does not make a wait younger.

use crate::options::ConnectionLimits;
use chancery_base::TenantId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tracing::debug;

/// Whose a connection is; none while it is a stranger's.
type Party = Option<TenantId>;

/// The connections.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: ConnectionLimits,
    house: Mutex<House>,
}

#[derive(Debug, Default)]
struct House {
    next: u64,
    turn: u64,
    guests: HashMap<u64, Guest>,
    crowds: BTreeMap<Party, Crowd>,
}

#[derive(Debug)]
struct Guest {
    party: Party,
    /// Its turn among those that wait; none while it has a request in hand.
    turn: Option<u64>,
    /// Tells the connection to end.
    cut: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Crowd {
    count: usize,
    /// Who waits, by turn: the first has waited longest.
    waiting: BTreeMap<u64, u64>,
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    connections: Arc<Connections>,
    number: u64,
}

impl Connections {
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, house: Mutex::default() }
    }

    /// A place for another connection, and what tells it to end; none where every connection has a request in hand.
    pub(crate) fn arrive(self: &Arc<Self>) -> Option<(Seat, oneshot::Receiver<()>)> {
        let mut house = self.lock();
        if house.count(&None) >= self.limits.strangers && !house.displace(&None) {
            return None;
        }
        if house.guests.len() >= self.limits.all && !house.make_room() {
            return None;
        }
        let (cut, is_cut) = oneshot::channel();
        let number = house.next;
        house.next += 1;
        house.guests.insert(number, Guest { party: None, turn: None, cut });
        house.crowds.entry(None).or_default().count += 1;
        house.wait(number);
        Some((Seat { connections: Arc::clone(self), number }, is_cut))
    }

    /// Closes a connection that waits, whoever's it is; whether there was one.
    pub(crate) fn make_room(&self) -> bool {
        self.lock().make_room()
    }

    /// How many connections there are, and how many of them are strangers'.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let house = self.lock();
        (house.guests.len(), house.count(&None))
    }

    fn lock(&self) -> MutexGuard<'_, House> {
        self.house.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// A request's head has come.
    pub(crate) fn busy(&self) {
        let mut house = self.connections.lock();
        let house = &mut *house;
        let Some(guest) = house.guests.get_mut(&self.number) else { return };
        if let Some(turn) = guest.turn.take()
            && let Some(crowd) = house.crowds.get_mut(&guest.party)
        {
            crowd.waiting.remove(&turn);
        }
    }

    /// Its answer is ready, or has gone.
    pub(crate) fn waiting(&self) {
        self.connections.lock().wait(self.number);
    }

    /// A key of this tenant was shown.
    pub(crate) fn known(&self, tenant: &TenantId) {
        let mut house = self.connections.lock();
        if !house.move_to(self.number, tenant) {
            return;
        }
        let party = Some(tenant.clone());
        if house.count(&party) > self.connections.limits.tenant {
            // Where all the tenant's have a request in hand there is none to close: the tallies bound those.
            house.displace(&party);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.lock().remove(self.number);
    }
}

impl House {
    fn count(&self, party: &Party) -> usize {
        self.crowds.get(party).map_or(0, |crowd| crowd.count)
    }

    fn wait(&mut self, number: u64) {
        let Some(guest) = self.guests.get_mut(&number).filter(|guest| guest.turn.is_none()) else { return };
        guest.turn = Some(self.turn);
        if let Some(crowd) = self.crowds.get_mut(&guest.party) {
            crowd.waiting.insert(self.turn, number);
        }
        self.turn += 1;
    }

    /// Moves a connection to a tenant's; whether it was another's before.
    fn move_to(&mut self, number: u64, tenant: &TenantId) -> bool {
        let Some(guest) = self.guests.get_mut(&number).filter(|guest| guest.party.as_ref() != Some(tenant)) else {
            return false;
        };
        let party = guest.party.replace(tenant.clone());
        let turn = guest.turn;
        self.leave(&party, turn);
        let crowd = self.crowds.entry(Some(tenant.clone())).or_default();
        crowd.count += 1;
        if let Some(turn) = turn {
            crowd.waiting.insert(turn, number);
        }
        true
    }

    fn remove(&mut self, number: u64) -> Option<Guest> {
        let guest = self.guests.remove(&number)?;
        self.leave(&guest.party, guest.turn);
        Some(guest)
    }

    fn leave(&mut self, party: &Party, turn: Option<u64>) {
        let Some(crowd) = self.crowds.get_mut(party) else { return };
        crowd.count -= 1;
        if let Some(turn) = turn {
            crowd.waiting.remove(&turn);
        }
        if crowd.count == 0 {
            self.crowds.remove(party);
        }
    }

    /// Closes whoever has waited longest of a party; whether somebody waited.
    fn displace(&mut self, party: &Party) -> bool {
        let first = self.crowds.get(party).and_then(|crowd| crowd.waiting.first_key_value());
        let Some(guest) = first.map(|(_, number)| *number).and_then(|number| self.remove(number)) else { return false };
        let whose = if party.is_some() { "tenant" } else { "stranger" };
        metrics::counter!("chancery_http_connections_displaced_total", "whose" => whose).increment(1);
        if guest.cut.send(()).is_err() {
            debug!("a connection that was to make room had just ended");
        }
        true
    }

    fn make_room(&mut self) -> bool {
        if self.displace(&None) {
            return true;
        }
        let tenants = self.crowds.iter().filter(|(_, crowd)| !crowd.waiting.is_empty());
        let largest = tenants.max_by_key(|(_, crowd)| crowd.count).map(|(party, _)| party.clone());
        largest.is_some_and(|party| self.displace(&party))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(all: usize, strangers: usize, tenant: usize) -> Arc<Connections> {
        Arc::new(Connections::new(ConnectionLimits { all, strangers, tenant }))
    }

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn is_cut(cut: &mut oneshot::Receiver<()>) -> bool {
        cut.try_recv().is_ok()
    }

    #[test]
    fn the_stranger_that_has_waited_longest_goes_first() {
        let house = house(10, 2, 10);
        let (first, mut first_cut) = house.arrive().unwrap();
        let (second, mut second_cut) = house.arrive().unwrap();
        // What the first says makes it wait anew, from the end of its answer on.
        first.busy();
        first.waiting();
        let (_third, mut third_cut) = house.arrive().unwrap();
        assert!(!is_cut(&mut first_cut) && is_cut(&mut second_cut) && !is_cut(&mut third_cut));
        drop(second);
        assert_eq!(house.counts(), (2, 2));
    }

    #[test]
    fn who_has_a_request_in_hand_stays() {
        let house = house(10, 1, 10);
        let (seat, mut cut) = house.arrive().unwrap();
        seat.busy();
        assert!(house.arrive().is_none());
        seat.known(&tenant("acme"));
        assert!(house.arrive().is_some());
        assert!(!is_cut(&mut cut));
    }

    #[test]
    fn a_full_house_closes_strangers_then_those_of_the_largest_tenant() {
        let house = house(4, 4, 4);
        let mut guests = Vec::new();
        for name in ["acme", "acme", "small"] {
            let (seat, cut) = house.arrive().unwrap();
            seat.known(&tenant(name));
            guests.push((seat, cut));
        }
        let (stranger, mut stranger_cut) = house.arrive().unwrap();
        let (fifth, _cut) = house.arrive().unwrap();
        assert!(is_cut(&mut stranger_cut));
        drop(stranger);
        fifth.known(&tenant("other"));
        let (_sixth, _cut) = house.arrive().unwrap();
        let cut: Vec<bool> = guests.iter_mut().map(|(_, cut)| is_cut(cut)).collect();
        assert_eq!(cut, [true, false, false]);
        assert_eq!(house.counts(), (4, 1));
    }

    #[test]
    fn a_tenant_above_its_share_loses_its_idlest() {
        let house = house(10, 10, 1);
        let (first, mut first_cut) = house.arrive().unwrap();
        first.known(&tenant("acme"));
        let (other, mut other_cut) = house.arrive().unwrap();
        other.known(&tenant("small"));
        let (second, mut second_cut) = house.arrive().unwrap();
        second.busy();
        second.known(&tenant("acme"));
        assert!(is_cut(&mut first_cut) && !is_cut(&mut second_cut) && !is_cut(&mut other_cut));
    }

    #[test]
    fn nothing_is_left_of_those_who_went() {
        let house = house(3, 2, 2);
        for round in 0..100 {
            let (seat, _cut) = house.arrive().unwrap();
            if round % 2 == 0 {
                seat.busy();
                seat.known(&tenant(if round % 4 == 0 { "acme" } else { "small" }));
            }
            if round % 3 == 0 {
                seat.waiting();
            }
        }
        let inner = house.lock();
        assert!(inner.guests.is_empty() && inner.crowds.is_empty());
    }
}
