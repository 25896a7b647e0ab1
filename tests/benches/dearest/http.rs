//! The shapes of requests over HTTP whose price is looked for.

use serde_json::{Value, json};

use super::ground::{Ground, Request, http, keyed, long, text};
use super::load::{of, small_changes};
use super::shape::{Shape, shape};

pub(super) const SHAPES: &[Shape] = &[
    shape!(
        "POST a list",
        [20_000, 1],
        [1_000, 1],
        [900_000, 1_000_000],
        post_list
    ),
    shape!(
        "POST a text",
        [20_000, 26],
        [1_000, 1],
        [900_000, 900_000],
        post_text
    ),
    shape!(
        "POST a keyed list",
        [2_000, 1],
        [100, 1],
        [60_000, 1],
        post_keyed
    ),
    shape!(
        "POST an open map",
        [2_000, 4],
        [100, 4],
        [100_000, 64],
        post_map
    ),
    shape!(
        "POST a string with a pattern",
        [50_000, 26],
        [1_000, 1],
        [7_000_000, 1_000],
        post_code
    ),
    shape!(
        "PUT a list in another order",
        [10_000, 2],
        [500, 1],
        [400_000, 4_096],
        put_list
    ),
    shape!(
        "PUT a keyed list in another order",
        [2_000, 2],
        [100, 1],
        [40_000, 4_096],
        put_keyed
    ),
    shape!(
        "PUT a keyed list unchanged",
        [4_000, 1],
        [100, 1],
        [40_000, 1],
        put_keyed_same
    ),
    shape!(
        "PUT a text changed all over",
        [10_000, 8],
        [500, 1],
        [400_000, 4_096],
        put_text
    ),
    shape!(
        "PUT ?base= of a text changed since",
        [10_000, 8],
        [500, 1],
        [400_000, 4_096],
        put_base
    ),
    shape!(
        "PUT one item where all were deleted",
        [4_000, 1],
        [100, 1],
        [40_000, 1],
        put_after
    ),
    shape!(
        "GET a page, cold",
        [100, 1_000],
        [1, 1],
        [1_000, 8_000],
        get_page
    ),
    shape!(
        "GET one of many changes, cold",
        [500, 1],
        [10, 1],
        [4_000, 16],
        get_cold
    ),
    shape!(
        "PUT ?base= of a list changed since",
        [10_000, 8],
        [500, 1],
        [400_000, 4_096],
        put_list_base
    ),
    shape!(
        "PUT ?base= of a keyed list turned since",
        [2_000, 8],
        [100, 1],
        [40_000, 4_096],
        put_keyed_base
    ),
    shape!(
        "PUT ?preserve= items of a list emptied",
        [2_000, 50],
        [100, 1],
        [40_000, 400],
        put_preserve
    ),
    shape!(
        "PUT ?remove= items of a list",
        [2_000, 50],
        [100, 1],
        [40_000, 400],
        put_remove
    ),
    shape!(
        "PUT a protected field of a long history",
        [200, 1],
        [10, 1],
        [20_000, 16],
        put_protected
    ),
    shape!(
        "PUT an open map with other names",
        [2_000, 8],
        [100, 8],
        [100_000, 64],
        put_map
    ),
    shape!(
        "GET a value, warm",
        [20_000, 1],
        [1_000, 1],
        [900_000, 26],
        get_warm
    ),
    shape!(
        "GET ?limit=1&after=, cold",
        [500, 100],
        [10, 1],
        [20_000, 8_000],
        get_after
    ),
    shape!(
        "DELETE a keyed list",
        [2_000, 1],
        [100, 1],
        [40_000, 1],
        delete
    ),
    shape!(
        "POST /undelete of a keyed list",
        [2_000, 1],
        [100, 1],
        [40_000, 1],
        undelete
    ),
];

async fn post(ground: &mut Ground, value: Value) -> Request {
    let id = ground.new_id();
    http("POST", format!("/api/things?id={id}"), &value, &Value::Null)
}

