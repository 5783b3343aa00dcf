//! Behind proxies that keep connections to the server open: what one account does on a connection does not affect the next account. The
//! case of a proxy that is not installed is skipped.

use super::world::{Answer, Request, World};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Proxy {
    /// Starts a proxy that listens where its configuration says, or returns `None` if it is not installed.
    fn start(program: &str, args: &[&str], address: SocketAddr) -> Option<Proxy> {
        let started = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(child) = started else {
            eprintln!("skipped: no {program}");
            return None;
        };
        let proxy = Proxy { child, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(10), "{program} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(proxy)
    }

    fn send(&self, request: &Request) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let _ = stream.write_all(&request.head()).and_then(|()| stream.write_all(&request.body));
        Answer::read(&mut stream)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Killed by force, a proxy would leave its workers behind.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Refused pushes of one account and good ones of another take turns through the proxy.
fn check(proxy: &Proxy) {
    for length in [60_000, 300_000, 5_000_000] {
        for round in 0..10 {
            let body = vec![b' '; length];
            let refused = Request::new("POST", "/v1/employees", &body).header("Authorization", "SharedKey 7:AAAA");
            let answer = proxy.send(&refused);
            assert_eq!(answer.status, 403, "{length} bytes, round {round}: {}", answer.text);
            let answer = proxy.send(&Request::push());
            assert_eq!(answer.status, 200, "after {length} bytes, round {round}: {}", answer.text);
            let unknown = b"{\"profileId\":\"00000000-0000-0000-0000-000000000000\",\"employees\":[{\"id\":\"1\"},";
            let answer = proxy.send(&Request::new("POST", "/v1/employees", &[&unknown[..], &body].concat()));
            assert_eq!(answer.status, 404, "{length} bytes, round {round}: {}", answer.text);
        }
    }
}

#[test]
fn nginx() {
    let world = World::new();
    let address = free_address();
    for buffering in ["off", "on"] {
        let config = world.file(
            "nginx.conf",
            format!(
                "daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
                 events {{ worker_connections 64; }}
                 http {{
                     access_log off; client_max_body_size 0;
                     client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
                     uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
                     upstream rollcall {{ server {server}; keepalive 4; }}
                     server {{
                         listen {address};
                         location / {{
                             proxy_pass http://rollcall; proxy_http_version 1.1; proxy_set_header Connection \"\";
                             proxy_request_buffering {buffering};
                         }}
                     }}
                 }}",
                folder = world.folder.path().display(),
                server = world.address,
            ),
        );
        let Some(proxy) = Proxy::start("nginx", &["-c", &config], address) else {
            return;
        };
        check(&proxy);
    }
}

#[test]
fn haproxy() {
    let world = World::new();
    let address = free_address();
    let config = world.file(
        "haproxy.cfg",
        format!(
            "global\n maxconn 100\ndefaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n \
             http-reuse always\nlisten rollcall\n bind {address}\n server one {} \n",
            world.address
        ),
    );
    let Some(proxy) = Proxy::start("haproxy", &["-db", "-f", &config], address) else {
        return;
    };
    check(&proxy);
}
