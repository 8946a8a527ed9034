//! The graceful stop, and what the next process makes of it.

use std::time::Duration;

use crate::account::{Account, Fault, Unanswered, spec};
use crate::operator::{Operator, clock, pass};

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_write_in_flight_begins_no_other_and_hands_over() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.wish("blog", "1.0.0");
    let operator = Operator::start(&account, clock);
    // As long as an earlier process's writes may land, there is nothing to hand over.
    pass(600).await;
    assert_eq!(operator.waiting_on("blog"), "Nothing");
    let released = account.writes("blog").len();
    account.writes_take(Duration::from_secs(5));
    account.wish("blog", "1.1.0");
    while account.writes("blog").len() < released + 2 {
        pass(1).await;
    }
    pass(2).await;
    let before = account.writes("blog").len();
    let took = operator.stop().await;
    let after = account.writes("blog");
    assert_eq!(
        after.len(),
        before + 2,
        "one was in flight, one hands over: {after:?}"
    );
    assert!(took <= Duration::from_secs(10), "{took:?}");
    assert!(account.lab("blog", |lab| lab.record.as_ref().unwrap().1.clean));
    pass(60).await;
    assert_eq!(account.writes("blog").len(), after.len());

    // The next process trusts the hand-over, and goes on where this one stopped.
    account.writes_take(Duration::ZERO);
    let operator = Operator::start(&account, clock);
    pass(35).await;
    assert!(account.writes("blog").len() > after.len());
    pass(600).await;
    assert_eq!(operator.waiting_on("blog"), "Nothing");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_no_read() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.break_observations("blog", Fault::Hangs);
    let operator = Operator::start(&account, clock);
    pass(1).await;
    assert_eq!(operator.stop().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_is_outstanding_is_not_handed_over() {
    let clock = clock();
    let account = Account::new(clock);
    account.put_spec("blog", &spec("blog"));
    account.wish("blog", "1.0.0");
    account.break_writes("blog", [None, None, Some(Unanswered::Landed(Fault::Hangs))]);
    let operator = Operator::start(&account, clock);
    while account.writes("blog").len() < 3 {
        pass(1).await;
    }
    operator.stop().await;
    assert!(!account.lab("blog", |lab| lab.record.as_ref().unwrap().1.clean));
    assert_eq!(account.writes("blog").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_second_alters_nothing_in_the_outcome() {
    for life in [83, 100, 127, 150] {
        let clock = clock();
        let account = Account::new(clock);
        account.put_spec("blog", &spec("blog"));
        account.wish("blog", "1.0.0");
        for _ in 0..3 {
            let operator = Operator::start(&account, clock);
            pass(life).await;
            operator.kill().await;
        }
        let operator = Operator::start(&account, clock);
        pass(900).await;
        assert_eq!(operator.waiting_on("blog"), "Nothing", "life {life}");
        let writes = account.writes("blog");
        let created = writes
            .iter()
            .filter(|write| write.starts_with("create service"))
            .count();
        assert_eq!(created, 1, "{writes:?}");
        operator.kill().await;
    }
}
