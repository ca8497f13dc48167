//! Fetching weights from a server on this machine that does everything servers do wrong.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use weakseg::pretrained::{Cache, FetchError, Patience, Remote, WeightsChoice, entry};
use weakseg::progress::{Progress, Silent, Stop};

/// What the server does with one request, given the `Range` asked for.
type Answer = fn(&mut TcpStream, Option<usize>, &[u8]);

/// A server that answers the n-th request by the n-th answer, and all further ones by the last.
struct Server {
    url: String,
    /// `Range` of each request so far.
    asked: Arc<Mutex<Vec<Option<usize>>>>,
}

impl Server {
    fn new(body: Vec<u8>, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, body) = (Arc::clone(&asked), Arc::new(body));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let range = request(&stream);
                let number = {
                    let mut log = log.lock().expect("no panic");
                    log.push(range);
                    log.len() - 1
                };
                let answer = answers[number.min(answers.len() - 1)];
                let body = Arc::clone(&body);
                // A client that gives up closes the connection; that is no fault of the server's.
                thread::spawn(move || answer(&mut stream, range, &body));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<Option<usize>> {
        self.asked.lock().expect("no panic").clone()
    }
}

/// Reads a request's head; the first byte of its `Range`.
fn request(stream: &TcpStream) -> Option<usize> {
    let mut range = None;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap_or_default().to_ascii_lowercase();
        if let Some(bytes) = line.strip_prefix("range: bytes=") {
            range = bytes.trim_end_matches('-').parse().ok();
        }
        if line.is_empty() {
            break;
        }
    }
    range
}

fn head(stream: &mut TcpStream, status: &str, headers: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n"
    );
}

/// The whole, or the part asked for.
fn serve(stream: &mut TcpStream, range: Option<usize>, body: &[u8]) {
    serve_until(stream, range, body, body.len());
}

/// As a good server, but the connection ends before byte `end`.
fn serve_until(stream: &mut TcpStream, range: Option<usize>, body: &[u8], end: usize) {
    let (start, last) = (range.unwrap_or(0), body.len() - 1);
    let length = format!("Content-Length: {}\r\n", body.len() - start);
    match range {
        None => head(stream, "200 OK", &length),
        Some(_) => head(
            stream,
            "206 Partial Content",
            &format!(
                "{length}Content-Range: bytes {start}-{last}/{}\r\n",
                body.len()
            ),
        ),
    }
    let _ = stream.write_all(&body[start..end.max(start)]);
}

fn whole_always(stream: &mut TcpStream, _: Option<usize>, body: &[u8]) {
    serve(stream, None, body);
}

fn cut_in_the_middle(stream: &mut TcpStream, range: Option<usize>, body: &[u8]) {
    serve_until(stream, range, body, body.len() / 2);
}

fn cut_near_the_end(stream: &mut TcpStream, range: Option<usize>, body: &[u8]) {
    serve_until(stream, range, body, body.len() - 10);
}

fn not_found(stream: &mut TcpStream, _: Option<usize>, _: &[u8]) {
    head(stream, "404 Not Found", "Content-Length: 5\r\n");
    let _ = stream.write_all(b"none\n");
}

fn elsewhere(stream: &mut TcpStream, _: Option<usize>, _: &[u8]) {
    head(
        stream,
        "302 Found",
        "Content-Length: 0\r\nLocation: /weights.pth\r\n",
    );
}

fn broken(stream: &mut TcpStream, _: Option<usize>, _: &[u8]) {
    head(stream, "500 Internal Server Error", "Content-Length: 0\r\n");
}

fn without_length(stream: &mut TcpStream, _: Option<usize>, body: &[u8]) {
    head(stream, "200 OK", "");
    let _ = stream.write_all(body);
}

fn longer_than_said(stream: &mut TcpStream, _: Option<usize>, body: &[u8]) {
    head(stream, "200 OK", "");
    let _ = stream.write_all(body);
    let _ = stream.write_all(&[0; 4096]);
}

