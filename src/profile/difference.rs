//! The difference between two texts, line by line.

/// How many pairs of lines are compared at most, once what both texts begin and end with is left out. Beyond that all of it is shown as changed.
const PAIRS_MAX: usize = 4_000_000;

/// A line of one text or of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'t> {
    /// Both have it.
    Same(&'t str),
    /// Only the first has it.
    Removed(&'t str),
    /// Only the second has it.
    Added(&'t str),
}

/// Returns the lines of two texts, in order, as few of them changed as possible.
pub fn lines<'t>(before: &'t str, after: &'t str) -> Vec<Line<'t>> {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let start = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let (a, b) = (&before[start..], &after[start..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    let mut lines: Vec<Line> = before[..start].iter().copied().map(Line::Same).collect();
    if a.len().saturating_mul(b.len()) > PAIRS_MAX {
        lines.extend(a.iter().copied().map(Line::Removed));
        lines.extend(b.iter().copied().map(Line::Added));
    } else {
        differing(a, b, &mut lines);
    }
    lines.extend(before[before.len() - end..].iter().copied().map(Line::Same));
    lines
}

/// Appends the lines of `a` and `b` by their longest common subsequence.
fn differing<'t>(a: &[&'t str], b: &[&'t str], lines: &mut Vec<Line<'t>>) {
    // The length of the longest common subsequence of what comes after each pair of places.
    let width = b.len() + 1;
    let mut longest = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            lines.push(Line::Same(a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || i < a.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            lines.push(Line::Removed(a[i]));
            i += 1;
        } else {
            lines.push(Line::Added(b[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_changed_line_is_removed_and_added() {
        use Line::{Added, Removed, Same};
        let found = lines("a\nb\nc\nd\n", "a\nx\nc\nd\ne\n");
        assert_eq!(found, [Same("a"), Removed("b"), Added("x"), Same("c"), Same("d"), Added("e")]);
        assert_eq!(lines("", "a"), [Added("a")]);
        assert_eq!(lines("a", ""), [Removed("a")]);
        assert_eq!(lines("a\n", "a\n"), [Same("a")]);
    }

    proptest! {
        #[test]
        fn each_text_can_be_read_from_the_difference(
            before in prop::collection::vec("[a-c]{0,2}", 0..12),
            after in prop::collection::vec("[a-c]{0,2}", 0..12),
        ) {
            let (before, after) = (before.join("\n"), after.join("\n"));
            let found = lines(&before, &after);
            let text = |line: &Line| match *line {
                Line::Same(text) | Line::Removed(text) | Line::Added(text) => text.to_owned(),
            };
            let side = |keep: fn(&Line) -> bool| -> Vec<String> {
                found.iter().filter(|line| keep(line)).map(text).collect()
            };
            prop_assert_eq!(side(|line| !matches!(line, Line::Added(_))), before.lines().collect::<Vec<_>>());
            prop_assert_eq!(side(|line| !matches!(line, Line::Removed(_))), after.lines().collect::<Vec<_>>());
        }
    }
}
