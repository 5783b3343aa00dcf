//! The last thirty nights: what the pushes of each day (in UTC) did, and the chart of them.

use super::number;
use crate::store::{Applied, Error, Outcome, Past, Reader, SyncFilter, SyncPlace};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use maud::{Markup, html};

/// How many days are shown.
const DAYS: usize = 30;

/// How many pushes are read for them; of an account that pushes more often, only the last days are shown.
const PUSHES_MAX: usize = 2_000;

/// What the pushes of a day did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Night {
    /// Created, updated, activated and hidden.
    counts: [u64; 4],
    applied: u64,
    refused: u64,
    held: u64,
}

/// The last thirty days, the last of them today.
pub struct Nights {
    last: Date,
    nights: Vec<Night>,
}

/// The names of the counts, in the order of a [`Night`].
const NAMES: [&str; 4] = ["created", "updated", "activated", "hidden"];

impl Nights {
    /// Reads the pushes of the last thirty days.
    pub fn read(reader: &Reader, now: Timestamp) -> Result<Nights, Error> {
        let last = now.to_zoned(TimeZone::UTC).date();
        let first = last.saturating_sub((i64::try_from(DAYS).unwrap_or(i64::MAX) - 1).days());
        let from = first.to_zoned(TimeZone::UTC).ok().map(|midnight| midnight.timestamp());
        let filter = SyncFilter { from, ..SyncFilter::default() };
        let page = reader.syncs(&filter, SyncPlace::default(), PUSHES_MAX)?;
        let mut nights = vec![Night::default(); DAYS];
        for past in &page.syncs {
            let day: Option<Date> = past.finished_at.get(..10).and_then(|day| day.parse().ok());
            let place = day.and_then(|day| usize::try_from(day.since(first).ok()?.get_days()).ok());
            if let Some(night) = place.and_then(|place| nights.get_mut(place)) {
                night.add(past);
            }
        }
        Ok(Nights { last, nights })
    }

    fn day(&self, place: usize) -> Date {
        self.last.saturating_sub((i64::try_from(self.nights.len() - 1 - place).unwrap_or(0)).days())
    }

    /// The largest count; at least 1.
    fn most(&self) -> u64 {
        self.nights.iter().flat_map(|night| night.counts).max().unwrap_or(0).max(1)
    }

    /// The chart, with a table of the same figures. A line shows how many a push may hide, if a guard says so.
    pub fn chart(&self, hide_limit: Option<u64>) -> Markup {
        let most = self.most().max(hide_limit.unwrap_or(0));
        let total: u64 = self.nights.iter().map(|night| night.applied).sum();
        let (refused, held) =
            self.nights.iter().fold((0, 0), |(refused, held), night| (refused + night.refused, held + night.held));
        let summary = format!(
            "Pushes of thirty nights: {total} applied, {refused} refused, {held} held. The table below has the figures."
        );
        let height = |count: u64| bar(count, most, 120.0);
        html! {
            figure .nights {
                svg viewBox="0 0 724 160" role="img" aria-label=(summary) {
                    @for (place, night) in self.nights.iter().enumerate() {
                        g transform={ "translate(" (place * 24 + 2) " 0)" } {
                            title { (self.day(place)) ": " (night.words()) }
                            rect .night width="22" height="140" {}
                            @for (bar_place, (name, count)) in NAMES.iter().zip(night.counts).enumerate() {
                                @if count > 0 {
                                    rect class=(name) x=(bar_place * 5 + 1) y=(format!("{:.1}", 140.0 - height(count))) width="4" height=(format!("{:.1}", height(count))) {}
                                }
                            }
                            @if night.refused > 0 { path .refused d="M2 4 l7 7 m0 -7 l-7 7" {} }
                            @if night.held > 0 { path .held d="M16 2 l5 6 l-5 6 l-5 -6 z" {} }
                        }
                    }
                    // After the nights, which would cover it.
                    @for place in (1..self.nights.len()).step_by(7) {
                        text x=(place * 24 + 2) y="155" { (self.day(place).strftime("%e %b")) }
                    }
                    line .axis x1="0" x2="724" y1="140.5" y2="140.5" {}
                    @if let Some(limit) = hide_limit {
                        line .limit x1="0" x2="724" y1=(format!("{:.1}", 140.0 - height(limit))) y2=(format!("{:.1}", 140.0 - height(limit))) {}
                    }
                }
                figcaption {
                    @for name in NAMES { span .key .(name) { (name) } }
                    span .key .held { "held" }
                    span .key .refused { "refused" }
                    @if let Some(limit) = hide_limit { span .key .limit { "the guard hide lets " (number(limit)) " pass" } }
                    " The heights are logarithmic; days are of UTC."
                }
            }
            details {
                summary { "The figures as a table" }
                table {
                    thead { tr { th scope="col" { "Day" } @for name in NAMES { th .number scope="col" { (name) } } th .number scope="col" { "refused" } th .number scope="col" { "held" } } }
                    tbody {
                        @for (place, night) in self.nights.iter().enumerate().rev() {
                            tr {
                                th scope="row" { (self.day(place)) }
                                @for count in night.counts.into_iter().chain([night.refused, night.held]) { td .number .none[count == 0] { (number(count)) } }
                            }
                        }
                    }
                }
            }
        }
    }

