//! A block of lines between two marker lines, as in Ansible's `blockinfile`.

use std::ops::Range;

use super::lines::{bare, ending, join, lines};

/// The lines around a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    /// The line before it.
    pub begin: String,
    /// The line after it.
    pub end: String,
}

impl Markers {
    /// Fills `begin` and `end` in for `{mark}`.
    pub fn new(marker: &str, begin: &str, end: &str) -> Markers {
        Markers { begin: marker.replace("{mark}", begin), end: marker.replace("{mark}", end) }
    }

    /// Returns which lines the block takes, markers included.
    ///
    /// Errors: why it cannot be told where the block is.
    pub fn find(&self, text: &str) -> Result<Option<Range<usize>>, String> {
        let at = |marker: &str| -> Vec<usize> {
            let numbered = lines(text).into_iter().enumerate();
            numbered.filter(|(_, line)| bare(line) == marker).map(|(at, _)| at).collect()
        };
        let line = |at: usize| at + 1;
        match (&at(&self.begin)[..], &at(&self.end)[..]) {
            ([], []) => Ok(None),
            ([begin], [end]) if begin < end => Ok(Some(*begin..end + 1)),
            ([begin], [end]) => Err(format!(
                "`{}` (line {}) stands before `{}` (line {})",
                self.end,
                line(*end),
                self.begin,
                line(*begin)
            )),
            ([_, second, ..], _) => {
                Err(format!("`{}` is there again in line {}", self.begin, line(*second)))
            }
            (_, [_, second, ..]) => {
                Err(format!("`{}` is there again in line {}", self.end, line(*second)))
            }
            ([begin], []) => {
                Err(format!("`{}` (line {}) lacks `{}`", self.begin, line(*begin), self.end))
            }
            ([], [end]) => {
                Err(format!("`{}` (line {}) lacks `{}`", self.end, line(*end), self.begin))
            }
        }
    }
}

/// Returns what stands between the markers of the block at `place`, lines ended by `\n`.
pub fn content(text: &str, place: &Range<usize>) -> String {
    let all = lines(text);
    all[place.start + 1..place.end - 1].iter().map(|line| format!("{}\n", bare(line))).collect()
}

/// Returns `text` with `block` in the place of the lines at `place`. An empty line goes before and
/// after it where `blank` says so and another line is there.
pub fn put(
    text: &str,
    place: Range<usize>,
    block: &str,
    markers: &Markers,
    blank: (bool, bool),
) -> String {
    let (all, end) = (lines(text), ending(text));
    let (before, after) = (&all[..place.start], &all[place.end..]);
    let is_as_wished = !place.is_empty() && content(text, &place) == block;
    let is_blank = |line: Option<&&str>| line.is_none_or(|line| bare(line).is_empty());
    let mut new: Vec<String> = before.iter().map(|line| line.to_string()).collect();
    if blank.0 && !is_blank(before.last()) {
        new.push(end.to_string());
    }
    match is_as_wished {
        true => new.extend(all[place].iter().map(|line| line.to_string())),
        false => {
            let block = std::iter::once(&*markers.begin)
                .chain(block.lines())
                .chain(std::iter::once(&*markers.end));
            new.extend(block.map(|line| format!("{line}{end}")));
        }
    }
    if blank.1 && !is_blank(after.first()) {
        new.push(end.to_string());
    }
    new.extend(after.iter().map(|line| line.to_string()));
    join(new.iter().map(String::as_str), end)
}

/// Returns `text` without the lines at `place`.
pub fn take(text: &str, place: Range<usize>) -> String {
    let all = lines(text);
    [&all[..place.start], &all[place.end..]].concat().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markers() -> Markers {
        Markers::new("# {mark} X", "BEGIN", "END")
    }

    #[test]
    fn blocks_are_found_or_said_to_be_broken() {
        let find = |text: &str| markers().find(text);
        assert_eq!(find("a\n"), Ok(None));
        assert_eq!(find("a\n# BEGIN X\nb\n# END X"), Ok(Some(1..4)));
        assert_eq!(find("# BEGIN X\n"), Err("`# BEGIN X` (line 1) lacks `# END X`".into()));
        assert!(find("# END X\n# BEGIN X\n").unwrap_err().contains("stands before"));
        let twice = "# BEGIN X\n# END X\n# BEGIN X\n# END X\n";
        assert_eq!(find(twice), Err("`# BEGIN X` is there again in line 3".into()));
    }

    #[test]
    fn a_block_goes_in_and_out_again() {
        let (m, none) = (markers(), (false, false));
        let text = "a\nb";
        let with = put(text, 2..2, "1\n2\n", &m, none);
        assert_eq!(with, "a\nb\n# BEGIN X\n1\n2\n# END X\n");
        let place = m.find(&with).unwrap().unwrap();
        assert_eq!(content(&with, &place), "1\n2\n");
        assert_eq!(put(&with, place.clone(), "1\n2\n", &m, none), with);
        assert_eq!(take(&with, place), "a\nb\n");
        assert_eq!(put("a\nb\n", 1..1, "1\n", &m, (true, true)), {
            "a\n\n# BEGIN X\n1\n# END X\n\nb\n"
        });
        assert_eq!(put("a\r\n", 1..1, "1\n", &m, none), "a\r\n# BEGIN X\r\n1\r\n# END X\r\n");
    }

    #[test]
    fn what_is_as_wished_keeps_even_its_line_ends() {
        let text = "# BEGIN X\r\n1\n# END X";
        assert_eq!(put(text, 0..3, "1\n", &markers(), (false, false)), text);
    }
}
