//! LMS Collaborator's portal: several departments, images, the older paths, and the form of its answers.

use super::dialects::unsigned;
use super::golden::Keyed;
use super::world::{Answer, Request, World, employee};
use rollcall::sample::PROFILE_TOML;
use serde_json::{Value, json};

/// Returns a PNG of 180 by 256 pixels by its header, without any.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\xb4\0\0\x01\0\x08";

fn user(uid: &str, more: Value) -> Value {
    let mut user = json!({ "uid": uid, "login": "l", "email": format!("{uid}@x.com"), "firstname": "A", "secondname": "B", "position": "P" });
    user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    user
}

impl Keyed {
    fn bearer(&self, request: Request) -> Answer {
        request.header("Authorization", &format!("Bearer {}", self.collaborator)).send(&self.world)
    }

    fn photo(&self, uid: Option<&str>, file: Option<(&str, &[u8])>) -> Answer {
        let mut body = Vec::new();
        if let Some(uid) = uid {
            body.extend_from_slice(
                format!("--XX\r\nContent-Disposition: form-data; name=\"uid\"\r\n\r\n{uid}\r\n").as_bytes(),
            );
        }
        if let Some((name, bytes)) = file {
            let head = format!("--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
            body.extend_from_slice(&[head.as_bytes(), bytes, b"\r\n"].concat());
        }
        body.extend_from_slice(b"--XX--\r\n");
        let request = unsigned("POST", "/api/v2/users-import/update-photo", &body);
        self.bearer(request.header("Content-Type", "multipart/form-data; boundary=XX"))
    }
}

#[test]
fn two_departments_are_kept_in_their_order() {
    let keyed = Keyed::new();
    let codes = json!({ "structure_uid": ["a2701216083", "a1206747582"] });
    assert_eq!(keyed.collaborator("batch", &json!([user("1", codes.clone())])).status, 200);
    assert!(keyed.roster()[0].ends_with("Department Code: a2701216083,a1206747582"), "{:?}", keyed.roster());
    let again = keyed.collaborator("single", &user("1", codes));
    assert!(again.text.contains("\"updated_count\":0"), "{}", again.text);
    let turned = keyed.collaborator("single", &user("1", json!({ "structure_uid": ["a1206747582", "a2701216083"] })));
    assert!(turned.text.contains("\"updated_count\":1"), "{}", turned.text);
    // The shipped profile has one department a person, and says so.
    let two = keyed.collaborator("single", &user("1", json!({ "department": ["Sales", "Support"] })));
    assert_eq!(two.status, 400);
    assert!(
        two.text.contains("department: was sent several values") && two.text.contains("type = \\\"list\\\""),
        "{}",
        two.text
    );
    assert_eq!(keyed.collaborator("single", &user("1", json!({ "department": ["Sales"] }))).status, 200);
}

#[test]
fn several_departments_where_the_profile_has_a_list() {
    let keyed = Keyed::new();
    let list = PROFILE_TOML
        .replace("name = \"Department\"\ntype = \"text\"", "name = \"Department\"\ntype = \"list\"\nordered = true");
    assert_ne!(list, PROFILE_TOML);
    std::fs::write(keyed.world.path("profiles/people.toml"), list).unwrap();
    keyed.world.signal("-HUP");
    keyed.world.wait_for_log("profiles read again");
    assert_eq!(
        keyed.collaborator("single", &user("1", json!({ "department": ["Support", "Sales, EMEA"] }))).status,
        200
    );
    assert!(keyed.roster()[0].ends_with(r#"Department: ["Support","Sales, EMEA"]"#), "{:?}", keyed.roster());
}

#[test]
fn a_photo_is_stored_and_served_by_a_link() {
    let keyed = Keyed::new();
    let id = "a/b é";
    assert_eq!(keyed.collaborator("single", &user(id, json!({ "email": "a@x.com" }))).status, 200);
    let stored = keyed.photo(Some(&format!("\u{a0}{id}")), Some(("me.png", PNG)));
    assert_eq!(
        (stored.status, stored.text.as_str()),
        (200, r#"{"data":{"name":"me.png","size":25,"extension":"png","width":180,"height":256}}"#)
    );

    let link = "/v1/employees/a%2Fb%20%C3%A9/image/Photo";
    let read = keyed.world.get("/v1/employees/a%2fb%20%c3%a9").json();
    let rows =
        |employee: &Value| employee["data"].as_array().unwrap().iter().find(|row| row["name"] == "Photo").cloned();
    assert_eq!(rows(&read), Some(json!({ "name": "Photo", "value": link })));
    assert_eq!(
        rows(&keyed.world.get("/v1/employees").json()["employees"][0]),
        Some(json!({ "name": "Photo", "value": link }))
    );
    let image = keyed.world.get(link);
    assert_eq!((image.status, image.bytes.as_slice()), (200, PNG));
    assert_eq!(image.header("Content-Type").as_deref(), Some("image/png"));
    assert_eq!(image.header("X-Content-Type-Options").as_deref(), Some("nosniff"));
    assert_eq!(unsigned("GET", link, b"").send(&keyed.world).status, 403);
    for nothing in [
        "/v1/employees/a%2Fb%20%C3%A9/image/Login",
        "/v1/employees/a%2Fb%20%C3%A9/image/photo",
        "/v1/employees/2/image/Photo",
    ] {
        assert_eq!(keyed.world.get(nothing).status, 404, "{nothing}");
    }
    // An export has the image itself, and can be pushed again; a link is no image.
    let export = keyed.world.get("/v1/employees.ndjson").text;
    assert!(export.contains("data:image/png;base64,iVBORw0KGgo"), "{export}");
    let pushed: Value = serde_json::from_str(export.trim()).unwrap();
    assert_eq!(keyed.world.push_employees(json!([pushed])).counts(), [0, 0, 0, 0, 1]);
    let refused = keyed.world.push_employees(json!([employee(id, "active", &[("Photo", link)])]));
    assert_eq!(refused.errors(), [format!("0 {id} Photo image")]);
}

#[test]
fn what_is_no_photo_is_refused() {
    let keyed = Keyed::with("employee_bytes_max = 100_000");
    assert_eq!(keyed.collaborator("single", &user("1", json!({}))).status, 200);
    let cut = &PNG[..20];
    for (uid, file, message) in [
        (Some("2"), Some(("a.png", PNG)), "uid: nobody in the roster has this id"),
        (Some(" "), Some(("a.png", PNG)), "uid: every employee needs an id"),
        (None, Some(("a.png", PNG)), "no part that is called uid"),
        (Some("1"), None, "no part that is called file"),
        (Some("1"), Some(("a.png", cut)), "not a PNG, JPEG or GIF image"),
        (Some("1"), Some(("a.webp", b"RIFF\0\0\0\0WEBPVP8 ")), "not a PNG, JPEG or GIF image"),
        (Some("1"), Some(("a.svg", b"<svg/>")), "not a PNG, JPEG or GIF image"),
    ] {
        let answer = keyed.photo(uid, file);
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert!(answer.json()["error"].as_str().unwrap().contains(message), "{message}: {}", answer.text);
    }
    assert_eq!(keyed.photo(Some("1"), Some(("a.gif", &[PNG, &[0; 100_000]].concat()))).status, 413);
    let json = keyed.bearer(unsigned("POST", "/api/v2/users-import/update-photo", b"{}"));
    assert!(json.status == 400 && json.text.contains("in the parts uid and file"), "{}", json.text);
    assert_eq!(keyed.roster().len(), 1);
    assert!(!keyed.roster()[0].contains("Photo"));

    // A profile without a place for it ignores it, as it does with any other field.
    let without = PROFILE_TOML.replace("wire = { collaborator = \"photo\" }", "");
    std::fs::write(keyed.world.path("profiles/people.toml"), without).unwrap();
    keyed.world.signal("-HUP");
    keyed.world.wait_for_log("profiles read again");
    let ignored = keyed.photo(Some("1"), Some(("", PNG)));
    assert_eq!((ignored.status, ignored.header("Rollcall-Ignored").as_deref()), (200, Some("photo")));
    assert_eq!(ignored.json()["data"]["name"], "image.png");
}

#[test]
fn the_older_paths_work_and_the_older_log_in_says_what_to_do() {
    let keyed = Keyed::new();
    let single = |query: &str| {
        let body = user("1", json!({})).to_string();
        keyed.bearer(unsigned("POST", &format!("/api/rest.php/imports-user{query}"), body.as_bytes()))
    };
    let created = single("?action=single-import&prefix=KBP_");
    assert_eq!(created.text, r#"{"created_count":1,"updated_count":0,"blocked_count":0,"unblocked_count":0}"#);
    assert_eq!(created.header("Rollcall-Ignored").as_deref(), Some("prefix"));
    for query in ["", "?action=", "?action=delete"] {
        let refused = single(query);
        assert!(refused.status == 400 && refused.text.contains("action=single-import"), "{}", refused.text);
    }
    let csv = b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"u.csv\"\r\n\r\nuid;secondname;firstname;login;email;position\n2;B;A;l;2@x.com;P\r\n--XX--\r\n";
    let request = unsigned("POST", "/api/rest.php/imports-user?action=import", csv);
    let answer = keyed.bearer(request.header("Content-Type", "multipart/form-data; boundary=XX"));
    assert_eq!(answer.text, r#"{"created_count":1,"updated_count":0,"blocked_count":1,"unblocked_count":0}"#);
    let log_in =
        unsigned("POST", "/api/rest.php/auth/session", br#"{"email":"a@x.com","password":"p"}"#).send(&keyed.world);
    assert_eq!(log_in.status, 401);
    assert!(log_in.json()["error"].as_str().unwrap().contains("Authorization: Bearer TOKEN"), "{}", log_in.text);
}

#[test]
fn every_answer_has_the_form_of_its_dialect() {
    let world = World::new();
    let ask = |method: &str, path: &str| unsigned(method, path, b"").send(&world);
    for (method, path, status) in [
        ("GET", "/api/v2/users-import/single", 405),
        ("DELETE", "/API/v2/users-import/csv", 405),
        ("POST", "/api/v2/users-import/batch", 401),
        ("POST", "/api/v2/users-import/update-photo", 401),
        ("POST", "/api/v2/users-export", 404),
        ("GET", "/api/v2/", 404),
        ("POST", "/api/rest.php/imports-user", 401),
        ("PUT", "/api/rest.php/imports-user", 405),
        ("GET", "/api/rest.php/", 404),
    ] {
        let answer = ask(method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        let body = answer.json();
        assert!(body.as_object().unwrap().len() == 1 && body["error"].is_string(), "{method} {path}: {}", answer.text);
    }
    for (method, path, status) in
        [("POST", "/users.json", 401), ("GET", "/users.json?api_key=x", 403), ("DELETE", "/users.json", 405)]
    {
        let answer = ask(method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.json()["errors"]["base"].is_array(), "{method} {path}: {}", answer.text);
    }
    for (method, path, status) in [
        ("POST", "/echotools7/api/api_import_emps.asp", 455),
        ("GET", "/echotools7/api/api_import_emps.asp", 405),
        ("POST", "/echotools7/api/other.asp", 404),
    ] {
        let answer = ask(method, path);
        assert_eq!((answer.status, answer.text.as_str()), (status, ""), "{method} {path}");
    }
    assert!(ask("GET", "/v3").json()["message"].is_string());
}