async fn post_list(ground: &mut Ground, [length, step]: [usize; 2]) -> Request {
    let list: Vec<usize> = (0..length).map(|n| n.wrapping_mul(step)).collect();
    post(ground, json!({ "list": list })).await
}

async fn post_text(ground: &mut Ground, [length, period]: [usize; 2]) -> Request {
    post(ground, json!({ "text": text(length, period) })).await
}

async fn post_keyed(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    post(ground, keyed(0..length, a)).await
}

async fn post_map(ground: &mut Ground, [length, width]: [usize; 2]) -> Request {
    let entry = |n: usize| (format!("{n:0width$}"), Value::from(n));
    let map: serde_json::Map<String, Value> = (0..length).map(entry).collect();
    post(ground, json!({ "map": map })).await
}

async fn post_code(ground: &mut Ground, [length, period]: [usize; 2]) -> Request {
    post(ground, json!({ "code": text(length, period) })).await
}

/// Every block of so many is turned round.
fn turned(length: usize, block: usize) -> Vec<usize> {
    let all: Vec<usize> = (0..length).collect();
    let blocks = all.chunks(block.max(2));
    blocks
        .flat_map(|block| block.iter().rev().copied())
        .collect()
}

async fn put_list(ground: &mut Ground, [length, block]: [usize; 2]) -> Request {
    let before = json!({ "list": (0..length).collect::<Vec<_>>() });
    let (path, _) = ground.create(&before).await;
    http(
        "PUT",
        path,
        &json!({ "list": turned(length, block) }),
        &before,
    )
}

async fn put_keyed(ground: &mut Ground, [length, block]: [usize; 2]) -> Request {
    let before = keyed(0..length, 1);
    let (path, _) = ground.create(&before).await;
    let after = keyed(turned(length, block).into_iter(), 1);
    http("PUT", path, &after, &before)
}

async fn put_keyed_same(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    let before = keyed(0..length, a);
    let (path, _) = ground.create(&before).await;
    http("PUT", path, &before, &before)
}

/// A text with every so-manieth character replaced.
fn changed(before: &str, every: usize, by: char) -> String {
    let replace = |(n, letter): (usize, char)| if n % every.max(1) == 0 { by } else { letter };
    before.chars().enumerate().map(replace).collect()
}

async fn put_text(ground: &mut Ground, [length, every]: [usize; 2]) -> Request {
    let before = text(length, length);
    let value = json!({ "text": before });
    let (path, _) = ground.create(&value).await;
    http(
        "PUT",
        path,
        &json!({ "text": changed(&before, every, 'X') }),
        &value,
    )
}

async fn put_base(ground: &mut Ground, [length, every]: [usize; 2]) -> Request {
    let before = text(length, length);
    let value = json!({ "text": before });
    let (path, version) = ground.create(&value).await;
    let since = json!({ "text": changed(&before, every + 1, 'Y') });
    ground.must("PUT", &path, Some(&since)).await;
    let path = format!("{path}?base={version}");
    http(
        "PUT",
        path,
        &json!({ "text": changed(&before, every, 'X') }),
        &value,
    )
}

async fn put_after(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    let before = keyed(0..length, a);
    let (path, _) = ground.create(&before).await;
    let none = json!({ "items": [] });
    ground.must("PUT", &path, Some(&none)).await;
    http("PUT", path, &keyed(0..1, a), &before)
}

async fn put_list_base(ground: &mut Ground, [length, every]: [usize; 2]) -> Request {
    let list = |by: usize, every: usize| {
        let element = |n: usize| if n.is_multiple_of(every) { n + by } else { n };
        json!({ "list": (0..length).map(element).collect::<Vec<_>>() })
    };
    let before = list(0, 1);
    let (path, version) = ground.create(&before).await;
    let since = list(length, every + 1);
    ground.must("PUT", &path, Some(&since)).await;
    let path = format!("{path}?base={version}");
    http("PUT", path, &list(2 * length, every), &before)
}

