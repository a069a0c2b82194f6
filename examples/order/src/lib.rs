//! An order: inventory, shipping and notification as one worker process, payments as a service over plain HTTP. Each
//! keeps its data in a SQLite database of its own, behind the fence.

pub mod inventory;
pub mod notification;
pub mod payments;
pub mod shipping;
