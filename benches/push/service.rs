//! Servers as processes of their own, and the plainest client.

use rollcall::sample::{PROFILE_ID, PROFILE_TOML};
use rollcall::signature::{Head, format_date};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SECRET: &str = "secret";

/// How long a write-ahead log the server leaves for later, in bytes.
const LOG_BYTES_LARGE: u64 = 4 << 20;

/// A server process that says where it listens.
pub struct Service {
    child: Child,
    address: SocketAddr,
}

impl Service {
    /// This program again, as one of the peers.
    pub fn start(peer: &str) -> Service {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(peer).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Service { child, address: line.trim().parse().unwrap() }
    }

    /// Posts a body; how long it took until the answer was there, and the answer.
    pub fn post(&self, body: &[u8]) -> (Duration, String) {
        post(self.address, 0, body, "", "")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn head(account: u32, body: &[u8], query: &str, more: &str) -> String {
    let date = format_date(jiff::Timestamp::now());
    let length = body.len().to_string();
    let head = Head { verb: "POST", path: "/v1/employees", date: &date, content_length: &length };
    format!(
        "POST /v1/employees{query} HTTP/1.1\r\nHost: bench\r\nDate: {date}\r\nAuthorization: SharedKey {account}:{}\r\n\
         Content-Length: {length}\r\n{more}\r\n",
        head.sign(SECRET.as_bytes())
    )
}

fn post(address: SocketAddr, account: u32, body: &[u8], query: &str, more: &str) -> (Duration, String) {
    let mut connection = Connection { stream: TcpStream::connect(address).unwrap() };
    connection.exchange(&head(account, body, query, more), body)
}

/// A connection that is used again.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub fn open(rollcall: &Rollcall) -> Connection {
        Connection { stream: TcpStream::connect(rollcall.service.address).unwrap() }
    }

    /// Pushes for an account; how long it took.
    pub fn post(&mut self, account: u32, body: &[u8]) -> Duration {
        let (duration, answer) = self.exchange(&head(account, body, "", ""), body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        duration
    }

    fn exchange(&mut self, head: &str, body: &[u8]) -> (Duration, String) {
        let started = Instant::now();
        self.stream.write_all(head.as_bytes()).unwrap();
        self.stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        let mut bytes = vec![0; 1 << 18];
        loop {
            let length = self.stream.read(&mut bytes).unwrap();
            answer.extend_from_slice(&bytes[..length]);
            let text = String::from_utf8_lossy(&answer);
            let complete = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let length = head.to_ascii_lowercase();
                let length = length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
                body.len() >= length.unwrap_or(0)
            });
            if complete || length == 0 {
                return (started.elapsed(), text.into_owned());
            }
        }
    }
}

/// The real server, on a folder of its own.
pub struct Rollcall {
    folder: TempDir,
    service: Service,
    account: u32,
}

impl Rollcall {
    pub fn start() -> Rollcall {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("profiles")).unwrap();
        // The guards look at every push, and let one pass that changes everybody.
        let guards = "guards = { update = { percent = 100 }, unique = { percent = 100 } }";
        std::fs::write(folder.path().join("profiles/employees.toml"), format!("{guards}\n{PROFILE_TOML}")).unwrap();
        let service = serve(&folder);
        let rollcall = Rollcall { folder, service, account: 1 };
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        command.env("ROLLCALL_ACCOUNT_SECRET", SECRET);
        command.args(["account", "add", "1", "--data"]).arg(rollcall.folder.path().join("data"));
        assert!(command.stdout(Stdio::null()).status().unwrap().success());
        rollcall.settle();
        rollcall
    }

    /// A server with accounts 1 to `accounts`, all empty.
    pub fn with_accounts(accounts: u32) -> Rollcall {
        let mut rollcall = Rollcall::start();
        let store = rollcall::store::Store::open(&rollcall.folder.path().join("data"), None).unwrap();
        (2..=accounts).for_each(|account| store.add_account(account.into(), "", SECRET, None).unwrap());
        rollcall.account = accounts;
        rollcall
    }

    /// Stops the server gracefully and starts it again.
    pub fn restart(&mut self) {
        let pid = self.service.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.service.child.wait().unwrap();
        self.service = serve(&self.folder);
    }

    /// Pushes, and checks the five counts.
    pub fn push(&self, body: &[u8], counts: [u64; 5]) -> Duration {
        self.push_as(body, "", "", counts)
    }

    /// Pushes a body that is compressed by zstd, and checks the five counts.
    pub fn push_zstd(&self, body: &[u8], counts: [u64; 5]) -> Duration {
        self.push_as(body, "", "Content-Encoding: zstd\r\n", counts)
    }

    /// Pushes a body on trial, and checks the five counts.
    pub fn dry_run(&self, body: &[u8], counts: [u64; 5]) -> Duration {
        self.push_as(body, "?dryRun=true", "", counts)
    }

    fn push_as(&self, body: &[u8], query: &str, more: &str, counts: [u64; 5]) -> Duration {
        let (duration, answer) = post(self.service.address, self.account, body, query, more);
        let numbers =
            answer.split("\r\n\r\n").nth(1).unwrap_or_default().lines().filter_map(|line| {
                line.rsplit_once(' ').and_then(|(_, number)| number.trim_end_matches(',').parse().ok())
            });
        assert_eq!(numbers.collect::<Vec<u64>>(), counts, "{answer}");
        duration
    }

    /// Reads a path; how long it took.
    pub fn get(&self, path: &str) -> Duration {
        let date = format_date(jiff::Timestamp::now());
        let unquestioned = path.split('?').next().unwrap_or(path);
        let head = Head { verb: "GET", path: unquestioned, date: &date, content_length: "0" };
        let signature = head.sign(SECRET.as_bytes());
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: bench\r\nDate: {date}\r\nAuthorization: SharedKey {}:{signature}\r\n\r\n",
            self.account
        );
        let mut connection = Connection { stream: TcpStream::connect(self.service.address).unwrap() };
        let (duration, answer) = connection.exchange(&head, b"");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        duration
    }

    /// The length of the account's database once the server has stopped, which then starts again.
    pub fn bytes_at_rest(&mut self) -> u64 {
        self.restart();
        let database = self.folder.path().join(format!("data/accounts/{}.db", self.account));
        std::fs::metadata(database).unwrap().len()
    }

    /// Waits until the server has tidied up behind the last push, which is after its answer: it would share the machine with the
    /// next one.
    pub fn settle(&self) {
        self.push(format!("{{\"profileId\":\"{PROFILE_ID}\",\"employees\":[]}}").as_bytes(), [0; 5]);
        let log = self.folder.path().join(format!("data/accounts/{}.db-wal", self.account));
        while std::fs::metadata(&log).is_ok_and(|log| log.len() > LOG_BYTES_LARGE) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The most memory that the server has had at a time since it was last asked to forget it, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.service.child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib << 10)
    }

    pub fn reset_peak_memory(&self) {
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.service.child.id()), "5");
    }

    /// The database of the account that was pushed to last.
    pub fn database(&self) -> PathBuf {
        self.settle();
        self.folder.path().join(format!("data/accounts/{}.db", self.account))
    }
}

fn serve(folder: &TempDir) -> Service {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
    command.arg("--profiles").arg(folder.path().join("profiles"));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "the server did not start");
    }
    let address = line.split("http://").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    // What the server logs is read and thrown away.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    Service { child, address }
}
