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

/// The rows of the first table under a heading that has a column `may import`.
pub(super) fn rows(page: &str, heading: &str) -> Vec<Row> {
    let mut lines = page.lines().skip_while(|line| *line != heading).skip(1);
    let mut columns = Vec::new();
    for line in lines.by_ref().take_while(|line| !line.starts_with('#')) {
        columns = cells(line);
        if columns.contains(&"may import") {
            break;
        }
    }
    let column = |name: &str| columns.iter().position(|column| *column == name);
    let (own, engine) = (column("may import"), column("of the engine"));
    let table = lines.skip(1).take_while(|line| line.starts_with('|'));
    table
        .map(|line| {
            let cells = cells(line);
            let cell = |at: Option<usize>| at.and_then(|at| cells.get(at)).copied().unwrap_or("");
            Row {
                modules: quoted(cell(Some(0))),
                own: Permission::read(cell(own)),
                engine: Permission::read(cell(engine)),
            }
        })
        .collect()
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
