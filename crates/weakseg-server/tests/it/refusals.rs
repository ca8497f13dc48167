//! Requests that are not answered.

use std::time::{Duration, Instant};

use weakseg_server::Bounds;

use crate::client::{Serving, bounds};
use crate::model::{png, site};

#[test]
fn no_path_leads_out() {
    let serving = Serving::new(site(), bounds());
    for path in [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/viewer/..%2f..%2fCargo.toml",
        "/viewer/%2e%2e/index.html",
        "/cases/..%2F..%2Fetc%2Fpasswd",
        "/cases/%ff",
        "/cases/",
        "/report/",
        "/run/config.toml",
        "//etc/passwd",
    ] {
        assert_eq!(serving.get(path).refused(404), "not_found", "{path}");
    }
}

#[test]
fn other_ways_of_asking_are_refused() {
    let serving = Serving::new(site(), bounds());
    assert_eq!(serving.get("/predict").refused(405), "method");
    let mut client = serving.connect();
    client.say(
        format!(
            "DELETE /run HTTP/1.1\r\nHost: {}\r\n\r\n",
            serving.address()
        )
        .as_bytes(),
    );
    assert_eq!(client.answer().refused(405), "method");
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
    ] {
        let mut client = serving.connect();
        client.say(nonsense);
        assert_eq!(client.answer().status, 400);
    }
    assert_eq!(serving.get("/run").status, 200);
}

#[test]
fn hosts_and_origins_of_others_are_refused() {
    let serving = Serving::new(site(), bounds());
    let ask = |head: &str| {
        let mut client = serving.connect();
        client.say(format!("{head}\r\n\r\n").as_bytes());
        client.answer()
    };
    for host in ["evil.example", "127.0.0.1.evil.example:8377"] {
        for path in ["/", "/run", "/nothing"] {
            let answer = ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}"));
            assert_eq!(answer.refused(421), "host");
        }
    }
    assert_eq!(ask("GET /run HTTP/1.0").refused(400), "host");
    assert_eq!(ask("GET /run HTTP/1.1\r\nHost: localhost").status, 200);
    for origin in ["http://evil.example", "null"] {
        let line = format!("Origin: {origin}\r\n");
        assert_eq!(serving.post(&line, &png()).refused(403), "origin");
    }
}

#[test]
fn a_body_over_the_limit_is_not_read() {
    let bounds = Bounds {
        upload: 1000,
        ..bounds()
    };
    let serving = Serving::new(site(), bounds);
    // Told by its length, before a byte of it has come.
    let mut client = serving.connect();
    client.say(&serving.head("", 1001));
    assert_eq!(client.answer().refused(413), "too_large");
    let mut client = serving.connect();
    client.say(&serving.head("", usize::MAX / 2));
    assert_eq!(client.answer().refused(413), "too_large");
    // Told by nothing.
    let mut client = serving.connect();
    let host = serving.address();
    client.say(
        format!("POST /predict HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n")
            .as_bytes(),
    );
    for _ in 0..3 {
        client.say(&[b"190\r\n", &[7; 400][..], b"\r\n"].concat());
    }
    assert_eq!(client.answer().refused(413), "too_large");
    assert_eq!(serving.post("", &[7; 1000]).refused(422), "unreadable");
}

#[test]
fn who_is_slow_is_not_waited_for() {
    let short = Duration::from_millis(300);
    let bounds = Bounds {
        head: short,
        body: short,
        ..bounds()
    };
    let serving = Serving::new(site(), bounds);
    let began = Instant::now();
    let mut slow = serving.connect();
    slow.say(b"GET /run HTTP/1.1\r\nHos");
    let answer = slow.answer();
    assert!([0, 408].contains(&answer.status), "{answer:?}");
    let mut slow = serving.connect();
    slow.say(&serving.head("", 1000));
    slow.say(b"half");
    assert_eq!(slow.answer().refused(408), "timeout");
    assert!(began.elapsed() >= 2 * short);
    assert_eq!(serving.get("/run").status, 200);
}

/// As one has to whose client neither asks nor reads its answer.
#[test]
fn a_connection_ends_whatever_it_waits_for() {
    let bounds = Bounds {
        connections: 1,
        connection: Duration::from_secs(2),
        head: Duration::from_secs(600),
        ..bounds()
    };
    let serving = Serving::new(site(), bounds);
    let _silent = serving.connect();
    assert_eq!(serving.get("/run").status, 200, "there is room again");
}

#[test]
fn a_full_queue_asks_to_come_again() {
    let bounds = Bounds {
        waiting: 0,
        ..bounds()
    };
    let serving = Serving::new(site(), bounds);
    let png = png();
    let mut first = serving.connect();
    first.announce(&serving, png.len());
    let refused = serving.post("", &png);
    assert_eq!(refused.refused(503), "busy");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(serving.get("/run").status, 200, "all else goes on");
    first.say(&png);
    assert_eq!(first.answer().status, 200);
    assert_eq!(serving.post("", &png).status, 200);
}

#[test]
fn a_client_that_hangs_up_leaves_its_place() {
    let bounds = Bounds {
        waiting: 0,
        ..bounds()
    };
    let serving = Serving::new(site(), bounds);
    let mut first = serving.connect();
    first.announce(&serving, 1000);
    assert_eq!(serving.post("", b"x").refused(503), "busy");
    first.hang_up();
    let began = Instant::now();
    while serving.post("", b"x").status == 503 {
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn of_a_crowd_some_are_answered_and_the_others_asked_to_come_again() {
    let bounds = Bounds {
        connections: 10,
        ..bounds()
    };
    let serving = Serving::new(site(), bounds);
    let png = png();
    let crowd = std::thread::scope(|scope| {
        let posts: Vec<_> = (0..100)
            .map(|_| scope.spawn(|| serving.post("", &png).status))
            .collect();
        let ends = posts.into_iter().map(|post| post.join().expect("an end"));
        ends.collect::<Vec<u16>>()
    });
    let of = |status| crowd.iter().filter(|&&one| one == status).count();
    assert_eq!(of(200) + of(503), 100, "{crowd:?}");
    assert!(of(200) >= 4, "one works and three wait: {crowd:?}");
}
