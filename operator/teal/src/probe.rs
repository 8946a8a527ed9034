//! One small HTTP request to an operator, without a client library.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest answer that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// GETs a path: status and body.
///
/// # Errors
/// No connection, no answer within `patience`, or one that is no HTTP.
pub(crate) async fn get(
    address: SocketAddr,
    path: &str,
    patience: Duration,
) -> std::io::Result<(u16, String)> {
    let answer = tokio::time::timeout(patience, exchange(address, path)).await??;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("the answer is no HTTP"))?;
    Ok((status, body.trim().to_owned()))
}

/// HTTP/1.0, so that the body comes whole and the connection ends with it.
async fn exchange(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes())
        .await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