    /// A small chart, for a row of a table: how much each night changed, and where something was held or refused.
    pub fn small_chart(&self) -> Markup {
        let most = self.nights.iter().map(|night| night.counts.iter().sum()).max().unwrap_or(1).max(1);
        let applied = self.nights.iter().filter(|night| night.applied > 0).count();
        let summary = format!("{applied} of {DAYS} nights with a push");
        html! {
            svg .small viewBox="0 0 150 24" role="img" aria-label=(summary) {
                @for (place, night) in self.nights.iter().enumerate() {
                    @let height = bar(night.counts.iter().sum(), most, 18.0).max(if night.applied > 0 { 1.5 } else { 0.0 });
                    @if height > 0.0 { rect .updated x=(place * 5) y=(format!("{:.1}", 24.0 - height)) width="4" height=(format!("{height:.1}")) {} }
                    @if night.held > 0 { rect .held x=(place * 5) y="0" width="4" height="4" {} }
                    @else if night.refused > 0 { rect .refused x=(place * 5) y="0" width="4" height="4" {} }
                }
            }
        }
    }
}

impl Night {
    fn add(&mut self, past: &Past) {
        match &past.outcome {
            Outcome::Applied(Applied { counts, .. }) => {
                self.applied += 1;
                let all = [counts.created, counts.updated, counts.activated, counts.hidden];
                self.counts.iter_mut().zip(all).for_each(|(sum, count)| *sum += count);
            }
            Outcome::Refused { held: Some(_), .. } => self.held += 1,
            Outcome::Refused { requests, .. } => self.refused += requests,
        }
    }

    fn words(&self) -> String {
        let counts = NAMES.iter().zip(self.counts).filter(|(_, count)| *count > 0);
        let mut words: Vec<String> = counts.map(|(name, count)| format!("{} {name}", number(count))).collect();
        for (name, count) in [("held", self.held), ("refused", self.refused)] {
            words.extend((count > 0).then(|| format!("{} {name}", number(count))));
        }
        match (words.is_empty(), self.applied) {
            (true, 0) => "no push".into(),
            (true, _) => "nobody changed".into(),
            (false, _) => words.join(", "),
        }
    }
}

/// Returns the height of a bar, on a logarithmic scale on which `most` is as high as `height`.
#[expect(clippy::cast_precision_loss, reason = "a tenth of a pixel is as precise as the chart gets")]
fn bar(count: u64, most: u64, height: f64) -> f64 {
    (count as f64).ln_1p() / (most as f64).ln_1p() * height
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_logarithmic() {
        assert!(bar(0, 10, 100.0).abs() < 0.1);
        assert!((bar(10, 10, 100.0) - 100.0).abs() < 0.1);
        assert!(bar(10, 1_000_000, 100.0) > 10.0, "a few are still seen beside a million");
    }
}
