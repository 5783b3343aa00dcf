//! The textbook: the same crates used the obvious way. The body is collected and parsed into structs; an employee is one SELECT
//! and, if it differs, one upsert, all in one transaction.

use super::{Cases, floor::serve_by, prepare};
use crate::service::Service;
use http_body_util::BodyExt as _;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};

#[derive(Deserialize)]
struct Body {
    employees: Vec<Employee>,
}

#[derive(Deserialize)]
struct Employee {
    id: String,
    status: String,
    data: Vec<Row>,
}

#[derive(Deserialize, Serialize)]
struct Row {
    name: String,
    value: String,
}

pub fn serve() {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(folder.path().join("textbook.db")).unwrap();
    prepare(&connection);
    connection.execute_batch("CREATE TABLE employee (id TEXT PRIMARY KEY, status TEXT, data TEXT)").unwrap();
    let connection = Arc::new(Mutex::new(connection));
    serve_by(move |request| {
        let connection = connection.clone();
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            tokio::task::spawn_blocking(move || push(&mut connection.lock().unwrap(), body.to_vec())).await.unwrap()
        }
    });
}

fn push(connection: &mut Connection, mut body: Vec<u8>) -> String {
    let body: Body = simd_json::from_slice(&mut body).unwrap();
    let transaction = connection.transaction().unwrap();
    let (mut created, mut updated, mut unchanged) = (0, 0, 0);
    {
        let mut select = transaction.prepare("SELECT status, data FROM employee WHERE id = ?").unwrap();
        let upsert = "INSERT INTO employee VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET status = ?2, data = ?3";
        let mut upsert = transaction.prepare(upsert).unwrap();
        for employee in &body.employees {
            let data = serde_json::to_string(&employee.data).unwrap();
            let row = |row: &rusqlite::Row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
            match select.query_row([&employee.id], row).optional().unwrap() {
                Some((status, stored)) if status == employee.status && stored == data => {
                    unchanged += 1;
                    continue;
                }
                Some(_) => updated += 1,
                None => created += 1,
            }
            upsert.execute(params![employee.id, employee.status, data]).unwrap();
        }
    }
    transaction.commit().unwrap();
    format!("{created} {updated} {unchanged}")
}

pub fn measure(base: &[u8], changed: &[u8]) -> Cases {
    let service = Service::start("--serve-textbook");
    let push = |body: &[u8]| service.post(body).0;
    let first = vec![push(base)];
    let unchanged = vec![push(base), push(base)];
    let thousandth = vec![push(changed), push(base)];
    vec![
        ("textbook", "first load", first),
        ("textbook", "unchanged", unchanged),
        ("textbook", "0.1 % changed", thousandth),
    ]
}
