//! What is kept of a session that may turn out to be none, and what had no room.

use super::*;

fn calls(run: &Run) -> usize {
    let call = |observation: &&Observation| matches!(observation.body, observation::Body::Call(_));
    run.output.observations.iter().filter(call).count()
}

fn table_full(run: &Run) -> u64 {
    let lost = run.pipeline.counters().lost;
    lost.get(&LossReason::TableFull).copied().unwrap_or(0)
}

#[test]
fn calls_that_had_no_room_are_counted_once_it_is_mcp() {
    const CALLS: usize = 100;
    let mut run = Run::new();
    for id in 0..CALLS {
        run.ask(&format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{}}}}\n"
        ));
        run.answer(0, &format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"x\"}}]}}}}\n"
        ));
    }
    assert_eq!(
        (calls(&run), table_full(&run)),
        (0, 0),
        "one method may be anybody's"
    );
    run.ask("{\"jsonrpc\":\"2.0\",\"id\":\"l\",\"method\":\"tools/list\"}\n");
    run.answer(0, concat!(
        r#"{"jsonrpc":"2.0","id":"l","result":{"tools":[{"name":"t","inputSchema":{"type":"object"}}]}}"#,
        "\n"
    ));
    assert_eq!(run.sessions().len(), 1);
    let kept = calls(&run);
    assert!(kept < CALLS);
    assert_eq!(kept as u64 + table_full(&run), CALLS as u64 + 1);
}

#[test]
fn answers_that_had_no_room_are_counted() {
    const ANSWERS: u64 = 20;
    let mut run = Run::new();
    run.ask(INITIALIZE);
    run.answer(0, INITIALIZED);
    let before = table_full(&run);
    for id in 100..100 + ANSWERS {
        run.answer(
            0,
            &format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n"),
        );
    }
    let lost = table_full(&run) - before;
    assert!(lost > 0 && lost < ANSWERS, "{lost}");
}
