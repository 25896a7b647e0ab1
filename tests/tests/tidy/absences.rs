//! What must not be in the text of a part: names, calls and dependencies that belong elsewhere.
//!
//! Where a comment may well name the forbidden thing, a rule reads only the code.

use crate::repository::{expect_none, files, rust};

#[test]
fn engine_is_pure() {
    let mut sources = rust("engine/src/");
    sources.retain(|file| !file.path.ends_with("/tests.rs") && !file.path.contains("/tests/"));
    let words = [
        "tokio",
        "axum",
        "redb",
        "wasm_bindgen",
        "std::time",
        "SystemTime",
        "Instant",
        "rand",
        "getrandom",
        "std::thread",
        "thread_local!",
        "static mut",
        "std::fs",
        "std::net",
        "std::env",
        "OnceLock",
        "LazyLock",
    ];
    expect_none(
        sources.iter().flat_map(|file| file.code_with(&words)),
        "a verdict is a function of the log and one proposal; I/O, clocks, randomness and shared \
         state would make it depend on something nobody can check later (pass them in)",
    );
    let statics = sources.iter().flat_map(|file| {
        let places = file.code().filter(|(_, line)| {
            line.trim_start()
                .trim_start_matches("pub ")
                .starts_with("static ")
        });
        places
            .map(|(number, line)| format!("{}:{number}:{line}", file.path))
            .collect::<Vec<_>>()
    });
    expect_none(
        statics,
        "the engine keeps no state of its own: use a const or pass it in",
    );
}

#[test]
fn dependencies_point_at_the_engine() {
    let forbidden = [
        (
            "engine/Cargo.toml",
            [
                "indelible-server",
                "indelible-client",
                "tokio",
                "redb",
                "axum",
            ],
        ),
        (
            "client-wasm/Cargo.toml",
            ["indelible-server", "tokio", "redb", "axum", "jsonschema"],
        ),
        (
            "server/Cargo.toml",
            [
                "indelible-client",
                "wasm-bindgen",
                "js-sys",
                "web-sys",
                "sled",
            ],
        ),
    ];
    let places = forbidden.iter().flat_map(|(path, names)| {
        let manifest = files(path).remove(0);
        let found = names.iter().filter(move |name| {
            let declares = |line: &str| {
                line.split(['.', ' ', '='])
                    .next()
                    .is_some_and(|first| first == **name)
            };
            manifest.text.lines().any(declares)
        });
        found
            .map(|name| format!("{path}: {name}"))
            .collect::<Vec<_>>()
    });
    expect_none(
        places,
        "server → engine ← client; anything else would tie the parts together",
    );
}

#[test]
fn redb_stays_in_storage() {
    let outside = rust("server/src/").into_iter().filter(|file| {
        !file.path.starts_with("server/src/storage/") && file.path != "server/src/storage.rs"
    });
    expect_none(
        outside.flat_map(|mut file| {
            // Our own store of that name may be opened by anybody.
            file.text = file.text.replace("storage::redb::", "storage::");
            file.code_with(&["redb::", "use redb"])
        }),
        "another store will stand behind the same trait, so nobody else may know this one",
    );
}

#[test]
fn status_codes_stay_in_http_and_auth() {
    let allowed = ["server/src/http/", "server/src/http.rs", "server/src/auth"];
    let outside = rust("server/src/")
        .into_iter()
        .filter(|file| !allowed.iter().any(|prefix| file.path.starts_with(prefix)));
    expect_none(
        outside.flat_map(|file| file.code_with(&["StatusCode"])),
        "what goes out over HTTP is decided in one place; elsewhere return an error of your own",
    );
}

#[test]
fn dangerous_calls_are_absent() {
    let words = ["receive_sync_message", "load_incremental", "transaction_at"];
    let crates = ["engine/", "server/", "client-wasm/"]
        .into_iter()
        .flat_map(rust);
    expect_none(
        crates.flat_map(|file| file.code_with(&words)),
        "the first two apply what nobody has checked (docs/architecture.md, admission); the third \
         takes a new actor at each call, which makes documents many times larger",
    );
}

#[test]
fn react_stays_out_of_the_client_core() {
    let core = files("client-wasm/ts/").into_iter().filter(|file| {
        file.has_extension(&["ts", "tsx"]) && !file.path.starts_with("client-wasm/ts/react/")
    });
    expect_none(
        core.flat_map(|file| file.code_with(&["from 'react'", "from 'react-dom'"])),
        "the client serves any framework and Node; React goes into ts/react",
    );
}
