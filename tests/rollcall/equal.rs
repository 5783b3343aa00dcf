//! The fast way and the plain way agree about any body, also one with mutated bytes: acceptance, counts, rejections and stored roster.

use super::both::{Both, PROFILE};
use proptest::prelude::*;

fn element() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        30 => "[a-z]{1,2}".prop_map(|id| format!("\"{id}\"")),
        1 => Just("\"\\u0061\"".to_owned()),
        2 => "[ \u{a0}\u{2003}]{0,2}[a-c] ?".prop_map(|id| format!("\"{id}\"")),
        2 => "(-?[0-9]|1[0-9]{18,21}|1e[0-9]|0\\.0)",
        1 => prop_oneof![Just("null".to_owned()), Just("true".into()), Just("\"\"".into()), Just("\" \"".into()), Just("\"\\ud800\"".into())],
    ];
    let status =
        prop_oneof![30 => Just("\"active\""), 15 => Just("\"hidden\""), 1 => Just("\"Active\""), 1 => Just("\"x\"")];
    let value = prop_oneof![
        30 => "[xyz ]{0,2}[xy]{1,2}".prop_map(|value| format!("\"{value}\"")),
        2 => Just("\"\\\"}]\\\\\"".to_owned()),
        1 => Just("\"é\\u00e9\"".to_owned()),
        1 => prop_oneof![Just("1.50".to_owned()), Just("true".into()), Just("null".into()), Just("{}".into()), Just("[1]".into())],
    ];
    let row = prop_oneof![
        30 => value.prop_map(|value| format!(r#"{{"name":"A","value":{value}}}"#)),
        10 => "-?[0-9]{1,3}(\\.[0-9]{1,2})?".prop_map(|n| format!(r#"{{"value":"{n}","name":"N"}}"#)),
        10 => prop_oneof![9 => Just("2000-02-29"), 9 => Just("29.02.2000"), 1 => Just("2001-02-29")].prop_map(|d| format!(r#"{{ "name" : "D" , "value" : "{d}" }}"#)),
        1 => Just(r#"{"name":"Z","value":""}"#.to_owned()),
        1 => Just(r#"{"name":"N"}"#.to_owned()),
        1 => Just(r#"{"name":"N","val":"1"}"#.to_owned()),
        1 => Just(r#"{"name":null,"value":null}"#.to_owned()),
        1 => Just(r#"{"name":"N","value":null,"Value":null}"#.to_owned()),
        1 => Just(r#"{"name":"N","value":12,"x":{},"x":[]}"#.to_owned()),
    ];
    let data = prop::collection::vec(row, 0..4).prop_map(|mut rows: Vec<String>| {
        // Usually each field once, and the required one.
        rows.sort_by_key(|row| row.find("\"name\""));
        rows.dedup_by_key(|row| row.contains("\"A\""));
        rows.push(r#"{"name":"A","value":"x"}"#.into());
        rows.dedup_by_key(|row| row.contains("\"A\""));
        rows
    });
    let extra = prop_oneof![30 => Just(""), 1 => Just(r#","x":{"employees":[{"id":"a"}]}"#), 1 => Just(r#","id":"z""#), 1 => Just(",\"Y\":[[\"}\"]]"), 1 => Just(r#","\ud800":0"#)];
    let data_name = prop_oneof![40 => Just("data"), 1 => Just("dat"), 1 => Just("null")];
    (id, status, data, extra, data_name, any::<bool>()).prop_map(|(id, status, data, extra, data_name, pascal)| {
        let data = data.join(", ");
        let [i, s, d] = if pascal { ["Id", "Status", "Data"] } else { ["id", "status", "data"] };
        let d = if data_name == "dat" { "dat" } else { d };
        if data_name == "null" {
            return format!(r#"{{"{i}":{id},"{s}":{status},"{d}":null{extra}}}"#);
        }
        format!(r#"{{"{i}":{id},"{s}":{status},"{d}":[{data}]{extra}}}"#)
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let space = "[ \n]{0,2}";
    let mutation = prop::option::weighted(
        0.3,
        (any::<prop::sample::Index>(), prop::sample::select(b"\"\\{}[],: 0x\xff\x00".to_vec()), 0u8..3),
    );
    (prop::collection::vec(element(), 0..12), space, any::<bool>(), mutation).prop_map(
        |(elements, space, late, mutation)| {
            let list = elements.join(&format!("{space},{space}"));
            let mut body = if late {
                format!(r#"{{"employees":[{space}{list}{space}],"profileId":"{PROFILE}"}}"#)
            } else {
                format!(r#"{{"profileId":"{PROFILE}",{space}"employees":[{list}]}}{space}"#)
            }
            .into_bytes();
            if let Some((at, byte, how)) = mutation {
                let at = at.index(body.len());
                match how {
                    0 => body[at] = byte,
                    1 => body.insert(at, byte),
                    _ => body.truncate(at),
                }
            }
            body
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_pushed(pushes in prop::collection::vec((body(), 1usize..600, 0u8..8), 1..6)) {
        let mut both = Both::new();
        for (body, size, what) in &pushes {
            both.push(body, *size);
            if *what < 5 {
                // The same body again, in other pieces: now its employees are recognised.
                both.push(body, size / 2 + 1);
            }
            if *what == 7 {
                both.restart();
            }
        }
    }
}

#[test]
fn pieces_of_every_size() {
    let elements = [
        r#"{"id":"1","status":"active","data":[{"name":"A","value":"\\\"]}"},{"name":"N","value":-1.5e1}]}"#,
        r#" { "Status" : "HIDDEN" , "x" : [ { } , "\u007d" ] , "Id" : "\u0032" } "#,
        r#"{"id":"é","status":"active","data":[{"name":"A","value":"日本"}]}"#,
    ];
    let body = format!(
        "\u{feff}{{ \"x\" : 1, \"profileId\":\"{PROFILE}\",\"employee\\u0073\":[{}],\"y\":{{}}}} ",
        elements.join(" , ")
    );
    let mut both = Both::new();
    for size in 1..=body.len() {
        both.push(body.as_bytes(), size);
    }
}

#[test]
fn orders_that_change_a_little_and_a_lot() {
    let mut both = Both::new();
    let one = |n: u32, version: u32| {
        format!(r#"{{"id":"{n}","status":"active","data":[{{"name":"A","value":"v{version}"}}]}}"#)
    };
    let mut push = |employees: &[(u32, u32)], size: usize| {
        let list: Vec<String> = employees.iter().map(|(n, version)| one(*n, *version)).collect();
        both.push(format!(r#"{{"profileId":"{PROFILE}","employees":[{}]}}"#, list.join(",")).as_bytes(), size);
    };
    let all: Vec<(u32, u32)> = (0..20_000).map(|n| (n, 0)).collect();
    push(&all, 100_000);
    let mut inserted = all.clone();
    inserted.insert(7_000, (90_000, 0));
    inserted.insert(0, (90_001, 0));
    push(&inserted, 33_333);
    push(&inserted, 1_000_000);
    let removed: Vec<_> = inserted.iter().copied().filter(|(n, _)| n % 700 != 3 && !(400..450).contains(n)).collect();
    push(&removed, 77_777);
    let changed: Vec<_> = removed.iter().map(|&(n, v)| if n % 900 == 1 { (n, 1) } else { (n, v) }).collect();
    push(&changed, 500_000);
    let mut shuffled = changed.clone();
    shuffled.sort_by_key(|(n, _)| n.wrapping_mul(2_654_435_761));
    push(&shuffled, 65_536);
    push(&shuffled, 65_535);
    push(&changed, 400_000);
    let mut twice = changed.clone();
    twice.push(changed[17]);
    twice.insert(3, (changed[9_000].0, 5));
    push(&twice, 9_999);
}
