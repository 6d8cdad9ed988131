//! A calendar date and time in UTC, in the formats of mail.

use std::fmt::Write as _;

use crate::mail::Timestamp;

/// A date and time in UTC by the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    year: u64,
    month: usize,
    day: u64,
    weekday: usize,
    second_of_day: u64,
}

impl Date {
    /// Converts a time to its calendar date.
    pub fn of(time: Timestamp) -> Self {
        let (days, second_of_day) = (time.0 / 86_400, time.0 % 86_400);
        // 400 years are 146,097 days. Counted from 1 March, the leap day is the last of its year.
        let from_march_0000 = days + 719_468;
        let (era, day_of_era) = (from_march_0000 / 146_097, from_march_0000 % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = usize::try_from((month_from_march + 2) % 12).unwrap_or(0);
        Self {
            year: era * 400 + year_of_era + u64::from(month < 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            // 1970-01-01 was a Thursday.
            weekday: usize::try_from((days + 4) % 7).unwrap_or(0),
            second_of_day,
        }
    }

    /// `Mon, 23 Nov 2026 12:00:00 +0000` (RFC 5322 section 3.3).
    pub fn rfc5322(&self) -> String {
        let (weekday, month) = (WEEKDAYS[self.weekday], MONTHS[self.month]);
        let mut date = String::with_capacity(RFC5322_OCTETS);
        let _ = write!(date, "{weekday}, {} {month} {} ", self.day, self.year);
        self.push_time(&mut date);
        date.push_str(" +0000");
        date
    }

    /// `Mon Nov 23 12:00:00 2026`: the form of C's `asctime`, which an mbox `From ` line ends with.
    pub fn asctime(&self) -> String {
        let (weekday, month) = (WEEKDAYS[self.weekday], MONTHS[self.month]);
        let mut date = format!("{weekday} {month} {:2} ", self.day);
        self.push_time(&mut date);
        let _ = write!(date, " {}", self.year);
        date
    }

    fn push_time(&self, date: &mut String) {
        let second = self.second_of_day;
        let parts = [second / 3600, second / 60 % 60, second % 60];
        for (part, before) in parts.into_iter().zip(["", ":", ":"]) {
            date.push_str(before);
            let digits = [part / 10, part % 10].map(|digit| digit.to_le_bytes()[0] + b'0');
            date.extend(digits.map(char::from));
        }
    }
}

/// The length of a date of two digits with a year of four.
const RFC5322_OCTETS: usize = "Mon, 23 Nov 2026 12:00:00 +0000".len();

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_have_their_known_dates() {
        // Expected values come from date(1): date -u -R -d @SECONDS.
        for (seconds, rfc5322) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 +0000"),
            (951_868_800, "Wed, 1 Mar 2000 00:00:00 +0000"),
            (1_795_435_200, "Mon, 23 Nov 2026 12:00:00 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(Date::of(Timestamp(seconds)).rfc5322(), rfc5322);
        }
        assert_eq!(
            Date::of(Timestamp(1_793_523_661)).asctime(),
            "Sun Nov  1 09:01:01 2026"
        );
    }
}
