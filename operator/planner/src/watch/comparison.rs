//! Does green fail more of its requests than blue, or take too long for more of them? A test that may be looked at as
//! often as one likes. A request is bad that failed, or that took longer than so long: the test only counts.
//!
//! Of the bad requests of a window, each side has its part. Given how many requests each side had, and how many were bad
//! in all, green's part has the hypergeometric distribution when both sides are alike, and Fisher's noncentral one when
//! the odds of a bad one on green are `θ` times those on blue. The ratio of the two likelihoods is a bet against "alike"
//! whose expectation is at most 1 while green is no worse; windows are independent given their totals, so that the product
//! over windows is a martingale at most, and by Ville's inequality it ever reaches `1/α` with a probability of at most
//! `α`: however often one looks, and whenever one stops. Nothing is assumed of how often requests are bad at all, nor that
//! this stays the same from window to window. The bets on several `θ` are mixed.
//!
//! What it assumes is that requests are bad one by one. Where they are bad in bursts that hit one side alone, there are
//! more false alarms than `α`.

/// Requests of one side in one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub requests: u64,
    /// Those that failed, or were slow where that is compared; no more than all.
    pub bad: u64,
}

/// Times the odds that are bet on.
const ODDS: [f64; 7] = [1.2, 1.5, 2.0, 3.0, 6.0, 15.0, 60.0];

/// The evidence so far that green is worse than blue.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Of each bet, the logarithm of what it has become.
    log: [f64; ODDS.len()],
    green: Counts,
    blue: Counts,
}

impl Comparison {
    /// One more window.
    pub fn add(&mut self, green: Counts, blue: Counts) {
        for (log, odds) in self.log.iter_mut().zip(ODDS) {
            *log += log_ratio(green, blue, odds);
        }
        for (sum, window) in [(&mut self.green, green), (&mut self.blue, blue)] {
            sum.requests += window.requests;
            sum.bad += window.bad;
        }
    }

    /// How many times as likely what was seen is if green is worse than if it is not: at least 1/α fails a release that
    /// is as good as blue with a probability of at most α.
    pub fn evidence(&self) -> f64 {
        self.log.iter().map(|log| log.exp()).sum::<f64>() / ODDS.len() as f64
    }

    /// Requests of green, and of blue, so far.
    pub fn counts(&self) -> [Counts; 2] {
        [self.green, self.blue]
    }
}

/// The logarithm of the likelihood of green's part of the bad requests, with these odds against equal ones.
fn log_ratio(green: Counts, blue: Counts, odds: f64) -> f64 {
    let bad = green.bad + blue.bad;
    let least = bad.saturating_sub(blue.requests);
    let most = bad.min(green.requests);
    if green.bad > most || least >= most {
        // Nothing was bad, or everything was: green's part tells nothing.
        return 0.0;
    }
    // ln of (probability of j / probability of `least`) for each part j, by the ratio of neighbours.
    let mut log = 0.0;
    let (mut alike, mut worse) = (LogSum::default(), LogSum::default());
    for part in least..=most {
        alike.add(log);
        worse.add(log + (part - least) as f64 * odds.ln());
        let up = (green.requests - part) as f64 * (bad - part) as f64;
        let down = (part + 1) as f64 * (blue.requests + part + 1 - bad) as f64;
        log += up.ln() - down.ln();
    }
    (green.bad - least) as f64 * odds.ln() - (worse.get() - alike.get())
}

/// The logarithm of a sum, of which the logarithms are added.
#[derive(Default)]
struct LogSum(Option<f64>);

impl LogSum {
    fn add(&mut self, log: f64) {
        let sum = self.0.map_or(log, |sum| {
            let (small, large) = (sum.min(log), sum.max(log));
            large + (small - large).exp().ln_1p()
        });
        self.0 = Some(sum);
    }

    fn get(&self) -> f64 {
        self.0.unwrap_or(f64::NEG_INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(requests: u64, bad: u64) -> Counts {
        Counts { requests, bad }
    }

    /// CloudWatch's sums of one minute may come apart.
    #[test]
    fn more_bad_ones_than_requests_tell_nothing() {
        let told = log_ratio(counts(10, 12), counts(10, 1), 3.0);
        assert!(told.abs() < f64::EPSILON, "{told}");
    }

    /// Ville's inequality stands on this: with equal odds the bet's expectation is 1.
    #[test]
    fn a_bet_is_fair_when_both_are_alike() {
        for (green, blue, bad) in [
            (10_u64, 90_u64, 7_u64),
            (50, 50, 1),
            (3, 4, 5),
            (200, 1_800, 40),
        ] {
            let choose = |of: u64, part: u64| -> f64 {
                (0..part)
                    .map(|i| ((of - i) as f64 / (i + 1) as f64).ln())
                    .sum()
            };
            for odds in ODDS {
                let parts = bad.saturating_sub(blue)..=bad.min(green);
                let expected: f64 = parts
                    .map(|part| {
                        let log = choose(green, part) + choose(blue, bad - part)
                            - choose(green + blue, bad);
                        let ratio = log_ratio(counts(green, part), counts(blue, bad - part), odds);
                        log.exp() * ratio.exp()
                    })
                    .sum();
                assert!(
                    (expected - 1.0).abs() < 1e-9,
                    "{green} {blue} {bad} {odds}: {expected}"
                );
            }
        }
    }

    #[test]
    fn windows_that_tell_nothing_change_nothing() {
        let mut comparison = Comparison::default();
        for (green, blue) in [
            (counts(0, 0), counts(0, 0)),
            (counts(1_000, 0), counts(9_000, 0)),
            (counts(10, 10), counts(90, 90)),
            (counts(0, 0), counts(100, 3)),
            (counts(100, 3), counts(0, 0)),
        ] {
            comparison.add(green, blue);
        }
        assert!((comparison.evidence() - 1.0).abs() < 1e-12);
    }
}
