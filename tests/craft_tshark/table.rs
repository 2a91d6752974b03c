//! The table of packets: a line with an expression, and under it, indented, lines `tshark.field = value`. A `#` begins a
//! comment, where it begins a line.

/// A packet, and what tshark must read in it.
#[derive(Debug)]
pub struct Row {
    /// Where it stands in the file, from 1.
    pub line: usize,
    pub expression: String,
    /// A field, and its value as `tshark -T fields` shows it; several values of one field have commas between them.
    pub wanted: Vec<(String, String)>,
}

pub fn rows(text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            rows.push(Row { line: number + 1, expression: line.to_string(), wanted: Vec::new() });
            continue;
        }
        let (field, value) = line.split_once('=').unwrap_or_else(|| panic!("line {}: no `=`", number + 1));
        let row = rows.last_mut().expect("an expression first");
        row.wanted.push((field.trim().to_string(), value.trim().to_string()));
    }
    assert!(rows.iter().all(|row| !row.wanted.is_empty()), "a packet of which nothing is asked");
    rows
}

/// Every field that some row asks for, once.
pub fn fields(rows: &[Row]) -> Vec<String> {
    let mut fields: Vec<_> = rows.iter().flat_map(|row| row.wanted.iter().map(|(f, _)| f.clone())).collect();
    fields.sort();
    fields.dedup();
    fields
}
