//! Real sockets: what reached AWS and what cannot have.

use planner::Write;
use planner::memory::WriteOutcome;
use prometheus::Registry;
use runtime::clock::Clock;
use runtime::cloud::CloudWriter;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::blog;
use crate::clients::{Connection, Settings, http_client};
use crate::metrics::CallMetrics;
use crate::{AwsWriter, Names};

async fn delete_at(endpoint: &str) -> WriteOutcome {
    let metrics = CallMetrics::new(&Registry::new()).unwrap();
    let connection = Connection::with_endpoint(
        endpoint,
        http_client(),
        Clock::system(),
        &Settings::default(),
        metrics,
    );
    let write = Write::DeleteService {
        name: "blog-1".to_owned(),
    };
    AwsWriter::new(&connection, Names::default())
        .write(&blog(), &write)
        .await
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let outcome = delete_at(&endpoint).await;
    assert!(
        matches!(&outcome, WriteOutcome::NotSent { reason } if reason.contains("failed (network): ")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_connection_that_closes_after_the_request_leaves_it_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        stream.read(&mut buffer).await.unwrap()
    });
    let outcome = delete_at(&endpoint).await;
    assert!(
        matches!(&outcome, WriteOutcome::Unknown { reason } if reason.contains("failed (network): ")),
        "{outcome:?}"
    );
    assert!(server.await.unwrap() > 0, "the request arrived");
}
