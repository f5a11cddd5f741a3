//! Which fields of an object that this migration created stand as it left them. The ledger keeps a short
//! digest of each field with its value, and no value: by that a later write tells what people have changed
//! since, field by field, while the digest of the whole says only that something was.

use std::collections::BTreeMap;

use migrate_core::Fingerprint;
use serde_json::{Value, json};

/// The code under which the report names fields that were not written, since people have changed them.
const HELD_BACK: &str = "changed_in_intercom";

/// Of each digest so many bytes are kept. An object has some dozens of fields.
const BYTES: usize = 4;

/// What is to be kept of an object all of whose fields were left as they stand in it.
pub(super) fn all(fields: &BTreeMap<String, Value>) -> Value {
    some(fields, |_, _| true)
}

/// What is to be kept of one of which these fields alone were left as they stand.
pub(super) fn some(
    fields: &BTreeMap<String, Value>,
    is_ours: impl Fn(&str, &Value) -> bool,
) -> Value {
    let ours = fields.iter().filter(|(name, value)| is_ours(name, value));
    let mut digests: Vec<String> = ours.map(|(name, value)| digest(name, value)).collect();
    digests.sort_unstable();
    json!({ "ours": digests.concat() })
}

/// What is to be kept of one of which these fields were just written, and others may have been changed by
/// people.
pub(super) fn after(
    kept: Option<&Value>,
    now: &BTreeMap<String, Value>,
    written: &BTreeMap<String, Value>,
) -> Value {
    let was_ours = |name: &str, value: &Value| kept.is_some_and(|kept| is_ours(kept, name, value));
    some(now, |name, value| written.contains_key(name) || was_ours(name, value))
}

/// Is this what is kept of an object that this migration created, and no image of what was there before?
pub(super) fn is_kept_of(kept: &Value) -> bool {
    kept["ours"].is_string()
}

/// Does a field stand as it was left?
fn is_ours(kept: &Value, name: &str, now: &Value) -> bool {
    let digests = kept["ours"].as_str().unwrap_or_default().as_bytes();
    digests.chunks(2 * BYTES).any(|known| known == digest(name, now).as_bytes())
}

fn digest(name: &str, value: &Value) -> String {
    let whole = Fingerprint::of(json!([name, value]).to_string().as_bytes());
    whole.as_bytes()[..BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a write has left, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The digest of what stands now, in the fields that were written.
    pub(super) state: Option<Fingerprint>,
    /// Which fields of it were left as they stand, by [`all`] or [`some`].
    pub(super) ours: Option<Value>,
    /// The fields that were not written, since people have changed them.
    pub(super) held_back: Vec<String>,
}

impl Left {
    /// All of an object was left as it stands: this digest, and these fields.
    pub(super) fn whole(stands: &[u8], fields: &BTreeMap<String, Value>) -> Self {
        let (state, ours) = (Some(Fingerprint::of(stands)), Some(all(fields)));
        Self { state, ours, held_back: Vec::new() }
    }

    /// Notes it with the write.
    pub(super) fn note<D>(self, write: &mut migrate_core::Write<D>) {
        if let Some(state) = self.state {
            write.leaves(state);
        }
        if let Some(ours) = self.ours {
            write.keeps(ours);
        }
        for name in self.held_back {
            write.notes(HELD_BACK, name.trim_start_matches('.'));
        }
    }
}

/// Of fields to be written, those that people have not changed since, and the names of the others that would
/// stand otherwise. `kept` is what is known of the last write; where that is nothing, whatever stands there
/// may be theirs.
pub(super) fn beside_people(
    kept: Option<&Value>,
    now: &BTreeMap<String, Value>,
    wanted: BTreeMap<String, Value>,
) -> (BTreeMap<String, Value>, Vec<String>) {
    let mut held_back = Vec::new();
    let mut free = wanted;
    free.retain(|name, wanted| match now.get(name) {
        None => true,
        Some(now) if now == wanted => false,
        Some(now) => {
            let is_ours = kept.is_some_and(|kept| is_ours(kept, name, now));
            if !is_ours {
                held_back.push(name.clone());
            }
            is_ours
        }
    });
    (free, held_back)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> BTreeMap<String, Value> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }

    #[test]
    fn only_what_people_have_changed_is_held_back() {
        let kept = all(&fields(&[("city", "Oulu"), ("status", "new"), ("gone", "x")]));
        assert!(!kept.to_string().contains("Oulu"), "no value is kept");
        let now = fields(&[("city", "Oulu"), ("status", "by hand"), ("plan", "pro")]);
        let wanted = fields(&[
            ("city", "Turku"),
            ("status", "new"),
            ("gone", "y"),
            ("plan", "free"),
            ("more", "z"),
        ]);
        let (free, held_back) = beside_people(Some(&kept), &now, wanted.clone());
        assert_eq!(free, fields(&[("city", "Turku"), ("gone", "y"), ("more", "z")]));
        assert_eq!(held_back, ["plan", "status"]);
        // Where nothing is kept nobody can tell.
        let (free, held_back) = beside_people(None, &now, wanted);
        assert_eq!(free, fields(&[("gone", "y"), ("more", "z")]));
        assert_eq!(held_back, ["city", "plan", "status"]);
    }

    #[test]
    fn a_field_is_ours_by_its_name_and_its_value() {
        let kept = all(&fields(&[("one", "a"), ("other", "b")]));
        for (name, value, ours) in [("one", "a", true), ("one", "b", false), ("other", "a", false)]
        {
            assert_eq!(is_ours(&kept, name, &json!(value)), ours, "{name} {value}");
        }
    }
}
