//! What results look like on a terminal: tables, and values short enough to be read.
//!
//! Invariant: text from outside never moves the cursor, hides what follows it or changes its
//! direction; columns stay aligned with any content.

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

/// Text with everything escaped that does not simply show: controls, marks of
/// direction, invisible characters.
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

/// Text that is safe to print, cut to so many columns. Of a pointer the middle is left out: its
/// ends say more.
pub(super) fn short(text: &str, columns_max: usize) -> String {
    cut(&plain(text), columns_max)
}

fn cut(text: &str, columns_max: usize) -> String {
    if columns(text) <= columns_max {
        return text.to_owned();
    }
    let room = columns_max.saturating_sub(1);
    let is_pointer = text.trim_start().starts_with('/');
    let end = if is_pointer { room * 2 / 3 } else { 0 };
    let mut shown = head(text.chars(), room - end);
    shown.push('…');
    let tail = head(text.chars().rev(), end);
    shown.extend(tail.chars().rev());
    shown
}

/// As many characters as there is room for.
fn head(text: impl Iterator<Item = char>, mut room: usize) -> String {
    let mut head = String::new();
    for character in text {
        let Some(left) = room.checked_sub(columns_of(character)) else {
            break;
        };
        room = left;
        head.push(character);
    }
    head
}

/// Text on lines of so many columns, broken between words where that can be.
fn wrap(text: &str, columns_max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let joined = columns(&line) + 1 + columns(word);
        if !line.is_empty() && joined > columns_max {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        let mut rest = word;
        while line.is_empty() && columns(rest) > columns_max {
            let part = head(rest.chars(), columns_max.max(2));
            rest = &rest[part.len()..];
            lines.push(part);
        }
        line.push_str(rest);
    }
    lines.push(line);
    lines
}

/// How many columns a line may have: those of the terminal, or of the variable `COLUMNS`; none
/// where results go into a file or another program.
pub(super) fn width() -> Option<usize> {
    let asked = std::env::var("COLUMNS").ok();
    let asked = asked.and_then(|text| text.parse::<usize>().ok());
    let terminal = || {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        Some(usize::from(size.ws_col))
    };
    let width = asked.or_else(terminal).filter(|columns| *columns > 0);
    width.map(|columns| columns.max(WIDTH_MIN))
}

/// Narrower lines cannot be read anyhow.
const WIDTH_MIN: usize = 40;

/// A column is not cut below this, and a sentence not wrapped.
const CUT_MIN: usize = 6;
const SENTENCE_MIN: usize = 24;

/// How far a sentence is indented below its row.
const STACKED_INDENT: usize = 6;

#[derive(Debug)]
enum Row {
    Cells(Vec<String>),
    /// Its last cell is shown in full.
    Sentence(Vec<String>),
    /// A line of its own.
    Note(usize, String),
}

impl Row {
    fn cells(&self) -> &[String] {
        match self {
            Self::Cells(cells) | Self::Sentence(cells) => cells,
            Self::Note(..) => &[],
        }
    }
}

