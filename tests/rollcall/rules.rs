//! Every type of field: each way to be wrong, and different forms of the same value.

use super::world::{World, employee};
use serde_json::{Value, json};

const EVERY_TYPE: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Every type"
    [[field]]
    name = "Text"
    type = "text"
    min_length = 2
    max_length = 4
    [[field]]
    name = "Code"
    type = "text"
    pattern = '[A-Z]{2}\d'
    case = "upper"
    [[field]]
    name = "Spaced"
    type = "text"
    trim = false
    case = "lower"
    [[field]]
    name = "Email"
    type = "email"
    [[field]]
    name = "Phone"
    type = "phone"
    [[field]]
    name = "Date"
    type = "date"
    formats = ["dd.mm.yyyy", "yyyy-mm-dd", "mm/dd/yyyy"]
    min = 1900-01-01
    max = "2099-12-31"
    [[field]]
    name = "Iso"
    type = "date"
    [[field]]
    name = "Number"
    type = "number"
    min = -1.5
    max = 100
    [[field]]
    name = "Whole"
    type = "number"
    integer = true
    [[field]]
    name = "Boolean"
    type = "boolean"
    [[field]]
    name = "Choice"
    type = "choice"
    options = [{ value = "m", also = ["male", "0"] }, { value = "f", also = ["female", "1"] }]
    [[field]]
    name = "Image"
    type = "image"
    max_bytes = 10
    [[field]]
    name = "Url"
    type = "url"
    max_length = 20
"#;

#[test]
fn each_type_wrong_in_each_of_its_ways() {
    let world = World::with(EVERY_TYPE, "");
    let cases = [
        ("Text", "x", "min_length"),
        ("Text", "жжжжж", "max_length"),
        ("Text", "a\0b", "text"),
        ("Code", "ab", "pattern"),
        ("Code", "ab12", "pattern"),
        ("Code", "xab1", "pattern"),
        ("Email", "ada", "email"),
        ("Email", "a@b@c", "email"),
        ("Email", "a b@c.de", "email"),
        ("Email", "ä@c.de", "email"),
        ("Phone", "030 123456", "phone"),
        ("Phone", "+49 30 CALL ME", "phone"),
        ("Phone", "+1234567890123456", "phone"),
        ("Date", "1.2.2000", "date"),
        ("Date", "31.04.2000", "date"),
        ("Date", "29.02.2023", "date"),
        ("Date", "13/13/2000", "date"),
        ("Date", "2000-1-01", "date"),
        ("Date", "today", "date"),
        ("Date", "31.12.1899", "min"),
        ("Date", "2100-01-01", "max"),
        ("Iso", "26.07.1988", "date"),
        ("Iso", "2023-02-29", "date"),
        ("Number", "ten", "number"),
        ("Number", "1,5", "number"),
        ("Number", "0x10", "number"),
        ("Number", "1e100", "number"),
        ("Number", "-1.51", "min"),
        ("Number", "100.000000000000000000000001", "max"),
        ("Whole", "1.5", "integer"),
        ("Boolean", "maybe", "boolean"),
        ("Boolean", "2", "boolean"),
        ("Choice", "x", "options"),
        ("Image", "me.png", "image"),
        ("Image", "data:image/png;base64,!!!!", "image"),
        ("Image", "data:image/png;base64,PHN2Zy8+", "image"),
        ("Image", "data:image/gif;base64,R0lGODlhAAAAAAAAAAAA", "max_bytes"),
        ("Url", "intranet.local", "url"),
        ("Url", "javascript:alert(1)", "url"),
        ("Url", "https://", "url"),
        ("Url", "https://example.com/long", "max_length"),
    ];
    let employees: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(n, (field, value, _))| employee(&n.to_string(), "active", &[(field, value)]))
        .collect();
    let answer = world.push_employees(json!(employees));
    let expected: Vec<String> =
        cases.iter().enumerate().map(|(n, (field, _, rule))| format!("{n} {n} {field} {rule}")).collect();
    assert_eq!(answer.errors(), expected);
    for (_, value, _) in cases.iter().filter(|(_, value, _)| value.len() > 8) {
        assert!(!answer.text.contains(value), "{value} is a person's and told");
    }
    for error in answer.json()["errors"].as_array().unwrap() {
        assert!(error["message"].as_str().unwrap().len() > 15, "it says what to do: {error}");
    }
    assert!(world.roster().is_empty());
}

#[test]
fn forms_that_mean_the_same_are_no_change() {
    let world = World::with(EVERY_TYPE, "");
    let forms = [
        ("Text", vec!["жжж", " жжж ", "жжж\n"]),
        ("Code", vec!["AB1", "ab1", " aB1"]),
        ("Spaced", vec![" x ", " X "]),
        ("Email", vec!["ada@example.com", "ADA@Example.COM", " ada@example.com"]),
        ("Phone", vec!["+49301234567", "+49 (30) 123-45.67", "+49 [30] 123 4567"]),
        ("Date", vec!["1988-07-26", "26.07.1988", "07/26/1988"]),
        ("Date", vec!["2024-02-29", "29.02.2024", "02/29/2024"]),
        ("Number", vec!["1", "1.0", "01", "+1", "1e0", "10E-1"]),
        ("Number", vec!["0", "-0", "0.0", "0e5"]),
        ("Whole", vec!["12300", "1.23e4", "12300.000"]),
        ("Boolean", vec!["true", "1", "yes", "YES", "True"]),
        ("Boolean", vec!["false", "0", "no"]),
        ("Choice", vec!["m", "male", "0", "M", "Male"]),
        ("Image", vec!["data:image/gif;base64,R0lGODlhAA==", "DATA:image/png;BASE64,R0lGODlhAA"]),
        ("Url", vec!["https://example.com", " https://example.com "]),
    ];
    for (number, (field, values)) in forms.iter().enumerate() {
        let push =
            |value: &str| world.push_employees(json!([employee(&number.to_string(), "active", &[(field, value)])]));
        assert_eq!(push(values[0]).counts(), [1, 0, 0, 0, 0], "{field} {:?}", values[0]);
        for value in &values[1..] {
            assert_eq!(push(value).counts(), [0, 0, 0, 0, 1], "{field} {value:?} is {:?}", values[0]);
        }
        // An export has images as they are stored; elsewhere they are links.
        let export = world.get("/v1/employees.ndjson").text;
        let stored: Value = serde_json::from_str(export.lines().nth(number).unwrap()).unwrap();
        assert_eq!(stored["data"][0]["value"], values[0], "the first form is the canonical one");
    }
}

#[test]
fn a_number_or_a_boolean_is_its_json_text() {
    let world = World::with(EVERY_TYPE, "");
    let push = |number: &str, boolean: &str| {
        world.push(format!(
            r#"{{"profileId":"{}","employees":[{{"id":"1","status":"active","data":[
                {{"name":"Number","value":{number}}},{{"name":"Boolean","value":{boolean}}}]}}]}}"#,
            super::world::PROFILE
        ))
    };
    assert_eq!(push("1.5", "true").counts(), [1, 0, 0, 0, 0]);
    assert_eq!(push("\"1.50\"", "\"yes\"").counts(), [0, 0, 0, 0, 1]);
    assert_eq!(push("15e-1", "1").counts(), [0, 0, 0, 0, 1]);
    assert_eq!(push("12345678901234567890123", "true").errors(), ["0 1 Number max"]);
}
