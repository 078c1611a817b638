//! Pages of hostile rows.
