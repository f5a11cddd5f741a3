//! People's names: joined, and compared to tell a shared address from one person in two lists.

/// First and last name joined by a space, each trimmed to one line. None where both are empty.
#[must_use]
pub fn full_name(first: &str, last: &str) -> Option<String> {
    let parts = [first, last].map(|part| {
        let words = part.split(|c: char| c.is_whitespace() || c.is_control());
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    });
    let name = parts.join(" ").trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// Whether two names surely belong to two people, so that records with the same e-mail must not be merged.
///
/// The names are compared as sets of words: case, accents, punctuation and order do not count
/// (`Mäki, Anna` is `anna maki`). They are *not* clearly different when every word of the name with fewer words
/// has a partner of its own in the other name. Partners are
/// - equal words,
/// - an initial and a word that begins with it (`A. Virtanen`, `Anna Virtanen`),
/// - words of five letters or more that are one slip apart (`Virtanen`, `Virtaneen`).
///
/// So `Anna` and `Anna Virtanen` may be one person, as may `Anna Virtanen` and `Anna Virtanen-Korhonen`;
/// `Anna Virtanen` and `Anna Korhonen` are two. A name without a letter says nothing and differs from none.
#[must_use]
pub fn clearly_different(one: &str, other: &str) -> bool {
    let (mut few, mut many) = (words(one), words(other));
    if few.len() > many.len() {
        std::mem::swap(&mut few, &mut many);
    }
    // The surest partners first, so that an initial never takes the word that another one equals.
    for partners in [equal as fn(&str, &str) -> bool, one_slip_apart, initial] {
        few.retain(|word| match many.iter().position(|it| partners(word, it)) {
            Some(at) => {
                many.swap_remove(at);
                false
            }
            None => true,
        });
    }
    !few.is_empty()
}

/// The words of a name, folded. A hyphen separates words too.
fn words(name: &str) -> Vec<String> {
    name.split(|c: char| !c.is_alphanumeric() && !is_combining(c) && c != '\'' && c != '’')
        .map(fold)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Lower case without the accents of European Latin scripts; combining accents and apostrophes are dropped.
fn fold(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    for c in word.chars().flat_map(char::to_lowercase) {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => folded.push('a'),
            'ç' | 'ć' | 'č' => folded.push('c'),
            'ď' | 'đ' | 'ð' => folded.push('d'),
            'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => folded.push('e'),
            'ģ' | 'ğ' => folded.push('g'),
            'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => folded.push('i'),
            'ķ' => folded.push('k'),
            'ļ' | 'ľ' | 'ł' => folded.push('l'),
            'ñ' | 'ń' | 'ņ' | 'ň' => folded.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' => folded.push('o'),
            'ř' => folded.push('r'),
            'ś' | 'š' | 'ş' | 'ș' => folded.push('s'),
            'ť' | 'ţ' | 'ț' => folded.push('t'),
            'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' | 'ų' => folded.push('u'),
            'ý' | 'ÿ' => folded.push('y'),
            'ź' | 'ž' | 'ż' => folded.push('z'),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ß' => folded.push_str("ss"),
            'þ' => folded.push_str("th"),
            '\'' | '’' => {}
            c if is_combining(c) => {}
            c => folded.push(c),
        }
    }
    folded
}

fn is_combining(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

fn equal(a: &str, b: &str) -> bool {
    a == b
}

fn initial(a: &str, b: &str) -> bool {
    let short = |word: &str| word.chars().nth(1).is_none();
    (short(a) || short(b)) && a.chars().next() == b.chars().next()
}

/// Whether one letter inserted, left out or changed turns one word into the other, both of five letters or more.
fn one_slip_apart(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.len() < 5 || long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(&long).take_while(|(a, b)| a == b).count();
    let rest = usize::from(short.len() == long.len());
    short.get(same + rest..).unwrap_or_default() == long.get(same + 1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn joining() {
        for (first, last, expected) in [
            ("Anna", "Virtanen", Some("Anna Virtanen")),
            (" Anna  Maria ", "Virtanen\n", Some("Anna Maria Virtanen")),
            ("", "Virtanen", Some("Virtanen")),
            ("Anna", " ", Some("Anna")),
            (" ", "\t", None),
        ] {
            assert_eq!(full_name(first, last).as_deref(), expected);
        }
    }

    #[test]
    fn one_person() {
        for (a, b) in [
            ("Anna Virtanen", "Anna Virtanen"),
            ("Anna Virtanen", "VIRTANEN, ANNA"),
            ("Anna Mäki", "anna maki"),
            ("Anna Ma\u{308}ki", "Anna Mäki"),
            ("A. Virtanen", "Anna Virtanen"),
            ("A V", "Virtanen Anna"),
            ("Anna", "Anna Virtanen"),
            ("Anna M. Virtanen", "Anna Maria Virtanen"),
            ("Anna Virtanen", "Anna Virtanen-Korhonen"),
            ("Anna Virtanen", "Anna Virtaneen"),
            ("Sean O'Brien", "sean obrien"),
            ("", "Anna Virtanen"),
            ("-", "Anna Virtanen"),
            ("Σοφία", "ΣΟΦΊΑ"),
        ] {
            assert!(!clearly_different(a, b), "{a} / {b}");
        }
    }

    #[test]
    fn two_people() {
        for (a, b) in [
            ("Anna Virtanen", "Matti Korhonen"),
            ("Anna Virtanen", "Anna Korhonen"),
            ("Anna Virtanen", "Matti Virtanen"),
            ("A. Virtanen", "Matti Virtanen"),
            ("Anna", "Matti"),
            ("Anna Anna", "Anna Virtanen"),
            ("Eeva Mäki", "Eeva Mäkelä"),
            ("Ville Laine", "Kalle Laine"),
        ] {
            assert!(clearly_different(a, b), "{a} / {b}");
        }
    }

    proptest! {
        #[test]
        fn a_name_never_differs_from_itself_reordered(mut words in proptest::collection::vec("[A-Za-zÄÖäö]{1,8}", 0..5)) {
            let name = words.join(" ");
            words.reverse();
            prop_assert!(!clearly_different(&name, &words.join(", ").to_uppercase()));
        }

        #[test]
        fn never_panics(a in "\\PC{0,30}", b in "\\PC{0,30}") {
            let _ = (clearly_different(&a, &b), full_name(&a, &b));
        }
    }
}
