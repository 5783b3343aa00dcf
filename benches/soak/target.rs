//! The server under attack, as a process of its own.

use rollcall::sample::PROFILE_TOML;
use rollcall::signature::{Head, format_date};
use rollcall::store::Store;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tempfile::TempDir;

/// The account whose pushes must come through.
pub const GOOD: i64 = 1;
/// The account whose large roster is read.
pub const VICTIM: i64 = 2;
/// The accounts of the attackers.
pub const ATTACKERS: std::ops::Range<i64> = 100..140;

pub const SECRET: &str = "secret";

pub struct Target {
    pub address: SocketAddr,
    pub stop: AtomicBool,
    pub collaborator: String,
    child: Child,
    _folder: TempDir,
    tally: Mutex<BTreeMap<String, (u64, u64)>>,
}

impl Target {
    /// Starts the real server with the accounts.
    pub fn start() -> Target {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(folder.path().join("profiles")).unwrap();
        std::fs::write(folder.path().join("profiles/employees.toml"), PROFILE_TOML).unwrap();
        let store = Store::open(&data).unwrap();
        for account in [GOOD, VICTIM].into_iter().chain(ATTACKERS) {
            store.add_account(account, "", SECRET).unwrap();
        }
        drop(store);
        let mut key = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        key.args(["key", "add", &ATTACKERS.start.to_string(), "--dialect", "collaborator", "--data"]).arg(&data);
        let key: serde_json::Value = serde_json::from_slice(&key.output().unwrap().stdout).unwrap();
        let mut serve = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        serve.arg("--profiles").arg(folder.path().join("profiles"));
        let mut child = serve.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("http://") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the server did not start");
        }
        let address = line.split("http://").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let collaborator = key["token"].as_str().unwrap().to_owned();
        let (stop, tally) = (AtomicBool::new(false), Mutex::default());
        Target { address, stop, collaborator, child, _folder: folder, tally }
    }

    pub fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(stream)
    }

    /// The head of a signed request.
    pub fn head(&self, account: i64, method: &str, path: &str, length: usize, more: &str) -> String {
        let date = format_date(jiff::Timestamp::now());
        let content_length = length.to_string();
        let unquestioned = path.split('?').next().unwrap();
        let head = Head { verb: method, path: unquestioned, date: &date, content_length: &content_length };
        let signature = head.sign(SECRET.as_bytes());
        format!(
            "{method} {path} HTTP/1.1\r\nHost: soak\r\nDate: {date}\r\nAuthorization: SharedKey {account}:{signature}\r\n\
             Content-Length: {length}\r\n{more}\r\n"
        )
    }

    /// Pushes over a connection of its own; the status, and the answer.
    pub fn push(&self, account: i64, body: &[u8]) -> (u16, String) {
        self.send(&self.head(account, "POST", "/v1/employees", body.len(), ""), body)
    }

    /// Sends a request over a connection of its own, and reads the answer; 0 if there is none.
    pub fn send(&self, head: &str, body: &[u8]) -> (u16, String) {
        let Ok(mut stream) = self.connect() else {
            return (0, "no connection".into());
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        let mut bytes = [0; 16_384];
        while let Ok(length @ 1..) = stream.read(&mut bytes) {
            answer.extend_from_slice(&bytes[..length]);
            let text = String::from_utf8_lossy(&answer);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
                if body.len() >= length.unwrap_or(0) {
                    break;
                }
            }
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, text.chars().take(600).collect())
    }

    /// Counts what an attack has done.
    pub fn count(&self, done: bool) {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        let mut tally = self.tally.lock().unwrap();
        let (all, refused) = tally.entry(name).or_default();
        *all += u64::from(done);
        *refused += u64::from(!done);
    }

    pub fn tally(&self) -> BTreeMap<String, (u64, u64)> {
        self.tally.lock().unwrap().clone()
    }

    /// A figure of the server's memory, in millions of bytes.
    pub fn memory_mb(&self, figure: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(figure)).unwrap_or_default();
        let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
        kib * 1024 / 1_000_000
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
