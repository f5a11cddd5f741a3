//! What the cells of a column look like, gathered over the whole file.

use super::conversation::agent_of;
use super::time::{DayOrder, Timestamp, slashed};
use super::transcript;

/// Counts over the cells of one column; none of them holds a cell's content.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    filled: u64,
    numbers: u64,
    zeros: u64,
    flags: u64,
    hours: u64,
    periods: u64,
    agents: u64,
    transcripts: u64,
    times: u64,
    /// Dates with slashes, and those of them that prove an order.
    slashes: u64,
    day_first: u64,
    month_first: u64,
    /// Earliest and latest time, with the day first and with the month first.
    span: [Option<(Timestamp, Timestamp)>; 2],
}

impl Facts {
    pub(super) fn add(&mut self, cell: &str) {
        let cell = cell.trim();
        if cell.is_empty() {
            return;
        }
        self.filled += 1;
        self.transcripts += u64::from(transcript::is_one(cell));
        self.numbers += u64::from(is_number(cell));
        // All that follows is short, and most cells are not.
        if cell.len() <= 16 {
            let lower = cell.to_lowercase();
            self.zeros += u64::from(cell == "0");
            self.flags += u64::from(matches!(lower.as_str(), "true" | "false"));
            self.hours += u64::from(is_hour(cell));
            self.periods += u64::from(is_period(&lower));
            self.agents += u64::from(agent_of(cell).is_some());
        }
        if cell.len() <= 64 && cell.starts_with(|c: char| c.is_ascii_digit()) {
            self.add_time(cell);
        }
    }

    fn add_time(&mut self, cell: &str) {
        let read = if cell.contains('/') {
            self.slashes += u64::from(slashed(cell).is_some());
            match DayOrder::of(cell) {
                Some(DayOrder::DayFirst) => self.day_first += 1,
                Some(DayOrder::MonthFirst) => self.month_first += 1,
                None => {}
            }
            [DayOrder::DayFirst, DayOrder::MonthFirst]
                .map(|order| Timestamp::parse_with(cell, Some(order)))
        } else {
            [Timestamp::parse_with(cell, None); 2]
        };
        self.times += u64::from(read.iter().any(Option::is_some));
        for (span, time) in self.span.iter_mut().zip(read) {
            let Some(time) = time else { continue };
            let (first, last) = span.get_or_insert((time, time));
            if time.naive() < first.naive() {
                *first = time;
            }
            if time.naive() > last.naive() {
                *last = time;
            }
        }
    }

    /// Whether any cell holds something.
    pub(super) fn is_filled(&self) -> bool {
        self.filled > 0
    }

    pub(super) fn all_numbers(&self) -> bool {
        self.numbers == self.filled
    }

    pub(super) fn all_zeros(&self) -> bool {
        self.is_filled() && self.zeros == self.filled
    }

    pub(super) fn all_flags(&self) -> bool {
        self.is_filled() && self.flags == self.filled
    }

    pub(super) fn all_hours(&self) -> bool {
        self.is_filled() && self.hours == self.filled
    }

    pub(super) fn all_periods(&self) -> bool {
        self.is_filled() && self.periods == self.filled
    }

    pub(super) fn all_agents(&self) -> bool {
        self.agents == self.filled
    }

    pub(super) fn has_transcripts(&self) -> bool {
        self.transcripts > 0
    }

    pub(super) fn has_times(&self) -> bool {
        self.times > 0
    }

    /// Whether there are dates with slashes whose order nothing proves, or that prove both.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.slashes > 0 && self.day_order().is_none()
    }

    /// The order that the column proves.
    pub(super) fn day_order(&self) -> Option<DayOrder> {
        match (self.day_first > 0, self.month_first > 0) {
            (true, false) => Some(DayOrder::DayFirst),
            (false, true) => Some(DayOrder::MonthFirst),
            _ => None,
        }
    }

    /// The earliest and the latest time.
    pub(super) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        match self.day_order() {
            _ if self.is_ambiguous() => None,
            Some(DayOrder::MonthFirst) => self.span[1],
            _ => self.span[0],
        }
    }
}

/// A number with a decimal point or comma, a sign, a percent sign, spaces between thousands; or one of the ways to write
/// that there is none.
fn is_number(cell: &str) -> bool {
    if cell.len() > 40 {
        return false;
    }
    if cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    let none = ["-", "n/a", "na", "nan", "null", "none", "infinity"];
    if none.iter().any(|word| cell.eq_ignore_ascii_case(word)) {
        return true;
    }
    if !cell.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return false;
    }
    let plain: String =
        cell.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '\u{202f}')).collect();
    let plain = plain.strip_suffix('%').unwrap_or(&plain).replace(',', ".");
    plain.parse::<f64>().is_ok()
}

fn is_hour(cell: &str) -> bool {
    let hour = cell.strip_suffix(":00").unwrap_or(cell);
    hour.len() <= 2 && hour.parse::<u8>().is_ok_and(|hour| hour < 24)
}

fn is_period(lower: &str) -> bool {
    let word = lower.trim_start_matches(|c: char| c.is_ascii_digit());
    let words = ["m", "h", "d", "w", "q", "y", "hour", "day", "week", "month", "quarter", "year"];
    let lies = ["hourly", "daily", "weekly", "monthly", "quarterly", "yearly"];
    words.contains(&word) || lies.contains(&word)
}
