//! A server on a free port, and a client that says exactly the bytes it is told.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use weakseg::progress::Stop;
use weakseg_server::{Bounds, ServeError, Server, Site};

/// A server, until it is dropped.
pub struct Serving {
    address: String,
    pub stop: Stop,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

/// Bounds that a busy machine keeps, and an end that a test can wait for.
pub fn bounds() -> Bounds {
    Bounds {
        upload: 1 << 20,
        head: Duration::from_secs(60),
        body: Duration::from_secs(60),
        grace: Duration::from_millis(300),
        ..Bounds::default()
    }
}

impl Serving {
    pub fn new(site: Site, bounds: Bounds) -> Self {
        let server = Server::bind("127.0.0.1", 0).expect("a free port");
        let url = server.url();
        let address = url
            .strip_prefix("http://")
            .and_then(|a| a.strip_suffix('/'));
        let address = address.expect("an address").to_owned();
        let stop = Stop::default();
        let asked = stop.clone();
        let thread = std::thread::spawn(move || server.run(site, bounds, &asked));
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).expect("a limit");
        Client(stream)
    }

    /// `GET path`, exactly as given.
    pub fn get(&self, path: &str) -> Answer {
        let mut client = self.connect();
        client.say(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).as_bytes());
        client.answer()
    }

    /// `POST /predict` with these further lines in its head.
    pub fn post(&self, lines: &str, body: &[u8]) -> Answer {
        let mut client = self.connect();
        // At once: what comes after a refusal is answered by a reset, which may overtake the refusal.
        client.say(&[&self.head(lines, body.len()), body].concat());
        client.answer()
    }

    /// The head of such a request, whose body is to have so many bytes.
    pub fn head(&self, lines: &str, length: usize) -> Vec<u8> {
        let host = &self.address;
        format!("POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{lines}\r\n")
            .into_bytes()
    }

    /// Waits for the end that was asked for.
    pub fn end(mut self) -> Result<(), ServeError> {
        let thread = self.thread.take().expect("it runs");
        thread.join().expect("no panic")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One connection.
pub struct Client(TcpStream);

impl Client {
    /// A server that has refused already may have closed it.
    pub fn say(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends the head of a prediction with a body of so many bytes, and waits until the server wants to read it: then
    /// it has its place in the queue.
    pub fn announce(&mut self, serving: &Serving, length: usize) {
        self.say(&serving.head("Expect: 100-continue\r\n", length));
        let mut invitation = [0; 25];
        self.0.read_exact(&mut invitation).expect("an invitation");
        assert_eq!(&invitation, b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    pub fn hang_up(&self) {
        self.0.shutdown(Shutdown::Both).expect("open");
    }

    /// The answer, until its declared length or the end.
    pub fn answer(&mut self) -> Answer {
        let mut bytes = Vec::new();
        let mut some = [0; 4096];
        loop {
            if let Some(answer) = Answer::of(&bytes) {
                return answer;
            }
            match self.0.read(&mut some) {
                Ok(0) | Err(_) => return Answer::default(),
                Ok(n) => bytes.extend_from_slice(&some[..n]),
            }
        }
    }
}

/// What came back; status 0 if the connection was closed without a word.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// That in `bytes`, once it is whole.
    fn of(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).expect("text").to_owned();
        let mut answer = Self {
            status: head.split(' ').nth(1)?.parse().expect("a status"),
            body: bytes[end + 4..].to_vec(),
            head,
        };
        let length = answer.header("content-length").expect("a length");
        let length: usize = length.parse().expect("a number");
        if answer.body.len() < length {
            return None;
        }
        answer.body.truncate(length);
        Some(answer)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let (_, value) = lines.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The code of a refusal of this status, which comes with words.
    pub fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let error = &self.json()["error"];
        assert!(
            !error["message"].as_str().expect("words").is_empty(),
            "{error}"
        );
        error["code"].as_str().expect("a code").to_owned()
    }
}
