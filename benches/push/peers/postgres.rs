//! PostgreSQL, where its server is installed: COPY into a temporary table, then one INSERT that writes what differs.
//!
//! It gets its rows as text that is already taken out of the JSON, which is not counted.

use super::Cases;
use crate::time;
use rollcall::sample::write_employee;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub fn measure(employees: u64) -> Result<Cases, String> {
    let server = Postgres::start()?;
    server.run("CREATE TABLE employee (id text PRIMARY KEY, status text, data text)");
    let rows = |version: &dyn Fn(u64) -> u32| {
        let mut rows = Vec::new();
        for number in 0..employees {
            let mut element = Vec::new();
            write_employee(&mut element, number, version(number), "active").unwrap();
            let element = String::from_utf8(element).unwrap();
            let data = element.split_once("\"data\":").unwrap().1.trim_end_matches('}').replace('\\', "\\\\");
            writeln!(rows, "{number:07}\tactive\t{data}").unwrap();
        }
        rows
    };
    let base = server.file("base.tsv", &rows(&|_| 0));
    let changed = server.file("changed.tsv", &rows(&|number| u32::from(number % 1_000 == 7)));
    let push = |file: &Path| {
        let sql = format!(
            "BEGIN; CREATE TEMPORARY TABLE pushed (id text, status text, data text) ON COMMIT DROP;
             COPY pushed FROM '{}';
             INSERT INTO employee SELECT * FROM pushed ON CONFLICT (id) DO UPDATE
             SET status = excluded.status, data = excluded.data
             WHERE (employee.status, employee.data) IS DISTINCT FROM (excluded.status, excluded.data); COMMIT;",
            file.display()
        );
        time(|| server.run(&sql))
    };
    let first = vec![push(&base)];
    let unchanged = vec![push(&base), push(&base)];
    let thousandth = vec![push(&changed), push(&base)];
    Ok(vec![
        ("PostgreSQL", "first load", first),
        ("PostgreSQL", "unchanged", unchanged),
        ("PostgreSQL", "0.1 % changed", thousandth),
    ])
}

struct Postgres {
    folder: TempDir,
    bin: PathBuf,
    as_user: Vec<&'static str>,
}

impl Postgres {
    fn start() -> Result<Postgres, String> {
        let versions = fs::read_dir("/usr/lib/postgresql").map_err(|_| "its server is not installed")?;
        let bins = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
        let bin = bins.filter(|bin| bin.join("initdb").exists()).max().ok_or("its server is not installed")?;
        // PostgreSQL does not run as root.
        let is_root = fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("Uid:\t0\t"));
        let as_user = if is_root { vec!["runuser", "-u", "postgres", "--"] } else { vec!["env"] };
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let server = Postgres { folder, bin, as_user };
        server.open_folder();
        let data = server.folder.path().join("data").display().to_string();
        server.command("initdb", &["-D", &data, "-A", "trust", "-E", "UTF8"])?;
        let options = format!("-c listen_addresses= -c unix_socket_directories={}", server.folder.path().display());
        server.command("pg_ctl", &["-D", &data, "-w", "-l", "/dev/null", "-o", &options, "start"])?;
        Ok(server)
    }

    /// Lets the other user into the folder.
    fn open_folder(&self) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    }

    fn command(&self, program: &str, args: &[&str]) -> Result<(), String> {
        let mut command = Command::new(self.as_user[0]);
        command.args(&self.as_user[1..]).arg(self.bin.join(program)).args(args).current_dir(self.folder.path());
        let output = command.stdout(Stdio::null()).stderr(Stdio::null()).status().map_err(|error| error.to_string())?;
        if output.success() { Ok(()) } else { Err(format!("{program} failed")) }
    }

    fn run(&self, sql: &str) {
        let folder = self.folder.path().display().to_string();
        let args = ["-h", &folder, "-d", "postgres", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql];
        self.command("psql", &args).unwrap();
    }

    fn file(&self, name: &str, rows: &[u8]) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, rows).unwrap();
        file
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.path().join("data").display().to_string();
        let _ = self.command("pg_ctl", &["-D", &data, "-m", "immediate", "stop"]);
    }
}
