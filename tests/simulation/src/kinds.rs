//! Which faults may stand where.

use crate::plan::{Fault, Part, Test, Which, Word};
use crate::scenario::{BLUE, NEXT};

/// What may become of one write.
pub(crate) fn of_writes() -> Vec<Fault> {
    vec![
        Fault::Refused,
        Fault::NotSent,
        Fault::Lost,
        Fault::Hangs,
        Fault::AnswerLost,
        Fault::AnswerHangs,
        Fault::Late { seconds: 12 },
        Fault::Late { seconds: 39 },
        Fault::Late { seconds: 90 },
        Fault::Late { seconds: 290 },
        Fault::PastNext { writes: 1 },
        Fault::PastNext { writes: 3 },
        Fault::Duplicated { seconds: 3 },
        Fault::Duplicated { seconds: 9 },
        Fault::CrashLate { seconds: 5 },
        Fault::CrashLate { seconds: 39 },
        Fault::PauseAfter { seconds: 60 },
    ]
}

/// What one answer may lack.
pub(crate) fn of_reads() -> Vec<Fault> {
    let each = |part: Part| {
        let seconds = part.staleness();
        [
            Fault::Unread(part),
            Fault::Stale { part, seconds },
            Fault::Stale {
                part,
                seconds: seconds / 2,
            },
        ]
    };
    Part::ALL.into_iter().flat_map(each).collect()
}

/// What the services that are read may do for a while.
pub(crate) fn of_services() -> Vec<Fault> {
    let each = |part: Part| {
        let seconds = part.staleness();
        [
            Fault::Frozen { part, seconds },
            Fault::Flicker { part, seconds },
            Fault::Unreadable { part, seconds: 40 },
        ]
    };
    let mut faults: Vec<Fault> = Part::ALL.into_iter().flat_map(each).collect();
    faults.push(Fault::Throttled { seconds: 60 });
    faults.push(Fault::NodeLag { seconds: 8 });
    faults
}

/// What may happen to the process and its machine.
pub(crate) fn of_processes() -> Vec<Fault> {
    vec![
        Fault::Crash { seconds: 1 },
        Fault::Crash { seconds: 120 },
        Fault::Restart,
        Fault::Pause { seconds: 20 },
        Fault::Pause { seconds: 400 },
        Fault::ClockJump { seconds: 3_600 },
        Fault::ClockJump { seconds: -3_600 },
    ]
}

/// What may happen to the lease of whoever leads.
pub(crate) fn of_leases() -> Vec<Fault> {
    vec![
        Fault::LeaseUnreachable { seconds: 20 },
        Fault::LeaseUnreachable { seconds: 90 },
        Fault::LeaseAnswersLost { seconds: 20 },
        Fault::LeaseAnswersLost { seconds: 90 },
    ]
}

/// What may become of one write, the kinds that differ most: for pairs.
pub(crate) fn of_writes_in_pairs() -> Vec<Fault> {
    vec![
        Fault::Refused,
        Fault::Lost,
        Fault::AnswerLost,
        Fault::Late { seconds: 39 },
        Fault::Late { seconds: 290 },
        Fault::PastNext { writes: 2 },
        Fault::CrashLate { seconds: 39 },
        Fault::PauseAfter { seconds: 60 },
    ]
}

/// What people may ask of a release in steps.
pub(crate) fn of_verbs() -> Vec<Fault> {
    vec![
        Fault::Promote { full: false },
        Fault::Promote { full: true },
        Fault::Abort,
        Fault::Paused {
            seconds: 60,
            all: false,
        },
        Fault::Paused {
            seconds: 60,
            all: true,
        },
    ]
}

/// What the tests of a release may say.
pub(crate) fn of_tests(tests: &[Test]) -> Vec<Fault> {
    let says = |test: &Test, word, seconds| Fault::Says {
        test: *test,
        word,
        seconds,
    };
    let each = |test| [says(test, Word::Fails, 60), says(test, Word::Silent, 120)];
    tests.iter().flat_map(each).collect()
}

/// What people and the world may do, the kinds that differ most: for pairs.
pub(crate) fn of_others_in_pairs() -> Vec<Fault> {
    let weights = |a, b| Fault::Weights {
        a: Some(a),
        b: Some(b),
    };
    let mut faults = vec![
        weights(100, 0),
        weights(0, 100),
        Fault::RecordLost,
        Fault::Wish(NEXT.to_owned()),
        Fault::Wish(BLUE.to_owned()),
    ];
    for which in [Which::Oldest, Which::Newest] {
        faults.extend([
            Fault::DeleteService(which),
            Fault::Scale { which, count: 0 },
            Fault::TasksCrash(which),
            Fault::Unhealthy { which, seconds: 30 },
        ]);
    }
    faults
}

/// Everything that may happen right after a write, the kinds that differ most: for pairs.
pub(crate) fn anywhere_in_pairs() -> Vec<Fault> {
    let frozen = |part: Part| Fault::Frozen {
        part,
        seconds: part.staleness(),
    };
    let mut faults = vec![
        frozen(Part::Services),
        frozen(Part::Rules),
        frozen(Part::Health),
        Fault::Flicker {
            part: Part::Services,
            seconds: 30,
        },
        Fault::Unreadable {
            part: Part::Services,
            seconds: 40,
        },
        Fault::Throttled { seconds: 60 },
        Fault::NodeLag { seconds: 8 },
        Fault::Crash { seconds: 1 },
        Fault::Restart,
        Fault::Pause { seconds: 400 },
        Fault::ClockJump { seconds: -3_600 },
    ];
    faults.extend(of_others_in_pairs());
    faults
}

/// What people and the world may do.
pub(crate) fn of_others() -> Vec<Fault> {
    let weights = |a, b| Fault::Weights {
        a: Some(a),
        b: Some(b),
    };
    let mut faults = vec![
        weights(100, 0),
        weights(0, 100),
        weights(50, 50),
        Fault::Weights {
            a: Some(100),
            b: None,
        },
        Fault::RecordLost,
        Fault::Wish(NEXT.to_owned()),
        Fault::Wish(BLUE.to_owned()),
    ];
    for which in [Which::Oldest, Which::Newest] {
        faults.extend([
            Fault::DeleteService(which),
            Fault::Scale { which, count: 0 },
            Fault::Scale { which, count: 1 },
            Fault::Scale { which, count: 4 },
            Fault::TaskCrash(which),
            Fault::TasksCrash(which),
            Fault::Unhealthy { which, seconds: 30 },
        ]);
    }
    faults
}

/// Everything that may happen at any moment.
pub(crate) fn anywhere() -> Vec<Fault> {
    let mut faults = of_services();
    faults.extend(of_processes());
    faults.extend(of_others());
    faults
}
