//! What peers put on the wire, as recordings made here, byte by byte, through the whole pass: what is told of it.

mod any_bytes;
mod codings;
mod command_lines;
mod crowds;
mod hostile;
mod http_losses;
mod legacy_sse;
mod losses;
mod modern;
mod namespaces;
mod places;
mod quotes;
mod recording;
mod sharing;
mod steps;
mod stress;
