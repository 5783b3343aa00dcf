//! Where the employees of a body are in the file that it was made of.

use std::collections::HashMap;
use std::fmt::Write;

/// The most ranges of rows that a message lists.
const RANGES_LISTED_MAX: usize = 10;

/// Where the employees of a body are in its file. Rows are counted as a spreadsheet shows them, so the headings usually are row 1.
#[derive(Debug)]
pub struct Places {
    tables: Vec<Table>,
    runs: Vec<Run>,
    next_row: u64,
}

/// A table of the file: a CSV, a sheet of a workbook, or the array of a StartExam body.
#[derive(Debug)]
struct Table {
    /// What its rows are called.
    unit: &'static str,
    /// The sheet, if there are several.
    sheet: Option<String>,
    /// The columns by their fields.
    columns: HashMap<String, Column>,
}

#[derive(Debug)]
struct Column {
    position: usize,
    heading: String,
}

/// Employees whose rows follow one another.
#[derive(Debug)]
struct Run {
    /// The first one's index in the push.
    index: u64,
    /// The first one's row.
    row: u64,
    /// Its table, by its position in [`Places::tables`].
    table: usize,
}

/// A column of the tables, as [`Places::columns`] returns it.
pub struct NamedColumn<'p> {
    /// Its heading.
    pub heading: &'p str,
    /// The field that it holds, or `id` or `status`.
    pub field: &'p str,
}

impl Places {
    /// Returns the columns in the order of the file. Of several tables whose columns hold the same field, the first one has the heading.
    pub fn columns(&self) -> Vec<NamedColumn<'_>> {
        let mut columns: Vec<NamedColumn> = Vec::new();
        for table in &self.tables {
            let mut of_table: Vec<(&String, &Column)> = table.columns.iter().collect();
            of_table.sort_by_key(|(_, column)| column.position);
            for (field, Column { heading, .. }) in of_table {
                if columns.iter().all(|column| column.field != field) {
                    columns.push(NamedColumn { heading, field });
                }
            }
        }
        columns
    }

    /// Returns the places in a StartExam body, where employees are known by their order only.
    pub(super) fn of_body() -> Places {
        let table = Table { unit: "employee", sheet: None, columns: HashMap::new() };
        Places { tables: vec![table], runs: vec![Run { index: 0, row: 1, table: 0 }], next_row: 0 }
    }

    /// Returns the places in tables, none of which has begun yet.
    pub(super) fn of_tables() -> Places {
        Places { tables: Vec::new(), runs: Vec::new(), next_row: 0 }
    }

    /// Begins a table. `sheet` is its name if there are several.
    pub(super) fn begin(&mut self, sheet: Option<String>) {
        self.tables.push(Table { unit: "row", sheet, columns: HashMap::new() });
        self.next_row = 0;
    }

    /// Notes that a column of the table holds a field, or the employee's `id` or `status`.
    pub(super) fn note_column(&mut self, position: usize, heading: &str, field: &str) {
        let column = Column { position, heading: heading.to_owned() };
        let table = self.tables.last_mut().expect("a table has begun");
        table.columns.insert(field.to_owned(), column);
    }

    /// Notes the row of the employee at an index of the push. Indexes and rows must increase.
    pub(super) fn note_row(&mut self, index: u64, row: u64) {
        if row != self.next_row {
            self.runs.push(Run { index, row, table: self.tables.len() - 1 });
        }
        self.next_row = row + 1;
    }

    /// Returns the place of a row of the current table.
    pub(super) fn of_row(&self, row: u64) -> String {
        let sheet = self.tables.last().and_then(|table| table.sheet.as_ref());
        sheet.map_or_else(|| format!("row {row}"), |sheet| format!("sheet {sheet:?}, row {row}"))
    }

    /// Returns whether the current table is one of several sheets.
    pub(super) fn is_of_several(&self) -> bool {
        self.tables.last().is_some_and(|table| table.sheet.is_some())
    }

    /// Returns the place of the employee at an index of the push, as in `row 3`.
    pub fn place(&self, index: u64) -> String {
        self.list(&[index])
    }

    /// Returns the column that holds a field of the employee at an index of the push, as in `column C`, with its heading if that differs
    /// from the field's name, or `None` if no column holds it.
    pub fn column(&self, index: u64, field: &str) -> Option<String> {
        let (table, _) = self.find(index)?;
        let Column { position, heading } = self.tables[table].columns.get(field)?;
        let heading = if heading == field { String::new() } else { format!(" ({heading:?})") };
        Some(format!("column {}{heading}", letters(*position)))
    }

    /// Returns the places of the employees at these indexes, which must increase, as in `rows 2–101, 105`.
    pub fn list(&self, indexes: &[u64]) -> String {
        let mut ranges: Vec<(usize, u64, u64)> = Vec::new();
        for (table, row) in indexes.iter().filter_map(|index| self.find(*index)) {
            match ranges.last_mut() {
                Some((of, _, last)) if *of == table && *last + 1 == row => *last = row,
                _ => ranges.push((table, row, row)),
            }
        }
        let mut text = String::new();
        let mut before = None;
        for (table, first, last) in ranges.iter().take(RANGES_LISTED_MAX) {
            let Table { unit, sheet, .. } = &self.tables[*table];
            if before != Some(table) {
                let sheet = sheet.as_ref().map(|sheet| format!("sheet {sheet:?}, ")).unwrap_or_default();
                let is_one_row = first == last && ranges.iter().filter(|(of, ..)| of == table).count() == 1;
                let plural = if is_one_row { "" } else { "s" };
                let comma = if before.is_some() { "; " } else { "" };
                let _ = write!(text, "{comma}{sheet}{unit}{plural} ");
            } else {
                text.push_str(", ");
            }
            before = Some(table);
            let _ = if first == last { write!(text, "{first}") } else { write!(text, "{first}–{last}") };
        }
        if ranges.len() > RANGES_LISTED_MAX {
            text.push_str(", …");
        }
        text
    }

    /// Returns the table's position, and the row, of the employee at an index of the push.
    fn find(&self, index: u64) -> Option<(usize, u64)> {
        let before = self.runs.partition_point(|run| run.index <= index);
        let run = &self.runs[before.checked_sub(1)?];
        Some((run.table, run.row + (index - run.index)))
    }
}

