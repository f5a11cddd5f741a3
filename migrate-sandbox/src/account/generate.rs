//! Making an account from a seed.

use std::collections::BTreeMap;

use chrono::{Duration, NaiveDate, NaiveDateTime};

use super::people::{
    CAMPAIGNS, CITIES, COMMENTS, COMPANIES, FIRST, LAST, ODD_COMMENTS, ODD_FIRST, OFFICES, STREETS,
};
use super::rng::{Share, turn};
use super::{
    Account, AccountSpec, ExistingContact, OtherInfo, Rng, SourceAgent, SourceCampaign,
    SourceContact, SourceList, ZERO_TIME, calls, chats,
};

impl Account {
    /// The account of this specification: the same one every time.
    pub fn generate(spec: &AccountSpec) -> Self {
        let mut rng = Rng::new(spec.seed);
        let mut account = Self {
            contacts: Vec::with_capacity(spec.contacts),
            calls: Vec::new(),
            chats: Vec::new(),
            agents: agents(spec, &mut rng),
            campaigns: campaigns(),
            lists: lists(spec),
            existing: Vec::new(),
            time_zone: spec.time_zone,
            default_country: "FI".into(),
            account_id: "4217".into(),
        };
        let mut numbers = Numbers::default();
        let clean = contacts(&mut account, spec, &mut rng, &mut numbers);
        calls::fill(&mut account, spec, &mut rng, &mut numbers);
        chats::fill(&mut account, spec);
        account.existing = existing(&account, spec, &clean);
        account
    }
}

/// Hands out Finnish mobile numbers, each once.
#[derive(Default)]
pub(super) struct Numbers(u64);

impl Numbers {
    /// National digits without the leading zero, such as `401234567`.
    pub(super) fn next(&mut self) -> String {
        let n = self.0;
        self.0 += 1;
        // The factor has no divisor in common with the modulus, so numbers only repeat after nine million.
        let tail = 1_000_000 + (n * 1_234_577) % 9_000_000;
        let prefix = ["40", "41", "44", "45", "46", "50"][(n % 6) as usize];
        format!("{prefix}{tail}")
    }
}

fn notation(national: &str, rng: &mut Rng) -> String {
    let (operator, rest) = national.split_at(2);
    let (middle, end) = rest.split_at(3);
    match rng.below(6) {
        0..=2 => format!("+358{national}"),
        3 => format!("0{national}"),
        4 => format!("0{operator} {middle} {end}"),
        _ => format!("+358 {operator} {middle} {end}"),
    }
}

fn agents(spec: &AccountSpec, rng: &mut Rng) -> Vec<SourceAgent> {
    let mut without = Share::new(spec.agents_without_teammate, rng);
    let count = (spec.contacts / 50).clamp(6, 40);
    (0..count)
        .map(|n| {
            let first = FIRST[(n * 7) % FIRST.len()];
            let last = LAST[(n * 5) % LAST.len()];
            let username = format!("{}.{}{}", ascii(first), ascii(last), n + 1);
            let inactive = without.hit();
            SourceAgent {
                id: 301 + n as u64,
                name: format!("{first} {last}"),
                employment: if inactive { "inactive" } else { "active" }.into(),
                office: rng.pick(OFFICES).filter(|_| n % 5 != 4).map(|office| (*office).to_owned()),
                role: if n % 8 == 0 { "Teamleader" } else { "Agent" }.into(),
                primary_email: (!inactive || n % 2 == 0).then(|| format!("{username}@example.com")),
                username,
                has_teammate: !inactive,
            }
        })
        .collect()
}

fn campaigns() -> Vec<SourceCampaign> {
    CAMPAIGNS
        .iter()
        .zip(51..)
        .map(|(name, id)| SourceCampaign {
            id,
            name: (*name).to_owned(),
            kind: if *name == "Inbound support" { "inbound" } else { "outbound" }.into(),
            disabled: id % 4 == 0,
        })
        .collect()
}

