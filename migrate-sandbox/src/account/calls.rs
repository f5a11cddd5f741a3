//! The calls of a generated account.

use chrono::{Duration, LocalResult, NaiveDate, NaiveDateTime, TimeZone};
use chrono_tz::Tz;

use super::generate::{Numbers, text};
use super::people::{COMMENTS, ODD_COMMENTS, OUTCOMES, RESULTS};
use super::rng::{Share, turn};
use super::{Account, AccountSpec, Rng, SourceCall, SourceContact, ZERO_TIME, comparable};

/// What happens to a call that is not an ordinary one.
#[derive(Clone, Copy, PartialEq)]
enum Oddity {
    WithoutTime,
    Gap,
    Overlap,
    ByNumber,
    Stranger,
}

pub(super) fn fill(
    account: &mut Account,
    spec: &AccountSpec,
    rng: &mut Rng,
    numbers: &mut Numbers,
) {
    let wanted = (spec.contacts as f64 * spec.calls_per_contact).round() as usize;
    // Only who has a number was called.
    let reachable: Vec<usize> = (0..account.contacts.len())
        .filter(|at| !account.contacts[*at].phonenumbers.is_empty())
        .collect();
    if reachable.is_empty() {
        return;
    }
    let mut share = |of: f64| Share::new(of, rng);
    let mut oddities = [
        (share(spec.calls_without_time), Oddity::WithoutTime),
        (share(spec.calls_in_gap), Oddity::Gap),
        (share(spec.calls_in_overlap), Oddity::Overlap),
        (share(spec.calls_by_number), Oddity::ByNumber),
        (share(spec.calls_by_strangers), Oddity::Stranger),
    ];
    let mut holes = share(spec.holes);
    let mut silent = share(spec.calls_without_comment);
    let mut odd_comment = share(spec.odd_comment);
    let mut long_comment = share(spec.long_comment);
    let mut no_last_call = share(spec.no_last_call);
    let (gap, overlap) = clock_changes(spec.time_zone);

    let start = NaiveDate::from_ymd_opt(2019, 1, 2)
        .and_then(|day| day.and_hms_opt(9, 0, 0))
        .unwrap_or_default();
    let mut id = 500_001;
    for n in 0..wanted {
        // Ids rise with time, from January 2019 to October 2026.
        let day = (n as i64 * 2_850) / wanted.max(1) as i64;
        let begun = start + Duration::days(day) + Duration::seconds(rng.below(8 * 3600) as i64);
        let oddity = turn(&mut oddities);
        let at = reachable[rng.below(reachable.len() as u64) as usize];
        let comment = if silent.hit() {
            rng.chance(0.5).then(String::new)
        } else if long_comment.hit() {
            rng.pick(COMMENTS).map(|comment| format!("{comment} ").repeat(90).trim_end().to_owned())
        } else if odd_comment.hit() {
            rng.pick(ODD_COMMENTS).map(|comment| (*comment).to_owned())
        } else {
            rng.pick(COMMENTS).map(|comment| (*comment).to_owned())
        };
        let mut call = call(id, begun, account, &account.contacts[at], comment, rng);
        match oddity {
            None => {}
            Some(Oddity::WithoutTime) => {
                let nothing = [Some(ZERO_TIME.to_owned()), Some(String::new()), None]
                    [rng.below(3) as usize]
                    .clone();
                call.talk_start = nothing.clone();
                call.talk_end = nothing.clone();
                call.handling_stop = nothing.clone();
                call.created_at = nothing;
            }
            Some(Oddity::Gap) => set_times(&mut call, gap.unwrap_or(begun)),
            Some(Oddity::Overlap) => set_times(&mut call, overlap.unwrap_or(begun)),
            Some(Oddity::ByNumber) => call.contact_id = None,
            Some(Oddity::Stranger) => {
                call.contact_id = None;
                call.customer_id = None;
                call.number = Some(format!("+358{}", numbers.next()));
            }
        }
        if oddity.is_none() || oddity == Some(Oddity::WithoutTime) {
            let contact = &mut account.contacts[at];
            contact.last_reason = call.call_ending_reason_name.clone();
            contact.last_call_id = Some(call.id);
        }
        account.calls.push(call);
        id += 1 + u64::from(holes.hit());
    }
    for contact in account.contacts.iter_mut().filter(|contact| contact.last_call_id.is_some()) {
        if no_last_call.hit() {
            contact.last_call_id = None;
        }
    }
    for contact in account.contacts.iter_mut().filter(|contact| contact.last_call_id.is_some()) {
        // By the id, so that everything else of an account stays as it is.
        let at = contact.id % RESULTS.len() as u64;
        contact.last_result = RESULTS.get(at as usize).map(|result| (*result).to_owned());
    }
}

