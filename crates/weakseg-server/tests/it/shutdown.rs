//! The end.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use weakseg_server::{Bounds, Server};

use crate::client::{Serving, bounds};
use crate::model::{png, site};

#[test]
fn a_request_under_way_is_answered_before_the_end() {
    let bounds = Bounds {
        grace: Duration::from_secs(60),
        ..bounds()
    };
    let serving = Serving::new(site(), bounds);
    let png = png();
    let mut client = serving.connect();
    client.announce(&serving, png.len());
    serving.stop.ask();
    let began = Instant::now();
    while TcpStream::connect(serving.address()).is_ok() {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "it takes no more"
        );
    }
    client.say(&png);
    let answer = client.answer();
    assert_eq!(answer.status, 200, "{answer:?}");
    serving.end().expect("an end");
}

#[test]
fn a_request_that_never_ends_does_not_keep_the_server() {
    let serving = Serving::new(site(), bounds());
    let mut client = serving.connect();
    client.announce(&serving, 1000);
    serving.stop.ask();
    let began = Instant::now();
    serving.end().expect("an end");
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(client.answer().status, 0, "it is cut off");
}

#[test]
fn a_port_that_is_taken_is_told_with_a_way_out() {
    let first = Server::bind("127.0.0.1", 0).expect("a free port");
    let port = first.url();
    let port = port.trim_end_matches('/').rsplit(':').next();
    let port: u16 = port.and_then(|port| port.parse().ok()).expect("a port");
    let error = Server::bind("127.0.0.1", port).expect_err("taken");
    let words = error.to_string();
    assert!(
        words.contains(&port.to_string()) && words.contains("--port"),
        "{words}"
    );
    assert!(!first.is_open());
    assert!(Server::bind("0.0.0.0", 0).expect("a free port").is_open());
}
