//! The kernel side: loads and attaches the BPF programs, reads what they send, tells them what we
//! decided.
//!
//! [`Kernel::attach`] first, then [`crate::snapshot::snapshot`], so that nothing falls between. All
//! links are descriptors of this process: when it ends, however it ends, nothing of ours stays.

mod attach;
mod capability;
pub mod clock;
pub mod confine;
mod error;
mod floor;
mod heap;
mod hook;
mod judge;
mod links;
mod load;
mod lockdown;
mod losses;
pub(crate) mod packet;
mod pages;
mod raw;
mod ring;
pub mod support;
mod types;
mod warning;

pub use error::AttachError;
pub use floor::Floor;
pub use judge::Judge;
pub use links::Gone;
pub use load::{Kernel, Reading, Settings};
pub use losses::Losses;
pub use pages::find_pages;
pub use raw::decode;
pub(crate) use raw::{arguments, held_state, length as record_length};
pub use ring::Ring;
