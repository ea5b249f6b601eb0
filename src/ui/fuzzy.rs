//! Finding a name by a few of its letters.

/// A name that has all letters of the query, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    /// Higher is better.
    pub(super) score: i32,
    /// Character positions (not bytes) of the name where the query's letters are.
    pub(super) positions: Vec<usize>,
}

const LETTER: i32 = 4;
const WORD_START: i32 = 10;
const ADJACENT: i32 = 10;
const SKIPPED: i32 = -1;

/// Best way to read `query` out of `name`, upper and lower case alike, blanks of the query ignored.
pub(super) fn find(query: &str, name: &str) -> Option<Match> {
    let letters: Vec<char> = query
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect();
    let name: Vec<char> = name
        .chars()
        .map(|letter| letter.to_lowercase().next().unwrap_or(letter))
        .collect();
    let mut rows: Vec<Row> = Vec::with_capacity(letters.len());
    for &letter in &letters {
        let row = next_row(&name, letter, rows.last());
        rows.push(row);
    }
    let Some(last) = rows.last() else {
        return Some(Match {
            score: 0,
            positions: Vec::new(),
        });
    };
    let (mut at, score) = best_before(last, name.len())?;
    let mut positions = vec![at];
    for row in rows.iter().rev() {
        match row.get(at).copied().flatten().and_then(|cell| cell.previous) {
            Some(previous) => {
                positions.push(previous);
                at = previous;
            }
            None => break,
        }
    }
    positions.reverse();
    Some(Match {
        score: score - i32::try_from(name.len()).unwrap_or(i32::MAX) / 8,
        positions,
    })
}

/// Best score with the row's letter at a position, and where the letter before is.
#[derive(Clone, Copy)]
struct Cell {
    score: i32,
    previous: Option<usize>,
}

type Row = Vec<Option<Cell>>;

fn next_row(name: &[char], letter: char, before: Option<&Row>) -> Row {
    let mut is_word_start = true;
    let mut row = Vec::with_capacity(name.len());
    for (at, &candidate) in name.iter().enumerate() {
        let own = LETTER + if is_word_start { WORD_START } else { 0 };
        is_word_start = !candidate.is_alphanumeric();
        row.push((candidate == letter).then(|| cell(at, own, before)).flatten());
    }
    row
}

fn cell(at: usize, own: i32, before: Option<&Row>) -> Option<Cell> {
    let Some(before) = before else {
        return Some(Cell {
            score: own,
            previous: None,
        });
    };
    let adjacent = at.checked_sub(1).and_then(|previous| {
        let cell = before.get(previous).copied().flatten()?;
        Some(Cell {
            score: cell.score + own + ADJACENT,
            previous: Some(previous),
        })
    });
    let apart = best_before(before, at).map(|(previous, score)| Cell {
        score: score + own + SKIPPED,
        previous: Some(previous),
    });
    [adjacent, apart]
        .into_iter()
        .flatten()
        .max_by_key(|cell| cell.score)
}

/// The best position before `end`, and its score.
fn best_before(row: &Row, end: usize) -> Option<(usize, i32)> {
    row.iter()
        .take(end)
        .enumerate()
        .filter_map(|(at, cell)| Some((at, cell.as_ref()?.score)))
        .max_by_key(|&(at, score)| (score, std::cmp::Reverse(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_must_come_in_order() {
        assert!(find("svs", "Save session").is_some());
        assert!(find("zs", "Save session").is_none());
        assert!(find("ees", "See").is_none());
        assert!(find("", "Anything").unwrap().positions.is_empty());
    }

    #[test]
    fn starts_of_words_and_runs_are_preferred() {
        assert_eq!(find("ss", "Save session").unwrap().positions, [0, 5]);
        assert_eq!(find("SESS", "Save session").unwrap().positions, [5, 6, 7, 8]);
        let score = |name| find("exp", name).unwrap().score;
        assert!(score("Export recipe…") > score("Next picture"));
        assert!(score("Explore") > score("Extend to previous token"));
    }

    #[test]
    fn positions_count_characters() {
        assert_eq!(find("b", "éb").unwrap().positions, [1]);
    }
}
