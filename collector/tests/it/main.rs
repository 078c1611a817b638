//! The collector as a process, with the real ClickHouse behind it: asked at its edges only.

mod api;
mod collector;
mod connections;
mod engine;
mod findings;
mod hostile;
mod ingest;
mod lifecycle;
mod listeners;
mod observations;
mod page;
mod policy;
mod probes;
mod report;
mod sensor;
mod sql;
mod views;
