//! The nearest known name to a misspelt one.

/// The known name that is nearest, if it is near enough to be meant: a third of its letters may differ, and at least
/// two. Case does not count, and `-` is as good as `_`.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let simple = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let name = simple(name);
    let by_distance = known.into_iter().map(|it| (distance(&name, &simple(it)), it));
    let (distance, near) = by_distance.min_by_key(|(distance, _)| *distance)?;
    let allowed = (near.chars().count() / 3).max(2);
    // A short name shares so little with another one that two changes make any of any.
    (distance <= allowed && distance < near.chars().count().min(name.chars().count()))
        .then_some(near)
}

/// Letters to insert, leave out, change or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let mut least =
                    (rows[i - 1][j - 1] + change).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["kind", "time_zone", "default_country", "key_prefix", "rest"];

    #[test]
    fn near_enough_or_none() {
        for (name, expected) in [
            ("tiem_zone", Some("time_zone")),
            ("timezone", Some("time_zone")),
            ("Time-Zone", Some("time_zone")),
            ("kidn", Some("kind")),
            ("defaultcountry", Some("default_country")),
            ("prefix", None),
            ("x", None),
            ("", None),
            ("something_else", None),
        ] {
            assert_eq!(nearest(name, KNOWN), expected, "{name}");
        }
        assert_eq!(nearest("kind", []), None);
    }

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("ab", "ba", 1),
            ("abc", "abc", 0),
            ("abc", "axc", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