/// Returns the name that spreadsheets have for a column: A is the first, AA follows Z.
pub fn letters(position: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = position + 1;
    while rest > 0 {
        rest -= 1;
        letters.extend((b'A'..=b'Z').nth(rest % 26));
        rest /= 26;
    }
    letters.iter().rev().map(|letter| char::from(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_as_in_a_spreadsheet() {
        for (position, expected) in
            [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (701, "ZZ"), (702, "AAA"), (16_383, "XFD")]
        {
            assert_eq!(letters(position), expected);
        }
    }

    #[test]
    fn rows_are_listed_by_ranges_and_sheets() {
        let mut places = Places::of_tables();
        places.begin(Some("A".into()));
        places.note_column(2, "E-Mail", "Email");
        for (index, row) in [(0, 2), (1, 3), (2, 5)] {
            places.note_row(index, row);
        }
        places.begin(Some("B".into()));
        places.note_row(3, 6);
        assert_eq!(places.place(1), "sheet \"A\", row 3");
        assert_eq!(places.list(&[0, 1, 2, 3]), "sheet \"A\", rows 2–3, 5; sheet \"B\", row 6");
        assert_eq!(places.column(1, "Email").as_deref(), Some("column C (\"E-Mail\")"));
        assert_eq!((places.column(3, "Email"), places.column(1, "id")), (None, None));
        assert_eq!(Places::of_body().list(&(4..=9).collect::<Vec<_>>()), "employees 5–10");
    }
}
