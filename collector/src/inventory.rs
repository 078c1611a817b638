//! Questions to the documented views, and analysts' own SQL.

pub mod listing;
pub mod query;
pub mod question;
pub mod show;
pub mod sql;
