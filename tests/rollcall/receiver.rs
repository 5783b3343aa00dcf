//! A receiver of webhooks, on loopback.

use rollcall::signature::webhook::sign;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a receiver does with a request.
#[derive(Clone)]
pub enum Answers {
    /// It answers with this head, and no body.
    Head(String),
    /// It reads the request and never answers.
    Never,
    /// It answers well, and with a body that does not end.
    Endlessly,
}

/// Something that was received.
#[derive(Debug, Clone)]
pub struct Message {
    pub headers: HashMap<String, String>,
    pub text: String,
}

pub struct Receiver {
    pub address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    messages: Arc<Mutex<Vec<Message>>>,
}

pub fn status(status: u16) -> Answers {
    Answers::Head(format!("HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n\r\n"))
}

impl Receiver {
    /// A receiver that takes everything.
    pub fn new() -> Receiver {
        Receiver::at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    pub fn at(address: SocketAddr) -> Receiver {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (answers, messages) = (Arc::new(Mutex::new(status(204))), Arc::new(Mutex::new(Vec::new())));
        let receiver = Receiver { address, answers: answers.clone(), messages: messages.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, messages) = (answers.clone(), messages.clone());
                std::thread::spawn(move || {
                    let _ = receive(stream, &answers, &messages);
                });
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    pub fn answer_with(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }

    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    /// Waits until so many messages were received, and returns all.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Message> {
        let started = Instant::now();
        while self.messages().len() < count {
            assert!(started.elapsed() < Duration::from_secs(30), "not {count} messages: {:#?}", self.messages());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.messages()
    }

    /// Waits for a message of a type, and returns its body.
    #[track_caller]
    pub fn wait_for_type(&self, name: &str) -> Value {
        let started = Instant::now();
        loop {
            if let Some(found) = self.messages().iter().map(Message::json).find(|message| message["type"] == name) {
                return found;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "no {name}: {:#?}", self.messages());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn receive(stream: TcpStream, answers: &Mutex<Answers>, messages: &Mutex<Vec<Message>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => drop(headers.insert(name.to_lowercase(), value.to_owned())),
            None if line == "\r\n" => break,
            None => drop(headers.insert("request".into(), line.trim_end().to_owned())),
        }
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body)?;
    messages.lock().unwrap().push(Message { headers, text: String::from_utf8(body).unwrap() });
    let answers = answers.lock().unwrap().clone();
    let mut stream = reader.into_inner();
    match answers {
        Answers::Head(head) => stream.write_all(head.as_bytes()),
        Answers::Never => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Answers::Endlessly => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(b"4\r\nmore\r\n")?;
            }
        }
    }
}

impl Message {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// What the receiver knows the event by.
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// Whether one of the signatures is by a secret, of now.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let second: i64 = self.headers["webhook-timestamp"].parse().unwrap();
        assert!((jiff::Timestamp::now().as_second() - second).abs() < 60);
        let signature = sign(&[secret.to_owned()], self.id(), second, &self.text).unwrap();
        self.headers["webhook-signature"].split(' ').any(|other| other == signature)
    }
}
