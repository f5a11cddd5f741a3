//! Which heading stands for which field. This is data: the tables can be added to without touching code.

use crate::model::{OTHER_INFO_SLOTS, other_info_key};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Contacts.
    Contacts,
    /// Calls.
    Calls,
    /// Users.
    Agents,
    /// Campaigns.
    Campaigns,
    /// Projects, offices, outcomes: tables of which no more is known than that they have a key and a name.
    Tables,
    /// The blacklist: numbers, of which a file may have no heading.
    Blacklist,
}

/// A time that may stand without its day: then it is that of `created_at`, which no field of the API holds by itself.
pub(super) const CREATED_TIME: &str = "created_time";

/// A field of the API, and headings that stand for it.
type Aliases = &'static [(&'static str, &'static [&'static str])];

const CONTACTS: Aliases = &[
    ("id", &["contact id", "contactid", "kontaktin tunnus", "kontakti id", "yhteystiedon tunnus"]),
    ("fname", &["first name", "given name", "etunimi"]),
    ("lname", &["last name", "surname", "family name", "sukunimi"]),
    ("title", &["job title", "titteli", "tehtävänimike"]),
    ("gender", &["sex", "sukupuoli"]),
    ("ssc", &["ssn", "personal id", "social security number", "henkilötunnus", "hetu"]),
    ("year_of_birth", &["birthyear", "birth year", "syntymävuosi"]),
    ("client_id", &[]),
    ("company_id", &["companyid"]),
    ("office", &["company", "company name", "yritys", "yrityksen nimi"]),
    ("vatin", &["vat", "vat number", "business id", "y-tunnus"]),
    (
        "phone",
        &[
            "phone number",
            "telephone",
            "number",
            "phone 1",
            "puhelin",
            "puhelinnumero",
            "puhelin 1",
        ],
    ),
    ("sec_phone", &["phone 2", "second phone", "puhelin 2"]),
    ("thr_phone", &["phone 3", "third phone", "puhelin 3"]),
    ("fourth_phone", &["phone 4", "fourth phone", "puhelin 4"]),
    ("fax", &["faksi"]),
    ("phonenumbers", &["phone numbers", "puhelinnumerot"]),
    ("address", &["street", "street address", "osoite", "katuosoite"]),
    ("postal", &["postcode", "postal code", "zip", "zip code", "postinumero"]),
    ("city", &["town", "kaupunki", "postitoimipaikka"]),
    ("country", &["maa"]),
    ("email", &["e-mail", "email address", "e-mail address", "sähköposti", "sähköpostiosoite"]),
    ("www", &["website", "web page", "homepage", "kotisivu", "verkkosivu"]),
    ("comment", &["comments", "kommentti", "kommentit"]),
    ("calling_list_id", &["contact list id", "list id", "soittolistan tunnus"]),
    ("batch_name", &["batch", "erä"]),
    ("assigned_agent_id", &["assigned agent", "assign to agent"]),
    ("last_reason", &["last outcome", "viimeisin lopputulos"]),
    ("last_call_id", &["last call", "viimeisin puhelu"]),
    ("lead_status", &["lead status", "liidin tila"]),
    ("assigned_office", &["assigned office", "office name", "toimisto"]),
    ("sponsor", &["sponsori"]),
    ("created_at", &["created", "creation date", "luotu"]),
    ("updated_at", &["updated", "modified", "last modified", "muokattu", "päivitetty"]),
];

const CALLS: Aliases = &[
    ("id", &["call id", "callid", "call ref id", "puhelun tunnus", "puhelu id"]),
    ("agent_id", &["agent id", "user id", "agentin tunnus"]),
    (
        "agent_username",
        &["agent", "agent name", "user", "username", "agentti", "käyttäjä", "käyttäjätunnus"],
    ),
    ("agent_group_id", &["group id"]),
    ("agent_group_name", &["agent group", "group", "agenttiryhmä", "ryhmä"]),
    ("talk_time", &["duration", "call duration", "talktime", "puheaika", "kesto"]),
    ("talk_start", &["start", "start time", "started", "call start", "alkoi", "alkuaika"]),
    ("talk_end", &["end", "end time", "ended", "call end", "päättyi", "loppuaika"]),
    ("handling_stop", &["handled", "wrap-up end"]),
    ("created_at", &["created", "date", "date/time", "call date", "päivämäärä", "luotu"]),
    (CREATED_TIME, &["time", "call time", "time of day", "aika", "kellonaika", "klo"]),
    ("number", &["phone", "phone number", "numero", "puhelinnumero", "puhelin"]),
    ("campaign", &["campaign id", "project id", "kampanjan tunnus", "projektin tunnus"]),
    ("campaign_name", &["project", "project name", "kampanja", "projekti"]),
    ("record_file", &["recording", "record", "tallenne"]),
    ("customer_id", &[]),
    ("contact_id", &["contact", "contactid", "kontaktin tunnus", "kontakti id"]),
    ("comment", &["comments", "kommentti"]),
    ("call_ending_reason", &["outcome id", "reason id", "lopputuloksen tunnus"]),
    (
        "call_ending_reason_name",
        &["outcome", "reason", "ending reason", "lopputulos", "lopetussyy"],
    ),
    ("direction", &["call direction", "suunta"]),
    ("call_type", &[]),
    ("call_type_name", &["type", "tyyppi"]),
    ("order_ids", &["orders", "order id", "tilaukset"]),
];

const AGENTS: Aliases = &[
    ("id", &["agent id", "user id", "agentin tunnus", "käyttäjän tunnus"]),
    ("name", &["agent name", "full name", "nimi"]),
    ("username", &["login", "user name", "käyttäjätunnus"]),
    ("employment", &["status", "tila"]),
    ("office", &["toimisto"]),
    ("role", &["rooli"]),
    ("primary_email", &["email", "e-mail", "email address", "sähköposti"]),
];

