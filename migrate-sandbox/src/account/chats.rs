//! The chatbot's sessions of a generated account.

use chrono::{Duration, NaiveDate, NaiveDateTime};

use super::calls::clock_changes;
use super::generate::text;
use super::{Account, AccountSpec, Rng, SourceChat, SourceTurn};

/// What the sessions are like, in turn, so that even a few show each kind.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A visitor who says who it is.
    Known,
    Anonymous,
    /// The bot greets before the visitor has said anything.
    BotFirst,
    /// A person takes over.
    TakenOver,
    /// What the visitor said has been cleared.
    Anonymised,
    Long,
    Odd,
    Gap,
    Overlap,
    /// Nothing was said.
    Silent,
    /// A visitor whom nobody knows by the address it gives.
    Stranger,
    /// A visitor who gives a number.
    ByNumber,
}

const KINDS: [Kind; 12] = [
    Kind::Known,
    Kind::Anonymous,
    Kind::BotFirst,
    Kind::TakenOver,
    Kind::Odd,
    Kind::Anonymised,
    Kind::Known,
    Kind::Silent,
    Kind::Gap,
    Kind::ByNumber,
    Kind::Overlap,
    Kind::Anonymous,
];

/// What visitors ask, and the intent that answers.
const QUESTIONS: &[(&str, &str)] = &[
    ("Hei, mitä sopimus maksaa?", "Hinnasto"),
    ("Where is my order?", "Order status"),
    ("Jag vill byta adress", "Address change"),
    ("Can I cancel?", "Cancellation"),
    ("Kiitos!", "Thanks"),
    ("opening hours", "Opening hours"),
];

/// What the bot answers. It may hold markup.
const ANSWERS: &[&str] = &[
    "Moi! Katso <a href=\"https://example.com/hinnasto?a=1&amp;b=2\">hinnasto</a>.",
    "<p>Your order is on its way.</p><p>Anything <b>else</b>?</p>",
    "Selvä homma,<br>osoite on muutettu.",
    "Open 9&ndash;17 &amp; by phone",
    "Kiitos, hyvää päivänjatkoa",
];

/// Texts that break careless software.
const ODD_QUESTIONS: &[&str] = &[
    "👍🏽 zoë 🌸",
    "مرحبا، أين طلبي؟",
    "<b>5 < 6</b> & \"quotes\"; semi, colon",
    "first line\nsecond line\n\nlast line",
];

const ODD_ANSWERS: &[&str] =
    &["<p>שלום!<br/>איך אפשר לעזור? 🤖</p>", "<ul><li>one</li><li>two &lt;three&gt;</li></ul>"];

const OUTCOMES: &[&str] = &["Handled", "Abandoned", "Handled", "Ticket created", "UNSPECIFIED"];

pub(super) fn fill(account: &mut Account, spec: &AccountSpec) {
    // Numbers of its own, so that contacts and calls are those of an account without chats.
    let mut rng = Rng::new(spec.seed ^ 0x00C4_A7B0_7000);
    let wanted = (spec.contacts as f64 * spec.chats_per_contact).round() as usize;
    let first = rng.below(KINDS.len() as u64) as usize;
    let start = NaiveDate::from_ymd_opt(2023, 1, 2)
        .and_then(|day| day.and_hms_opt(8, 0, 0))
        .unwrap_or_default();
    let (gap, overlap) = clock_changes(spec.time_zone);
    for n in 0..wanted {
        let kind = match KINDS[(first + n) % KINDS.len()] {
            Kind::Anonymous if n % 24 >= 12 => Kind::Long,
            Kind::Known if n % 24 >= 18 => Kind::Stranger,
            kind => kind,
        };
        let day = (n as i64 * 1_380) / wanted.max(1) as i64;
        let begun = start + Duration::days(day) + Duration::seconds(rng.below(9 * 3600) as i64);
        let begun = match kind {
            Kind::Gap => gap.unwrap_or(begun),
            // Some seconds before the hour ends for the first time.
            Kind::Overlap => overlap.map_or(begun, |at| at + Duration::seconds(1795)),
            _ => begun,
        };
        let chat = chat(n, kind, begun, account, &mut rng);
        account.chats.push(chat);
    }
}

