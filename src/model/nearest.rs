//! "Did you mean …": the nearest of some known names.

/// Returns the name among `known` nearest to `word`, when it is near enough to be a slip of the
/// keyboard (a third of its letters at most).
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 6);
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|name| (distance(&lower, &name.to_lowercase(), limit), name))
        // A word with no letter in common is no slip, however short it is.
        .filter(|(d, name)| *d <= limit && *d < lower.len().max(name.len()))
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name)
}

/// Returns a hint naming the nearest of `known`, for a diagnostic.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|name| format!("did you mean `{name}`?"))
}

/// Counts the edits between `a` and `b` (insert, delete, replace, swap of neighbours: the optimal
/// string alignment distance); stops counting above `limit`.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            next[j] = (row[j - 1] + cost).min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["swappiness", "overcommit_memory", "name", "value"];
        assert_eq!(nearest("swapiness", known), Some("swappiness"));
        assert_eq!(nearest("vlaue", known), Some("value"));
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("zookeeper", known), None);
        assert_eq!(nearest("b", ["a", "bb"]), Some("bb"));
    }
}