const CAMPAIGNS: Aliases = &[
    ("id", &["campaign id", "project id", "kampanjan tunnus", "projektin tunnus"]),
    (
        "name",
        &["campaign", "campaign name", "project", "project name", "nimi", "kampanja", "projekti"],
    ),
    ("type", &["tyyppi"]),
    ("disabled", &["inactive"]),
];

const TABLES: Aliases = &[
    (
        "id",
        &[
            "project id",
            "office id",
            "outcome id",
            "reason id",
            "custom field id",
            "field id",
            "slot",
            "projektin tunnus",
            "toimiston tunnus",
            "lopputuloksen tunnus",
            "tunnus",
        ],
    ),
    (
        "name",
        &[
            "project",
            "project name",
            "office",
            "office name",
            "outcome",
            "outcome name",
            "reason",
            "nimi",
            "projekti",
            "toimisto",
            "lopputulos",
        ],
    ),
];

const BLACKLIST: Aliases = &[(
    "phone",
    &["phone number", "telephone", "number", "numero", "puhelin", "puhelinnumero", "puhelinnro"],
)];

impl Kind {
    /// The fields of this kind of file, each with the headings that stand for it. Case, spaces and punctuation do not
    /// matter, and the field's own name always counts.
    #[must_use]
    pub fn aliases(self) -> &'static [(&'static str, &'static [&'static str])] {
        match self {
            Self::Contacts => CONTACTS,
            Self::Calls => CALLS,
            Self::Agents => AGENTS,
            Self::Campaigns => CAMPAIGNS,
            Self::Tables => TABLES,
            Self::Blacklist => BLACKLIST,
        }
    }

    pub(super) fn aliases_of(self, field: &str) -> &'static [&'static str] {
        self.aliases().iter().find(|(name, _)| *name == field).map_or(&[], |(_, aliases)| aliases)
    }

    /// The key of each column. A heading that nobody knows is its own key, and so is one whose field is already taken.
    pub(super) fn keys(self, headings: &[String], added: &[(String, String)]) -> Vec<String> {
        let mut keys: Vec<String> = Vec::with_capacity(headings.len());
        for heading in headings {
            let own = heading.trim_start_matches('\u{feff}').trim().to_owned();
            let known = self.field(&own, added).filter(|field| !keys.contains(field));
            let key = known.unwrap_or_else(|| {
                // Two columns of one heading must not overwrite one another.
                let taken = |key: &String| {
                    keys.contains(key) || self.field(key, added).as_ref() == Some(key)
                };
                std::iter::once(own.clone())
                    .chain((2..).map(|n| format!("{own} ({n})")))
                    .find(|key| !taken(key))
                    .unwrap_or(own)
            });
            keys.push(key);
        }
        keys
    }

    /// The field that a heading stands for, by the tables and by `added` headings; `None` where nobody knows it.
    #[must_use]
    pub fn field(self, heading: &str, added: &[(String, String)]) -> Option<String> {
        let wanted = fold(heading);
        let own_alias =
            added.iter().find(|(alias, _)| fold(alias) == wanted).map(|(_, field)| field.clone());
        own_alias
            .or_else(|| {
                // A field's own name goes before other fields' aliases.
                self.aliases()
                    .iter()
                    .find(|(field, _)| fold(field) == wanted)
                    .map(|(field, _)| (*field).to_owned())
            })
            .or_else(|| {
                let known = |aliases: &[&str]| aliases.iter().any(|alias| fold(alias) == wanted);
                self.aliases()
                    .iter()
                    .find(|(_, aliases)| known(aliases))
                    .map(|(field, _)| (*field).to_owned())
            })
            .or_else(|| (self == Self::Contacts).then(|| other_info(&wanted))?)
    }
}

/// `other_info_7`, `Other info 7`, `other7`, `Lisätieto 7`; and the labels.
fn other_info(folded: &str) -> Option<String> {
    (1..=OTHER_INFO_SLOTS).find_map(|slot| {
        let key = other_info_key(slot)?;
        let value = [
            fold(&key),
            format!("otherinfo{slot}"),
            format!("other{slot}"),
            format!("lisätieto{slot}"),
        ];
        let label = [format!("otheriname{slot}"), format!("otherlabel{slot}")];
        if value.iter().any(|known| known == folded) {
            Some(key)
        } else {
            label.iter().any(|known| known == folded).then(|| format!("other_i_name_{slot}"))
        }
    })
}

/// A heading without case, spaces and punctuation.
fn fold(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(kind: Kind, headings: &[&str]) -> Vec<String> {
        let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
        kind.keys(&headings, &[("Asiakas".to_owned(), "lname".to_owned())])
    }

    #[test]
    fn headings_in_any_case_and_language() {
        assert_eq!(
            keys(
                Kind::Contacts,
                &["\u{feff}ID", "Etunimi", "ASIAKAS", "E-Mail", "Other info 1", "other_info_7"]
            ),
            ["id", "fname", "lname", "email", "other_info_ft", "other_info_7"]
        );
        assert_eq!(
            keys(Kind::Calls, &["Call ID", "Kesto", "Contact id"]),
            ["id", "talk_time", "contact_id"]
        );
    }

    #[test]
    fn nothing_overwrites_anything() {
        assert_eq!(
            keys(
                Kind::Contacts,
                &["id", "Contact ID", "Shoe size", "Shoe size", "phone", "number"]
            ),
            ["id", "Contact ID", "Shoe size", "Shoe size (2)", "phone", "number"]
        );
    }
}
