//! What results look like on a terminal: tables, and values short enough to be read.
//!
//! Invariant: text from outside never moves the cursor, hides what follows it or changes its
//! direction; columns stay aligned whatever they hold.
//! Must never know: what is shown.

use indelible_engine::time::Timestamp;
use unicode_width::UnicodeWidthChar;

/// A cell is cut to this many columns of the terminal.
pub(super) const CELL_COLUMNS_MAX: usize = 48;

/// Between two columns.
const GAP: &str = "  ";

/// A number with its noun.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A time as people read it, to the second; the heading says that it is UTC.
pub(super) fn time(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let second = time.split(['.', 'Z']).next().unwrap_or(time);
    format!("{date} {second}")
}

/// Text with everything written out that does not simply stand in its place: controls, marks of
/// direction, characters that nobody sees.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => plain.push_str("\\n"),
            '\t' => plain.push_str("\\t"),
            _ if is_unseen(character) => plain.extend(character.escape_unicode()),
            _ => plain.push(character),
        }
    }
    plain
}

/// JSON with the same characters escaped, as JSON escapes them.
pub(super) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unseen(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Controls, format characters (Unicode category Cf) and fillers. Marks that combine with what is
/// before them are seen.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{115f}'
            | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

fn columns_of(character: char) -> usize {
    character.width().unwrap_or(0)
}

fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Text that is safe to print, cut to so many columns.
pub(super) fn short(text: &str, columns_max: usize) -> String {
    let text = plain(text);
    if columns(&text) <= columns_max {
        return text;
    }
    let mut room = columns_max.saturating_sub(1);
    let mut cut = String::new();
    for character in text.chars() {
        let Some(left) = room.checked_sub(columns_of(character)) else {
            break;
        };
        room = left;
        cut.push(character);
    }
    cut.push('…');
    cut
}

/// Rows under a heading; cells are made safe and short, and the last column is not filled up.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Self {
        Self {
            rows: vec![heading.iter().map(|&text| text.to_owned()).collect()],
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        let cells = cells.iter().map(|cell| short(cell, CELL_COLUMNS_MAX));
        self.rows.push(cells.collect());
    }

    /// A row whose last cell is told in full.
    pub(super) fn sentence(&mut self, mut cells: Vec<String>) {
        let last = cells.pop().map(|cell| plain(&cell));
        let cells = cells.iter().map(|cell| short(cell, CELL_COLUMNS_MAX));
        self.rows.push(cells.chain(last).collect());
    }

    /// The lines of the table.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..count)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| columns(cell)).max().unwrap_or(0)
            })
            .collect();
        self.rows.iter().map(move |row| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - columns(cell)));
                line.push_str(GAP);
            }
            line.trim_end().to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    //! Guards against tables that cannot be read, and against values that write over them.

    use super::*;

    #[test]
    fn columns_are_aligned_whatever_they_hold() {
        let mut table = Table::new(&["WHO", "WHAT", "MORE"]);
        for who in ["al", "東京", "é", "e\u{301}x", "\u{1b}[31m", "a\nb"] {
            table.row(vec![who.to_owned(), "x".to_owned(), String::new()]);
        }
        let lines: Vec<String> = table.lines().collect();
        assert_eq!(lines[0], "WHO         WHAT  MORE");
        assert_eq!(lines[1], "al          x");
        assert_eq!(lines[2], "東京        x");
        assert_eq!(lines[4], "e\u{301}x          x");
        assert_eq!(lines[5], "\\u{1b}[31m  x");
        assert_eq!(lines[6], "a\\nb        x");
        let at = |line: &str| columns(line.split(" x").next().unwrap());
        assert!(
            lines[1..].iter().all(|line| at(line.trim_end()) == 11),
            "{lines:?}"
        );
    }

    #[test]
    fn values_are_short_and_safe() {
        assert_eq!(short("short", 8), "short");
        assert_eq!(short("just eight", 10), "just eight");
        assert_eq!(short("one too many", 11), "one too ma…");
        assert_eq!(short("東京東京", 6), "東京…");
        assert_eq!(
            plain("a\u{202e}b\u{200b}c\0"),
            "a\\u{202e}b\\u{200b}c\\u{0}"
        );
    }

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({ "a\u{202e}": ["\u{e0001}", "\u{1b}", "é東\n"] });
        let text = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(
            text.contains(r#""a\u202e""#) && text.contains(r"\udb40\udc01"),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    #[test]
    fn times_are_read_at_a_glance() {
        assert_eq!(time(Timestamp(1_770_091_506_789)), "2026-02-03 04:05:06");
    }
}