fn lists(spec: &AccountSpec) -> Vec<SourceList> {
    let count = (spec.contacts / 150).clamp(3, 40);
    (0..count)
        .map(|n| SourceList {
            id: 901 + n as u64,
            name: format!("List {} / {}", n + 1, 2019 + n % 8),
        })
        .collect()
}

/// What identifies a contact.
#[derive(Clone, Copy)]
enum Identity {
    Full,
    InTwoLists,
    Shared,
    Nothing,
    PhoneOnly,
    EmailOnly,
    InvalidEmail,
    UntidyEmail,
}

struct ContactShares {
    identity: Vec<(Share, Identity)>,
    odd_name: Share,
    odd_comment: Share,
    long_comment: Share,
    zero_date: Share,
    null_fields: Share,
}

impl ContactShares {
    fn new(spec: &AccountSpec, rng: &mut Rng) -> Self {
        let mut share = |of: f64| Share::new(of, rng);
        Self {
            identity: vec![
                (share(spec.no_identifier), Identity::Nothing),
                (share(spec.shared_address), Identity::Shared),
                (share(spec.in_two_lists), Identity::InTwoLists),
                (share(spec.phone_only), Identity::PhoneOnly),
                (share(spec.email_only), Identity::EmailOnly),
                (share(spec.invalid_email), Identity::InvalidEmail),
                (share(spec.untidy_email), Identity::UntidyEmail),
            ],
            odd_name: share(spec.odd_name),
            odd_comment: share(spec.odd_comment),
            long_comment: share(spec.long_comment),
            zero_date: share(spec.zero_date),
            null_fields: share(spec.null_fields),
        }
    }

    fn comment(&mut self, rng: &mut Rng) -> Option<String> {
        if self.long_comment.hit() {
            let sentence = rng.pick(COMMENTS).copied().unwrap_or_default();
            Some(format!("{sentence} ").repeat(120).trim_end().to_owned())
        } else if self.odd_comment.hit() {
            rng.pick(ODD_COMMENTS).map(|comment| (*comment).to_owned())
        } else if rng.chance(0.4) {
            rng.pick(COMMENTS).map(|comment| (*comment).to_owned())
        } else {
            None
        }
    }
}

/// Fills in the contacts and returns the positions of those whose e-mail is valid and theirs alone.
fn contacts(
    account: &mut Account,
    spec: &AccountSpec,
    rng: &mut Rng,
    numbers: &mut Numbers,
) -> Vec<usize> {
    let mut shares = ContactShares::new(spec, rng);
    let mut id = 10_001;
    let mut clean = Vec::new();
    let mut shared = 0;
    while account.contacts.len() < spec.contacts {
        let serial = account.contacts.len();
        let mut identity = turn(&mut shares.identity).unwrap_or(Identity::Full);
        if matches!(identity, Identity::InTwoLists) && serial + 1 == spec.contacts {
            identity = Identity::Full;
        }
        let mut contact = contact(id, serial, account, &mut shares, rng, numbers);
        match identity {
            Identity::Full => clean.push(serial),
            Identity::InTwoLists => {
                let twin = twin(&contact, id + 1, account, rng);
                account.contacts.push(contact);
                contact = twin;
                id += 1;
            }
            Identity::Shared => {
                // Neighbouring names in the list differ clearly; every three contacts share one address.
                contact.fname = Some(FIRST[(shared * 11) % FIRST.len()].to_owned());
                contact.lname = Some(LAST[(shared * 13) % LAST.len()].to_owned());
                contact.email = Some(format!("info@shared{}.example.org", shared / 3 + 1));
                shared += 1;
            }
            Identity::Nothing => {
                contact.email = None;
                contact.phonenumbers.clear();
            }
            Identity::PhoneOnly => contact.email = Some(String::new()),
            Identity::EmailOnly => contact.phonenumbers.clear(),
            Identity::InvalidEmail => {
                let broken = [
                    "no e-mail",
                    "etunimi.sukunimi(at)example.com",
                    "@example.com",
                    "a b@example.com",
                ];
                contact.email = rng.pick(&broken).map(|email| (*email).to_owned());
            }
            Identity::UntidyEmail => {
                contact.email = contact.email.map(|email| match rng.chance(0.5) {
                    true => email.to_uppercase(),
                    false => format!("  {email} "),
                });
            }
        }
        account.contacts.push(contact);
        id += 1 + u64::from(rng.chance(0.03));
    }
    clean
}

