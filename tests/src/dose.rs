//! How much is run: a little with all other tests, more before anything lands, everything at night.

/// What `TEAL_DOSE` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dose {
    /// Seconds: `make test`. The default.
    Small,
    /// Minutes: `make sdk-simulation`, a step of its own before anything lands.
    Full,
    /// Hours: `make nightly`.
    Nightly,
}

impl Dose {
    /// The dose that the environment names.
    pub fn asked() -> Self {
        match std::env::var("TEAL_DOSE").as_deref() {
            Err(_) | Ok("small") => Self::Small,
            Ok("full") => Self::Full,
            Ok("nightly") => Self::Nightly,
            Ok(other) => panic!("TEAL_DOSE is small, full or nightly, not {other:?}"),
        }
    }
}
