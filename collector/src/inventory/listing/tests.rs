use super::*;

fn statement(view: &str, filters: &[(&str, &str)]) -> Result<String, String> {
    let filters: Vec<_> = filters
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let view = View::named(view).expect("a view");
    view.question(Part::ALL, &filters, OffsetDateTime::UNIX_EPOCH)
        .map(|question| question.parts().0.to_owned())
        .map_err(|e| e.to_string())
}

#[test]
fn values_never_enter_the_text() {
    for view in &VIEWS {
        for (name, _) in view.filters {
            let hostile = "x' OR 1=1 --";
            if let Some(words) = word::of(view.name, name) {
                assert!(statement(view.name, &[(name, hostile)]).is_err(), "{name}");
                assert!(statement(view.name, &[(name, words[0])]).is_ok(), "{name}");
                continue;
            }
            let sql = statement(view.name, &[(name, hostile)]).expect("a statement");
            assert!(!sql.contains("OR 1=1"), "{sql}");
            assert_eq!(sql.matches('(').count(), sql.matches(')').count(), "{sql}");
        }
    }
}

#[test]
fn words_are_found_in_any_case_and_ids_as_they_are() {
    let sql = statement("sessions", &[("verdict", "Shadow"), ("session", "aB")]);
    let sql = sql.expect("a statement");
    assert!(sql.contains("lowerUTF8(verdict) = lowerUTF8({verdict:String})"));
    assert!(sql.contains("id = {session:String}"), "{sql}");
    let sql = statement("servers", &[("host", "H")]).expect("a statement");
    assert!(
        sql.contains("lowerUTF8(x) = lowerUTF8({host:String}), hosts"),
        "{sql}"
    );
}

#[test]
fn wrong_filters_say_what_there_is() {
    assert_eq!(
        statement("sensors", &[("verdict", "x")]),
        Err("sensors has no filter \"verdict\"".to_owned())
    );
    assert!(statement("sessions", &[("limit", "0")]).is_err());
    assert!(statement("sessions", &[("since", "yesterday")]).is_err());
    for twice in [
        [("host", "a"), ("host", "b")],
        [("since", "1h"), ("since", "2h")],
        [("limit", "1"), ("limit", "2")],
    ] {
        assert!(statement("sessions", &twice).is_err(), "{twice:?}");
    }
    let all = statement("findings", &[("state", "All")]).expect("a statement");
    assert!(!all.contains("WHERE"), "{all}");
    assert_eq!(
        statement("findings", &[("class", "shadow")]),
        Err("class \"shadow\" is no word of findings".to_owned())
    );
}

#[test]
fn since_is_a_time_or_a_span() {
    let now = OffsetDateTime::from_unix_timestamp(1_000_000).expect("time");
    assert_eq!(
        parse_since("1h", now).expect("span"),
        (1_000_000 - 3600) * 1_000_000
    );
    assert_eq!(
        parse_since("1970-01-01T00:00:01Z", now).expect("time"),
        1_000_000
    );
    assert!(parse_since("5 parsecs", now).is_err());
    assert!(parse_since("é", now).is_err());
}
