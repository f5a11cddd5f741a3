//! Stable names of records: [`Key`] for one record, [`Alias`] for whatever else it is known by.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The stable name of a source record: its kind and its id in the source, as in `contact:42`.
///
/// What one record becomes in several writes carries part keys, as in `contact:42/note:1`.
/// Keys are for ever: the ledger and the external ids in the destination are built on them.
///
/// ```
/// use migrate_core::Key;
///
/// let contact = Key::new("contact", 42);
/// let note = contact.part("note:1");
/// assert_eq!(note.as_str(), "contact:42/note:1");
/// assert_eq!(note.root(), contact);
/// assert_eq!((note.kind(), note.id(), note.part_name()), ("contact", "42", Some("note:1")));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Key(Arc<str>);

impl Key {
    /// A key of `kind` with `id`. A slash in the id is written `%2F`, since a slash begins a part, and a
    /// percent sign `%25`, so that no two ids have one key.
    pub fn new(kind: impl fmt::Display, id: impl fmt::Display) -> Self {
        let id = id.to_string();
        let id = match id.contains(['/', '%']) {
            true => id.replace('%', "%25").replace('/', "%2F"),
            false => id,
        };
        Self(format!("{kind}:{id}").into())
    }

    /// The key of a part of this record.
    pub fn part(&self, name: impl fmt::Display) -> Self {
        Self(format!("{}/{name}", self.0).into())
    }

    /// The key of the whole record: this key itself, unless it names a part.
    pub fn root(&self) -> Self {
        match self.0.split_once('/') {
            Some((root, _)) => Self(root.into()),
            None => self.clone(),
        }
    }

    /// What stands before the first colon.
    pub fn kind(&self) -> &str {
        self.0.split_once(':').map_or(&*self.0, |(kind, _)| kind)
    }

    /// What stands between the first colon and the first slash.
    pub fn id(&self) -> &str {
        let rest = self.0.split_once(':').map_or("", |(_, rest)| rest);
        rest.split_once('/').map_or(rest, |(id, _)| id)
    }

    /// The part's name, if this key names a part.
    pub fn part_name(&self) -> Option<&str> {
        self.0.split_once('/').map(|(_, part)| part)
    }

    /// The whole key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0.as_ref().to_owned()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Another name of a record: an e-mail address, a number, a call's number and time.
///
/// Only a digest of it is kept, so a ledger of aliases shows no address and no number. Whoever tries
/// all numbers finds the one behind a digest, so `Debug` prints no more than its beginning.
///
/// ```
/// use migrate_core::Alias;
///
/// assert_eq!(Alias::new("email", "anna@example.com"), Alias::new("email", "anna@example.com"));
/// assert!(!format!("{:?}", Alias::new("email", "anna@example.com")).contains("anna"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alias([u8; 16]);

impl Alias {
    /// An alias of a sort (`email`, `phone`) with a value that has been brought to one form.
    pub fn new(sort: &str, value: impl AsRef<str>) -> Self {
        let mut hash = Sha256::new();
        hash.update(sort.as_bytes());
        hash.update([0]);
        hash.update(value.as_ref().as_bytes());
        Self(first_half(hash))
    }

    /// The digest, as a ledger keeps it.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// An alias from the digest that a ledger kept.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "alias:{a:02x}{b:02x}{c:02x}{d:02x}..")
    }
}

/// A digest of what a record became, by which an unchanged record is known without a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of bytes, which must be the same for the same content (no hash-map order).
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(bytes);
        Self(first_half(hash))
    }

    /// The digest, as a ledger keeps it.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A fingerprint from the digest that a ledger kept.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

fn first_half(hash: Sha256) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    half
}

/// An order-independent digest of a set of keys: equal sets give equal digests, whatever the order.
///
/// It is the sum, modulo 2¹²⁸, of a hash of each key, so a key counted twice or left out shows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDigest(u128);

impl KeyDigest {
    /// Takes one more key into the digest.
    pub fn add(&mut self, key: &Key) {
        let hash = Fingerprint::of(key.as_str().as_bytes());
        self.0 = self.0.wrapping_add(u128::from_be_bytes(hash.0));
    }

    /// Takes a key out of the digest again.
    pub fn remove(&mut self, key: &Key) {
        let hash = Fingerprint::of(key.as_str().as_bytes());
        self.0 = self.0.wrapping_sub(u128::from_be_bytes(hash.0));
    }

    /// The sum of two digests, that of the two sets together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The digest as bytes, as a ledger keeps it.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// A digest from the bytes that a ledger kept.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_in_an_id_does_not_make_a_part() {
        let key = Key::new("tag", "a/b");
        assert_eq!(key.part_name(), None);
        assert_eq!(key.root(), key);
    }

    #[test]
    fn the_digest_ignores_order_and_sees_a_missing_or_doubled_key() {
        let keys: Vec<Key> = (0..100).map(|n| Key::new("contact", n)).collect();
        let digest = |keys: &mut dyn Iterator<Item = &Key>| {
            let mut digest = KeyDigest::default();
            keys.for_each(|key| digest.add(key));
            digest
        };
        let whole = digest(&mut keys.iter());
        assert_eq!(whole, digest(&mut keys.iter().rev()));
        assert_ne!(whole, digest(&mut keys.iter().skip(1)));
        let mut doubled = digest(&mut keys.iter().chain(&keys[..1]));
        assert_ne!(whole, doubled);
        doubled.remove(&keys[0]);
        assert_eq!(whole, doubled);
    }

    #[test]
    fn no_two_ids_have_one_key() {
        let keys = ["a/b", "a%2Fb", "a%252Fb", "a%b"].map(|id| Key::new("doc", id));
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(key.part_name(), None);
            assert!(!keys[..n].contains(key), "{key:?}");
        }
    }
}
