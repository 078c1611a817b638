//! docs/views.md is what the views are.

use std::{fmt::Write as _, fs, path::Path};

use crate::collector::Collector;

/// A view with its description, and its columns with theirs.
struct View {
    name: String,
    words: String,
    columns: Vec<(String, String)>,
}

/// The views, from the schema's comments.
fn described() -> Vec<View> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/views.sql"))
        .expect("schema");
    let mut views: Vec<View> = Vec::new();
    let mut comment = "";
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("-- ") {
            comment = words;
        } else if let Some(rest) = line.strip_prefix("CREATE OR REPLACE VIEW ") {
            let name = rest.split(' ').next().expect("a name");
            views.push(View {
                name: name.to_owned(),
                words: comment.to_owned(),
                columns: Vec::new(),
            });
        } else if let (Some((code, words)), Some(view)) =
            (line.split_once(" -- "), views.last_mut())
        {
            let column = code
                .trim_end_matches(',')
                .rsplit(' ')
                .next()
                .expect("a column");
            view.columns.push((column.to_owned(), words.to_owned()));
        }
    }
    views
}

#[test]
fn the_documentation_is_what_the_views_are() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let mut fresh = String::from(
        "# Views\n\nThe analysts' contract, for `gnomon sql`, dashboards and the API: names and meanings stay, columns are only\n\
         added. Unknown is `null`, of an array `[]`. Times are UTC. This file is made from `collector/schema/views.sql`\n\
         (`GNOMON_REGENERATE=1 cargo nextest run -p gnomon-collector the_documentation`).\n",
    );
    for View {
        name: view,
        words,
        columns,
    } in described()
    {
        let _ = write!(
            fresh,
            "\n## {view}\n{words}\n\n| column | type | meaning |\n|---|---|---|\n"
        );
        let actual = collector.sql(&format!("DESCRIBE {view}")).rows();
        let names: Vec<&str> = actual
            .iter()
            .map(|row| row["name"].as_str().expect("a name"))
            .collect();
        let told: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, told, "each column of {view} has its comment");
        for (row, (column, meaning)) in actual.iter().zip(&columns) {
            let kind = row["type"]
                .as_str()
                .expect("a type")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            let _ = writeln!(
                fresh,
                "| `{column}` | {kind} | {} |",
                meaning.replace('|', "\\|")
            );
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a checkout")
        .join("docs/views.md");
    if std::env::var_os("GNOMON_REGENERATE").is_some() {
        fs::create_dir_all(file.parent().expect("a folder")).expect("docs");
        fs::write(&file, &fresh).expect("written");
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == fresh,
        "docs/views.md is stale: run this test with GNOMON_REGENERATE=1"
    );
}