fn chat(
    n: usize,
    kind: Kind,
    begun: NaiveDateTime,
    account: &Account,
    rng: &mut Rng,
) -> SourceChat {
    let contact = rng.pick(&account.contacts);
    let email = match kind {
        Kind::Known | Kind::TakenOver | Kind::Odd | Kind::Overlap => contact
            .and_then(|contact| contact.email.clone())
            .filter(|email| email.contains('@') && !email.trim().contains(' ')),
        Kind::Stranger => Some(format!("stranger{n}@example.net")),
        _ => None,
    };
    let phone = match kind {
        Kind::ByNumber => contact.and_then(|contact| contact.phonenumbers.first().cloned()),
        _ => None,
    };
    let turns = turns(kind, begun, rng);
    let taken_over = turns.iter().any(|turn| turn.agent == "HUMAN_REPLY");
    let agent = taken_over.then(|| rng.pick(&account.agents)).flatten();
    let last = turns.last().map_or(begun, |turn| turn.said_at);
    SourceChat {
        id: format!("{:08x}-{n:04}", 0x5eed_0000_u64 + n as u64 * 7_919),
        started_at: text(begun),
        ended_at: text(last + Duration::seconds(20)),
        seconds: (last - begun).num_seconds() + 20,
        email,
        phone,
        outcome: Some(if taken_over {
            "Transferred".to_owned()
        } else {
            rng.pick(OUTCOMES).map(|outcome| (*outcome).to_owned()).unwrap_or_default()
        }),
        campaign: if n.is_multiple_of(3) {
            rng.pick(&account.campaigns).map(|campaign| campaign.name.clone())
        } else {
            None
        },
        feedback_score: rng.chance(0.3).then(|| rng.below(11) as u8),
        feedback_text: rng.chance(0.1).then(|| "Hyvä botti 👍".to_owned()),
        language: rng.chance(0.7).then(|| "fi".to_owned()),
        agent_id: agent.map(|agent| agent.id),
        transferred_at: taken_over.then(|| text(begun + Duration::seconds(60))),
        turns,
    }
}

fn turns(kind: Kind, begun: NaiveDateTime, rng: &mut Rng) -> Vec<SourceTurn> {
    let mut turns = Vec::new();
    if kind == Kind::Silent {
        return turns;
    }
    let mut at = begun;
    let mut add = |question: Option<String>, answer: Option<String>, state: &str, agent: &str| {
        let clicked = turns.len() == 2;
        turns.push(SourceTurn {
            index: turns.len() as u32 + 1,
            at: text(at),
            said_at: at,
            question,
            answer,
            state: state.to_owned(),
            agent: agent.to_owned(),
            clicked,
        });
        at += Duration::seconds(7 + step(at));
    };
    if kind == Kind::BotFirst {
        add(None, Some("<p>Hei! Miten voin <i>auttaa</i>?</p>".to_owned()), "Start", "STARCHAT");
    }
    let count = 1 + rng.below(4);
    for n in 0..count {
        let (question, state) = rng.pick(QUESTIONS).copied().unwrap_or_default();
        let answer = rng.pick(ANSWERS).copied().unwrap_or_default();
        let (question, answer) = match kind {
            Kind::Odd => (
                rng.pick(ODD_QUESTIONS).copied().unwrap_or_default(),
                rng.pick(ODD_ANSWERS).copied().unwrap_or_default(),
            ),
            _ => (question, answer),
        };
        let question = match kind {
            Kind::Anonymised => None,
            Kind::Long if n == 0 => Some(format!("{question} ").repeat(400).trim_end().to_owned()),
            _ => Some(question.to_owned()),
        };
        let answer = match kind {
            Kind::Long if n == 0 => {
                Some(format!("<p>{}</p>", "pitkä vastaus ".repeat(700).trim_end()))
            }
            _ => Some(answer.to_owned()),
        };
        add(question, answer, state, "STARCHAT");
    }
    if kind == Kind::TakenOver {
        add(Some("Ihminen, kiitos".to_owned()), None, "Transfer", "STARCHAT");
        for answer in ["Hei, täällä ollaan.", "Hoidetaan kuntoon. 5 < 6"] {
            add(None, Some(answer.to_owned()), "", "HUMAN_REPLY");
        }
        add(Some("Kiitos!".to_owned()), Some("Ole hyvä.".to_owned()), "", "HUMAN_REPLY");
    }
    turns
}

/// Seconds between two turns, told by the time itself; now and then none.
fn step(at: NaiveDateTime) -> i64 {
    at.and_utc().timestamp() % 23 - 7
}