fn contact(
    id: u64,
    serial: usize,
    account: &Account,
    shares: &mut ContactShares,
    rng: &mut Rng,
    numbers: &mut Numbers,
) -> SourceContact {
    let plain_first = rng.pick(FIRST).copied().unwrap_or_default();
    let last = rng.pick(LAST).copied().unwrap_or_default();
    let first = if shares.odd_name.hit() {
        rng.pick(ODD_FIRST).copied().unwrap_or_default()
    } else {
        plain_first
    };
    let domain = ["example.com", "example.org", "example.net"][(rng.below(3)) as usize];
    let email = format!("{}.{}{}@{domain}", ascii(plain_first), ascii(last), serial + 1);
    let mut phonenumbers = vec![notation(&numbers.next(), rng)];
    if rng.chance(0.15) {
        phonenumbers.push(notation(&numbers.next(), rng));
    }
    let (city, postal) = rng.pick(CITIES).copied().unwrap_or_default();
    let company =
        rng.chance(0.2).then(|| rng.pick(COMPANIES).map(|name| (*name).to_owned())).flatten();
    let created = moment(rng, 2019, 2024);
    let updated =
        created + Duration::days(rng.below(600) as i64) + Duration::minutes(rng.below(500) as i64);
    let list = &account.lists[(rng.below(account.lists.len() as u64)) as usize];
    // Some rows have null where the others have an empty string.
    let nothing = if shares.null_fields.hit() { None } else { Some(String::new()) };
    let or_nothing = |value: Option<String>| value.or_else(|| nothing.clone());
    SourceContact {
        id,
        calling_list_id: list.id,
        batch_name: Some(format!("batch-{}", created.format("%Y-%m"))),
        fname: Some(first.to_owned()),
        lname: Some(last.to_owned()),
        title: or_nothing(rng.chance(0.1).then(|| "CEO".to_owned())),
        gender: or_nothing(None),
        ssc: or_nothing(None),
        year_of_birth: or_nothing(rng.chance(0.3).then(|| (1940 + rng.below(65)).to_string())),
        company_id: company.as_ref().map(|_| 7_000 + rng.below(5)),
        vatin: or_nothing(
            company.as_ref().map(|_| format!("FI{:08}", 10_000_000 + rng.below(9_999_999))),
        ),
        office: or_nothing(company),
        phonenumbers,
        address: or_nothing(rng.chance(0.8).then(|| {
            format!("{} {}", rng.pick(STREETS).copied().unwrap_or_default(), 1 + rng.below(90))
        })),
        postal: or_nothing(Some(postal.to_owned())),
        city: or_nothing(Some(city.to_owned())),
        country: or_nothing(rng.chance(0.7).then(|| "Finland".to_owned())),
        email: Some(email),
        www: or_nothing(None),
        comment: or_nothing(shares.comment(rng)),
        other_info: other_info(list.id, rng),
        assigned_agent_id: rng
            .chance(0.2)
            .then(|| rng.pick(&account.agents).map(|agent| agent.id))
            .flatten(),
        last_reason: None,
        last_call_id: None,
        last_result: None,
        created_at: Some(if shares.zero_date.hit() { ZERO_TIME.to_owned() } else { text(created) }),
        updated_at: Some(text(updated)),
        finalised: rng.chance(0.5),
    }
}

