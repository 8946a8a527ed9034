//! What runs beside the reconciles of an application, and tells verdicts: gates, alarms, analyses.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use planner::gate::{Run, Verdict};
use tokio::task::JoinHandle;

/// A run, on its way or at its end. Dropped, it is broken off.
#[derive(Debug)]
pub(crate) struct Running {
    key: String,
    verdict: Told,
    task: JoinHandle<()>,
}

/// A try of a gate that goes on outside of this process.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) run: Run,
    /// What it is known by ([`crate::cloud::Tried::Runs`]); none: an earlier process may have begun it.
    pub(crate) so_far: Option<String>,
}

/// What was begun and has not ended. Clones are one list.
#[derive(Debug, Clone)]
pub(crate) struct Ledger(Arc<Mutex<Vec<Begun>>>);

impl Ledger {
    pub(crate) fn new(begun: Vec<Begun>) -> Self {
        Self(Arc::new(Mutex::new(begun)))
    }

    /// How far the run has come.
    pub(crate) fn so_far(&self, run: &Run) -> Option<String> {
        let begun = self.lock();
        let mut begun = begun.iter();
        let found = begun.find(|begun| begun.run.key == run.key);
        found.and_then(|begun| begun.so_far.clone())
    }

    /// It has come so far.
    pub(crate) fn note(&self, begun: Begun) {
        let mut all = self.lock();
        all.retain(|known| known.run.key != begun.run.key);
        all.push(begun);
    }

    /// It has ended.
    pub(crate) fn end(&self, run: &Run) -> Option<Begun> {
        let mut all = self.lock();
        let at = all.iter().position(|begun| begun.run.key == run.key);
        at.map(|at| all.swap_remove(at))
    }

    /// Keeps what is waited for, and gives out the rest.
    pub(crate) fn over(&self, waited_for: impl Fn(&Begun) -> bool) -> Vec<Begun> {
        let mut all = self.lock();
        let (open, over) = std::mem::take(&mut *all).into_iter().partition(waited_for);
        *all = open;
        over
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Begun>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a run says what it has come to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Option<Verdict>>>);

impl Told {
    pub(crate) fn tell(&self, verdict: Verdict) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
    }

    fn get(&self) -> Option<Verdict> {
        let verdict = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        verdict.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// Starts `run`. Of one that was cut off before, the first verdict says so.
    pub(crate) fn start<F>(key: String, cut_off: bool, run: impl FnOnce(Told) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let verdict = Told::default();
        if cut_off {
            verdict.tell(Verdict::Unclear {
                reason: "its run was cut off and begins again".to_owned(),
            });
        }
        let task = tokio::spawn(run(verdict.clone()));
        Self { key, verdict, task }
    }

    /// The run with this key.
    pub(crate) fn is(&self, key: &str) -> bool {
        self.key == key
    }

    /// It is on its way, or came to its end; not: a change of leadership or a bug cut it off.
    pub(crate) fn is_good(&self) -> bool {
        let ended = || {
            matches!(
                self.verdict.get(),
                Some(Verdict::Passed | Verdict::Failed { .. })
            )
        };
        !self.task.is_finished() || ended()
    }

    /// What it has come to, as a world shows it.
    pub(crate) fn verdict(&self) -> Option<(String, Verdict)> {
        Some((self.key.clone(), self.verdict.get()?))
    }
}
