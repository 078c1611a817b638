//! Every SDK and server that we can get, live, against what they say of themselves: each at least once. All pairs, three times, are
//! `make bench PART=matrix`.

use anyhow::{Result, ensure};
use gnomon_tests::{
    gnomon::Gnomon,
    matrix::{Cell, one_of_each, run, sdks},
};

/// Runs cells inside of one sensor's life and names every one that is not equal. `GNOMON_CELLS`: only those cells
/// whose name has this in it, for looking at one.
pub(crate) fn check(mut cells: Vec<Cell>) -> Result<()> {
    if let Ok(part) = std::env::var("GNOMON_CELLS") {
        cells.retain(|cell| cell.to_string().contains(&part));
    }
    let gnomon = Gnomon::start()?;
    let (outcomes, strangers) = run(&gnomon, &cells)?;
    let wrong: Vec<String> = cells
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| !outcome.is_equal())
        .map(|(cell, outcome)| format!("{cell}: {outcome:?}"))
        .collect();
    // What a sensor lost explains what it misses, and excuses nothing.
    let lost = gnomon
        .inventory()?
        .rows(&["sql", "SELECT lost FROM sensors"])?;
    ensure!(
        wrong.is_empty() && strangers.is_empty(),
        "{} of {} cells differ (lost: {lost:?}):\n{}\nclaims beside the cells:\n{}",
        wrong.len(),
        cells.len(),
        wrong.join("\n"),
        strangers.join("\n")
    );
    Ok(())
}

#[test]
fn what_sdks_and_servers_did_is_in_the_inventory_and_nothing_else() -> Result<()> {
    check(one_of_each(sdks()))
}