fn call(
    id: u64,
    begun: NaiveDateTime,
    account: &Account,
    contact: &SourceContact,
    comment: Option<String>,
    rng: &mut Rng,
) -> SourceCall {
    let agent = rng.pick(&account.agents);
    let campaign = rng.pick(&account.campaigns);
    let answered = rng.chance(0.7);
    let (reason, reason_name) = match answered {
        true => [OUTCOMES[0], OUTCOMES[1], OUTCOMES[4], OUTCOMES[6]][rng.below(4) as usize],
        false => [OUTCOMES[2], OUTCOMES[3], OUTCOMES[5]][rng.below(3) as usize],
    };
    let number = contact.phonenumbers.first().map(|phone| format!("+{}", comparable(phone, "FI")));
    let mut call = SourceCall {
        id,
        agent_id: agent.map(|agent| agent.id),
        agent_username: agent.map(|agent| agent.username.clone()),
        agent_group_id: Some(11 + id % 3),
        agent_group_name: Some(format!("Team {}", 1 + id % 3)),
        talk_time: if answered { 5 + rng.below(900) as u32 } else { 0 },
        number,
        campaign: campaign.map(|campaign| campaign.id),
        campaign_name: campaign.map(|campaign| campaign.name.clone()),
        record_file: answered.then(|| format!("{id}-{}.wav.mp3", begun.format("%Y%m%d%H%M%S"))),
        customer_id: Some(contact.id + 90_000),
        contact_id: Some(contact.id),
        comment,
        call_ending_reason: Some(reason),
        call_ending_reason_name: Some(reason_name.to_owned()),
        direction: if rng.chance(0.85) { "out" } else { "in" }.into(),
        call_type: Some(1),
        call_type_name: Some("semi".into()),
        order_ids: if reason == 1 { vec![id * 2] } else { Vec::new() },
        ..SourceCall::default()
    };
    set_times(&mut call, begun);
    call
}

fn set_times(call: &mut SourceCall, begun: NaiveDateTime) {
    let ended = begun + Duration::seconds(i64::from(call.talk_time));
    call.created_at = Some(text(begun - Duration::seconds(12)));
    // Nobody answered: there was no talk, only the row.
    let talked = call.talk_time > 0;
    call.talk_start = Some(if talked { text(begun) } else { ZERO_TIME.to_owned() });
    call.talk_end = Some(if talked { text(ended) } else { ZERO_TIME.to_owned() });
    call.handling_stop = Some(text(ended + Duration::seconds(25)));
}

/// A local time that the zone skips in 2024, and one that it has twice.
pub(super) fn clock_changes(zone: Tz) -> (Option<NaiveDateTime>, Option<NaiveDateTime>) {
    let start = NaiveDate::from_ymd_opt(2024, 1, 1)
        .and_then(|day| day.and_hms_opt(0, 30, 0))
        .unwrap_or_default();
    let hours = || (0..366 * 24).map(|hour| start + Duration::hours(hour));
    let gap = hours().find(|at| matches!(zone.from_local_datetime(at), LocalResult::None));
    let overlap =
        hours().find(|at| matches!(zone.from_local_datetime(at), LocalResult::Ambiguous(..)));
    (gap, overlap)
}
