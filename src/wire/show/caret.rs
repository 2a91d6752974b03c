//! The place of a mistake in a text, pointed at.

use super::line::char_columns;

/// Two lines: the text, and `^^^` under the characters from `column` (counted in characters, from 0), `width` of them, at least
/// one. A text wider than `columns` is shown around the mistake, with `…` where it goes on.
///
/// ```
/// let [text, mark] = sockatoo::wire::show::caret("ip(ttl=300)", 7, 3, 80);
/// assert_eq!(text, "ip(ttl=300)");
/// assert_eq!(mark, "       ^^^");
/// ```
pub fn caret(text: &str, column: usize, width: usize, columns: usize) -> [String; 2] {
    let columns = columns.max(20);
    let chars: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let column = column.min(chars.len());
    let end = column.saturating_add(width.max(1)).min(chars.len()).max(column + 1);
    let wide = |c: &char| char_columns(*c);
    let total: usize = chars.iter().map(wide).sum();
    // What is shown: everything, or what fits around the mistake, its beginning a third from the left.
    let (mut first, mut last) = (0, chars.len());
    if total > columns {
        let mut room = columns - 2;
        let mut before = columns / 3;
        first = column;
        while first > 0 && before >= wide(&chars[first - 1]) {
            first -= 1;
            before -= wide(&chars[first]);
            room = room.saturating_sub(wide(&chars[first]));
        }
        last = column;
        while last < chars.len() && room >= wide(&chars[last]) {
            room -= wide(&chars[last]);
            last += 1;
        }
    }
    let mut shown = String::new();
    if first > 0 {
        shown.push('…');
    }
    let mut mark = " ".repeat(usize::from(first > 0) + chars[first..column].iter().map(wide).sum::<usize>());
    shown.extend(&chars[first..last]);
    if last < chars.len() {
        shown.push('…');
    }
    // At the end of the text there is nothing to stand under: one mark behind it.
    let marked: usize = chars.get(column..end.min(last)).unwrap_or_default().iter().map(wide).sum();
    mark += &"^".repeat(marked.max(1));
    [shown, mark]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::line::columns;
    use super::caret;

    #[test]
    fn marks_stand_under_what_is_meant() {
        assert_eq!(caret("ip(tl=3)", 3, 2, 80), ["ip(tl=3)", "   ^^"]);
        assert_eq!(caret("ip(", 3, 1, 80), ["ip(", "   ^"]);
        assert_eq!(caret("", 0, 0, 80), ["", "^"]);
        assert_eq!(caret("\"包é\"/x", 5, 1, 80), ["\"包é\"/x", "      ^"]);
        assert_eq!(caret("ip/\n\ttcq", 5, 3, 80), ["ip/  tcq", "     ^^^"]);
    }

    #[test]
    fn long_texts_are_shown_around_the_mistake() {
        let text = format!("{}wrong{}", "a".repeat(100), "b".repeat(100));
        let [shown, mark] = caret(&text, 100, 5, 40);
        assert_eq!(shown, "…aaaaaaaaaaaaawrongbbbbbbbbbbbbbbbbbbbb…");
        assert_eq!(mark, "              ^^^^^");
    }

    proptest! {
        #[test]
        fn any_text_and_place(text in ".{0,200}", column in 0usize..300, width in any::<usize>(), room in 0usize..120) {
            let lines = caret(&text, column, width, room);
            prop_assert!(columns(&lines[0]) <= room.max(20));
            prop_assert!(columns(&lines[1]) <= room.max(20) + 1);
        }
    }
}
