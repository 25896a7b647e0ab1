//! Guards against numbers that a program can put over HTTP and a page cannot, or the other way
//! round: the page hands in what JavaScript writes.

use indelible_client::EditOptions;
use indelible_engine::value::canonical;
use serde_json::{Value, json};

use crate::pair::{JANE, NOW, Pair};
use crate::server::Server;

/// Doubles as JavaScript writes them; the last three are other numbers than their digits say.
const NUMBERS: [(f64, &str); 9] = [
    (0.0, "0"),
    (-1.5, "-1.5"),
    (0.1, "0.1"),
    (1e16, "10000000000000000"),
    (9_007_199_254_740_992.0, "9007199254740992"),
    (1e21, "1e+21"),
    (1_555_175_556_189_665_024.0, "1555175556189665000"),
    (18_446_744_073_709_551_616.0, "18446744073709552000"),
    (-295_147_905_179_352_825_856.0, "-295147905179352830000"),
];

fn opened(properties: &Value) -> Pair {
    let mut server = Server::new();
    server.migrate(properties);
    let mut pair = Pair::with(server);
    pair.session.open(JANE).expect("a good name");
    pair.connect();
    pair
}

fn numbers() -> Pair {
    let number = json!({ "type": "number" });
    opened(&json!({
        "n": number, "list": { "type": "array", "items": number },
        "any": { "type": "array", "x-indelible": { "merge": "atomic" } },
    }))
}

/// How many places an edit changes that writes a number as this text.
fn edit(pair: &mut Pair, text: &str) -> usize {
    let body = format!(r#"{{"n":{text},"list":[{text}],"any":[{text}]}}"#);
    let edited = pair.session.edit(JANE, &body, &EditOptions::default(), NOW);
    pair.run();
    let edited = edited.unwrap_or_else(|error| panic!("{text}: {error}"));
    edited.changed.len()
}

#[test]
fn a_page_writes_every_number_that_it_has() {
    let mut pair = numbers();
    for (number, text) in NUMBERS {
        assert!(edit(&mut pair, text) > 0, "{text}");
        assert_eq!(canonical(&pair.on_server()["n"]), text);
        assert_eq!(pair.on_server()["n"].as_f64(), Some(number));
        assert_eq!(pair.value, pair.on_server());
        assert_eq!(edit(&mut pair, text), 0, "{text}");
        assert_eq!(edit(&mut pair, &format!("{number:e}")), 0, "{text}");
    }
}

/// The same for doubles of all sizes: what the server reads over HTTP is what the page writes.
#[test]
fn a_page_and_http_have_the_same_numbers() {
    let mut pair = numbers();
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..200 {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        // Whole numbers of every length, and whatever the bits say.
        let number = match round % 2 {
            0 => (bits >> (round % 64)) as f64,
            _ => f64::from_bits(bits),
        };
        if !number.is_finite() {
            continue;
        }
        let text = canonical(&json!(number));
        let read = indelible_engine::json::parse(text.as_bytes()).expect("a number");
        assert_eq!(read.as_f64(), Some(number), "{text}");
        edit(&mut pair, &text);
        assert_eq!(pair.on_server()["n"], read, "{text}");
        assert_eq!(pair.on_server()["list"][0], read, "{text}");
        assert_eq!(pair.on_server()["any"][0], read, "{text}");
        assert_eq!(edit(&mut pair, &format!("{number:e}")), 0, "{text}");
    }
}

/// What JavaScript has for an integer that is none goes the same way as over HTTP.
#[test]
fn integers_are_bounded_where_they_are_integers() {
    let mut pair = opened(&json!({ "n": { "type": "integer" } }));
    for (text, good) in [
        ("9007199254740991", true),
        ("9007199254740992", false),
        ("1e15", true),
        ("1e16", false),
        ("10000000000000000", false),
        ("1.0", true),
        ("0.5", false),
    ] {
        let body = format!(r#"{{"n":{text}}}"#);
        let edited = pair.session.edit(JANE, &body, &EditOptions::default(), NOW);
        assert_eq!(edited.is_ok(), good, "{text}");
    }
}
