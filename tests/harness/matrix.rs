//! The peers matrix: client × server × transport × revision, all of it live and inside of one sensor's life.
//!
//! What each peer says of itself is compared with what the inventory says, conversation by conversation. Peers run
//! as a user that nobody else is: every row of that user has to belong to a cell, or it is a false claim.

mod account;
mod application;
mod cell;
mod compare;
mod run;
mod table;

pub use account::{Account, Conversation};
pub use cell::{Cell, Client, Server, Through, Transport};
pub use compare::Outcome;
pub use run::run;
pub use table::{applications, one_of_each, sdks};
