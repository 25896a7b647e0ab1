//! Guards against quotas that hold for others than those who used them up, and against a table that
//! strangers fill.

use super::*;

fn rates(settings: &[&str]) -> Rates {
    let settings = settings.iter().map(|text| text.parse().unwrap());
    Rates::new(RateSettings::new(settings).unwrap())
}

fn writer<'a>(principal: &'a Principal, address: &str) -> Writer<'a> {
    let address = Some(address.parse().unwrap());
    Writer { principal, address }
}

#[test]
fn each_principal_has_its_own_and_an_address_is_shared() {
    let rates = rates(&["writes=2", "address-writes=3"]);
    let (ada, bob) = (
        Principal::new("ada", ["editor"]),
        Principal::new("bob", ["editor"]),
    );
    let now = Instant::now();
    let enter = |principal, address| {
        let entered = rates.enter_at(writer(principal, address), false, now);
        entered.map_err(|exhausted| (exhausted.quota, exhausted.seconds()))
    };
    assert_eq!(enter(&ada, "192.0.2.1"), Ok(()));
    assert_eq!(enter(&ada, "192.0.2.1"), Ok(()));
    assert_eq!(enter(&ada, "192.0.2.2"), Err((Quota::Writes, 30)));
    assert_eq!(enter(&bob, "192.0.2.1"), Ok(()));
    assert_eq!(enter(&bob, "192.0.2.1"), Err((Quota::AddressWrites, 20)));
    // What was refused was not counted.
    assert_eq!(enter(&bob, "192.0.2.2"), Ok(()));
}

#[test]
fn only_creations_draw_upon_what_is_left_of_creations() {
    let rates = rates(&["public:creations=1"]);
    let anybody = Principal::anonymous();
    let now = Instant::now();
    let enter = |address, creates| rates.enter_at(writer(&anybody, address), creates, now);
    assert!(enter("192.0.2.1", true).is_ok());
    // All who have not signed in are one.
    let exhausted = enter("192.0.2.2", true).unwrap_err();
    assert_eq!(
        (exhausted.quota, exhausted.per_minute),
        (Quota::Creations, 1)
    );
    assert!(exhausted.to_string().contains("1 new entities in a minute"));
    assert!(enter("192.0.2.2", false).is_ok());
}

#[test]
fn one_network_of_version_6_is_one_address() {
    let rates = rates(&["address-writes=1"]);
    let ada = Principal::new("ada", ["editor"]);
    let enter = |address| rates.enter(writer(&ada, address), false).is_ok();
    assert!(enter("2001:db8::1"));
    assert!(!enter("2001:db8::ffff:2"));
    assert!(enter("2001:db8:0:1::1"));
    assert!(enter("192.0.2.1"));
    assert!(!enter("::ffff:192.0.2.1"));
}

#[test]
fn a_write_as_big_as_it_likes_passes_and_the_next_one_waits() {
    let rates = rates(&["bytes=1000"]);
    let ada = Principal::new("ada", ["editor"]);
    let from = writer(&ada, "192.0.2.1");
    assert!(rates.enter(from, false).is_ok());
    rates.charge_bytes(from, 3_000);
    let exhausted = rates.enter(from, false).unwrap_err();
    assert_eq!(exhausted.quota, Quota::Bytes);
    assert!((115..=121).contains(&exhausted.seconds()), "{exhausted}");
}

#[test]
fn strangers_fill_no_table() {
    let rates = rates(&[]);
    let anybody = Principal::anonymous();
    let busy = writer(&anybody, "192.0.2.1");
    rates.charge_bytes(busy, 1 << 30);
    for number in 0..u32::try_from(KEYS_MAX).unwrap() {
        let address = Some(IpAddr::V4((0x0a00_0000 + number).into()));
        let writer = Writer {
            principal: &anybody,
            address,
        };
        rates.charge_bytes(writer, 1);
    }
    let table = rates.used.lock().unwrap();
    assert!(table.levels.len() <= KEYS_MAX, "{}", table.levels.len());
    drop(table);
    // Who owes most is remembered longest.
    assert!(rates.enter(busy, false).is_err());
}
