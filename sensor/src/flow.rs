//! Byte channels between processes: who uses which end, and in what order the bytes go.
//!
//! A flow has two lanes, one for each direction; a pipe uses only the first. A lane is named by the side
//! that its bytes come from.

pub mod appraisal;
pub mod decoder;
pub mod reserve;
mod said;
pub mod table;
pub mod users;

pub use table::{Flow, FlowTable, LaneUse};

/// A flow's number within this run; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

/// One of a flow's two sides. Which is which has no meaning beyond telling them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The side that was seen first.
    A,
    /// The other.
    B,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// For two-element arrays.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

/// The bytes that one side of a flow sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    /// Of which flow.
    pub flow: FlowId,
    /// Sent by which side.
    pub from: Side,
}

impl Lane {
    /// The bytes that go the other way on the same flow.
    #[must_use]
    pub const fn back(self) -> Self {
        Self {
            flow: self.flow,
            from: self.from.other(),
        }
    }
}
