//! The tables of modules in `docs/architecture.md`: who may import whom.

/// A row: modules, and what they may import.
pub(super) struct Row {
    pub(super) modules: Vec<String>,
    /// Of the same part.
    pub(super) own: Permission,
    /// Of the engine; a part that has no such column may import nothing of it.
    pub(super) engine: Permission,
}

/// A cell.
pub(super) enum Permission {
    /// All modules; of those of the same part, all that stand above this row.
    All,
    These(Vec<String>),
}

impl Permission {
    fn read(cell: &str) -> Self {
        if matches!(cell, "any" | "all above") {
            Self::All
        } else {
            Self::These(quoted(cell))
        }
    }
}

/// The rows of all tables under a heading that have a column `may import`, in order.
pub(super) fn rows(page: &str, heading: &str) -> Vec<Row> {
    let lines = page.lines().skip_while(|line| *line != heading).skip(1);
    let mut found = Vec::new();
    // Where the columns are, inside a table.
    let mut columns = None;
    for line in lines.take_while(|line| !line.starts_with('#')) {
        let cells = cells(line);
        let at = |name: &str| cells.iter().position(|cell| *cell == name);
        match columns {
            _ if !line.starts_with('|') => columns = None,
            None => columns = at("may import").map(|own| (own, at("of the engine"))),
            Some(_) if line.starts_with("| ---") => {}
            Some((own, engine)) => {
                let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
                found.push(Row {
                    modules: quoted(cell(0)),
                    own: Permission::read(cell(own)),
                    engine: Permission::read(engine.map_or("", cell)),
                });
            }
        }
    }
    found
}

fn cells(line: &str) -> Vec<&str> {
    let inside = line.trim().trim_start_matches('|').trim_end_matches('|');
    inside.split('|').map(str::trim).collect()
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
