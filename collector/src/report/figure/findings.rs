//! What is open.

use super::{Figure, Section, Shape};

pub(super) const SECTION: Section = Section {
    id: "findings",
    title: "Findings",
    text: "Findings that were open at the end of the period, worst first. Each says what is found, why it matters and what to \
           decide; docs/findings.md has the kinds and how severity comes about. gnomon show finding ID tells all that is known of one; the first letters of its id will do.",
    figures: &[
        Figure::value(
            "findings.open",
            "Findings open at the end of the period",
            "",
            "",
            "SELECT count() AS findings\nFROM findings AS f\nWHERE f.opened < {to} AND (f.closed IS NULL OR f.closed >= {to})",
        ),
        Figure::value(
            "findings.opened",
            "… of them opened, or opened again, within the period",
            "",
            "",
            "SELECT count() AS findings\nFROM findings AS f\n\
             WHERE f.opened >= {from} AND f.opened < {to} AND (f.closed IS NULL OR f.closed >= {to})",
        ),
        Figure::value(
            "findings.closed",
            "Findings closed within the period",
            "",
            "",
            "SELECT count() AS findings\nFROM findings AS f\nWHERE f.closed >= {from} AND f.closed < {to}",
        ),
        Figure::rows(
            "findings.kinds",
            "Open findings by severity and kind",
            Shape::Table,
            "",
            "SELECT f.severity AS severity, f.class AS class, count() AS findings, min(f.first_seen) AS oldest\n\
             FROM findings AS f\nWHERE f.opened < {to} AND (f.closed IS NULL OR f.closed >= {to})\nGROUP BY severity, class\n\
             ORDER BY indexOf(['low', 'medium', 'high', 'critical'], severity) DESC, findings DESC, class\nLIMIT {limit}",
        ),
        Figure::rows(
            "findings.list",
            "Open findings",
            Shape::Table,
            "Known as: of a server known by its content alone, the name it gives itself, else its program or script.",
            "SELECT f.severity AS severity, f.class AS class, f.subject AS subject,\n       \
             if(f.calls_itself IS NOT NULL, concat('calls itself ', f.calls_itself), f.program) AS known_as, f.text AS text, f.hosts AS hosts, f.users AS users,\n       \
             f.first_seen AS first_seen, f.last_seen AS last_seen, f.id AS id\n\
             FROM findings AS f\nWHERE f.opened < {to} AND (f.closed IS NULL OR f.closed >= {to})\n\
             ORDER BY indexOf(['low', 'medium', 'high', 'critical'], severity) DESC, first_seen, id\nLIMIT {limit}",
        ),
    ],
};
