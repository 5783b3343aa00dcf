//! A server of its own for a test, and a client that can also misbehave.

use rollcall::signature::{Head, format_date};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const PROFILE: &str = "d51b5efd-fb21-4cb8-94e2-145014839465";
pub const SECRET: &str = "correct horse battery staple";
pub const ACCOUNT: i64 = 99;

/// A profile with the StartExam example's fields. Tests change everybody as they like, so no guard stops that.
pub const PEOPLE: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "People"
    guards = { update = "off", create = "off", empty = "off", hide = "off" }
    [[field]]
    name = "First Name"
    type = "text"
    required = true
    [[field]]
    name = "Last Name"
    type = "text"
    [[field]]
    name = "Email"
    type = "email"
"#;

/// The program.
pub fn rollcall() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.env_clear();
    command
}

/// Runs the program to its end.
pub fn run(args: &[&str]) -> Output {
    rollcall().args(args).output().unwrap()
}

/// A folder with a store, profiles and a configuration, and a server that runs on it.
pub struct World {
    pub folder: TempDir,
    pub address: SocketAddr,
    server: Option<Child>,
    log: Arc<Mutex<String>>,
}

impl World {
    /// A server with one profile, `PEOPLE`, and account 99.
    pub fn new() -> World {
        World::with(PEOPLE, "")
    }

    /// A server with one profile and a `[limits]` table.
    pub fn with(profile: &str, limits: &str) -> World {
        let world = World::stopped(profile, limits);
        world.started()
    }

    /// The same without a server.
    pub fn stopped(profile: &str, limits: &str) -> World {
        let world = World::without_account(profile, limits);
        world.add_account(ACCOUNT, SECRET);
        world
    }