/// Rows under a heading, as wide as the terminal allows. Cells are made safe and short, sentences
/// are wrapped, and the last column is not filled up.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Row>,
    uncut: Vec<usize>,
    width: Option<usize>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Self {
        Self::within(width(), heading)
    }

    fn within(width: Option<usize>, heading: &[&str]) -> Self {
        let heading = heading.iter().map(|&text| text.to_owned()).collect();
        Self {
            rows: vec![Row::Cells(heading)],
            uncut: Vec::new(),
            width,
        }
    }

    /// Lines without columns.
    pub(super) fn untitled() -> Self {
        Self {
            rows: Vec::new(),
            uncut: Vec::new(),
            width: width(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The same with columns that are never cut, such as times.
    pub(super) fn uncut(mut self, columns: &[usize]) -> Self {
        self.uncut = columns.to_vec();
        self
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        let cells = cells.iter().map(|cell| plain(cell)).collect();
        self.rows.push(Row::Cells(cells));
    }

    /// A row whose last cell is shown in full.
    pub(super) fn sentence(&mut self, cells: Vec<String>) {
        let cells = cells.iter().map(|cell| plain(cell)).collect();
        self.rows.push(Row::Sentence(cells));
    }

    /// A text below a row, so far from the left.
    pub(super) fn note(&mut self, indent: usize, text: &str) {
        self.rows.push(Row::Note(indent, plain(text)));
    }

    /// The table with each sentence on a line below its row, where both beside each other would
    /// leave too little of the cells.
    fn stacked(&self) -> Option<Self> {
        let (widths, floors) = self.natural();
        let last = widths.len().checked_sub(1)?;
        if floors[last] != SENTENCE_MIN {
            return None;
        }
        let beside = widths[last].min(SENTENCE_MIN) + GAP.len() * last;
        if widths[..last].iter().sum::<usize>() + beside <= self.width? {
            return None;
        }
        let mut rows = Vec::with_capacity(self.rows.len() * 2);
        for row in &self.rows {
            match row {
                Row::Cells(cells) => {
                    rows.push(Row::Cells(cells.iter().take(last).cloned().collect()));
                }
                Row::Sentence(cells) => {
                    let (told, cells) = cells.split_last()?;
                    rows.push(Row::Cells(cells.to_vec()));
                    if !told.is_empty() {
                        rows.push(Row::Note(STACKED_INDENT, told.clone()));
                    }
                }
                Row::Note(indent, text) => rows.push(Row::Note(*indent, text.clone())),
            }
        }
        Some(Self {
            rows,
            uncut: self.uncut.clone(),
            width: self.width,
        })
    }

    /// How wide columns would be, and how narrow they may become.
    fn natural(&self) -> (Vec<usize>, Vec<usize>) {
        let count = self.rows.iter().map(|row| row.cells().len()).max();
        let count = count.unwrap_or(0);
        let mut floors = vec![CUT_MIN; count];
        let mut widths = vec![0; count];
        for row in &self.rows {
            for (column, cell) in row.cells().iter().enumerate() {
                let told = matches!(row, Row::Sentence(_)) && column + 1 == row.cells().len();
                let own = columns(cell).min(if told { usize::MAX } else { CELL_COLUMNS_MAX });
                widths[column] = own.max(widths[column]);
                if told {
                    floors[column] = SENTENCE_MIN;
                }
            }
        }
        (widths, floors)
    }

    /// Columns as wide as what they hold, then narrowed, the widest first, until a line fits.
    fn widths(&self) -> Vec<usize> {
        let (mut widths, floors) = self.natural();
        let Some(room) = self.width else {
            return widths;
        };
        let count = widths.len();
        let gaps = GAP.len() * count.saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > room {
            let may = (0..count)
                .filter(|column| widths[*column] > floors[*column] && !self.uncut.contains(column));
            let Some(widest) = may.max_by_key(|column| widths[*column]) else {
                break;
            };
            widths[widest] -= 1;
        }
        widths
    }

    /// The lines of the table.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let stacked = self.stacked();
        let lines = stacked.as_ref().unwrap_or(self).plain_lines();
        lines.collect::<Vec<String>>().into_iter()
    }

    fn plain_lines(&self) -> impl Iterator<Item = String> {
        let widths = self.widths();
        let room = self.width.unwrap_or(usize::MAX);
        self.rows.iter().flat_map(move |row| match row {
            Row::Cells(cells) => vec![line(cells, &widths)],
            Row::Sentence(cells) => {
                let Some((told, cells)) = cells.split_last() else {
                    return Vec::new();
                };
                let own = widths.get(cells.len()).copied().unwrap_or(room);
                let parts = wrap(told, own).into_iter();
                let row = |(index, part)| {
                    let blank = vec![String::new(); cells.len()];
                    let mut cells = if index == 0 { cells.to_vec() } else { blank };
                    cells.push(part);
                    line(&cells, &widths)
                };
                parts.enumerate().map(row).collect()
            }
            Row::Note(indent, text) => {
                let own = room.saturating_sub(indent + 2).max(SENTENCE_MIN);
                let parts = wrap(text, own).into_iter().enumerate();
                let more = |index| if index == 0 { *indent } else { indent + 2 };
                let parts = parts.map(|(index, part)| " ".repeat(more(index)) + &part);
                parts.collect()
            }
        })
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let cell = cut(cell, *width);
        line.push_str(&cell);
        line.extend(std::iter::repeat_n(' ', width - columns(&cell)));
        line.push_str(GAP);
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    //! Guards against tables that cannot be read, and against values that write over them.

    use super::*;

    #[test]
    fn columns_are_aligned_whatever_they_hold() {
        let mut table = Table::within(None, &["WHO", "WHAT", "MORE"]);
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
    fn pointers_keep_their_ends() {
        assert_eq!(short("/skills/01HZZZZZZZ/label", 16), "/skil…ZZZZ/label");
        assert_eq!(short("\"/skills\"", 6), "\"/ski…");
    }

    #[test]
    fn a_table_is_as_wide_as_its_terminal() {
        let mut table = Table::within(Some(40), &["TIME", "WHO", "WHAT"]).uncut(&[0]);
        let time = "2026-03-02 09:00:00".to_owned();
        table.row(vec![time.clone(), "somebody".to_owned(), "x".repeat(60)]);
        table.note(
            4,
            "told in a line of its own, and in more of them if need be",
        );
        let lines: Vec<String> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "TIME                 WHO       WHAT",
                "2026-03-02 09:00:00  somebody  xxxxxxxx…",
                "    told in a line of its own, and in",
                "      more of them if need be",
            ]
        );

        let told = |width| {
            let mut table = Table::within(Some(width), &["PLACE", "WHY"]);
            let place = "/a/quite/long/pointer".to_owned();
            let why = "each write brings a whole value".to_owned();
            table.sentence(vec![place, why]);
            table.lines().collect::<Vec<String>>()
        };
        assert_eq!(
            told(50),
            [
                "PLACE                  WHY",
                "/a/quite/long/pointer  each write brings a whole",
                "                       value",
            ]
        );
        // Where there is no room for both, the sentence goes below.
        assert_eq!(
            told(46),
            [
                "PLACE",
                "/a/quite/long/pointer",
                "      each write brings a whole value",
            ]
        );
        assert_eq!(wrap(&"x".repeat(10), 4), ["xxxx", "xxxx", "xx"]);
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
