//! Several operators, of which one leads by a lease.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use runtime::lease::shelf::{Shelf, Trouble};
use runtime::lease::{Authority, Keeper, Lease, Phase, Terms};
use runtime::metrics::Role;
use runtime::{Clock, Metrics, Mode, Settings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::account::{Account, Writer, spec};
use crate::operator::{Operator, clock, pass};

/// An operator with its keeper.
struct Candidate {
    operator: Operator,
    way: Shelf,
    keeper: JoinHandle<()>,
    end: CancellationToken,
}

impl Candidate {
    fn start(name: &str, account: &Account, shelf: &Shelf, clock: Clock) -> Self {
        let way = shelf.another_way();
        let lease = Lease::new(name.to_owned(), Terms::default());
        let metrics = Arc::new(Metrics::new(&Registry::new(), "0.1.0").unwrap());
        let (keeper, handle) = Keeper::new(way.clone(), lease, clock, metrics);
        let mode = Mode::Apply {
            writer: Writer(account.clone()),
            authority: Authority::Lease(handle),
        };
        let end = CancellationToken::new();
        Self {
            operator: Operator::start_as(account, clock, Settings::default(), mode),
            way,
            keeper: tokio::spawn(keeper.run(end.clone())),
            end,
        }
    }

    fn role(&self) -> Role {
        self.operator.board.leadership().role
    }

    /// SIGTERM: how long it took.
    async fn stop(self) -> Duration {
        let took = self.operator.stop().await;
        self.end.cancel();
        self.keeper.await.unwrap();
        took
    }

    /// SIGKILL.
    async fn kill(self) {
        self.operator.kill().await;
        self.keeper.abort();
    }
}

/// An account with one release to make, and two operators: the first leads, the second stands by.
async fn two() -> (Account, Shelf, Candidate, Candidate) {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.wish("blog", "1.0.0");
    let shelf = Shelf::default();
    let first = Candidate::start("first", &account, &shelf, clock);
    pass(10).await;
    let second = Candidate::start("second", &account, &shelf, clock);
    (account, shelf, first, second)
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_the_other_stands_by_and_only_looks() {
    let (account, shelf, first, second) = two().await;
    // Nobody had the lease: a term and a grace pass before somebody does.
    pass(34).await;
    assert_eq!(
        (first.role(), second.role()),
        (Role::Standby, Role::Standby)
    );
    assert!(account.writes("blog").is_empty());
    pass(300).await;
    assert_eq!(
        (first.role(), second.role()),
        (Role::Leading, Role::Standby)
    );
    assert_eq!(shelf.item().unwrap().holder, "first");
    assert_eq!(
        second.operator.board.leadership().leader.as_deref(),
        Some("first")
    );
    pass(600).await;
    assert_eq!(second.operator.waiting_on("blog"), "Nothing");
    assert!(
        second
            .operator
            .metric("teal_reconciles_total", &[("result", "Standby")])
            .unwrap()
            > 0.0
    );
    let written = second.operator.metric("teal_writes_total", &[]);
    let told = second.operator.metric("teal_status_writes_total", &[]);
    assert_eq!((written, told), (Some(0.0), Some(0.0)));
    let released = second.operator.metric("teal_releases_total", &[]);
    assert_eq!(released, Some(0.0), "what happened is told once");
    assert_eq!(second.operator.board.ready(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_stops_hands_over_and_the_next_one_leads_at_its_next_look() {
    let (account, shelf, first, second) = two().await;
    while account.writes("blog").is_empty() {
        pass(1).await;
    }
    first.stop().await;
    assert_eq!(shelf.item().unwrap().phase, Phase::Released);
    pass(6).await;
    assert_eq!(second.role(), Role::Leading);
    pass(900).await;
    assert_eq!(second.operator.waiting_on("blog"), "Nothing");
    assert_eq!(account.statuses("blog").pop().unwrap()["phase"], "Settled");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_in_mid_rollout_is_followed_after_a_term_and_a_grace_and_the_start_bound()
 {
    let (account, _, first, second) = two().await;
    while account.writes("blog").len() < 3 {
        pass(1).await;
    }
    first.kill().await;
    pass(39).await;
    assert_eq!(second.role(), Role::Standby);
    pass(11).await;
    assert_eq!(second.role(), Role::Leading);
    let writes = account.writes("blog").len();
    pass(60).await;
    assert_eq!(second.operator.waiting_on("blog"), "StartBound");
    assert_eq!(account.writes("blog").len(), writes);
    pass(900).await;
    let all = account.writes("blog");
    let created = all
        .iter()
        .filter(|write| write.starts_with("create service"));
    assert_eq!(created.count(), 1, "{all:?}");
    assert_eq!(second.operator.waiting_on("blog"), "Nothing");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_from_the_store_stops_writing_before_the_other_begins_and_stands_by()
 {
    for trouble in [Trouble::Unreachable, Trouble::Hangs] {
        let (account, _, first, second) = two().await;
        while account.writes("blog").len() < 3 {
            pass(1).await;
        }
        first.way.set_trouble(Some(trouble));
        pass(42).await;
        assert_eq!(
            (first.role(), second.role()),
            (Role::Standby, Role::Standby),
            "{trouble:?}"
        );
        let why = first.operator.board.leadership().trouble;
        assert!(why.is_some(), "{trouble:?}");
        pass(20).await;
        assert_eq!(second.role(), Role::Leading, "{trouble:?}");
        let written = first.operator.metric("teal_writes_total", &[]);
        first.way.set_trouble(None);
        pass(900).await;
        assert_eq!(
            (first.role(), second.role()),
            (Role::Standby, Role::Leading),
            "{trouble:?}"
        );
        assert_eq!(first.operator.metric("teal_writes_total", &[]), written);
        assert_eq!(second.operator.waiting_on("blog"), "Nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_lost_for_a_while_do_not_end_the_leadership() {
    let (_, shelf, first, _second) = two().await;
    pass(100).await;
    let epoch = shelf.item().unwrap().epoch;
    first.way.set_trouble(Some(Trouble::AnswersLost));
    pass(12).await;
    first.way.set_trouble(None);
    pass(60).await;
    assert_eq!(first.role(), Role::Leading);
    assert_eq!(shelf.item().unwrap().epoch, epoch);
}