async fn put_keyed_base(ground: &mut Ground, [length, block]: [usize; 2]) -> Request {
    let before = keyed(0..length, 1);
    let (path, version) = ground.create(&before).await;
    let since = keyed(turned(length, block + 1).into_iter(), 1);
    ground.must("PUT", &path, Some(&since)).await;
    let path = format!("{path}?base={version}");
    let after = keyed(turned(length, block).into_iter(), 2);
    http("PUT", path, &after, &before)
}

/// Items of the list as places in a query.
fn places(count: usize) -> String {
    let places: Vec<String> = (0..count).map(|id| format!("/items/i{id}")).collect();
    places.join(",")
}

async fn put_preserve(ground: &mut Ground, [length, count]: [usize; 2]) -> Request {
    let before = keyed(0..length, 1);
    let (path, _) = ground.create(&before).await;
    let path = format!("{path}?preserve={}", places(count.min(length)));
    http("PUT", path, &json!({ "items": [] }), &before)
}

async fn put_remove(ground: &mut Ground, [length, count]: [usize; 2]) -> Request {
    let before = keyed(0..length, 1);
    let (path, _) = ground.create(&before).await;
    let path = format!("{path}?remove={}", places(count.min(length)));
    http("PUT", path, &json!({}), &before)
}

async fn put_protected(ground: &mut Ground, at: [usize; 2]) -> Request {
    let entity = long(ground, at).await;
    let body = json!({ "secret": "guess" });
    let mut request = http("PUT", format!("/api/{entity}"), &body, &Value::Null);
    if let Request::Http { loads, .. } = &mut request {
        *loads = small_changes(at[0] * at[1]);
    }
    request
}

async fn put_map(ground: &mut Ground, [length, width]: [usize; 2]) -> Request {
    let map = |letter: char| {
        let entry = |n: usize| (format!("{letter}{n:0width$}"), Value::from(n));
        json!({ "map": (0..length).map(entry).collect::<serde_json::Map<_, _>>() })
    };
    let before = map('a');
    let (path, _) = ground.create(&before).await;
    http("PUT", path, &map('b'), &before)
}

async fn get_warm(ground: &mut Ground, [length, period]: [usize; 2]) -> Request {
    let value = json!({ "text": text(length, period) });
    let (path, _) = ground.create(&value).await;
    http("GET", path, &Value::Null, &value)
}

async fn get_page(ground: &mut Ground, [count, length]: [usize; 2]) -> Request {
    let value = json!({ "name": text(length, length) });
    // Others were made before; a page holds those that come first.
    ground.populate(count, &value).await;
    let page = format!("/api/things?limit={count}");
    let all = Value::Array(vec![value; count]);
    http("GET", page, &Value::Null, &all)
}

async fn get_after(ground: &mut Ground, [count, length]: [usize; 2]) -> Request {
    let value = json!({ "name": text(length, length) });
    ground.populate(count, &value).await;
    let page = format!(
        "/api/things?limit=1&after={}",
        ground.id(ground.made - count / 2)
    );
    http("GET", page, &Value::Null, &value)
}

async fn get_cold(ground: &mut Ground, at: [usize; 2]) -> Request {
    let entity = long(ground, at).await;
    ground.restart();
    let mut request = http("GET", format!("/api/{entity}"), &Value::Null, &Value::Null);
    if let Request::Http { loads, .. } = &mut request {
        *loads = small_changes(at[0] * at[1]);
    }
    request
}

async fn delete(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    let before = keyed(0..length, a);
    let (path, _) = ground.create(&before).await;
    Request::Http {
        method: "DELETE",
        path,
        headers: vec![("if-match", "*")],
        body: None,
        loads: of(&before),
        operations: 0,
    }
}

async fn undelete(ground: &mut Ground, [length, a]: [usize; 2]) -> Request {
    let before = keyed(0..length, a);
    let (path, _) = ground.create(&before).await;
    ground.must("DELETE", &path, None).await;
    http("POST", format!("{path}/undelete"), &Value::Null, &before)
}
