//! Guards against numbers that a program can put over HTTP and a page cannot, or the other way
//! round: the page hands in what JavaScript writes.

use indelible_client::EditOptions;
use indelible_engine::value::canonical;
use serde_json::json;

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

#[test]
fn a_page_writes_every_number_that_it_has() {
    let number = json!({ "type": "number" });
    let mut server = Server::new();
    server.migrate(&json!({
        "n": number, "list": { "type": "array", "items": number },
        "any": { "type": "array", "x-indelible": { "merge": "atomic" } },
    }));
    let mut pair = Pair::with(server);
    pair.session.open(JANE).expect("a good name");
    pair.connect();
    let edit = |pair: &mut Pair, text: &str| {
        let body = format!(r#"{{"n":{text},"list":[{text}],"any":[{text}]}}"#);
        let edited = pair.session.edit(JANE, &body, &EditOptions::default(), NOW);
        pair.run();
        edited
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .changed
            .len()
    };
    for (number, text) in NUMBERS {
        assert!(edit(&mut pair, text) > 0, "{text}");
        assert_eq!(canonical(&pair.on_server()["n"]), text);
        assert_eq!(pair.on_server()["n"].as_f64(), Some(number));
        assert_eq!(pair.value, pair.on_server());
        assert_eq!(edit(&mut pair, text), 0, "{text}");
        assert_eq!(edit(&mut pair, &format!("{number:e}")), 0, "{text}");
    }
}

/// What JavaScript has for an integer that is none goes the same way as over HTTP.
#[test]
fn integers_are_bounded_where_they_are_integers() {
    let mut server = Server::new();
    server.migrate(&json!({ "n": { "type": "integer" } }));
    let mut pair = Pair::with(server);
    pair.session.open(JANE).expect("a good name");
    pair.connect();
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
