//! Connections that ask nothing are not held for ever, and keep nobody out for long.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
};

use crate::{
    collector::{Collector, poll},
    observations::{session, stdio},
    sensor::Sensor,
};

/// More than the API has at a time.
const CONNECTIONS: usize = 600;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_only_connects_is_let_go() {
    let Some(collector) = Collector::started() else {
        return;
    };
    let address = collector.api_address();
    let mut idle: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).expect("connected");
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: half")
                .expect("sent");
            stream.set_nonblocking(true).expect("not blocking");
            stream
        })
        .collect();
    // Sensors do not notice.
    let identity = collector.certify("web-01");
    let mut sensor = Sensor::connect(&collector.ingest(), &identity)
        .await
        .expect("connected");
    sensor
        .store(1, vec![session(stdio("s1", 1, 0))])
        .await
        .expect("stored");
    // Who asks has an answer.
    assert_eq!(collector.get("/api/v1/sessions").rows().len(), 1);
    poll("the end of idle connections", 60, || {
        idle.iter_mut().all(is_over).then_some(())
    });
}

/// Reads what there is, to the end.
fn is_over(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}