fn says_another_length(stream: &mut TcpStream, _: Option<usize>, _: &[u8]) {
    head(stream, "200 OK", "Content-Length: 7\r\n");
    let _ = stream.write_all(b"<html/>");
}

fn another_part(stream: &mut TcpStream, range: Option<usize>, body: &[u8]) {
    if range.is_none() {
        return serve(stream, range, body);
    }
    let length = body.len();
    let headers = format!(
        "Content-Length: {length}\r\nContent-Range: bytes 0-{}/{length}\r\n",
        length - 1
    );
    head(stream, "206 Partial Content", &headers);
    let _ = stream.write_all(body);
}

fn stalls(stream: &mut TcpStream, _: Option<usize>, body: &[u8]) {
    head(
        stream,
        "200 OK",
        &format!("Content-Length: {}\r\n", body.len()),
    );
    let _ = stream.write_all(&body[..100]);
    let _ = stream.flush();
    thread::sleep(Duration::from_secs(20));
}

fn silent(_: &mut TcpStream, _: Option<usize>, _: &[u8]) {
    thread::sleep(Duration::from_secs(20));
}

/// A file of 300 kB, and where it is to lie.
struct Case {
    _folder: tempfile::TempDir,
    place: PathBuf,
    body: Vec<u8>,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let body: Vec<u8> = (0..300_000u32)
            .map(|i| (u64::from(i).pow(2) % 251) as u8)
            .collect();
        Self {
            place: folder.path().join("cache/weights.pth"),
            _folder: folder,
            body,
        }
    }

    fn server(&self, answers: &[Answer]) -> Server {
        Server::new(self.body.clone(), answers.to_vec())
    }

    fn remote(&self, url: &str) -> Remote {
        Remote {
            name: "test".to_owned(),
            url: format!("{url}/weights.pth"),
            size: self.body.len() as u64,
            sha256: sha256(&self.body),
        }
    }

    fn obtain(&self, server: &Server) -> Result<PathBuf, FetchError> {
        self.obtain_from(&self.remote(&server.url))
    }

    fn obtain_from(&self, remote: &Remote) -> Result<PathBuf, FetchError> {
        remote.obtain(&self.place, &quick(), &Silent, &Stop::default())
    }

    fn part(&self) -> PathBuf {
        self.place.with_extension("pth.part")
    }

    /// The file is there, whole, and nothing else but the lock.
    fn is_whole(&self) {
        assert_eq!(std::fs::read(&self.place).expect("there"), self.body);
        assert!(!self.part().exists());
    }

    fn is_absent(&self) {
        assert!(!self.place.exists());
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn quick() -> Patience {
    Patience {
        answer: Duration::from_millis(400),
        stall: Duration::from_millis(400),
        tries: 3,
        pause: Duration::from_millis(10),
    }
}

/// The message, which names the address and how to go on.
fn message(error: &FetchError, parts: &[&str]) {
    let text = error.to_string();
    for part in [
        parts,
        &["http://127.0.0.1", "--weights FILE", "--weights none"],
    ]
    .concat()
    {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn a_file_comes_whole_and_is_not_fetched_twice() {
    let case = Case::new();
    let server = case.server(&[serve]);
    assert_eq!(case.obtain(&server).expect("fetched"), case.place);
    case.is_whole();
    case.obtain(&server).expect("there");
    assert_eq!(server.asked(), [None]);
}

#[test]
fn a_cut_connection_goes_on_where_it_broke() {
    let case = Case::new();
    let server = case.server(&[cut_in_the_middle, cut_near_the_end, serve]);
    case.obtain(&server).expect("fetched");
    case.is_whole();
    assert_eq!(server.asked(), [None, Some(150_000), Some(299_990)]);
}

#[test]
fn what_came_stays_for_the_next_process() {
    let case = Case::new();
    let server = case.server(&[cut_in_the_middle]);
    let error = case.obtain(&server).unwrap_err();
    message(
        &error,
        &["150000 of 300000 bytes", "goes on from what came"],
    );
    case.is_absent();
    assert_eq!(std::fs::metadata(case.part()).expect("kept").len(), 150_000);
    let server = case.server(&[serve]);
    case.obtain(&server).expect("fetched");
    case.is_whole();
    assert_eq!(server.asked(), [Some(150_000)]);
}

#[test]
fn a_server_without_ranges_starts_over() {
    let case = Case::new();
    for answers in [
        [cut_in_the_middle, whole_always],
        [cut_in_the_middle, another_part],
    ] {
        let _ = std::fs::remove_file(&case.place);
        let server = case.server(&answers);
        case.obtain(&server).expect("fetched");
        case.is_whole();
        assert_eq!(server.asked()[1], Some(150_000));
    }
}

#[test]
fn the_start_of_an_older_file_is_thrown_away() {
    let case = Case::new();
    std::fs::create_dir_all(case.place.parent().expect("a folder")).expect("made");
    std::fs::write(case.part(), [7; 1000]).expect("written");
    let server = case.server(&[serve]);
    case.obtain(&server).expect("fetched");
    case.is_whole();
    assert_eq!(server.asked(), [Some(1000), None]);
    // A part longer than the file.
    std::fs::remove_file(&case.place).expect("there");
    std::fs::write(case.part(), vec![7; 300_001]).expect("written");
    let server = case.server(&[serve]);
    case.obtain(&server).expect("fetched");
    case.is_whole();
}

#[test]
fn another_file_is_refused_by_its_digest_and_not_kept() {
    let case = Case::new();
    let mut body = case.body.clone();
    body[1234] ^= 1;
    let found = sha256(&body);
    let server = Server::new(body, vec![serve]);
    let error = case.obtain(&server).unwrap_err();
    assert!(matches!(error, FetchError::Digest { .. }), "{error}");
    message(&error, &[&found, &sha256(&case.body), "nothing was kept"]);
    case.is_absent();
    assert!(!case.part().exists());
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_damaged_file_of_the_cache_is_never_used() {
    let case = Case::new();
    std::fs::create_dir_all(case.place.parent().expect("a folder")).expect("made");
    let mut damaged = case.body.clone();
    damaged[299_999] ^= 128;
    for content in [damaged, case.body[..1000].to_vec(), Vec::new()] {
        std::fs::write(&case.place, content).expect("written");
        let server = case.server(&[serve]);
        case.obtain(&server).expect("fetched anew");
        case.is_whole();
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn a_missing_file_is_not_asked_for_again() {
    let case = Case::new();
    let server = case.server(&[not_found]);
    let error = case.obtain(&server).unwrap_err();
    message(&error, &["404 Not Found", "nothing was kept"]);
    assert_eq!(server.asked().len(), 1);
    case.is_absent();
}

#[test]
fn addresses_that_lead_nowhere_are_not_tried_again() {
    let case = Case::new();
    let error = case.obtain_from(&case.remote("ftp://127.0.0.1"));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("unknown scheme: ftp; nothing was kept"),
        "{error}"
    );
    let server = case.server(&[elsewhere]);
    let error = case.obtain(&server).unwrap_err();
    message(&error, &["too many redirects", "nothing was kept"]);
    assert!(server.asked().len() < 15, "one chain of redirects");
    case.is_absent();
}

#[test]
fn a_server_that_is_broken_for_a_moment_is_asked_again() {
    let case = Case::new();
    let server = case.server(&[broken, broken, serve]);
    case.obtain(&server).expect("fetched");
    case.is_whole();
    let server = Case::new().server(&[broken]);
    let other = Case::new();
    let error = other.obtain(&server).unwrap_err();
    message(&error, &["500 Internal Server Error", "3 tries"]);
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_length_that_is_not_said_is_no_fault_and_a_wrong_one_is() {
    let case = Case::new();
    let server = case.server(&[without_length]);
    case.obtain(&server).expect("fetched");
    case.is_whole();
    let case = Case::new();
    let error = case.obtain(&case.server(&[longer_than_said])).unwrap_err();
    message(&error, &["more than the 300000 bytes"]);
    case.is_absent();
    assert!(!case.part().exists());
    let error = case
        .obtain(&case.server(&[says_another_length]))
        .unwrap_err();
    message(&error, &["the server says 7 bytes, the file has 300000"]);
    case.is_absent();
}

#[test]
fn a_server_that_stalls_is_given_up() {
    let case = Case::new();
    let began = Instant::now();
    let error = case.obtain(&case.server(&[stalls])).unwrap_err();
    message(&error, &["of 300000 bytes"]);
    let case = Case::new();
    let error = case.obtain(&case.server(&[silent])).unwrap_err();
    message(&error, &["no answer"]);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    // And one that stalls once is resumed.
    let server = case.server(&[stalls, serve]);
    case.obtain(&server).expect("fetched");
    case.is_whole();
    assert_eq!(server.asked(), [None, Some(100)]);
}

#[test]
fn offline_the_message_names_every_way_out() {
    let case = Case::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let error = case.obtain_from(&case.remote(&url)).unwrap_err();
    let place = case.place.display().to_string();
    message(&error, &["no answer", &place, &sha256(&case.body)]);
    case.is_absent();
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let case = Case::new();
    let folder = case.place.parent().expect("a folder");
    std::fs::create_dir_all(folder.parent().expect("a folder")).expect("made");
    std::fs::write(folder, "a file where the folder should be").expect("written");
    let error = case.obtain(&case.server(&[serve])).unwrap_err();
    assert!(matches!(error, FetchError::Disk { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("WEAKSEG_CACHE") && text.contains(&folder.display().to_string()),
        "{text}"
    );
}

#[test]
fn two_at_once_fetch_once() {
    let case = Case::new();
    let server = case.server(&[serve]);
    let remote = case.remote(&server.url);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| case.obtain_from(&remote)))
            .collect();
        for thread in threads {
            thread.join().expect("no panic").expect("fetched");
        }
    });
    case.is_whole();
    assert_eq!(server.asked(), [None]);
}

/// Asks for the stop at the first byte.
struct Impatient(Stop, AtomicUsize);

impl Progress for Impatient {
    fn begin(&self, _: &str, _: u64) {}
    fn at(&self, _: u64, _: &str) {
        self.0.ask();
    }
    fn end(&self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
    fn note(&self, _: &str) {}
}

#[test]
fn a_stop_is_heard_and_what_came_stays() {
    let case = Case::new();
    let server = case.server(&[serve]);
    let stop = Stop::default();
    let watcher = Impatient(stop.clone(), AtomicUsize::new(0));
    let error = case
        .remote(&server.url)
        .obtain(&case.place, &quick(), &watcher, &stop)
        .unwrap_err();
    assert!(matches!(error, FetchError::Stopped), "{error}");
    assert_eq!(watcher.1.load(Ordering::SeqCst), 1);
    case.is_absent();
    assert!(case.part().exists());
    case.obtain(&server).expect("fetched");
    case.is_whole();
}

#[test]
fn what_has_no_digest_is_not_fetched() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::new(folder.path(), Some("http://127.0.0.1:9".to_owned()));
    let entry = entry("se_resnext50").expect("known");
    let error = cache
        .obtain(entry, &quick(), &Silent, &Stop::default())
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("no pinned digest") && text.contains("--weights FILE"),
        "{text}"
    );
}

#[test]
fn a_choice_finds_its_file_or_says_what_there_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::new(&folder.path().join("cache"), None);
    let obtain = |text: &str| {
        let choice: WeightsChoice = text.to_owned().into();
        choice.obtain(folder.path(), &cache, &quick(), &Silent, &Stop::default())
    };
    assert_eq!(obtain("none").expect("noise"), None);
    std::fs::write(folder.path().join("w.pth"), "x").expect("written");
    assert_eq!(
        obtain("w.pth").expect("there").as_deref(),
        Some(Path::new(&folder.path().join("w.pth")))
    );
    let text = obtain("resnet5").unwrap_err().to_string();
    assert!(
        text.contains("resnet5: no such file") && text.contains("resnet50,"),
        "{text}"
    );
}