    /// The same without a store.
    pub fn without_account(profile: &str, limits: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("profiles")).unwrap();
        std::fs::write(folder.path().join("profiles/people.toml"), profile).unwrap();
        std::fs::write(folder.path().join("rollcall.toml"), format!("[limits]\n{limits}")).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        World { folder, address, server: None, log: Arc::default() }
    }

    /// The world of a server that another process has started.
    pub fn at(address: SocketAddr) -> World {
        World { folder: tempfile::tempdir().unwrap(), address, server: None, log: Arc::default() }
    }

    /// Adds an account with a secret.
    pub fn add_account(&self, id: i64, secret: &str) {
        let mut add = rollcall();
        add.args(["account", "add", &id.to_string(), "--data", &self.path("data")]);
        let added = add.env("ROLLCALL_ACCOUNT_SECRET", secret).output().unwrap();
        assert!(added.status.success(), "{added:?}");
    }

    /// Stops the server gracefully.
    #[cfg(unix)]
    pub fn stop(&mut self) {
        self.signal("-TERM");
        assert!(self.wait().success());
        self.server = None;
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.folder.path().join(name), content).unwrap();
        self.path(name)
    }

    /// The command that serves this world.
    pub fn serve(&self) -> Command {
        let mut command = rollcall();
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "json"]);
        command.args(["--config", &self.path("rollcall.toml")]);
        command.args(["--data", &self.path("data"), "--profiles", &self.path("profiles")]);
        command
    }

    pub fn started(mut self) -> World {
        self.start();
        self
    }

    /// Starts the server by a command that becomes [`World::serve`].
    pub fn started_by(mut self, command: Command) -> World {
        self.start_by(command);
        self
    }

    /// Starts the server.
    pub fn start(&mut self) {
        let command = self.serve();
        self.start_by(command);
    }

    fn start_by(&mut self, mut command: Command) {
        let mut server = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        self.log = Arc::default();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("the server ended, and said: {}", self.log())).unwrap();
            self.log.lock().unwrap().push_str(&format!("{line}\n"));
            if let Some((_, address)) = line.split_once("http://") {
                break address.split('"').next().unwrap().parse().unwrap();
            }
        };
        let log = self.log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                log.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        self.address = address;
        self.server = Some(server);
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the server has logged a text.
    pub fn wait_for_log(&self, text: &str) {
        let started = Instant::now();
        while !self.log().contains(text) {
            assert!(started.elapsed() < Duration::from_secs(20), "{text:?} was not logged:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: &str) {
        let pid = self.server.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// A figure of the server's memory, in MiB: `VmHWM` is the most it has had, `VmRSS` what it has.
    #[cfg(target_os = "linux")]
    fn memory_mib(&self, figure: &str) -> u64 {
        let pid = self.server.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
    }

    /// How many threads the server has.
    #[cfg(target_os = "linux")]
    pub fn threads(&self) -> usize {
        let pid = self.server.as_ref().unwrap().id();
        std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
    }

    /// The processor time that the server has used.
    #[cfg(target_os = "linux")]
    pub fn cpu_time(&self) -> Duration {
        let pid = self.server.as_ref().unwrap().id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let figures: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // Hundredths of a second, in user mode and in the system.
        Duration::from_millis(figures[11..13].iter().map(|figure| figure.parse::<u64>().unwrap() * 10).sum())
    }

    /// The most memory that the server has had, in MiB.
    #[cfg(target_os = "linux")]
    pub fn peak_memory_mib(&self) -> u64 {
        self.memory_mib("VmHWM")
    }

    /// The memory that the server has, in MiB.
    #[cfg(target_os = "linux")]
    pub fn current_memory_mib(&self) -> u64 {
        self.memory_mib("VmRSS")
    }

    /// Waits for the server to end by itself.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.server.as_mut().unwrap().wait().unwrap()
    }

    /// Kills the server without warning.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends a correctly signed request, and reads the answer.
    pub fn request(&self, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
        Request::new(method, path, body.unwrap_or_default()).send(self)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None)
    }

    /// Pushes a body.
    pub fn push(&self, body: impl AsRef<[u8]>) -> Answer {
        self.request("POST", "/v1/employees", Some(body.as_ref()))
    }

    /// Pushes employees by the profile [`PROFILE`].
    pub fn push_employees(&self, employees: Value) -> Answer {
        self.push(json!({ "profileId": PROFILE, "employees": employees }).to_string())
    }

    /// Every employee of the account, as read back.
    pub fn roster(&self) -> Vec<Value> {
        let mut employees = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/v1/employees?limit=1000&cursor={cursor}"));
            assert_eq!(page.status, 200, "{}", page.text);
            let page = page.json();
            employees.extend(page["employees"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => return employees,
            }
        }
    }

    /// Runs `rollcall push` against the server.
    pub fn push_file(&self, file: &str, args: &[&str]) -> Output {
        let mut command = rollcall();
        command.args(["push", file, "--url", &format!("http://{}", self.address), "--account", "99"]);
        command.env("ROLLCALL_SECRET", SECRET).args(args).output().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A request, signed unless something else is asked for.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, path: &str, body: &[u8]) -> Request {
        Request::signed_by(SECRET, method, path, body)
    }

    pub fn signed_by(secret: &str, method: &str, path: &str, body: &[u8]) -> Request {
        let date = format_date(jiff::Timestamp::now());
        let length = body.len().to_string();
        let unquestioned = path.split('?').next().unwrap();
        let head = Head { verb: method, path: unquestioned, date: &date, content_length: &length };
        let signature = head.sign(secret.as_bytes());
        let mut headers = vec![
            ("Host".into(), "localhost".into()),
            ("Date".into(), date),
            ("Authorization".into(), format!("SharedKey {ACCOUNT}:{signature}")),
        ];
        if ["POST", "PUT"].contains(&method) {
            headers.push(("Content-Length".into(), length));
        }
        Request { method: method.into(), path: path.into(), headers, body: body.to_vec() }
    }

    /// A push of nobody, signed by another secret.
    pub fn push_signed_by(secret: &str) -> Request {
        Request::signed_by(secret, "POST", "/v1/employees", empty_push().as_bytes())
    }

    /// A push of nobody.
    pub fn push() -> Request {
        Request::new("POST", "/v1/employees", empty_push().as_bytes())
    }

    /// Returns the request with a header in place of one of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self = self.without(name);
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Request {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    pub fn send(&self, world: &World) -> Answer {
        let mut stream = world.connect();
        // A server that has refused the head may close before it has all of the body.
        let _ = stream.write_all(&self.head()).and_then(|()| stream.write_all(&self.body));
        Answer::read(&mut stream)
    }
}

pub fn empty_push() -> String {
    json!({ "profileId": PROFILE, "employees": [] }).to_string()
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub text: String,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn read(stream: &mut TcpStream) -> Answer {
        let mut reader = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut head).unwrap() > 0, "the connection closed without an answer: {head:?}");
            }
            let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
            if status == 100 {
                continue;
            }
            let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            return Answer { status, head, text: String::from_utf8_lossy(&body).into_owned(), bytes: body };
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name)
    }

    /// The five counts: created, updated, activated, hidden, unchanged.
    #[track_caller]
    pub fn counts(&self) -> [u64; 5] {
        assert_eq!(self.status, 200, "{}", self.text);
        let json = self.json();
        [
            "employeesCreated",
            "employeesDataUpdated",
            "employeesStatusChangedToActive",
            "employeesStatusChangedToHidden",
            "employeesNotChanged",
        ]
        .map(|name| json[name].as_u64().unwrap())
    }

    /// The errors, each as `index id field rule`.
    pub fn errors(&self) -> Vec<String> {
        let json = self.json();
        let errors = json["errors"].as_array().cloned().unwrap_or_default();
        let part = |error: &Value, name: &str| match &error[name] {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        errors.iter().map(|error| ["index", "id", "field", "rule"].map(|name| part(error, name)).join(" ")).collect()
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// An employee with rows of data, to push.
pub fn employee(id: &str, status: &str, data: &[(&str, &str)]) -> Value {
    let data: Vec<Value> = data.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({ "id": id, "status": status, "data": data })
}

/// Returns the folder of the register, if there is one.
pub fn register() -> Option<PathBuf> {
    let folder = std::env::var_os("ROLLCALL_REGISTER").map(PathBuf::from);
    folder.inspect(|folder| assert!(Path::new(folder).is_dir(), "ROLLCALL_REGISTER names no folder"))
}

/// How many random cases a property is tried with: as many as `PROPTEST_CASES` says, or else `usual`.
pub fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").map_or(usual, |cases| cases.parse().expect("PROPTEST_CASES is a number"))
}