/// The same person in another list: what the lists know of the person differs.
fn twin(of: &SourceContact, id: u64, account: &Account, rng: &mut Rng) -> SourceContact {
    let lists = account.lists.iter().map(|list| list.id).filter(|list| *list != of.calling_list_id);
    let lists: Vec<u64> = lists.collect();
    let mut twin = SourceContact {
        id,
        calling_list_id: rng.pick(&lists).copied().unwrap_or(of.calling_list_id),
        created_at: Some(text(moment(rng, 2023, 2025))),
        updated_at: Some(text(moment(rng, 2026, 2026))),
        ..of.clone()
    };
    twin.other_info = other_info(twin.calling_list_id, rng);
    twin.address = Some(String::new());
    twin.title = Some("Contact person".into());
    twin.comment = None;
    if id.is_multiple_of(2) {
        twin.email = twin.email.map(|email| email.to_uppercase());
    }
    twin
}

/// Six labelled slots; what slot 5 means depends on the list, as it does in real accounts.
fn other_info(list: u64, rng: &mut Rng) -> BTreeMap<u8, OtherInfo> {
    let segment = ["A", "B", "C"][rng.below(3) as usize].to_owned();
    let value = format!("{}.{:02}", 10 + rng.below(5_000), rng.below(100));
    let ends = moment(rng, 2025, 2026).format("%Y-%m-%d").to_string();
    let news = ["Yes", "No"][rng.below(2) as usize].to_owned();
    let fifth = match list % 2 {
        0 => (
            "Interests",
            ["Golf, Fishing", "Golf", "Sailing, Golf, Opera"][rng.below(3) as usize].to_owned(),
        ),
        _ => ("Vehicles", rng.below(5).to_string()),
    };
    let mut slots: BTreeMap<u8, OtherInfo> = [
        ("Segment", segment),
        ("Contract value", value),
        ("Contract ends", ends),
        ("Newsletter", news),
        fifth,
    ]
    .into_iter()
    .zip(1..)
    .map(|((label, value), slot)| (slot, OtherInfo { label: label.to_owned(), value }))
    .collect();
    if rng.chance(0.1) {
        slots.insert(
            20,
            OtherInfo { label: "Remark".into(), value: "Key account: handle with care".into() },
        );
    }
    if rng.chance(0.3) {
        slots.remove(&2);
    }
    slots
}

/// Some people are in Intercom already, under another name or without a number; one of them is archived.
fn existing(account: &Account, spec: &AccountSpec, clean: &[usize]) -> Vec<ExistingContact> {
    if spec.existing <= 0.0 {
        return Vec::new();
    }
    let count =
        ((spec.contacts as f64 * spec.existing).round() as usize).clamp(1, clean.len().max(1));
    let step = (clean.len() / count).max(1);
    clean
        .iter()
        .step_by(step)
        .take(count)
        .enumerate()
        .filter_map(|(n, at)| {
            Some(ExistingContact {
                email: account.contacts.get(*at)?.email.clone()?,
                name: (n % 2 == 0).then(|| format!("Known Customer {}", n + 1)),
                phone: None,
                external_id: (n % 3 == 2).then(|| format!("crm-{}", n + 1)),
                archived: n == 1,
            })
        })
        .collect()
}

/// A moment in working hours between the beginning of one year and October of the other.
fn moment(rng: &mut Rng, from: i32, to: i32) -> NaiveDateTime {
    let start = NaiveDate::from_ymd_opt(from, 1, 1)
        .and_then(|day| day.and_hms_opt(8, 0, 0))
        .unwrap_or_default();
    let days = i64::from(to - from) * 365 + 300;
    start
        + Duration::days(rng.below(days as u64) as i64)
        + Duration::seconds(rng.below(9 * 3600) as i64)
}

pub(super) fn text(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Lower-case ASCII letters of a name, for user names and e-mails.
fn ascii(name: &str) -> String {
    name.chars()
        .filter_map(|letter| match letter.to_lowercase().next()? {
            'ä' | 'å' => Some('a'),
            'ö' => Some('o'),
            other => other.is_ascii_alphanumeric().then_some(other),
        })
        .collect()
}
