//! Questions to the documented views, and analysts' own SQL.

pub mod listing;
pub mod prefix;
pub mod query;
pub mod question;
pub mod show;
pub mod sql;
pub mod word;
