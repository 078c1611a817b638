//! The peers matrix, three rounds in a row; also writes docs/accuracy.md.

use anyhow::Result;
use gnomon_tests::{
    accuracy,
    gnomon::Gnomon,
    matrix::{Outcome, applications, run, sdks},
};

use crate::results::Figure;

const ROUNDS: usize = 3;

/// Counts the cells that differ and the claims that nobody made true, over all rounds.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let mut cells = sdks();
    cells.extend(applications());
    let mut rounds: Vec<Vec<Outcome>> = Vec::new();
    let mut strangers = Vec::new();
    for round in 1..=ROUNDS {
        // A sensor's life for each round.
        let gnomon = Gnomon::start()?;
        let (outcomes, beside) = run(&gnomon, &cells)?;
        for (cell, outcome) in cells.iter().zip(&outcomes) {
            if !outcome.is_equal() {
                println!("bench: round {round}: {cell}: {outcome:?}");
            }
        }
        for claim in &beside {
            println!("bench: round {round}: beside the cells: {claim}");
        }
        rounds.push(outcomes);
        strangers.extend(beside);
    }
    accuracy::write("matrix", &accuracy::matrix_table(&rounds, strangers.len()))?;
    let all = || rounds.iter().flatten();
    let differ = all().filter(|outcome| !outcome.is_equal()).count();
    let claims: u64 = all().map(|outcome| outcome.false_claims).sum();
    let claims = claims + strangers.len() as u64;
    let figure =
        |id, bar: &str, figure: f64, unit, limit| Figure::new(id, bar, figure, unit, limit);
    Ok(vec![
        figure(
            "matrix.cells",
            "live cells of client × server × transport × revision",
            cells.len() as f64,
            "cells",
            None,
        ),
        figure(
            "matrix.misses",
            "cells whose sessions, calls or attributes differ, over three rounds in a row",
            differ as f64,
            "cells",
            Some(0.0),
        ),
        figure(
            "matrix.false_claims",
            "sessions and calls that no peer knows of, over three rounds in a row",
            claims as f64,
            "claims",
            Some(0.0),
        ),
    ])
}
